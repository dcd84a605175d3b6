import { isIP } from "node:net";
import type { Place } from "../config/place.ts";
import { reasonOf } from "../config/reason.ts";
import { StartError } from "../host/errors.ts";
import { addressText } from "../host/service.ts";

/** Why a service cannot listen at an address, in one line for the operator that names the setting. */
export function listenError(
  place: Place,
  { host, port }: { host: string; port: number },
  error: unknown,
): StartError {
  const [why, settings] = isUnknown(host)
    ? ["nothing is known by that name", place.hostKey]
    : [reasonOf(error), settingsOf(place, (error as { code?: string }).code)];
  return new StartError(
    `${place.name}: cannot listen on ${addressText(host, port)}: ${why} (settings: ${settings})`,
  );
}

function settingsOf({ hostKey, portKey, tls, tlsKey }: Place, code = ""): string {
  if (code === "EADDRINUSE" || code === "EACCES") return portKey;
  if (tls.cert === "" || !code.startsWith("ERR_")) return hostKey;
  return `${tlsKey("cert")} and ${tlsKey("key")}`;
}

/** Whether a host is a name that stands for no address: of that Bun tells a code of something else, or none. */
function isUnknown(hostname: string): boolean {
  if (isIP(hostname) !== 0) return false;
  try {
    Bun.listen({ hostname, port: 0, socket: { data() {} } }).stop(true);
    return false;
  } catch (error) {
    return (error as { code?: string }).code === undefined;
  }
}
