/** Entries of which the door is known, the newest ones: a power of two. */
export const MOST_KNOWN = 2 ** 20;
const MASK = MOST_KNOWN - 1;

/**
 * The doors that the newest entries came by, a byte each, in memory alone: a
 * line does not hold its door. After a restart none is known of the entries
 * before it.
 */
export class CameBy {
  readonly #doors = new Uint8Array(MOST_KNOWN);
  readonly #first: number;
  readonly #next: () => number;

  /** @param next gives the number of the next entry */
  constructor(next: () => number) {
    this.#next = next;
    this.#first = next();
  }

  note(entry: number, door: number): void {
    this.#doors[entry & MASK] = door;
  }

  /** The number of the first entry whose door is known: it is of every one from there on. */
  get from(): number {
    return Math.max(this.#first, this.#next() - MOST_KNOWN);
  }

  /** The number of the door that an entry came by; null where it is not known. */
  of(entry: number): number | null {
    if (entry < this.from || entry >= this.#next()) return null;
    return this.#doors[entry & MASK] as number;
  }
}
