const WINDOW_MS = 60_000;

/** Lines of one client in a fixed window of a minute that starts at its first line. */
export class Rate {
  #start = -Infinity;
  #count = 0;

  /** Counts one line at `now` (clock milliseconds). @returns whether it is within `perMinute` */
  allows(now: number, perMinute: number): boolean {
    if (now - this.#start >= WINDOW_MS) {
      this.#start = now;
      this.#count = 0;
    }
    return ++this.#count <= perMinute;
  }
}
