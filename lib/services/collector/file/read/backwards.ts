import type { FileHandle } from "node:fs/promises";
import { sequenceOf } from "./reading.ts";

const NEWLINE = 10;
/** Bytes that are read, and looked at, in one turn of the event loop. */
export const PIECE = 256 * 1024;
/** Bytes of a line that a search keeps in memory. */
export const MOST_LINE = 2 ** 20;
/** Bytes that are read to find the beginning of a line. */
const PROBE = 16 * 1024;
const NOTHING = Buffer.alloc(0);

/** Reads the lines of a file from its end to its beginning, in blocks of whole lines. */
export class Backwards {
  /** Bytes that were read so far. */
  bytes = 0;
  readonly #file: FileHandle;
  /** Everything from here on was given, or is kept for the next block. */
  #position: number;
  /** The line that the last block begins within, as far as it was read, in order. */
  #rest: Buffer[] = [];

  readonly #mostLine: number;

  /**
   * @param end the end of the last line that is wanted, behind its newline
   * @param mostLine bytes of a line that are kept in memory; of a longer one these are the first
   */
  constructor(file: FileHandle, end: number, mostLine = MOST_LINE) {
    this.#file = file;
    this.#position = end;
    this.#mostLine = mostLine;
  }

  /** Reads once. @returns the lines that are whole by now, with their newlines: none within a long line; null at the beginning of the file. Rejects with the system's error */
  async next(): Promise<Buffer | null> {
    if (this.#position === 0) return null;
    const from = Math.max(0, this.#position - PIECE);
    const piece = await readAll(this.#file, from, this.#position - from);
    // Somebody has emptied the file in place.
    if (piece === null) return null;
    this.#position = from;
    this.bytes += piece.length;
    const start = from === 0 ? 0 : piece.indexOf(NEWLINE) + 1;
    const isInOneLine = from > 0 && start === 0;
    const block = isInOneLine ? NOTHING : Buffer.concat([piece.subarray(start), ...this.#rest]);
    if (block.length > 0) this.#rest = [];
    this.#keep(block.length > 0 ? piece.subarray(0, start) : piece);
    return block;
  }

  #keep(piece: Buffer): void {
    this.#rest.unshift(piece);
    // What is dropped is the end of one line.
    let length = this.#rest.reduce((sum, one) => sum + one.length, 0);
    while (length - (this.#rest.at(-1) as Buffer).length > this.#mostLine) {
      length -= (this.#rest.pop() as Buffer).length;
    }
  }
}

/**
 * The end of the last line whose entry has a number below `before`, behind its
 * newline, as far as the numbers grow; 0 when there is none. Rejects with the
 * system's error.
 */
export async function endBefore(file: FileHandle, size: number, before: number): Promise<number> {
  let [low, high] = [0, size];
  let end = await endOfLines(file, size);
  high = Math.min(high, end);
  while (high - low > PROBE) {
    const middle = low + Math.floor((high - low) / 2);
    const line = await lineAfter(file, middle, high);
    if (line === null || line.sequence === null) high = middle;
    else if (line.sequence >= before) {
      high = middle;
      end = line.start;
    } else low = line.start;
  }
  return end;
}

/** The end of the last line that is whole. */
async function endOfLines(file: FileHandle, size: number): Promise<number> {
  for (let end = size; end > 0;) {
    const from = Math.max(0, end - PROBE);
    const piece = await readAll(file, from, end - from);
    if (piece === null) return 0;
    const at = piece.lastIndexOf(NEWLINE);
    if (at >= 0) return from + at + 1;
    end = from;
  }
  return 0;
}

/** The first line that begins behind a position and before `high`. */
async function lineAfter(
  file: FileHandle,
  position: number,
  high: number,
): Promise<{ readonly start: number; readonly sequence: number | null } | null> {
  for (let at = position; at < high; at += PROBE) {
    const piece = await readAll(file, at, Math.min(PROBE, high - at));
    if (piece === null) return null;
    const newline = piece.indexOf(NEWLINE);
    const start = at + newline + 1;
    if (newline < 0) continue;
    if (start >= high) return null;
    const head = await readAll(file, start, Math.min(PROBE, high - start));
    return { start, sequence: head === null ? null : sequenceOf(head) };
  }
  return null;
}

/** A range of a file; null when the file is shorter. */
async function readAll(file: FileHandle, position: number, length: number): Promise<Buffer | null> {
  if (length === 0) return NOTHING;
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let read = 0; read < length;) {
    const { bytesRead } = await file.read(bytes, read, length - read, position + read);
    if (bytesRead === 0) return null;
    read += bytesRead;
  }
  return bytes;
}
