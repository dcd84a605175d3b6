import { libc } from "../../host/system/libc.ts";
import type { Address } from "../../host/service.ts";

// Linux's numbers, the same on every processor that Bun runs on.
const AF_INET = 2;
const AF_INET6 = 10;

const found = new Uint8Array(128);
const view = new DataView(found.buffer);
const families = new Uint16Array(found.buffer);
const length = new Uint32Array(1);

/** The local address of a descriptor's socket, or null if it is no TCP or UDP socket. Linux only. */
export function ownAddress(descriptor: number): Address | null {
  length[0] = found.length;
  return libc().getsockname(descriptor, found, length) === 0 ? parsed() : null;
}

/** The address of the other end, or null if there is none. Linux only. */
export function peerAddress(descriptor: number): Address | null {
  length[0] = found.length;
  return libc().getpeername(descriptor, found, length) === 0 ? parsed() : null;
}

/** Reads `found`, a `sockaddr_in` or `sockaddr_in6`; null for any other family. */
function parsed(): Address | null {
  // The family is in the machine's byte order, the rest in the network's.
  const family = families[0];
  const port = view.getUint16(2);
  if (family === AF_INET) return { host: found.subarray(4, 8).join("."), port };
  if (family !== AF_INET6) return null;
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(8 + 2 * i).toString(16));
  return { host: new URL(`tcp://[${groups.join(":")}]`).hostname.slice(1, -1), port };
}
