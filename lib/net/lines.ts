/** Takes the lines that a splitter finds in the bytes of a `C`. */
export interface LineSink<C = void> {
  /**
   * One or more whole lines; the last byte is a newline. The bytes are only
   * valid during the call.
   * @returns the number of bytes taken, in whole lines: fewer than all if the sink takes no more for now
   */
  lines(from: C, block: Buffer): number;
  /** A line passed the bound and is being discarded; called once per such line. */
  oversize(from: C): void;
  /** The bound for lines of this one, where it is lower than the others'. */
  mostLineBytes?(from: C): number;
}

const NEWLINE = 10;

/**
 * Cuts a stream of bytes into lines, however it was chunked. An unterminated
 * line is kept up to a bound (its newline not counted); beyond that it is
 * discarded up to its newline and never held.
 */
export class LineSplitter {
  #tail: Buffer | null = null;
  #tailLength = 0;
  #discarding = false;

  /** Bytes held of a line that has not ended yet. */
  get heldBytes(): number {
    return this.#tail?.length ?? 0;
  }

  /** Forgets a line that has not ended yet. */
  clear(): void {
    this.#drop();
  }

  /** @returns the number of bytes taken: fewer than the chunk has if the sink took fewer; the rest has to be fed again */
  feed<C>(from: C, chunk: Buffer, maxBytes: number, sink: LineSink<C>): number {
    let start = 0;
    if (this.#discarding) {
      const newline = chunk.indexOf(NEWLINE);
      if (newline < 0) return chunk.length;
      this.#discarding = false;
      start = newline + 1;
    }
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > start) {
      if (this.#tailLength > 0) {
        const first = chunk.indexOf(NEWLINE, start) + 1;
        this.#endTail(from, chunk.subarray(start, first), maxBytes, sink);
        start = first;
      }
      if (end > start) {
        const block = start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end);
        start += sink.lines(from, block);
        if (start < end) return start;
      }
    }
    if (start < chunk.length) this.#keep(from, chunk, start, maxBytes, sink);
    return chunk.length;
  }

  /** The stream has ended: an unterminated tail counts as a line. */
  end<C>(from: C, sink: LineSink<C>): void {
    if (this.#tailLength === 0 || this.#tail === null) return;
    const line = Buffer.allocUnsafe(this.#tailLength + 1);
    this.#tail.copy(line, 0, 0, this.#tailLength);
    line[this.#tailLength] = NEWLINE;
    this.#drop();
    sink.lines(from, line);
  }

  #endTail<C>(from: C, rest: Buffer, maxBytes: number, sink: LineSink<C>): void {
    const tail = this.#tail as Buffer;
    const length = this.#tailLength;
    this.#drop();
    if (length + rest.length - 1 > (sink.mostLineBytes?.(from) ?? maxBytes)) {
      sink.oversize(from);
      return;
    }
    const line = Buffer.allocUnsafe(length + rest.length);
    tail.copy(line, 0, 0, length);
    rest.copy(line, length);
    sink.lines(from, line);
  }

  #keep<C>(from: C, chunk: Buffer, start: number, maxBytes: number, sink: LineSink<C>): void {
    const length = this.#tailLength + chunk.length - start;
    const most = sink.mostLineBytes?.(from) ?? maxBytes;
    if (length > most) {
      this.#drop();
      this.#discarding = true;
      sink.oversize(from);
      return;
    }
    if (this.#tail === null || this.#tail.length < length) {
      // The room doubles, so that a line that arrives byte by byte is not copied at each byte.
      const grown = Buffer.allocUnsafeSlow(Math.min(most, Math.max(64, 2 * length)));
      this.#tail?.copy(grown, 0, 0, this.#tailLength);
      this.#tail = grown;
    }
    chunk.copy(this.#tail, this.#tailLength, start);
    this.#tailLength = length;
  }

  #drop(): void {
    this.#tail = null;
    this.#tailLength = 0;
  }
}

/** The end of a piece of a block that begins at `start`: whole lines within `most` bytes, or one line that is longer. */
export function endOfPiece(block: Buffer, start: number, most: number): number {
  if (block.length - start <= most) return block.length;
  const last = block.lastIndexOf(NEWLINE, start + most - 1);
  return (last >= start ? last : block.indexOf(NEWLINE, start)) + 1;
}
