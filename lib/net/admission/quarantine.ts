import { isLoopback } from "../../config/loopback.ts";
import { addressText, type Barred } from "../../host/service.ts";

export type QuarantineBy = "auto" | "address" | "address_and_port";

/** Bounds the memory that a flood from many addresses takes; the oldest entry makes room. */
const MAX_ENTRIES = 100_000;

/** How long a quarantine lasts, and why. Times are clock milliseconds. */
export interface Term {
  readonly since: number;
  readonly until: number;
  /** In a few words, printable. */
  readonly why: string;
}

/** Clients that were closed by force and may not come back for a while. */
export class Quarantine {
  readonly #terms = new Map<string, Term>();

  get size(): number {
    return this.#terms.size;
  }

  /** Bars a client. @returns the key under which it is barred */
  impose(ip: string, port: number, by: QuarantineBy, term: Term): string {
    return this.bar(keyOf(ip, port, by), term);
  }

  /** Bars a key, as a whole address. @returns the key */
  bar(key: string, term: Term): string {
    this.#terms.delete(key);
    if (this.#terms.size >= MAX_ENTRIES) {
      for (const oldest of this.#terms.keys()) {
        this.#terms.delete(oldest);
        break;
      }
    }
    this.#terms.set(key, term);
    return key;
  }

  /** Milliseconds for which a client is still barred at `now`; 0 if it is not. */
  left(ip: string, port: number, by: QuarantineBy, now: number): number {
    if (this.#terms.size === 0) return 0;
    const until = (key: string) => this.#terms.get(key)?.until ?? 0;
    return Math.max(0, Math.max(until(keyOf(ip, port, by)), until(ip)) - now);
  }

  /** Forgets the entries that have ended. @returns their number */
  sweep(now: number): number {
    const before = this.#terms.size;
    for (const [key, { until }] of this.#terms) if (until <= now) this.#terms.delete(key);
    return before - this.#terms.size;
  }

  /** Who is barred at `now`, the first one first. */
  *entries(now: number): Generator<Barred> {
    for (const [key, { since, until, why }] of this.#terms) {
      if (until > now) yield { key, leftMs: until - now, sinceMs: now - since, why };
    }
  }

  /** Ends a quarantine by the key that `impose` returned. @returns true if there was one */
  lift(key: string): boolean {
    return this.#terms.delete(key);
  }
}

function keyOf(ip: string, port: number, by: QuarantineBy): string {
  const withPort = by === "address_and_port" || (by === "auto" && isLoopback(ip));
  return withPort ? addressText(ip, port) : ip;
}
