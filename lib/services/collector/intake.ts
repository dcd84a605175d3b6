import { CameBy } from "./came-by.ts";
import type { Entry } from "./entry.ts";
import type { LogWriter } from "./file/writer.ts";

/**
 * The one queue behind all doors: it gives every entry its number, in the order
 * of arrival, and tells the doors how far the file has come.
 */
export class Intake {
  /** The doors that the newest entries came by. */
  readonly cameBy: CameBy;
  readonly #writer: LogWriter;
  /** Each is told when more is kept, or there may be room again. */
  readonly #doors = new Set<() => void>();
  /** Those who wait until their entry is kept, in the order of the numbers. */
  readonly #waiting: { readonly number: number; readonly resolve: () => void }[] = [];

  /** Those who wait for room, the first ones first: whichever door they are at, each has its turn. */
  readonly #forRoom = new Set<() => void>();

  constructor(writer: LogWriter) {
    this.#writer = writer;
    this.cameBy = new CameBy(() => writer.next);
    writer.onProgress = () => this.#progressed();
  }

  /**
   * Takes an entry, which is written before the turn of the event loop ends
   * unless the disk refuses. Only while `isFull` is false.
   * @param door the number of the door that it came by @returns its number
   */
  take(entry: Entry, door: number): number {
    const number = this.#writer.take(entry);
    this.cameBy.note(number, door);
    return number;
  }

  /** The number that the next entry gets. */
  get next(): number {
    return this.#writer.next;
  }

  /** True while doors must leave their clients unread: too much waits for the disk. */
  get isFull(): boolean {
    return this.#writer.isFull;
  }

  /** The reason why nothing is written at present, or null. */
  get blocked(): string | null {
    return this.#writer.blocked;
  }

  /** The number of the first entry that is not kept: entries before it may be answered. */
  get kept(): number {
    return this.#writer.kept;
  }

  /** The number of the first entry that is not known to be on disk, or without durability is not written. */
  get durable(): number {
    return this.#writer.durable;
  }

  /** Resolves when the entry with this number is kept. */
  whenKept(number: number): Promise<void> {
    if (number < this.#writer.kept) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ number, resolve }));
  }

  /** Resolves when all entries taken so far are on disk, after the doors were told. */
  whenAllDurable(): Promise<void> {
    const { next } = this;
    if (this.durable >= next) return Promise.resolve();
    return new Promise((resolve) => {
      const end = this.watch(() => {
        if (this.durable < next) return;
        end();
        resolve();
      });
    });
  }

  /** Calls back once there is room again, in turn. @returns what cancels it */
  onRoom(roomy: () => void): () => void {
    this.#forRoom.add(roomy);
    return () => void this.#forRoom.delete(roomy);
  }

  /** Has a door told of progress: more is kept or durable, or there is room again. @returns what ends it */
  watch(progressed: () => void): () => void {
    this.#doors.add(progressed);
    return () => void this.#doors.delete(progressed);
  }

  #progressed(): void {
    const { kept } = this.#writer;
    let done = 0;
    while (done < this.#waiting.length && (this.#waiting[done]?.number ?? kept) < kept) done++;
    for (const { resolve } of this.#waiting.splice(0, done)) resolve();
    for (const progressed of this.#doors) progressed();
    for (const roomy of this.#forRoom) {
      if (this.isFull) return;
      this.#forRoom.delete(roomy);
      roomy();
    }
  }
}
