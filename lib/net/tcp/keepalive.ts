import { readdirSync } from "node:fs";
import { libc } from "../../host/system/libc.ts";
import { ownAddress } from "./sockaddr.ts";

// Linux's numbers, the same on every processor that Bun runs on.
const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const SO_ACCEPTCONN = 30;
const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
/** Probes without an answer, a second apart, until a client counts as gone; the same as `setKeepAlive` of Bun. */
const QUESTIONS = 10;

/**
 * Turns on TCP keepalive for the clients of an HTTP server. Bun does not show
 * their sockets, but accepted sockets inherit the options of the listening one.
 * Linux only.
 * @param seconds of silence before the first probe; 0 turns it off
 */
export function keepAliveHttp(port: number, seconds: number): void {
  if (process.platform !== "linux") return;
  for (const name of readdirSync("/proc/self/fd")) {
    const descriptor = Number(name);
    if (ownAddress(descriptor)?.port !== port || !isListening(descriptor)) continue;
    set(descriptor, SOL_SOCKET, SO_KEEPALIVE, seconds > 0 ? 1 : 0);
    if (seconds === 0) continue;
    set(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
    set(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, 1);
    set(descriptor, IPPROTO_TCP, TCP_KEEPCNT, QUESTIONS);
  }
}

/** True if a descriptor is a listening socket. Linux only. */
export function isListening(descriptor: number): boolean {
  const value = new Int32Array(1);
  libc().getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, value, new Uint32Array([4]));
  return value[0] === 1;
}

function set(descriptor: number, level: number, option: number, value: number): void {
  libc().setsockopt(descriptor, level, option, new Int32Array([value]), 4);
}
