import { constants, deflateRawSync } from "node:zlib";

/** Bytes that a piece may look back at most. */
export const WINDOW = 2 ** 15;

/** The header of RFC 1952, 2.3: deflate, no name, no time, unknown system. */
const HEAD = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
/** An empty last block (RFC 1951); the checksum and the length follow it. */
const LAST = [3, 0];

/**
 * Bytes deflated and flushed, so that a reader can read all of them at once.
 * @param before the last bytes that the reader was sent; repeating them takes next to nothing
 * @param level 0 stores the bytes as they are
 * @param windowBits it looks back 2 to the power of this many bytes: 15 is 32 kB
 */
export function deflated(
  bytes: Uint8Array,
  before: Uint8Array,
  level: number,
  windowBits: number,
): Buffer {
  return deflateRawSync(bytes, {
    level,
    windowBits,
    memLevel: windowBits - 7,
    finishFlush: constants.Z_SYNC_FLUSH,
    ...(before.length > 0 ? { dictionary: before } : {}),
  });
}

/**
 * A gzip file that is sent piece by piece. It holds no compressor: a deflated
 * piece fits every stream that was sent the same bytes before it.
 */
export class GzipStream {
  #sum = 0;
  #length = 0;

  /** The bytes to send for the next piece. @param deflated the piece, deflated */
  next(bytes: Uint8Array, deflated: Uint8Array): Uint8Array {
    const isFirst = this.#length === 0;
    this.#sum = Bun.hash.crc32(bytes, this.#sum);
    this.#length += bytes.length;
    return isFirst ? Buffer.concat([HEAD, deflated]) : deflated;
  }

  /** The last bytes to send. */
  end(): Uint8Array {
    const end = Buffer.alloc(LAST.length + 8);
    end.set(LAST);
    end.writeUInt32LE(this.#sum, LAST.length);
    end.writeUInt32LE(this.#length % 2 ** 32, LAST.length + 4);
    return this.#length === 0 ? Buffer.concat([HEAD, end]) : end;
  }
}
