import { meansLoopback, reachedAt } from "../../config/loopback.ts";
import { placeOf } from "../../config/place.ts";
import { isEnabled, SERVICES } from "../../config/services.ts";
import type { Config } from "../../config/table.ts";
import { isIP } from "node:net";
import { Access } from "./access.ts";

/** Remarks on the services whose access lists turn this machine itself away, one sentence each. */
export function barredHere(config: Config): string[] {
  return SERVICES.filter(({ name }) => isEnabled(config, name)).flatMap(({ name }) => {
    const { host, access } = placeOf(config, name);
    const own = meansLoopback(host) && isIP(host) === 0 ? "127.0.0.1" : reachedAt(host);
    if (isIP(own) === 0 || new Access(access).admits(own)) return [];
    return [
      `the access lists bar this machine (${own}) from the ${name}: commands (status, top) and health checks on it are turned away there`,
    ];
  });
}
