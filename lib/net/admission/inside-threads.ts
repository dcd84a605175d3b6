import type { Inside } from "./inside.ts";

/** Rows of counts per address, each by another hash: an address is counted as its least count of them. */
const ROWS = 3;
/** Counts of a row. With 20,000 addresses inside, one in 2,000 is counted together with another. */
const COLUMNS = 2 ** 18;
/** Clients, and connections that are not clients yet. */
const HEAD = 2;
const SEGMENT = HEAD + ROWS * COLUMNS;

/** The memory in which the threads of a door count. Its pages take room only once they are used. */
export interface DoorMemory {
  readonly counts: SharedArrayBuffer;
  /** Known to nobody else, so that nobody can choose addresses that are counted together. */
  readonly seeds: Uint32Array;
}

export function doorMemory(threads: number): DoorMemory {
  return {
    counts: new SharedArrayBuffer(threads * SEGMENT * Int32Array.BYTES_PER_ELEMENT),
    seeds: crypto.getRandomValues(new Uint32Array(ROWS)),
  };
}

/** The clients of a door that threads share. Each counts in a segment of its own, and sees the sums. */
export class InsideThreads implements Inside {
  readonly #counts: Int32Array;
  readonly #seeds: Uint32Array;
  /** The beginning of this thread's segment. */
  readonly #own: number;

  /** @param thread from 0 */
  constructor({ counts, seeds }: DoorMemory, thread: number) {
    this.#counts = new Int32Array(counts);
    this.#seeds = seeds;
    this.#own = thread * SEGMENT;
  }

  get size(): number {
    return this.#sum(0) + this.#sum(1);
  }

  /** Clients of the other threads. */
  get elsewhere(): number {
    return this.#sum(0) - Atomics.load(this.#counts, this.#own);
  }

  from(ip: string): number {
    let least = Infinity;
    for (let row = 0; row < ROWS; row++) least = Math.min(least, this.#sum(this.#cell(row, ip)));
    return least;
  }

  enter(ip: string): void {
    this.#add(ip, 1);
  }

  leave(ip: string): void {
    this.#add(ip, -1);
  }

  wait(by: 1 | -1): void {
    Atomics.add(this.#counts, this.#own + 1, by);
  }

  /** Takes out all that this thread has counted: it has ended. */
  clear(): void {
    this.#counts.fill(0, this.#own, this.#own + SEGMENT);
  }

  #add(ip: string, by: 1 | -1): void {
    Atomics.add(this.#counts, this.#own, by);
    for (let row = 0; row < ROWS; row++) {
      Atomics.add(this.#counts, this.#own + this.#cell(row, ip), by);
    }
  }

  /** The place of an address's count within a segment. */
  #cell(row: number, ip: string): number {
    const hash = Bun.hash.xxHash32(ip, this.#seeds[row] as number);
    return HEAD + row * COLUMNS + (hash & (COLUMNS - 1));
  }

  #sum(at: number): number {
    let sum = 0;
    for (let i = at; i < this.#counts.length; i += SEGMENT) sum += Atomics.load(this.#counts, i);
    return sum;
  }
}
