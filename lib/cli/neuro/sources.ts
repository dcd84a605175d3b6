import type { Layer } from "../../config/layer.ts";
import { numberOr, type Sources } from "../../config/load.ts";
import type { Config } from "../../config/table.ts";
import type { Services } from "../../host/service.ts";
import { type Arguments, type Context, type Flag, SOURCES, sourcesOf } from "../command.ts";

/** The service that these commands start. */
const SERVICE = "neuro";

const isPlace = ({ name }: Flag) => name === "host" || name === "port";

/** The flags of a command that starts this service alone. */
export const NEURO_SOURCES: readonly Flag[] = [
  ...SOURCES.filter((flag) => !isPlace(flag)),
  { name: "host", value: "HOST", about: `Address that games connect to; default ${SERVICE}.host.` },
  { name: "port", value: "PORT", about: `Its port; 0 takes a free one; default ${SERVICE}.port.` },
];

/**
 * The sources of settings that a command line names, with this service
 * switched on.
 * @param given settings of its section that the command makes, the weakest first
 */
export function neuroSources(args: Arguments, ...given: readonly Layer[]): Sources {
  const { flags } = args;
  const [host] = flags.get("host") ?? [];
  const [port] = flags.get("port") ?? [];
  const more = [
    layer(SERVICE, { enabled: true }),
    ...given,
    ...(host === undefined ? [] : [layer("--host", { host })]),
    ...(port === undefined ? [] : [layer("--port", { port: numberOr(port) })]),
  ];
  return { ...sourcesOf(args), host: undefined, port: undefined, more };
}

/** Settings of the section. @param name where they come from, as `--brain` */
export function layer(name: string, section: Readonly<Record<string, unknown>>): Layer {
  return { name, values: { [SERVICE]: section } };
}

/** This service alone. */
export function neuroAlone({ services }: Context): Services<Config> {
  return { [SERVICE]: services[SERVICE] as Services<Config>[string] };
}
