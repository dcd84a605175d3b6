import type { Clock } from "../clock.ts";
import { libc } from "./libc.ts";
import type { Log } from "../log.ts";

/** Microseconds that a send waits for a supervisor that does not read. */
const PATIENCE_US = 100_000;

// Linux's values, the same on every processor that Bun runs on.
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDTIMEO = 21;
const MSG_NOSIGNAL = 0x4000;
const CLOCK_MONOTONIC = 1;

/** The supervisor of this process, such as systemd. It is told how the process fares, by sd_notify(3). */
export class Supervisor {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #address: Uint8Array | null;
  readonly #pingMs: number | null;
  #socket = -1;
  #warned = false;
  #stopPings: (() => void) | null = null;

  /** Without NOTIFY_SOCKET in the environment there is no supervisor, and every call does nothing. */
  constructor(clock: Clock, log: Log, env: Readonly<Record<string, string | undefined>>) {
    this.#clock = clock;
    this.#log = log;
    this.#address = addressOf(env["NOTIFY_SOCKET"]);
    this.#pingMs = pingMsOf(env);
  }

  /** Tells that the services run: after the start, and after each reload. */
  ready(status: string): void {
    this.#tell("READY=1", `STATUS=${status}`, `MAINPID=${process.pid}`);
    if (this.#address === null || this.#pingMs === null) return;
    this.#stopPings ??= this.#clock.every(this.#pingMs, () => this.#tell("WATCHDOG=1"));
  }

  /** Tells that a reload begins; `ready` ends it. */
  reloading(): void {
    if (this.#address === null) return;
    this.#tell("RELOADING=1", `MONOTONIC_USEC=${monotonicUs()}`, "STATUS=reloading");
  }

  /** Tells that the drain begins, which may take `forMs` milliseconds. */
  stopping(status: string, forMs: number): void {
    this.#tell("STOPPING=1", `STATUS=${status}`, `EXTEND_TIMEOUT_USEC=${(forMs + 5000) * 1000}`);
  }

  /** Ends the pings and closes the socket. */
  close(): void {
    this.#stopPings?.();
    if (this.#socket >= 0) libc().close(this.#socket);
    this.#socket = -1;
  }

  #tell(...fields: readonly string[]): void {
    if (this.#address === null) return;
    // A newline would begin another field.
    const message = Buffer.from(fields.map((field) => field.replace(/\s+/g, " ")).join("\n"));
    if (this.#send(this.#address, message) || this.#warned) return;
    this.#warned = true;
    this.#log.warning("the supervisor that NOTIFY_SOCKET names does not take what it is told");
  }

  /** Each message carries the address, so that a supervisor that was restarted gets the next one. */
  #send(address: Uint8Array, message: Uint8Array): boolean {
    try {
      if (this.#socket < 0) this.#socket = openSocket();
      const taken = libc().sendto(
        this.#socket,
        message,
        message.length,
        MSG_NOSIGNAL,
        address,
        address.length,
      );
      return Number(taken) === message.length;
    } catch {
      return false;
    }
  }
}

function openSocket(): number {
  const socket = libc().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const timeout = new BigInt64Array([0n, BigInt(PATIENCE_US)]);
  libc().setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, timeout, timeout.byteLength);
  return socket;
}

/** The `sockaddr_un` of a path or, with @, of an abstract name; null without a supervisor. */
function addressOf(name: string | undefined): Uint8Array | null {
  if (!name || process.platform !== "linux") return null;
  const path = Buffer.from(name);
  if (name.startsWith("@")) path[0] = 0;
  return Buffer.concat([new Uint8Array(new Uint16Array([AF_UNIX]).buffer), path]);
}

/** Milliseconds between two signs of life, or null when nobody waits for them. */
function pingMsOf(env: Readonly<Record<string, string | undefined>>): number | null {
  const { WATCHDOG_USEC: period, WATCHDOG_PID: pid } = env;
  if (!period || !(Number(period) > 0)) return null;
  if (pid && Number(pid) !== process.pid) return null;
  return Number(period) / 2000;
}

function monotonicUs(): bigint {
  const time = new BigInt64Array(2);
  libc().clock_gettime(CLOCK_MONOTONIC, time);
  return (time[0] as bigint) * 1_000_000n + (time[1] as bigint) / 1000n;
}
