import type { X509Certificate } from "node:crypto";
import type { TLSOptions } from "bun";
import { load, problemText } from "../config/load.ts";
import { reachedAt } from "../config/loopback.ts";
import { hostIn } from "../config/option.ts";
import { type Place, placeOf } from "../config/place.ts";
import { isEnabled, MAIN_SERVICE } from "../config/services.ts";
import { cut } from "../config/shown.ts";
import { type Config, settings } from "../config/table.ts";
import { StartError } from "../host/errors.ts";
import { readChain, tlsOptions, type TlsPlace } from "../host/tls-files.ts";
import { type Arguments, type Flag, SOURCES, sourcesOf } from "./command.ts";
import { say } from "./say.ts";

/** Where a server is, and how it is spoken to. */
export interface Destination {
  /** The service that should be there. */
  readonly service: string;
  readonly host: string;
  readonly port: number;
  readonly tls: TLSOptions | null;
  /** What proves that it is the right one; null takes any. */
  readonly certificate: X509Certificate | null;
}

/** What a client of a service takes on its command line. */
export function clientFlags(service: string): readonly Flag[] {
  const insecure: Flag = { name: "insecure", about: "With TLS, take any certificate." };
  if (service === MAIN_SERVICE.name) return [...SOURCES, insecure];
  const of = (what: string, key: string) => `${what} of the ${service}; default ${service}.${key}.`;
  return [
    ...SOURCES.filter(({ name }) => name !== "host" && name !== "port"),
    { name: "host", value: "HOST", about: of("Address", "host") },
    { name: "port", value: "PORT", about: of("Port", "port") },
    insecure,
  ];
}

/** A server, and the configuration that tells where it is. */
export interface Server {
  readonly to: Destination;
  readonly config: Config;
}

/**
 * The server with this service that a command line names, or null when its
 * configuration has problems, which have been told. Of the main service `--host`
 * and `--port` are settings; any other may be off in the configuration when
 * they tell where it is.
 * @throws StartError when nothing tells where it is
 */
export function serverOf(args: Arguments, service: string): Server | null {
  const { flags } = args;
  const sources = sourcesOf(args);
  const isMain = service === MAIN_SERVICE.name;
  const loaded = load(
    settings,
    isMain ? sources : { ...sources, host: undefined, port: undefined },
  );
  for (const problem of loaded.problems) say.error(problemText(problem));
  if (loaded.problems.length > 0) return null;
  const { config, file } = loaded;
  const where = file ?? "the defaults";
  const named = !isMain && (flags.has("host") || flags.has("port"));
  if (!named && !isEnabled(config, service)) {
    throw new StartError(`the ${service} is off in ${where}`);
  }
  const place = placeOf(config, service);
  const [given = place.host] = flags.get("host") ?? [];
  const host = hostIn(given);
  if (host === undefined) {
    say.error(`--host: found ${cut(given)}; allowed: an address or a name, without a port`);
    return null;
  }
  const port = Number(flags.get("port")?.[0] ?? place.port);
  const to = destinationAt({ ...place, host, port }, where, flags.has("insecure"));
  return { to, config };
}

/**
 * How a service that lives at a place is reached.
 * @param where the file that says so
 * @param insecure whether any certificate will do
 * @throws StartError when its port is not known
 */
export function destinationAt(place: Place, where: string, insecure = false): Destination {
  const { name: service, portKey, host, port } = place;
  if (port === 0) {
    throw new StartError(
      `${portKey} is 0 in ${where}, so nobody knows where the ${service} listens`,
    );
  }
  return { service, host: reachedAt(host), port, ...trustOf(place, insecure) };
}

/** How a server with these settings is spoken to, and known for the right one. */
function trustOf(place: TlsPlace, insecure: boolean): Pick<Destination, "tls" | "certificate"> {
  const { tls } = place;
  if (tls.cert === "") return { tls: null, certificate: null };
  const own = tls.require_client_cert ? tlsOptions(place) : {};
  const trusting = { ...own, rejectUnauthorized: false };
  if (insecure) return { tls: trusting, certificate: null };
  const { pem, certificates } = readChain(place);
  return { tls: { ...trusting, ca: pem }, certificate: certificates[0] as X509Certificate };
}
