/**
 * Length of a batch's header. On disk a batch is this header, `LENGTH CRC32\n`
 * with 8 hexadecimal digits each, and then LENGTH bytes of records, each a line.
 * A batch counts as a whole or not at all.
 */
export const HEADER = 18;

const NEWLINE = 10;
/** First size of a batch's buffer, in bytes. */
const SMALL = 64 * 1024;
/** A buffer that has grown beyond this, in bytes, is released after its batch. */
const LARGE = 4 * 1024 * 1024;

const hex = (value: number): string => value.toString(16).padStart(8, "0");

function seal(bytes: Buffer): Buffer {
  const records = bytes.subarray(HEADER);
  bytes.write(`${hex(records.length)} ${hex(Bun.hash.crc32(records))}\n`, "latin1");
  return bytes;
}

/** A batch of records given as text. */
export function batchOf(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(HEADER + length);
  bytes.write(text, HEADER);
  return seal(bytes);
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

  /** The whole batch in its form on disk, valid until the next call. */
  sealed(): Buffer {
    return seal(this.#bytes.subarray(0, HEADER + this.length));
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
