/** The numbers of clients: none is given twice, by whatever thread of the program. */
export class Ids {
  /** The memory that all threads count in. */
  readonly shared: SharedArrayBuffer;
  readonly #last: BigInt64Array;

  /** @param shared that of another thread; new when not given */
  constructor(shared = new SharedArrayBuffer(8)) {
    this.shared = shared;
    this.#last = new BigInt64Array(shared);
  }

  next(): number {
    return Number(Atomics.add(this.#last, 0, 1n)) + 1;
  }
}
