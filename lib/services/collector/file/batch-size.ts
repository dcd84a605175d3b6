/** Bounds of the number of lines that are written together. */
const FEWEST = 10;
const MOST = 1000;

/** The number of lines that are written before a turn of the event loop is over: it follows the load. */
export class BatchSize {
  #lines: number;
  /** As many have come in this turn. */
  #wasReached = false;

  constructor(initial: number) {
    this.#lines = initial;
  }

  /** @returns true if `waiting` lines are enough; the next ones have to be more */
  isReached(waiting: number): boolean {
    if (waiting < this.#lines) return false;
    this.#lines = Math.min(MOST, this.#lines * 2);
    this.#wasReached = true;
    return true;
  }

  /** A turn is over, in which `waiting` lines are left. */
  endTurn(waiting: number): void {
    if (!this.#wasReached && waiting < this.#lines / 2) {
      this.#lines = Math.max(FEWEST, Math.floor(this.#lines / 2));
    }
    this.#wasReached = false;
  }
}
