import { isLoopback } from "../../config/loopback.ts";
import type { Clock } from "../../host/clock.ts";
import type { Log } from "../../host/log.ts";
import { Seldom } from "../../host/seldom.ts";

/** The wrong tokens that an address may try at once, and the milliseconds until it may try one more. */
const TRIES = 5;
const TRY_MS = 5000;
/**
 * The wrong tokens in a second that are looked at all the same while an address
 * has to wait, since the right one may come from there too; on loopback, where
 * one address may be everybody, and elsewhere.
 */
const LOCAL_LOOKS = 200;
const LOOKS = 20;
/** The most addresses whose wrong tokens are remembered; the oldest makes room. */
const MAX_ADDRESSES = 10_000;

/** Times on the clock, in milliseconds. */
interface Past {
  /** When the address has all its tries again. */
  readonly restedAt: number;
  /** When none of the looks at its further tokens counts any more. */
  readonly lookedAt: number;
}

const NEVER: Past = { restedAt: 0, lookedAt: 0 };

/** Counts the wrong tokens of each address, and logs them. A right one is never counted. */
export class Tries {
  readonly #clock: Clock;
  readonly #name: string;
  readonly #log: Pick<Log, "warning">;
  readonly #told: Seldom;
  readonly #pasts = new Map<string, Past>();

  /** @param name of the service */
  constructor(name: string, { clock, log }: { clock: Clock; log: Pick<Log, "warning"> }) {
    this.#clock = clock;
    this.#name = name;
    this.#log = log;
    this.#told = new Seldom(clock, (ip, more) =>
      log.warning(`${name}: ${more} more wrong tokens from ${ip ?? "other addresses"}`),
    );
  }

  /** Seconds for which no token from an address is looked at, right or wrong; 0 if the next one is. */
  refuses(ip: string): number {
    const { restedAt, lookedAt } = this.#pasts.get(ip) ?? NEVER;
    const now = this.#clock.now();
    const waitMs = waitUntil(restedAt, now);
    if (waitMs <= 0 || lookedAt - now <= 1000 - lookMs(ip)) return 0;
    return Math.ceil(waitMs / 1000);
  }

  /**
   * An address has tried a wrong token.
   * @param address of the client, for the log
   * @returns seconds until it may try another; 0 if it may at once
   */
  failed(ip: string, address: string): number {
    if (this.#told.isFirst(ip)) this.#log.warning(`${this.#name}: ${address} showed a wrong token`);
    const now = this.#clock.now();
    const past = this.#pasts.get(ip) ?? NEVER;
    const restedAt = Math.max(now, past.restedAt);
    const waitMs = waitUntil(restedAt, now);
    if (waitMs > 0) {
      this.#remember(ip, { restedAt, lookedAt: Math.max(now, past.lookedAt) + lookMs(ip) });
      return Math.ceil(waitMs / 1000);
    }
    this.#remember(ip, { restedAt: restedAt + TRY_MS, lookedAt: past.lookedAt });
    return 0;
  }

  /** Logs what has not been logged yet. */
  close(): void {
    this.#told.close();
  }

  #remember(ip: string, past: Past): void {
    this.#pasts.delete(ip);
    this.#pasts.set(ip, past);
    if (this.#pasts.size <= MAX_ADDRESSES) return;
    for (const oldest of this.#pasts.keys()) {
      this.#pasts.delete(oldest);
      return;
    }
  }
}

/** Milliseconds until a try is free for an address that has all of them at `restedAt`. */
function waitUntil(restedAt: number, now: number): number {
  return Math.round(restedAt - now - (TRIES - 1) * TRY_MS);
}

/** Milliseconds that one look takes of an address's second. */
function lookMs(ip: string): number {
  return 1000 / (isLoopback(ip) ? LOCAL_LOOKS : LOOKS);
}
