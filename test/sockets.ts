import { readdirSync } from "node:fs";
import { libc } from "../lib/host/system/libc.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const SO_ACCEPTCONN = 30;
const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;

/** For each connection that this process has accepted on a port, the idle seconds before keep-alive asks the peer, or null for never. Linux only. */
export function keepalives(port: number): (number | null)[] {
  return readdirSync("/proc/self/fd").flatMap((name) => {
    const fd = Number(name);
    if (portOf(fd) !== port || option(fd, SOL_SOCKET, SO_ACCEPTCONN) === 1) return [];
    const on = option(fd, SOL_SOCKET, SO_KEEPALIVE) === 1;
    return [on ? option(fd, IPPROTO_TCP, TCP_KEEPIDLE) : null];
  });
}

function portOf(fd: number): number | null {
  const address = new Uint8Array(128);
  if (libc().getsockname(fd, address, new Uint32Array([address.length])) !== 0) return null;
  const [family] = new Uint16Array(address.buffer);
  const isTcp = family === AF_INET || family === AF_INET6;
  return isTcp ? new DataView(address.buffer).getUint16(2) : null;
}

function option(fd: number, level: number, name: number): number {
  const value = new Int32Array(1);
  libc().getsockopt(fd, level, name, value, new Uint32Array([4]));
  return value[0] as number;
}
