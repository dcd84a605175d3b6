import type { Layer } from "../../config/layer.ts";
import type { Sources } from "../../config/load.ts";
import type { Config } from "../../config/table.ts";
import type { Services } from "../../host/service.ts";
import { alone, aloneFlags, aloneSources, sectionLayer } from "../alone.ts";
import type { Arguments, Context } from "../command.ts";

/** The service that these commands start. */
const SERVICE = "neuro";

/** The flags of a command that starts this service alone. */
export const NEURO_SOURCES = aloneFlags(SERVICE, "games");

/**
 * The sources of settings that a command line names, with this service
 * switched on.
 * @param given settings of its section that the command makes, the weakest first
 */
export function neuroSources(args: Arguments, ...given: readonly Layer[]): Sources {
  return aloneSources(SERVICE, args, ...given);
}

/** Settings of the section. @param name where they come from, as `--brain` */
export function layer(name: string, section: Readonly<Record<string, unknown>>): Layer {
  return sectionLayer(SERVICE, name, section);
}

/** This service alone. */
export function neuroAlone(context: Context): Services<Config> {
  return alone(SERVICE, context);
}
