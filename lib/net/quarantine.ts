import { isLoopback } from "../config/loopback.ts";

export type QuarantineBy = "auto" | "address" | "address_and_port";

/** Bounds the memory that a flood from many addresses takes; the oldest entry makes room. */
const MAX_ENTRIES = 100_000;

/** Clients that were closed by force and may not come back for a while. */
export class Quarantine {
  readonly #until = new Map<string, number>();

  get size(): number {
    return this.#until.size;
  }

  /** Bars a client until `until` (clock milliseconds). @returns the key under which it is barred */
  impose(ip: string, port: number, by: QuarantineBy, until: number): string {
    return this.bar(keyOf(ip, port, by), until);
  }

  /** Bars a key, as a whole address, until `until` (clock milliseconds). @returns the key */
  bar(key: string, until: number): string {
    this.#until.delete(key);
    if (this.#until.size >= MAX_ENTRIES) {
      for (const oldest of this.#until.keys()) {
        this.#until.delete(oldest);
        break;
      }
    }
    this.#until.set(key, until);
    return key;
  }

  /** Milliseconds for which a client is still barred at `now`; 0 if it is not. */
  left(ip: string, port: number, by: QuarantineBy, now: number): number {
    if (this.#until.size === 0) return 0;
    const until = Math.max(this.#until.get(keyOf(ip, port, by)) ?? 0, this.#until.get(ip) ?? 0);
    return Math.max(0, until - now);
  }

  /** Forgets the entries that have ended. @returns their number */
  sweep(now: number): number {
    const before = this.#until.size;
    for (const [key, until] of this.#until) if (until <= now) this.#until.delete(key);
    return before - this.#until.size;
  }

  /** The keys that are barred, with the milliseconds left. */
  *entries(now: number): Generator<[key: string, left: number]> {
    for (const [key, until] of this.#until) if (until > now) yield [key, until - now];
  }

  /** Ends a quarantine by the key that `impose` returned. @returns true if there was one */
  lift(key: string): boolean {
    return this.#until.delete(key);
  }
}

function keyOf(ip: string, port: number, by: QuarantineBy): string {
  const withPort = by === "address_and_port" || (by === "auto" && isLoopback(ip));
  return withPort ? `${ip} port ${port}` : ip;
}
