const WINDOW_MS = 60_000;

/** Counts the lines of one client in windows of a minute; each starts at the first line after the last. */
export class Rate {
  #start = -Infinity;
  #count = 0;

  /** Counts one line at `now` (clock milliseconds). @returns true if it is within `perMinute` */
  allows(now: number, perMinute: number): boolean {
    if (now - this.#start >= WINDOW_MS) {
      this.#start = now;
      this.#count = 0;
    }
    return ++this.#count <= perMinute;
  }
}
