import { type Disk, failure } from "../../../host/disk.ts";
import { HEADER } from "./batch.ts";

const HEADER_FORM = /^[0-9a-f]{8} [0-9a-f]{8}\n$/;
/** Bytes read at a time, unless a batch is longer. */
const PIECE = 4 * 1024 * 1024;
const NEWLINE = 10;

/** The records of a batch. @throws Error when one is not a JSON array: the batch is whole, so it was written like that */
export function parse(payload: Buffer): unknown[][] {
  const { values, error } = Bun.JSONL.parseChunk(payload);
  const fast = error === null && values.length === countLines(payload);
  const records = fast
    ? values
    : payload
        .toString("utf8", 0, payload.length - 1)
        .split("\n")
        .map((line) => JSON.parse(line) as unknown);
  if (!records.every(Array.isArray)) throw new Error("a record is not an array");
  return records as unknown[][];
}

function countLines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}

/** Reads the batches of a file one after the other. */
export class Batches {
  /** The position of the next batch: the end of the last whole one. */
  at = 0;
  /** Bytes in the file. */
  readonly size: number;
  readonly #disk: Disk;
  readonly #fd: number;
  /** A piece of the file, from `#start` on. */
  #piece: Buffer;
  #start = 0;
  #length = 0;

  constructor(disk: Disk, fd: number) {
    this.#disk = disk;
    this.#fd = fd;
    this.size = disk.fstatSync(fd).size;
    this.#piece = Buffer.allocUnsafeSlow(Math.min(PIECE, this.size));
  }

  /** The records of the next batch, valid until the next call; null when there is no whole batch here. */
  next(): Buffer | null {
    const header = this.#read(this.at, HEADER)?.toString("latin1");
    if (header === undefined || !HEADER_FORM.test(header)) return null;
    const length = parseInt(header, 16);
    if (length === 0) return null;
    const payload = this.#read(this.at + HEADER, length);
    if (payload === null || Bun.hash.crc32(payload) !== parseInt(header.slice(9), 16)) return null;
    this.at += HEADER + length;
    return payload;
  }

  /** Moves on to the next whole batch behind this place. @returns false when there is none; nothing has moved then */
  skip(): boolean {
    const before = this.at;
    for (let from = before + 1; from < this.size; from += PIECE - HEADER) {
      const length = Math.min(PIECE, this.size - from);
      const text = (this.#read(from, length) as Buffer).toString("latin1");
      for (const { index } of text.matchAll(/[0-9a-f]{8} [0-9a-f]{8}\n/g)) {
        this.at = from + index;
        if (this.next() === null) continue;
        this.at = from + index;
        return true;
      }
    }
    this.at = before;
    return false;
  }

  /** True if the rest of the file is zeros: room that was not used. */
  endsInZeros(): boolean {
    const zeros = Buffer.alloc(Math.min(PIECE, this.size - this.at));
    for (let from = this.at; from < this.size; from += zeros.length) {
      const length = Math.min(zeros.length, this.size - from);
      const piece = this.#read(from, length) as Buffer;
      if (!piece.equals(zeros.subarray(0, length))) return false;
    }
    return true;
  }

  /** Some bytes of the file, or null when it ends before them. */
  #read(from: number, length: number): Buffer | null {
    if (from + length > this.size) return null;
    if (from < this.#start || from + length > this.#start + this.#length) this.#load(from, length);
    return this.#piece.subarray(from - this.#start, from - this.#start + length);
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
