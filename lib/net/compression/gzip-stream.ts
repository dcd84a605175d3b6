import { constants, deflateRawSync } from "node:zlib";

/** As far as a piece may look back. */
export const WINDOW = 2 ** 15;

/** The head of RFC 1952: deflate, no name, no time, any system. */
const HEAD = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
/** An empty last block; the sum and the length follow. */
const LAST = [3, 0];

/**
 * Bytes deflated up to their end, so that whoever gets this can read them all.
 * @param before what the reader was sent just before; what repeats it takes next to nothing
 * @param level 0 is the bytes as they are
 * @param windowBits how far back it looks: 15 is 32 kB
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
 * A gzip file that is sent piece by piece. It holds no compressor: what was
 * deflated for one stream fits all that were sent the same before.
 */
export class GzipStream {
  #sum = 0;
  #length = 0;

  /** What to send for bytes, given them deflated. */
  next(bytes: Uint8Array, deflated: Uint8Array): Uint8Array {
    const isFirst = this.#length === 0;
    this.#sum = Bun.hash.crc32(bytes, this.#sum);
    this.#length += bytes.length;
    return isFirst ? Buffer.concat([HEAD, deflated]) : deflated;
  }

  /** What to send last. */
  end(): Uint8Array {
    const end = Buffer.alloc(LAST.length + 8);
    end.set(LAST);
    end.writeUInt32LE(this.#sum, LAST.length);
    end.writeUInt32LE(this.#length % 2 ** 32, LAST.length + 4);
    return this.#length === 0 ? Buffer.concat([HEAD, end]) : end;
  }
}
