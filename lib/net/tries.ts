import type { Clock } from "../host/clock.ts";

/** Wrong tokens an address may try at once, and how many more each second. */
const TRIES = 5;
const TRIES_PER_SECOND = 0.2;
/** Addresses whose wrong tokens are remembered; the oldest makes room. */
const MAX_ADDRESSES = 10_000;

/** Seconds until an address that was too fast may try again. */
export const PATIENCE_SECONDS = Math.ceil(1 / TRIES_PER_SECOND);

/** How many wrong tokens each address has tried. */
export class Tries {
  readonly #clock: Pick<Clock, "now">;
  readonly #known = new Map<string, { left: number; at: number }>();

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** Whether an address may try a token now. */
  may(ip: string): boolean {
    return this.#left(ip) >= 1;
  }

  /** An address has tried a wrong one. */
  failed(ip: string): void {
    const left = this.#left(ip) - 1;
    this.#known.delete(ip);
    this.#known.set(ip, { left, at: this.#clock.now() });
    if (this.#known.size <= MAX_ADDRESSES) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      return;
    }
  }

  #left(ip: string): number {
    const known = this.#known.get(ip);
    if (!known) return TRIES;
    const seconds = (this.#clock.now() - known.at) / 1000;
    return Math.min(TRIES, known.left + seconds * TRIES_PER_SECOND);
  }
}
