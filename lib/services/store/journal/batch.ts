import { crc32 } from "node:zlib";
import { type Link, hex14, hex8 } from "./format.ts";

/**
 * Length of a batch's header. On disk a batch is this header, `LENGTH NUMBER
 * UNSYNCED BEFORE CHECKSUM\n` in hexadecimal digits, and then LENGTH bytes of
 * records, each a line. BEFORE is the checksum of the batch before; UNSYNCED
 * tells how many batches before this one were not known to be on disk when it
 * was written: all before those were. A batch counts as a whole or not at all.
 */
export const HEADER = 51;
/** The part of the header that the checksum covers, with the records. */
const COVERED = 42;

const NEWLINE = 10;
/** First size of a batch's buffer, in bytes. */
const SMALL = 64 * 1024;
/** A buffer that has grown beyond this, in bytes, is released after its batch. */
const LARGE = 4 * 1024 * 1024;

/** The place of a batch in its chain. */
export interface Place {
  readonly before: Link;
  /** Batches before it that are not known to be on disk. */
  readonly unsynced: number;
}

/** Fills in the header. @returns the batch's own link */
function seal(bytes: Buffer, { before, unsynced }: Place): Link {
  const number = before.number + 1;
  const length = hex8(bytes.length - HEADER);
  const lag = hex8(Math.min(unsynced, 0xffffffff));
  bytes.write(`${length} ${hex14(number)} ${lag} ${hex8(before.crc)} `, "latin1");
  const crc = checksum(bytes.subarray(0, COVERED), bytes.subarray(HEADER));
  bytes.write(`${hex8(crc)}\n`, COVERED, "latin1");
  return { number, crc };
}

function checksum(header: Buffer, records: Buffer): number {
  return crc32(records, crc32(header));
}

/** The header of a batch as it was read. */
export interface Header extends Link {
  /** The checksum of the batch before. */
  readonly before: number;
  readonly length: number;
  /** The batch up to which all were known to be on disk when it was written. */
  readonly synced: number;
}

const FORM = /^[0-9a-f]{8} [0-9a-f]{14} [0-9a-f]{8} [0-9a-f]{8} [0-9a-f]{8}\n$/;
/** The same somewhere in a text. */
export const HEADERS = new RegExp(FORM.source.slice(1, -1), "g");

/** Reads a header; null when these bytes are none. */
export function headerIn(bytes: Buffer): Header | null {
  const text = bytes.toString("latin1", 0, HEADER);
  if (!FORM.test(text)) return null;
  const number = parseInt(text.slice(9, 23), 16);
  return {
    length: parseInt(text.slice(0, 8), 16),
    number,
    synced: number - 1 - parseInt(text.slice(24, 32), 16),
    before: parseInt(text.slice(33, 41), 16),
    crc: parseInt(text.slice(42, 50), 16),
  };
}

/** True if a header and records belong together. */
export function isWhole(bytes: Buffer, { crc }: Header): boolean {
  return checksum(bytes.subarray(0, COVERED), bytes.subarray(HEADER)) === crc;
}

/** A batch of records given as text. */
export function batchOf(text: string, before: Link): { bytes: Buffer; link: Link } {
  const bytes = Buffer.allocUnsafe(HEADER + Buffer.byteLength(text));
  bytes.write(text, HEADER);
  return { bytes, link: seal(bytes, { before, unsynced: 0 }) };
}

/** A batch that is being gathered. Its buffer is used again by the next one. */
export class Batch {
  /** Bytes of records in it. */
  length = 0;
  #bytes = Buffer.allocUnsafeSlow(SMALL);

  /**
   * Adds a record.
   * @param bytes its length in UTF-8
   * @throws Error when it is not a line of that length, since it could not be read back
   */
  append(text: string, bytes: number): void {
    const from = HEADER + this.length;
    if (from + bytes > this.#bytes.length) this.#widen(from + bytes);
    const taken = this.#bytes.write(text, from, bytes);
    if (taken !== bytes || this.#bytes[from + bytes - 1] !== NEWLINE) {
      throw new Error(`not a line of ${bytes} bytes: ${text.slice(0, 100)}`);
    }
    this.length += bytes;
  }

  /** The whole batch in its form on disk, valid until the next call, and its link. */
  sealed(place: Place): { bytes: Buffer; link: Link } {
    const bytes = this.#bytes.subarray(0, HEADER + this.length);
    return { bytes, link: seal(bytes, place) };
  }

  /** The records. */
  get text(): string {
    return this.#bytes.toString("utf8", HEADER, HEADER + this.length);
  }

  clear(): void {
    this.length = 0;
    if (this.#bytes.length > LARGE) this.#bytes = Buffer.allocUnsafeSlow(SMALL);
  }

  #widen(atLeast: number): void {
    const wider = Buffer.allocUnsafeSlow(Math.max(atLeast, this.#bytes.length * 2));
    this.#bytes.copy(wider, 0, 0, HEADER + this.length);
    this.#bytes = wider;
  }
}
