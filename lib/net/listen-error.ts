import { reasonOf } from "../config/reason.ts";
import type { Place } from "../config/place.ts";
import { StartError } from "../host/errors.ts";
import { addressText } from "../host/service.ts";

/** Why a service cannot listen at an address, in one line for the operator that names the setting. */
export function listenError(
  { name, prefix }: Pick<Place, "name" | "prefix">,
  { host, port }: { host: string; port: number },
  error: unknown,
): StartError {
  const { code } = error as { code?: string };
  const key = code === "EADDRINUSE" || code === "EACCES" ? "port" : "host";
  const about = code === undefined ? "" : ` (settings: ${prefix}${key})`;
  return new StartError(
    `${name}: cannot listen on ${addressText(host, port)}: ${reasonOf(error)}${about}`,
  );
}
