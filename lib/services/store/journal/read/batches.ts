import { type Header, HEADER, headerIn, HEADERS, isWhole } from "../batch.ts";
import type { Pieces } from "./pieces.ts";

/** A batch that was read. */
export interface ReadBatch extends Header {
  /** Its records, valid until the next one is read. */
  readonly records: Buffer;
}

/** Reads the batches of a file one after the other; whether they follow each other is the reader's to judge. */
export class Batches {
  /** The place of the next batch. */
  at: number;
  readonly #pieces: Pieces;

  constructor(pieces: Pieces, from: number) {
    this.#pieces = pieces;
    this.at = from;
  }

  /** The batch at this place, which stays; null when there is no whole one. */
  peek(): ReadBatch | null {
    const start = this.#pieces.read(this.at, HEADER);
    const header = start && headerIn(start);
    if (!header || header.length === 0) return null;
    const bytes = this.#pieces.read(this.at, HEADER + header.length);
    if (bytes === null || !isWhole(bytes, header)) return null;
    return { ...header, records: bytes.subarray(HEADER) };
  }

  /** Moves behind a batch that `peek` has found here. */
  pass({ length }: Header): void {
    this.at += HEADER + length;
  }

  /** Moves on to the next whole batch behind this place. @returns false when there is none; nothing has moved then */
  skip(): boolean {
    const before = this.at;
    const found = this.#pieces.find(before + 1, HEADERS, HEADER, (at) => {
      this.at = at;
      return this.peek() !== null;
    });
    this.at = found < 0 ? before : found;
    return found >= 0;
  }

  /** True if only zeros follow. */
  get atZeros(): boolean {
    return this.#pieces.isZeroFrom(this.at);
  }
}
