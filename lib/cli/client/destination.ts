import type { X509Certificate } from "node:crypto";
import type { TLSOptions } from "bun";
import { load, problemText } from "../../config/load.ts";
import { reachedAt } from "../../config/loopback.ts";
import { hostIn } from "../../config/option.ts";
import { type Place, placeOf } from "../../config/place.ts";
import { isEnabled, MAIN_SERVICE } from "../../config/services.ts";
import { cut } from "../../config/shown.ts";
import { type Config, settings } from "../../config/table.ts";
import { StartError } from "../../host/errors.ts";
import { readChain, tlsOptions, type TlsPlace } from "../../host/files/tls-files.ts";
import { type Arguments, type Flag, SOURCES, sourcesOf } from "../command.ts";
import { say } from "../terminal/say.ts";

/** The address of a service, and the TLS to reach it with. */
export interface Destination {
  /** The name of the service that should be there. */
  readonly service: string;
  readonly host: string;
  readonly port: number;
  readonly tls: TLSOptions | null;
  /** The certificate that proves it to be the right one; null takes any. */
  readonly certificate: X509Certificate | null;
  /** The proxies from which it takes no connection without a header; none if not given. */
  readonly trustedProxies?: readonly string[];
}

/** The flags of a command that is a client of this service. */
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

/** A service of a server, and the server's configuration. */
export interface Server {
  readonly to: Destination;
  readonly config: Config;
}

/**
 * The service of the server that a command line names, or null if there are
 * problems, which have been told. For the main service, `--host` and `--port`
 * are settings. Another service may be off in the configuration if these flags
 * say where it is.
 * @throws StartError when its address is not known
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
 * The way to reach the service of this place.
 * @param where the file that the place is from
 * @param insecure true to take any certificate
 * @throws StartError when its port is not known
 */
export function destinationAt(place: Place, where: string, insecure = false): Destination {
  const { name: service, portKey, host, port, trustedProxies = [] } = place;
  if (port === 0) {
    throw new StartError(
      `${portKey} is 0 in ${where}, so nobody knows where the ${service} listens`,
    );
  }
  const at = { service, host: reachedAt(host), port, trustedProxies };
  return { ...at, ...trustOf(place, insecure) };
}

/** The TLS to reach a server of these settings with, and the certificate that it has to show. */
function trustOf(place: TlsPlace, insecure: boolean): Pick<Destination, "tls" | "certificate"> {
  const { tls } = place;
  if (tls.cert === "") return { tls: null, certificate: null };
  const own = tls.require_client_cert ? tlsOptions(place) : {};
  const trusting = { ...own, rejectUnauthorized: false };
  if (insecure) return { tls: trusting, certificate: null };
  const { pem, certificates } = readChain(place);
  return { tls: { ...trusting, ca: pem }, certificate: certificates[0] as X509Certificate };
}
