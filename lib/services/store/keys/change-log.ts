import { memoryOf } from "./tree/memory.ts";

/** Bounds of the log, as they are now. */
export interface LogBounds {
  readonly entries: number;
  readonly bytes: number;
}

/** Bytes of memory that an entry takes besides its text. */
const ENTRY_BYTES = 48;
/** Dropped entries at the front from which the lists are cut. */
const SLACK = 1024;

/** The newest changes of keys, numbered from 1 in each run, for subscribers that come back. */
export class ChangeLog {
  /** The number of the last change. */
  seq = 0;
  /** Memory that the entries take. */
  bytes = 0;
  readonly #bounds: () => LogBounds;
  #entries: string[] = [];
  #sizes: number[] = [];
  #begun = false;
  /** The place of the oldest entry in the lists. */
  #head = 0;

  constructor(bounds: () => LogBounds) {
    this.#bounds = bounds;
  }

  /** Changes kept. */
  get size(): number {
    return this.#entries.length - this.#head;
  }

  /** True if a change needs its record here. */
  get keeps(): boolean {
    return this.#begun && this.#bounds().entries > 0;
  }

  /** From now on changes are kept: until the first number of one has been told, nobody can come back with it. */
  begin(): void {
    this.#begun = true;
  }

  /** The number of the oldest change that is kept, or of the next one. */
  get first(): number {
    return this.seq - this.size + 1;
  }

  /** Counts a change, and keeps its record. @param bytes those of the record in UTF-8 */
  add(record: string, bytes: number): void {
    this.seq++;
    if (!this.keeps) {
      this.#drop(this.size);
      return;
    }
    const size = (bytes === record.length ? bytes : memoryOf(record)) + ENTRY_BYTES;
    this.#entries.push(record);
    this.#sizes.push(size);
    this.bytes += size;
    const most = this.#bounds();
    while (this.size > 0 && (this.size > most.entries || this.bytes > most.bytes)) this.#drop(1);
  }

  /** The record of a change that is kept. */
  at(seq: number): string {
    return this.#entries[this.#head + seq - this.first] as string;
  }

  #drop(count: number): void {
    for (const end = this.#head + count; this.#head < end; this.#head++) {
      this.bytes -= this.#sizes[this.#head] as number;
      this.#entries[this.#head] = "";
    }
    if (this.#head < SLACK || 2 * this.#head < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#sizes = this.#sizes.slice(this.#head);
    this.#head = 0;
  }
}
