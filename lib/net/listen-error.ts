import type { Place } from "../config/place.ts";
import { reasonOf } from "../config/reason.ts";
import { StartError } from "../host/errors.ts";
import { addressText } from "../host/service.ts";

/** Why a service cannot listen at an address, in one line for the operator that names the setting. */
export function listenError(
  { name, hostKey, portKey, tls, tlsKey }: Place,
  { host, port }: { host: string; port: number },
  error: unknown,
): StartError {
  const { code = "" } = error as { code?: string };
  let about = code === "" ? "" : hostKey;
  if (code === "EADDRINUSE" || code === "EACCES") about = portKey;
  else if (tls.cert !== "" && code.startsWith("ERR_")) {
    about = `${tlsKey("cert")} and ${tlsKey("key")}`;
  }
  const settings = about === "" ? "" : ` (settings: ${about})`;
  return new StartError(
    `${name}: cannot listen on ${addressText(host, port)}: ${reasonOf(error)}${settings}`,
  );
}
