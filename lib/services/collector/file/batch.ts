import type { Entry } from "../entry.ts";
import type { LineForm } from "../columns.ts";

/** First size of a batch's buffer, in bytes. */
const SMALL = 64 * 1024;
const NEWLINE = 10;

/** Lines that were written and may have to be written once more, until they are known to be on disk. */
export interface Piece {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** The number of the entry after its last line. */
  readonly next: number;
}

/** The lines that wait for the disk, in order, from the entry number `first` on. */
export class Batch {
  /** The number of the first entry whose line does not stand whole in the file. */
  first: number;
  /** The number of the next entry. */
  next: number;
  #bytes: Buffer = Buffer.allocUnsafeSlow(SMALL);
  /** What waits lies from here on. */
  #from = 0;
  #to = 0;

  constructor(next: number) {
    this.first = this.next = next;
  }

  /** Lines that wait, whole or in part. */
  get lines(): number {
    return this.next - this.first;
  }

  /** Bytes that wait. */
  get length(): number {
    return this.#to - this.#from;
  }

  /** Adds the line of an entry. @returns its number */
  add(entry: Entry, form: LineForm): number {
    const most = form.most(entry);
    if (this.#to + most > this.#bytes.length) this.#widen(most);
    this.#to = form.write(entry, this.next, this.#bytes, this.#to);
    return this.next++;
  }

  /**
   * Bytes of the lines that fit into `room` bytes; 0 when not even the first
   * does. A line that was begun always fits: it is never cut in two.
   */
  fitting(room: number): number {
    if (this.length <= room) return this.length;
    const end = room > 0 ? this.#bytes.lastIndexOf(NEWLINE, this.#from + room - 1) + 1 : 0;
    if (end > this.#from) return end - this.#from;
    return this.begun > 0 ? this.firstLine : 0;
  }

  /** Bytes of the first line that wait. */
  get firstLine(): number {
    return this.#bytes.indexOf(NEWLINE, this.#from) + 1 - this.#from;
  }

  /** Bytes of the first line that were written already. */
  get begun(): number {
    return this.#from > 0 ? this.#from - 1 - this.#bytes.lastIndexOf(NEWLINE, this.#from - 1) : 0;
  }

  /** Gives the first `length` bytes that wait to `write`, which says how many it took. */
  give(length: number, write: (bytes: Buffer, start: number, end: number) => number): Piece {
    const start = this.#from;
    const taken = write(this.#bytes, start, start + length);
    this.#from += taken;
    if (this.#from === this.#to) this.first = this.next;
    else this.first += countLines(this.#bytes, start, this.#from);
    return { bytes: this.#bytes, start, end: this.#from, next: this.first };
  }

  /** The line that was written in part is written again from its first byte. */
  rewind(): void {
    this.#from -= this.begun;
  }

  /**
   * Goes on in another buffer when everything is written.
   * @param spare a buffer that nobody needs any more; the own one, where what was written need not be kept
   */
  renew(spare: Buffer | null): void {
    if (this.length > 0) return;
    this.#bytes = spare ?? Buffer.allocUnsafeSlow(SMALL);
    this.#from = this.#to = 0;
  }

  /** The own buffer, for `renew`. */
  get buffer(): Buffer {
    return this.#bytes;
  }

  #widen(most: number): void {
    const length = this.length;
    const wider = Buffer.allocUnsafeSlow(Math.max(length + most, this.#bytes.length * 2, SMALL));
    // The begun line stays whole, so that it can be written again.
    const begun = this.begun;
    this.#bytes.copy(wider, 0, this.#from - begun, this.#to);
    this.#bytes = wider;
    this.#from = begun;
    this.#to = begun + length;
  }
}

function countLines(bytes: Buffer, start: number, end: number): number {
  let lines = 0;
  for (
    let at = bytes.indexOf(NEWLINE, start);
    at >= 0 && at < end;
    at = bytes.indexOf(NEWLINE, at + 1)
  ) {
    lines++;
  }
  return lines;
}
