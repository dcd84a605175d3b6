import type { Clock } from "../../host/clock.ts";
import { CURRENT, openBefore, type OpenFile } from "./file/read/ages.ts";
import { Backwards, endBefore, MOST_LINE } from "./file/read/backwards.ts";
import { sequenceOf } from "./file/read/reading.ts";
import { unpackedIn } from "./file/read/unpacked.ts";

const NEWLINE = 10;
/** Bytes of lines that are looked at for one question at most. */
export const MOST_READ = 128 * 2 ** 20;
/** Milliseconds that it takes at most. A compressed file that it begins with is bounded by its bytes alone. */
const MOST_MS = 2000;
/** Bytes of lines of a compressed file that are kept until its end is reached; the newest are. */
const MOST_KEPT = 4 * 2 ** 20;

/** Which entries are wanted, and what becomes of them. */
export interface Wanted {
  /** Only entries with numbers from `from` on and before `before`. */
  readonly from: number;
  readonly before: number;
  /** Entries at most. */
  readonly limit: number;
  /** The lines of a block that may be wanted, each by its first byte and the one after its last, in order. */
  readonly lines: (block: Buffer) => readonly number[];
  readonly wants: (line: Buffer, sequence: number) => boolean;
  /** Takes the line of an entry, which is valid until it returns. @returns false when no more are wanted */
  readonly take: (line: Buffer, sequence: number) => boolean;
}

/** How far a question has come. */
export interface Reached {
  /** All entries from this number on were looked at. */
  readonly backTo: number;
  /** True when none is left to be looked at. */
  readonly isWhole: boolean;
  /** A file that is too long to be looked into, whose entries begin with `backTo`. */
  readonly leftOut: string | null;
}

/** Looks for entries in the files of a log, the newest first: piece by piece, with turns of the event loop between them. */
export class Finding {
  readonly #path: string;
  readonly #clock: Pick<Clock, "now">;
  readonly #wanted: Wanted;
  readonly #until: number;
  #left = MOST_READ;
  #taken = 0;
  #hasEnough = false;
  /** All entries from here on were looked at. */
  #before: number;

  constructor(path: string, clock: Pick<Clock, "now">, wanted: Wanted) {
    this.#path = path;
    this.#clock = clock;
    this.#wanted = wanted;
    this.#before = wanted.before;
    this.#until = clock.now() + MOST_MS;
  }

  /** Looks until there are enough or none left, or a bound is reached. Rejects with the system's error. */
  async run(): Promise<Reached> {
    const { from } = this.#wanted;
    let age = CURRENT;
    while (!this.#isOver && this.#before > from) {
      const file = await openBefore(this.#path, this.#before, age);
      if (file === null) return { ...this.#reached, isWhole: true };
      const last = this.#before;
      const isFirst = this.#left === MOST_READ;
      try {
        const isRead = file.isCompressed
          ? await this.#unpack(file, isFirst)
          : await this.#readBack(file);
        if (!isRead) {
          if (!isFirst) break;
          this.#passed(file);
          return { ...this.#reached, leftOut: file.path };
        }
      } finally {
        await file.handle.close();
      }
      // Without progress it is a file of something else.
      age = this.#before < last ? file.age : file.age + 1;
    }
    return this.#reached;
  }

  get #isOver(): boolean {
    return this.#hasEnough || this.#left <= 0 || this.#clock.now() >= this.#until;
  }

  get #reached(): Reached {
    const backTo = Math.max(this.#before, this.#wanted.from);
    return { backTo, isWhole: this.#before <= this.#wanted.from, leftOut: null };
  }

  /** Looks through a file, from its end. @returns false when the bounds do not suffice for a single entry */
  async #readBack(file: OpenFile): Promise<boolean> {
    const { size } = await file.handle.stat();
    const blocks = new Backwards(file.handle, await endBefore(file.handle, size, this.#before));
    const [last, left] = [this.#before, this.#left];
    do {
      const block = await blocks.next();
      if (block === null) {
        this.#passed(file);
        break;
      }
      this.#left = left - blocks.bytes;
      this.#look(block);
    } while (!this.#isOver && this.#before > this.#wanted.from);
    return this.#before < last || this.#left > 0;
  }

  /** Takes what is wanted of a block, the newest first. */
  #look(block: Buffer): void {
    const lines = this.#wanted.lines(block);
    for (let i = lines.length - 2; i >= 0 && !this.#hasEnough; i -= 2) {
      const line = block.subarray(lines[i], lines[i + 1]);
      const sequence = sequenceOf(line);
      if (this.#isWanted(line, sequence)) this.#take(line, sequence as number);
    }
    if (!this.#hasEnough) this.#before = Math.min(this.#before, sequenceOf(block) ?? Infinity);
  }

  #isWanted(line: Buffer, sequence: number | null): boolean {
    if (sequence === null || sequence >= this.#before || sequence < this.#wanted.from) return false;
    return this.#wanted.wants(line, sequence);
  }

  #take(line: Buffer, sequence: number): void {
    const goesOn = this.#wanted.take(line, sequence);
    this.#taken++;
    this.#before = sequence;
    this.#hasEnough = !goesOn || this.#taken >= this.#wanted.limit;
  }

  /** All entries of a file were looked at, or are left out. */
  #passed({ first }: OpenFile): void {
    if (first >= 0) this.#before = Math.min(this.#before, first);
  }

  /** Looks through a compressed file, from its beginning. @returns false when the bounds do not suffice: then nothing of it was taken */
  async #unpack(file: OpenFile, isFirst: boolean): Promise<boolean> {
    const kept = new Kept(this.#wanted.limit - this.#taken);
    let rest: Buffer[] = [];
    let restLength = 0;
    for await (const piece of unpackedIn(file.handle)) {
      this.#left -= piece.length;
      if (isFirst ? this.#left < 0 : this.#isOver) return false;
      const end = piece.lastIndexOf(NEWLINE) + 1;
      if (end > 0) {
        const block = Buffer.concat([...rest, piece.subarray(0, end)]);
        [rest, restLength] = [[], 0];
        this.#keep(block, kept);
        // Numbers only grow.
        if ((sequenceOf(block) ?? 0) >= this.#before) break;
      }
      if (restLength > MOST_LINE) continue;
      rest.push(piece.subarray(end));
      restLength += piece.length - end;
    }
    for (const { line, sequence } of kept.newestFirst()) {
      if (!this.#hasEnough) this.#take(line, sequence);
    }
    if (kept.hasDropped) this.#hasEnough = true;
    if (!this.#hasEnough) this.#passed(file);
    return true;
  }

  #keep(block: Buffer, kept: Kept): void {
    const lines = this.#wanted.lines(block);
    for (let i = 0; i < lines.length; i += 2) {
      const line = block.subarray(lines[i], lines[i + 1]);
      const sequence = sequenceOf(line);
      if (this.#isWanted(line, sequence)) kept.add(line, sequence as number);
    }
  }
}

/** The newest lines of a file that is read from its beginning. */
class Kept {
  hasDropped = false;
  readonly #most: number;
  #lines: { readonly line: Buffer; readonly sequence: number }[] = [];
  #bytes = 0;

  constructor(most: number) {
    this.#most = most;
  }

  add(line: Buffer, sequence: number): void {
    this.#lines.push({ line: Buffer.from(line), sequence });
    this.#bytes += line.length;
    while (this.#lines.length > this.#most || (this.#bytes > MOST_KEPT && this.#lines.length > 1)) {
      this.#bytes -= (this.#lines.shift() as { line: Buffer }).line.length;
      this.hasDropped = true;
    }
  }

  newestFirst() {
    return this.#lines.toReversed();
  }
}
