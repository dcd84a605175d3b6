import { SILENCE_MS } from "../script.ts";

/** Milliseconds between two signs of life. */
export const BEAT_MS = 1000;
/** Signs of life without an answer after which the server counts as away. */
const MOST_BEATS = SILENCE_MS / BEAT_MS;
/** Signs of life that come back before a connection counts as one that lasts. */
const LASTS_BEATS = 3;

/** The signs of life of one connection to the server: each is answered, and then comes back by the stream. */
export class Pulse {
  #unanswered = 0;
  #unseen = 0;
  #seen = 0;

  /** The server is silent, or what it takes does not come back. */
  get isAway(): boolean {
    return Math.max(this.#unanswered, this.#unseen) >= MOST_BEATS;
  }

  get lasts(): boolean {
    return this.#seen >= LASTS_BEATS;
  }

  sent(): void {
    this.#unanswered++;
    this.#unseen++;
  }

  answered(): void {
    this.#unanswered = 0;
  }

  /** There is a reason why it has not come back: so much else is read first, or nothing is. */
  excused(): void {
    this.#unseen = 0;
  }

  seen(): void {
    this.#unseen = 0;
    this.#seen++;
  }
}
