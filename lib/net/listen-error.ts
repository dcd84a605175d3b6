import { reasonOf } from "../config/reason.ts";
import { StartError } from "../host/errors.ts";
import { addressText } from "../host/service.ts";

/**
 * Why a service cannot listen, in one line for the operator.
 * @param table what stands before `host` and `port` in the settings, as `web.`
 */
export function listenError(
  service: string,
  { host, port }: { host: string; port: number },
  table: string,
  error: unknown,
): StartError {
  const { code } = error as { code?: string };
  const key = code === "EADDRINUSE" || code === "EACCES" ? "port" : "host";
  const about = code === undefined ? "" : ` (settings: ${table}${key})`;
  return new StartError(
    `${service}: cannot listen on ${addressText(host, port)}: ${reasonOf(error)}${about}`,
  );
}
