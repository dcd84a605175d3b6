import { StartError } from "../host/errors.ts";
import { libc } from "../host/libc.ts";
import type { Address } from "../host/service.ts";

/** The first descriptor that is handed over; see sd_listen_fds(3). */
const DESCRIPTOR = 3;

// What Linux calls them on every processor that Bun runs on.
const AF_INET = 2;
const AF_INET6 = 10;
const SOL_SOCKET = 1;
const SO_ACCEPTCONN = 30;

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
  return { address: addressOf(DESCRIPTOR, service), duplicate: () => libc().dup(DESCRIPTOR) };
}

function addressOf(descriptor: number, service: string): Address {
  const found = new Uint8Array(128);
  const length = new Uint32Array([found.length]);
  const listening = new Int32Array(1);
  libc().getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, listening, new Uint32Array([4]));
  libc().getsockname(descriptor, found, length);
  const view = new DataView(found.buffer);
  // The family stands in the machine's order, the rest in the network's.
  const family = listening[0] === 1 ? new Uint16Array(found.buffer)[0] : 0;
  const port = view.getUint16(2);
  if (family === AF_INET) return { host: found.subarray(4, 8).join("."), port };
  if (family === AF_INET6) {
    const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(8 + 2 * i).toString(16));
    return { host: new URL(`tcp://[${groups.join(":")}]`).hostname.slice(1, -1), port };
  }
  throw new StartError(
    `${service}: the service manager hands over descriptor ${descriptor}, which is no listening TCP socket (LISTEN_FDS)`,
  );
}
