import type { Loaded } from "../../config/load.ts";
import { keyProblem, type Problem } from "../../config/layer.ts";
import { placeOf } from "../../config/place.ts";
import { isEnabled } from "../../config/services.ts";
import type { Config } from "../../config/table.ts";
import { type Fault, faultText, StartError } from "../errors.ts";
import { FileShares } from "../files/file-shares.ts";
import type { Services } from "../service.ts";
import { logFaults } from "../log/file.ts";
import { placeFaults, placesOf } from "./places.ts";
import { tlsFaults } from "../files/tls-files.ts";

// All checks that a start makes before it listens. None of them changes anything.

/** The settings that a start checks besides those of its services. */
type Checked = Pick<Config, "name" | "logger">;

/**
 * Every fault for which these services would not start with a configuration.
 * @throws StartError when there are so few files that nothing could be looked at, let alone served
 */
export async function faultsOf<C extends Checked>(
  services: Services<C>,
  config: C,
): Promise<readonly Fault[]> {
  const { trouble } = new FileShares([]);
  if (trouble?.fatal) throw new StartError(trouble.message);
  const enabled = enabledIn(services, config);
  const places = enabled.flatMap((name) => placesOf(services, config, name));
  return unique([
    ...nothingOn(services, enabled.length),
    ...fileFaults(services, config),
    ...(await placeFaults(places)),
  ]);
}

/** Each fault once: services share the settings of the whole server, and places of one service those of its section. */
function unique(faults: readonly Fault[]): readonly Fault[] {
  return [...new Map(faults.map((fault) => [faultText(fault), fault])).values()];
}

/** The fault of a configuration that switches on none of the services there are. */
function nothingOn(services: Services<never>, on: number): readonly Fault[] {
  const [key, ...others] = Object.keys(services).map((name) => `${name}.enabled`);
  if (key === undefined || on > 0) return [];
  const keys = [key, ...others].join(", ");
  return [{ key, others, message: `nothing is switched on; set one of these to true: ${keys}` }];
}

/** The faults among them that lie in files and folders. */
export function fileFaults<C extends Checked>(services: Services<C>, config: C): readonly Fault[] {
  return unique([
    ...logFaults(config),
    ...enabledIn(services, config).flatMap((name) => [
      ...tlsFaults(placeIn(config, name)),
      ...(services[name]?.check?.(config) ?? []),
    ]),
  ]);
}

/** Remarks on services that need somebody at the operator's page where there is none, one sentence each. */
export function pageRemarks<C extends object>(services: Services<C>, config: C): string[] {
  const needs = enabledIn(services, config).flatMap(
    (name) => services[name]?.needsPage?.(config) ?? [],
  );
  if (needs.length === 0) return [];
  const pages = Object.keys(services).filter((name) => services[name]?.pageLacks !== undefined);
  const shown = pages.find((name) => isEnabled(config, name));
  const keys = pages.map((name) => `${name}.enabled`).join(" or ");
  const lacks =
    shown === undefined
      ? `nothing serves the page: ${keys ? `set ${keys} to true` : "start the server with all of its services"}`
      : services[shown]?.pageLacks?.(config);
  return lacks == null ? [] : needs.map((need) => `${need}, but ${lacks}`);
}

/** All problems of a configuration: those of its settings, and every fault that does not follow from one of them. */
export async function problemsOf<C extends Checked>(
  loaded: Loaded<C>,
  services: Services<C>,
): Promise<readonly Problem[]> {
  const { problems, config, isWhole, refused } = loaded;
  if (!isWhole) return problems;
  const faults = (await faultsOf(services, config)).filter(
    ({ key, others = [] }) => ![key, ...others].some((one) => refused.has(one)),
  );
  return [...problems, ...faults.map((fault) => problemAt(fault, loaded))];
}

/** A fault as a problem, placed where its setting stands. */
export function problemAt(
  { key, message, where }: Fault,
  { origins }: Pick<Loaded<unknown>, "origins">,
): Problem {
  return where === undefined ? keyProblem(key, message, origins.get(key)) : { where, message };
}

function enabledIn<C extends object>(services: Services<C>, config: C): string[] {
  return Object.keys(services).filter((name) => isEnabled(config, name));
}

function placeIn(config: object, name: string) {
  return placeOf(config as Config, name);
}
