import { load, problemText, remarks, type Sources } from "../config/load.ts";
import type { Option } from "../config/option.ts";
import { optionPaths, valueAt } from "../config/paths.ts";
import { masked, tomlValue } from "../config/render.ts";
import { cut, SHOWN, shownPaths } from "../config/shown.ts";
import { type Config, settings } from "../config/table.ts";
import { fileFaults, pageRemarks, problemAt } from "../host/service/check.ts";
import { messageOf } from "../host/errors.ts";
import type { Program } from "../host/lifecycle.ts";
import type { Log } from "../host/log.ts";
import type { Services } from "../host/service.ts";
import { barredHere } from "../net/admission/barred.ts";
import { count } from "../host/count.ts";

/** The parts of a running program that a reload needs. */
interface Reload {
  readonly sources: Sources;
  readonly services: Services<Config>;
  readonly program: Program<Config>;
  readonly log: Log;
}

interface Reloaded {
  readonly ok: boolean;
  /** A sentence for the operator. */
  readonly outcome: string;
}

/** A setting whose value has changed. */
type Change = readonly [path: string, option: Option<unknown>];

/**
 * Reads the settings again and applies all that a reload can change, or none of
 * them if there is a problem.
 */
export function reload({ sources, services, program, log }: Reload): Reloaded {
  const before = program.config;
  const loaded = load(settings, sources);
  if (loaded.problems.length > 0) return refused(loaded.problems.map(problemText), [], log);
  const after = loaded.config;
  const changes = [...optionPaths(settings)].filter(
    ([path]) => !Bun.deepEquals(valueAt(before, path), valueAt(after, path)),
  );
  const next = inForce(before, after);
  const problems = fileFaults(services, next)
    .filter(({ key }) => isLive(key))
    .map((fault) => problemText(problemAt(fault, loaded)));
  if (problems.length > 0) return refused(problems, changes, log);
  const told = [...remarks(loaded), ...barredHere(after), ...pageRemarks(services, after)];
  for (const remark of told) log.warning(remark);
  for (const change of changes) tell(change, before, after, log);
  for (const fault of fileFaults(services, after)) {
    if (isLive(fault.key)) continue;
    log.warning(`${problemText(problemAt(fault, loaded))}; the next start would be refused`);
  }
  return applied(next, changes, program, log);
}

/** Says that nothing is changed. */
function refused(problems: readonly string[], changes: readonly Change[], log: Log): Reloaded {
  const unapplied = changes.length === 0 ? [] : [`not applied: ${pathsOf(changes)}`];
  const lines = [...problems, ...unapplied, "the settings stay as they were"];
  for (const line of lines) log.error(line);
  return { ok: false, outcome: lines.join("; ") };
}

function tell([path, option]: Change, before: Config, after: Config, log: Log): void {
  const shown = (config: Config) => cut(tomlValue(masked(option, valueAt(config, path))), SHOWN);
  const change = `${path}: ${shown(before)} -> ${shown(after)}`;
  if (option.live) log.info(change);
  else log.warning(`${change} takes a restart`);
}

function applied(
  next: Config,
  changes: readonly Change[],
  program: Program<Config>,
  log: Log,
): Reloaded {
  const failures = program.reload(next);
  try {
    log.configure(next.logger);
  } catch (error) {
    failures.push(`${messageOf(error)}; the log stays as it was`);
  }
  for (const failure of failures) log.error(failure);
  const ok = failures.length === 0;
  log.info(ok ? "reloaded" : "reloaded in part");
  const live = changes.filter(([, option]) => option.live);
  const waiting = changes.filter(([, option]) => !option.live);
  const told = [
    ok ? `reloaded, ${count(live.length, "setting")} changed` : "reloaded in part",
    ...failures,
    ...(waiting.length === 0 ? [] : [`${pathsOf(waiting)} as before until a restart`]),
  ];
  return { ok, outcome: told.join("; ") };
}

/** The configuration in force once `after` is applied: settings that take a restart stay as before. */
function inForce(before: Config, after: Config): Config {
  const config = structuredClone(after);
  for (const [path, { live }] of optionPaths(settings)) {
    if (live) continue;
    const dot = path.lastIndexOf(".");
    const table = dot < 0 ? config : valueAt(config, path.slice(0, dot));
    Object.assign(table as object, {
      [path.slice(dot + 1)]: valueAt(before, path),
    });
  }
  return config;
}

const LIVE = new Set([...optionPaths(settings)].flatMap(([path, { live }]) => (live ? path : [])));

/** True if a reload applies a change of this setting. */
function isLive(path: string): boolean {
  return LIVE.has(path);
}

function pathsOf(changes: readonly Change[]): string {
  return shownPaths(changes.map(([path]) => path));
}
