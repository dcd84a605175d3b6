import { type Disk, failure } from "../../../../host/disk.ts";

/** Bytes read at a time, unless more are asked for at once. */
export const PIECE = 4 * 1024 * 1024;

/** A file that is read from one place to the next, a piece at a time. */
export class Pieces {
  /** Bytes in the file. */
  readonly size: number;
  readonly #disk: Disk;
  readonly #fd: number;
  #piece: Buffer;
  /** The place of the piece, and the bytes in it. */
  #start = 0;
  #length = 0;

  constructor(disk: Disk, fd: number) {
    this.#disk = disk;
    this.#fd = fd;
    this.size = disk.fstatSync(fd).size;
    this.#piece = Buffer.allocUnsafeSlow(Math.min(PIECE, this.size));
  }

  /** Some bytes of the file, valid until the next call; null when it ends before them. */
  read(from: number, length: number): Buffer | null {
    if (from + length > this.size) return null;
    if (from < this.#start || from + length > this.#start + this.#length) this.#load(from, length);
    return this.#piece.subarray(from - this.#start, from - this.#start + length);
  }

  /** The bytes up to a newline, of which there are at most `most`; null when there is none. */
  line(from: number, most: number): string | null {
    const text = this.read(from, Math.min(most, this.size - from))?.toString("latin1") ?? "";
    const end = text.indexOf("\n");
    return end < 0 ? null : text.slice(0, end);
  }

  /** True if the file holds only zeros from a place on: room that was not used. */
  isZeroFrom(start: number): boolean {
    const zeros = Buffer.alloc(Math.min(PIECE, this.size - start));
    for (let from = start; from < this.size; from += zeros.length) {
      const length = Math.min(zeros.length, this.size - from);
      if (!(this.read(from, length) as Buffer).equals(zeros.subarray(0, length))) return false;
    }
    return true;
  }

  /** The first place from `start` on at which a text of `length` bytes matches and `fits`; -1 without one. */
  find(start: number, form: RegExp, length: number, fits: (at: number) => boolean): number {
    for (let from = start; from < this.size; from += PIECE - length) {
      const text = this.read(from, Math.min(PIECE, this.size - from))?.toString("latin1") ?? "";
      for (const { index } of text.matchAll(form)) if (fits(from + index)) return from + index;
    }
    return -1;
  }

  #load(from: number, atLeast: number): void {
    if (atLeast > this.#piece.length) this.#piece = Buffer.allocUnsafeSlow(atLeast);
    this.#start = from;
    this.#length = 0;
    const wanted = Math.min(this.#piece.length, this.size - from);
    while (this.#length < wanted) {
      const read = this.#disk.readSync(
        this.#fd,
        this.#piece,
        this.#length,
        wanted - this.#length,
        from + this.#length,
      );
      if (read === 0) throw failure("the file became shorter while it was read");
      this.#length += read;
    }
  }
}
