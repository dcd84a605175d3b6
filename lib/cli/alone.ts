import type { Layer } from "../config/layer.ts";
import { numberOr, type Sources } from "../config/load.ts";
import type { Config } from "../config/table.ts";
import type { Services } from "../host/service.ts";
import { type Arguments, type Context, type Flag, SOURCES, sourcesOf } from "./command.ts";

const isPlace = ({ name }: Flag) => name === "host" || name === "port";

/** The flags of a command that starts one service alone. @param clients those who connect to it, in words */
export function aloneFlags(service: string, clients: string): readonly Flag[] {
  return [
    ...SOURCES.filter((flag) => !isPlace(flag)),
    {
      name: "host",
      value: "HOST",
      about: `Address that ${clients} connect to; default ${service}.host.`,
    },
    {
      name: "port",
      value: "PORT",
      about: `Its port; 0 takes a free one; default ${service}.port.`,
    },
  ];
}

/**
 * The sources of settings that a command line names, with one service switched on.
 * @param given settings that the command makes, the weakest first
 */
export function aloneSources(
  service: string,
  args: Arguments,
  ...given: readonly Layer[]
): Sources {
  const { flags } = args;
  const [host] = flags.get("host") ?? [];
  const [port] = flags.get("port") ?? [];
  const more = [
    sectionLayer(service, service, { enabled: true }),
    ...given,
    ...(host === undefined ? [] : [sectionLayer(service, "--host", { host })]),
    ...(port === undefined ? [] : [sectionLayer(service, "--port", { port: numberOr(port) })]),
  ];
  return { ...sourcesOf(args), host: undefined, port: undefined, more };
}

/** Settings of a service's section. @param name where they come from, as `--brain` */
export function sectionLayer(
  service: string,
  name: string,
  section: Readonly<Record<string, unknown>>,
): Layer {
  return { name, values: { [service]: section } };
}

/** One service alone. */
export function alone(service: string, { services }: Context): Services<Config> {
  return { [service]: services[service] as Services<Config>[string] };
}
