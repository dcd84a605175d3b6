import { type Header, HEADER, headerIn, HEADERS, isWhole } from "./batch.ts";
import type { Pieces } from "./pieces.ts";
import type { Apply } from "./survey.ts";

const NEWLINE = 10;

/** Applies the records of a batch one by one. */
export function eachRecord(apply: (record: unknown[]) => void): Apply {
  return (lines) => {
    const records = parse(lines);
    for (const record of records) apply(record);
    return records.length;
  };
}

/** The records of a batch. @throws Error when one is not a JSON array: the batch is whole, so it was written like that */
function parse(payload: Buffer): unknown[][] {
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
