import { StartError } from "../../host/errors.ts";
import { libc } from "../../host/system/libc.ts";
import type { Address } from "../../host/service.ts";
import { isListening } from "./keepalive.ts";
import { ownAddress } from "./sockaddr.ts";

/** The first descriptor that a service manager hands over; see sd_listen_fds(3). */
const DESCRIPTOR = 3;

/** A listening socket that the service manager has bound and handed over. */
export interface Inherited {
  readonly address: Address;
  /** Another descriptor of the socket. Bun closes the one that it listens on, and this one has to last. */
  duplicate(): number;
}

/**
 * The socket that was handed over for a service, or null. It is found once: the
 * variables that announce it are deleted, so that no child takes it for its own.
 * @param service its name; a socket that has a name must have the same
 * @throws StartError when the socket cannot be used, or there are several
 */
export function inheritedSocket(service: string): Inherited | null {
  if (process.platform !== "linux") return null;
  const { LISTEN_PID: pid, LISTEN_FDS: count = "0", LISTEN_FDNAMES: names = "" } = process.env;
  if (Number(pid) !== process.pid) return null;
  for (const key of Object.keys(process.env))
    if (/^LISTEN_(PID|FD)/.test(key)) delete process.env[key];
  if (Number(count) === 0) return null;
  if (count !== "1") {
    throw new StartError(
      `${service}: the service manager hands over ${count} sockets (LISTEN_FDS); it takes one`,
    );
  }
  if (names !== "" && names !== service) {
    throw new StartError(
      `${service}: the service manager hands over a socket called ${names} (LISTEN_FDNAMES); it takes one called ${service}`,
    );
  }
  const address = isListening(DESCRIPTOR) ? ownAddress(DESCRIPTOR) : null;
  if (address === null) {
    throw new StartError(
      `${service}: the service manager hands over descriptor ${DESCRIPTOR}, which is no listening TCP socket (LISTEN_FDS)`,
    );
  }
  return { address, duplicate: () => libc().dup(DESCRIPTOR) };
}
