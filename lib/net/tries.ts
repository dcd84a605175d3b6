import type { Clock } from "../host/clock.ts";
import type { Log } from "../host/log.ts";
import { Seldom } from "../host/seldom.ts";

/** The wrong tokens that an address may try at once, and the milliseconds until it may try one more. */
const TRIES = 5;
const TRY_MS = 5000;
/** The most addresses whose wrong tokens are remembered; the oldest makes room. */
const MAX_ADDRESSES = 10_000;

/** Counts the wrong tokens of each address, and logs them. A right one is never counted. */
export class Tries {
  readonly #clock: Clock;
  readonly #name: string;
  readonly #log: Pick<Log, "warning">;
  readonly #told: Seldom;
  /** The time at which each address has all its tries again; clock milliseconds. */
  readonly #restedAt = new Map<string, number>();

  /** @param name of the service */
  constructor(name: string, { clock, log }: { clock: Clock; log: Pick<Log, "warning"> }) {
    this.#clock = clock;
    this.#name = name;
    this.#log = log;
    this.#told = new Seldom(clock, (ip, more) =>
      log.warning(`${name}: ${more} more wrong tokens from ${ip ?? "other addresses"}`),
    );
  }

  /**
   * An address has tried a wrong token.
   * @param address of the client, for the log
   * @returns seconds until it may try another; 0 if it may at once
   */
  failed(ip: string, address: string): number {
    if (this.#told.isFirst(ip)) this.#log.warning(`${this.#name}: ${address} showed a wrong token`);
    const now = this.#clock.now();
    const restedAt = Math.max(now, this.#restedAt.get(ip) ?? 0);
    const waitMs = Math.round(restedAt - now - (TRIES - 1) * TRY_MS);
    if (waitMs > 0) return Math.ceil(waitMs / 1000);
    this.#restedAt.delete(ip);
    this.#restedAt.set(ip, restedAt + TRY_MS);
    if (this.#restedAt.size > MAX_ADDRESSES) this.#forgetOldest();
    return 0;
  }

  /** Logs what has not been logged yet. */
  close(): void {
    this.#told.close();
  }

  #forgetOldest(): void {
    for (const oldest of this.#restedAt.keys()) {
      this.#restedAt.delete(oldest);
      return;
    }
  }
}
