import { BATCH_CHARACTERS } from "../../batch.ts";
import type { Link } from "./link.ts";

/** Entries that are read at once, and the bytes that they should not exceed. */
const MOST_ENTRIES = 64;
const MOST_BYTES = 8 * 2 ** 20;

/** What is told of an entry besides its id: the life that it is from, and its number. */
const MARK = /^[\w-]{1,32} \d{1,15}$/;

/** Reads the stream of a room, entry by entry, and waits wherever the members have to catch up. */
export class Reading {
  /** The id of the entry that was read last. */
  #last = "";
  /** The life and number of that entry: another server may have given its id to another one. Empty where it has none. */
  #mark = "";
  /** Counts the starts from another place: what was asked for before them is not taken. */
  #place = 0;
  #rested: (() => void) | null = null;
  /** The time since which there was always more to read, or nothing could be; clock milliseconds. Null once all is read. */
  behindSince: number | null = null;
  readonly #now: () => number;
  readonly #isResting: () => boolean;
  readonly #take: (found: unknown) => boolean;

  /** @param isResting true while nothing may be delivered @param take takes an entry, or whatever stands in its place; false if that has to be read once more */
  constructor(isResting: () => boolean, take: (found: unknown) => boolean, now: () => number) {
    this.#now = now;
    this.#isResting = isResting;
    this.#take = take;
  }

  /** True if it has been said where to begin. */
  get hasBegun(): boolean {
    return this.#last !== "";
  }

  /** The entry that was read last, as the script knows it again. */
  get last(): string {
    return `${this.#last} ${this.#mark}`.trim();
  }

  /** Goes on after another entry; "0-0" is the beginning of what there is. */
  from(id: string, mark = ""): void {
    this.#last = id;
    this.#mark = mark;
    this.#place++;
  }

  /** The members have caught up. */
  rested(): void {
    this.#rested?.();
    this.#rested = null;
  }

  /**
   * Reads until the link breaks.
   * @param behind called when there is more to read at once @throws Error with the reason
   */
  async run(link: Link, mostLine: number, isCurrent: () => boolean, behind: () => void) {
    const bytes = BATCH_CHARACTERS + mostLine;
    const most = Math.max(1, Math.min(MOST_ENTRIES, Math.floor(MOST_BYTES / bytes)));
    while (isCurrent()) {
      if (this.#isResting()) await this.#rest();
      const place = this.#place;
      const found = (await link.read(this.#last, most)) ?? [];
      const isAll = found.length < most;
      if (!isAll) {
        behind();
        this.behindSince ??= this.#now();
      }
      for (const one of found) {
        if (this.#isResting()) await this.#rest();
        if (!isCurrent()) return;
        if (place !== this.#place) break;
        if (!this.#take(one)) break;
        if (Array.isArray(one)) this.#read(one);
      }
      if (isAll && place === this.#place) this.behindSince = null;
    }
  }

  #read([id, fields]: unknown[]): void {
    this.#last = `${id}`;
    const mark = Array.isArray(fields) ? `${fields[1]} ${fields[3]}` : "";
    this.#mark = MARK.test(mark) ? mark : "";
  }

  #rest(): Promise<void> {
    this.behindSince ??= this.#now();
    return new Promise((resolve) => {
      this.#rested = resolve;
    });
  }
}
