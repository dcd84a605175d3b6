import type { LineForm } from "../columns.ts";
import type { Entry } from "../entry.ts";

/** Bytes of a block; a longer line gets one of its own. */
const BLOCK = 256 * 1024;
/** Blocks that are kept for later lines: about as many as fill up during a slow sync, since fresh memory costs more than a line. */
const MOST_SPARE = 16;
const NEWLINE = 10;

/** A buffer of whole lines. */
interface Block {
  bytes: Buffer;
  /** The position of its first byte among all bytes of all lines. */
  start: number;
  /** Bytes in it. */
  length: number;
  /** The number of the entry after its last line. */
  next: number;
}

/**
 * The lines of entries, from their arrival until they are known to be on disk.
 * A file takes them from the front, and may go back to any line that is not on
 * disk: what a failed sync has left in doubt is written once more.
 */
export class Lines {
  /** The number of the first entry whose line does not stand whole in the file. */
  first: number;
  /** The number of the next entry. */
  next: number;
  /** Bytes of the first line that stand in the file already. */
  begun = 0;
  /** Never empty: the last one takes the next line. */
  readonly #blocks: Block[];
  #spare: Buffer[] = [];
  /** The block that is written next, and what of all bytes is on disk, written, and there. */
  #writing = 0;
  #onDisk = 0;
  #written = 0;
  #end = 0;

  constructor(next: number) {
    this.first = this.next = next;
    this.#blocks = [{ bytes: Buffer.allocUnsafeSlow(BLOCK), start: 0, length: 0, next }];
  }

  /** Lines that are not written, or only in part. */
  get count(): number {
    return this.next - this.first;
  }

  /** Bytes that are not written. */
  get waiting(): number {
    return this.#end - this.#written;
  }

  /** Bytes that are not known to be on disk, written or not. */
  get bytes(): number {
    return this.#end - this.#onDisk;
  }

  /** Bytes of memory. */
  get room(): number {
    return this.#blocks.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** Adds the line of an entry. @returns its number */
  add(entry: Entry, form: LineForm): number {
    const most = form.most(entry);
    let block = this.#blocks.at(-1) as Block;
    if (block.length + most > block.bytes.length) block = this.#widen(most);
    const end = form.write(entry, this.next, block.bytes, block.length);
    this.#end += end - block.length;
    block.length = end;
    block.next = ++this.next;
    return this.next - 1;
  }

  /**
   * Bytes of the lines to write next that fit into `room` bytes; 0 when not even
   * the first does. A line that was begun always fits: it is never cut in two.
   */
  fitting(room: number): number {
    const { bytes, length } = this.#current;
    const at = this.#at;
    if (length - at <= room) return length - at;
    const end = room > 0 ? bytes.lastIndexOf(NEWLINE, at + room - 1) + 1 : 0;
    if (end > at) return end - at;
    return this.begun > 0 ? this.firstLine : 0;
  }

  /** Bytes of the first line that are not written. */
  get firstLine(): number {
    const at = this.#at;
    return this.#current.bytes.indexOf(NEWLINE, at) + 1 - at;
  }

  /** Gives the next `length` bytes to `write`, which says how many it took. */
  give(length: number, write: (bytes: Buffer, start: number, end: number) => number): number {
    const { bytes, length: whole, next } = this.#current;
    const start = this.#at;
    const taken = write(bytes, start, start + length);
    this.#written += taken;
    const end = start + taken;
    if (end === whole) {
      this.first = next;
      this.begun = 0;
      if (this.#writing < this.#blocks.length - 1) this.#writing++;
    } else this.#count(bytes, start, end);
    return taken;
  }

  /** The end of the last line that is written whole, for `keep`. */
  get mark(): number {
    return this.#written - this.begun;
  }

  /** All lines up to a mark are on disk: nobody needs them any more. */
  keep(mark: number): void {
    this.#onDisk = mark;
    let done = 0;
    while (done < this.#blocks.length - 1) {
      const { bytes, start, length } = this.#blocks[done] as Block;
      if (start + length > mark) break;
      if (bytes.length === BLOCK && this.#spare.length < MOST_SPARE) this.#spare.push(bytes);
      done++;
    }
    if (done > 0) this.#blocks.splice(0, done);
    this.#writing = Math.max(0, this.#writing - done);
    if (mark < this.#end) return;
    // Nothing in it is needed: it is filled from its beginning again.
    const [only] = this.#blocks as [Block];
    if (only.bytes.length > BLOCK) only.bytes = this.#spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK);
    else if (only.length < BLOCK / 2) return;
    this.#empty(only);
  }

  /** The line that was written in part is written again from its first byte. */
  rewindLine(): void {
    this.#written -= this.begun;
    this.begun = 0;
    this.#seek();
  }

  /** All lines that are not on disk are written again. @param first the number of the first of them */
  rewind(first: number): void {
    this.#written = this.#onDisk;
    this.begun = 0;
    this.first = first;
    this.#seek();
  }

  get #current(): Block {
    return this.#blocks[this.#writing] as Block;
  }

  /** The index in the current block of the first byte that is not written. */
  get #at(): number {
    return this.#written - this.#current.start;
  }

  #seek(): void {
    const last = this.#blocks.length - 1;
    this.#writing = 0;
    while (this.#writing < last) {
      const { start, length } = this.#current;
      if (this.#written < start + length) break;
      this.#writing++;
    }
  }

  /** Counts the lines that end within a range that was written. */
  #count(bytes: Buffer, start: number, end: number): void {
    let last = -1;
    for (let at = bytes.indexOf(NEWLINE, start); at >= 0 && at < end;) {
      last = at;
      this.first++;
      at = bytes.indexOf(NEWLINE, at + 1);
    }
    this.begun = last < 0 ? this.begun + end - start : end - last - 1;
  }

  /** A block with room for a line of `most` bytes. */
  #widen(most: number): Block {
    const last = this.#blocks.at(-1) as Block;
    const isDone = this.#onDisk === this.#end;
    if (isDone && most <= last.bytes.length && last.bytes.length === BLOCK)
      return this.#empty(last);
    const bytes =
      (most <= BLOCK ? this.#spare.pop() : undefined) ??
      Buffer.allocUnsafeSlow(Math.max(BLOCK, most));
    if (isDone) {
      last.bytes = bytes;
      return this.#empty(last);
    }
    // A long line has taken less than it might have: the rest is given back.
    if (last.bytes.length - last.length > BLOCK) {
      const exact = Buffer.allocUnsafeSlow(last.length);
      last.bytes.copy(exact, 0, 0, last.length);
      last.bytes = exact;
    }
    const isWritten = this.#written === this.#end;
    const fresh = { bytes, start: this.#end, length: 0, next: this.next };
    this.#blocks.push(fresh);
    if (isWritten) this.#writing = this.#blocks.length - 1;
    return fresh;
  }

  #empty(block: Block): Block {
    block.start = this.#end;
    block.length = 0;
    return block;
  }
}
