import { StartError } from "../host/errors.ts";
import { libc } from "../host/libc.ts";
import type { Address } from "../host/service.ts";
import { isListening } from "./keepalive.ts";
import { ownAddress } from "./sockaddr.ts";

/** The first descriptor that is handed over; see sd_listen_fds(3). */
const DESCRIPTOR = 3;

/** A listening socket that whoever started this process has bound. */
export interface Inherited {
  readonly address: Address;
  /** Another descriptor of it. Bun closes what it listens on, and this one must last. */
  duplicate(): number;
}

/**
 * The socket that was handed over to the one service that takes one, or null.
 * It is there once: the environment tells of it no more afterwards.
 * @param service its name, which the socket has too where it has one
 * @throws StartError when what was handed over cannot be used
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
