// Entries per second, from what the server has told of late.

/** Milliseconds over which they are counted, at least and at most. */
const LEAST = 900;
const MOST = 5000;

export class Rates {
  /** The oldest first. */
  #told = [];

  note({ at, doors }) {
    const records = Object.fromEntries(doors.map(({ name, records: count }) => [name, count]));
    const last = this.#told.at(-1);
    // A server that was started again counts anew.
    if (last && at < last.at) this.#told = [];
    this.#told.push({ at, records });
    while (this.#told.length > 2 && at - this.#told[1].at >= MOST) this.#told.shift();
  }

  /** Of one door. */
  of(name) {
    const first = this.#told[0];
    const last = this.#told.at(-1);
    const ms = last.at - first.at;
    return ms < LEAST ? 0 : ((last.records[name] - first.records[name]) / ms) * 1000;
  }

  inAll() {
    const names = Object.keys(this.#told.at(-1)?.records ?? {});
    return names.reduce((sum, name) => sum + this.of(name), 0);
  }
}
