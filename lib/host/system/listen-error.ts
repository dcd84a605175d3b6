import { isIP } from "node:net";
import type { Place } from "../../config/place.ts";
import { reasonOf } from "../../config/reason.ts";
import { StartError } from "../errors.ts";
import { addressText } from "../service.ts";

/** The error of a service that cannot listen, in one line for the operator that names the setting. */
export function listenError(
  place: Place,
  { host, port }: { host: string; port: number },
  error: unknown,
): StartError {
  const [why, settings] = isUnknown(host)
    ? ["nothing is known by that name", place.hostKey]
    : [whyOf(place, error), settingsOf(place, (error as { code?: string }).code)];
  return new StartError(
    `${place.name}: cannot listen on ${addressText(host, port)}: ${why} (settings: ${settings})`,
  );
}

function whyOf({ portKey }: Place, error: unknown): string {
  const why = reasonOf(error);
  if ((error as { code?: string }).code !== "EADDRINUSE") return why;
  return `${why}; another program, or this server, listens there: set ${portKey} to another one`;
}

function settingsOf({ hostKey, portKey, tls, tlsKey }: Place, code = ""): string {
  if (code === "EADDRINUSE" || code === "EACCES") return portKey;
  if (tls.cert === "" || !code.startsWith("ERR_")) return hostKey;
  return `${tlsKey("cert")} and ${tlsKey("key")}`;
}

/** True for a name without an address. Bun's own error may carry a wrong code for that; on port 0 it has none. */
function isUnknown(hostname: string): boolean {
  if (isIP(hostname) !== 0) return false;
  try {
    Bun.listen({ hostname, port: 0, socket: { data() {} } }).stop(true);
    return false;
  } catch (error) {
    return (error as { code?: string }).code === undefined;
  }
}
