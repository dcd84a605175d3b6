// Numbers per second, from counts that the server has told of late.

/** Milliseconds over which they are counted, at least and at most. */
const LEAST = 900;
const MOST = 5000;

export class Rates {
  /** The oldest first. */
  #told = [];

  /** @param at the server's milliseconds, which only grow @param counts by name */
  note(at, counts) {
    const last = this.#told.at(-1);
    // A server that was started again counts anew.
    if (last && at < last.at) this.#told = [];
    this.#told.push({ at, counts });
    while (this.#told.length > 2 && at - this.#told[1].at >= MOST) this.#told.shift();
  }

  /** Null until it can be known. */
  of(name) {
    const first = this.#told[0];
    const last = this.#told.at(-1);
    const ms = last.at - first.at;
    return ms < LEAST ? null : (((last.counts[name] ?? 0) - (first.counts[name] ?? 0)) / ms) * 1000;
  }

  /** Of all together; null until it can be known. */
  inAll() {
    const rates = Object.keys(this.#told.at(-1).counts).map((name) => this.of(name));
    return rates.includes(null) ? null : rates.reduce((sum, one) => sum + one, 0);
  }
}
