/** The client whose bytes are cut into frames. */
export interface FrameSource {
  /** Read after each frame: while it is false, no more are taken. */
  readonly reading: boolean;
}

/** Takes the frames that a splitter finds in the bytes of a `C`. */
export interface FrameSink<C> {
  /** One frame, `bytes` from `start` to `end`. The bytes are only valid during the call. */
  frame(from: C, bytes: Buffer, start: number, end: number): void;
  /** A frame was announced whose length is past the bound. All later bytes of this stream are ignored. */
  oversize(from: C, length: number): void;
}

/** Bytes of the length that stands before each frame, big-endian. */
export const LENGTH_BYTES = 4;

/** A frame as it is sent: its length, then its bytes. */
export function framed(bytes: Uint8Array, start = 0, end = bytes.length): Buffer {
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + end - start);
  frame.writeUInt32BE(end - start);
  frame.set(bytes.subarray(start, end), LENGTH_BYTES);
  return frame;
}

/**
 * Cuts a stream of bytes into frames, however it was chunked. For a frame that
 * is not whole it holds about twice the bytes that have come at most, whatever
 * length was announced.
 */
export class FrameSplitter {
  /** The length of the frame that is coming, and the number of the length's own bytes that have come. */
  #length = 0;
  #lengthCame = 0;
  /** The first bytes of the frame that is coming. */
  #part: Buffer | null = null;
  #partLength = 0;
  #broken = false;

  /** Bytes held of a frame that is not whole yet. */
  get heldBytes(): number {
    return this.#part?.length ?? 0;
  }

  /** Drops the frame that has come in part. */
  clear(): void {
    this.#next();
  }

  /** @returns the number of bytes taken: fewer than the chunk has once `from` is no longer read; the rest has to be fed again */
  feed<C extends FrameSource>(
    from: C,
    chunk: Buffer,
    maxBytes: number,
    sink: FrameSink<C>,
  ): number {
    let at = 0;
    while (at < chunk.length && from.reading) {
      if (this.#broken) return chunk.length;
      if (this.#lengthCame < LENGTH_BYTES) {
        at = this.#readLength(chunk, at);
        if (this.#lengthCame < LENGTH_BYTES) break;
        if (this.#length > maxBytes) {
          this.#broken = true;
          sink.oversize(from, this.#length);
          return chunk.length;
        }
      }
      const end = at + this.#length - this.#partLength;
      if (end > chunk.length) {
        if (at < chunk.length) this.#keep(chunk, at);
        return chunk.length;
      }
      if (this.#part === null) {
        this.#next();
        sink.frame(from, chunk, at, end);
      } else {
        const length = this.#length;
        const frame = this.#grown(length);
        chunk.copy(frame, this.#partLength, at, end);
        this.#next();
        sink.frame(from, frame, 0, length);
      }
      at = end;
    }
    return at;
  }

  /** @returns the index of the first byte after the length */
  #readLength(chunk: Buffer, start: number): number {
    if (this.#lengthCame === 0 && chunk.length - start >= LENGTH_BYTES) {
      // `readUInt32BE` makes a view of every chunk first, which costs more than a short frame.
      this.#length =
        (chunk[start] as number) * 0x1000000 +
        (((chunk[start + 1] as number) << 16) |
          ((chunk[start + 2] as number) << 8) |
          (chunk[start + 3] as number));
      this.#lengthCame = LENGTH_BYTES;
      return start + LENGTH_BYTES;
    }
    let at = start;
    while (this.#lengthCame < LENGTH_BYTES && at < chunk.length) {
      this.#length = this.#length * 256 + (chunk[at++] as number);
      this.#lengthCame++;
    }
    return at;
  }

  #keep(chunk: Buffer, start: number): void {
    const length = this.#partLength + chunk.length - start;
    if (this.#part === null || this.#part.length < length) {
      // The room doubles, so that a frame that arrives byte by byte is not copied at each byte.
      this.#part = this.#grown(Math.min(this.#length, Math.max(64, 2 * length)));
    }
    chunk.copy(this.#part, this.#partLength, start);
    this.#partLength = length;
  }

  /** A buffer of at least `room` bytes that begins with the bytes held so far. */
  #grown(room: number): Buffer {
    if (this.#part !== null && this.#part.length >= room) return this.#part;
    const grown = Buffer.allocUnsafeSlow(room);
    this.#part?.copy(grown, 0, 0, this.#partLength);
    return grown;
  }

  #next(): void {
    this.#length = 0;
    this.#lengthCame = 0;
    this.#part = null;
    this.#partLength = 0;
  }
}
