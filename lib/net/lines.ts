/** Who takes what a line splitter finds. */
export interface LineSink {
  /** One or more whole lines; the last byte is a newline. The bytes are only valid during the call. */
  lines(block: Buffer): void;
  /** A line passed the bound and is being discarded; called once per such line. */
  oversize(): void;
}

const NEWLINE = 10;

/**
 * Cuts a stream of bytes into lines, however it was chunked. An unterminated
 * line is kept up to `maxBytes` (its newline not counted); beyond that it is
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

  feed(chunk: Buffer, maxBytes: number, sink: LineSink): void {
    let start = 0;
    if (this.#discarding) {
      const newline = chunk.indexOf(NEWLINE);
      if (newline < 0) return;
      this.#discarding = false;
      start = newline + 1;
    }
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > start) {
      if (this.#tailLength > 0) {
        const first = chunk.indexOf(NEWLINE, start) + 1;
        this.#endTail(chunk, start, first, maxBytes, sink);
        start = first;
      }
      if (end > start) {
        sink.lines(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end));
        start = end;
      }
    }
    if (start < chunk.length) this.#keep(chunk, start, maxBytes, sink);
  }

  /** The stream has ended: an unterminated tail counts as a line. */
  end(sink: LineSink): void {
    if (this.#tailLength === 0 || this.#tail === null) return;
    const line = Buffer.allocUnsafe(this.#tailLength + 1);
    this.#tail.copy(line, 0, 0, this.#tailLength);
    line[this.#tailLength] = NEWLINE;
    this.#drop();
    sink.lines(line);
  }

  #endTail(chunk: Buffer, start: number, end: number, maxBytes: number, sink: LineSink): void {
    const tail = this.#tail as Buffer;
    const length = this.#tailLength;
    this.#drop();
    if (length + (end - start) - 1 > maxBytes) {
      sink.oversize();
      return;
    }
    const line = Buffer.allocUnsafe(length + end - start);
    tail.copy(line, 0, 0, length);
    chunk.copy(line, length, start, end);
    sink.lines(line);
  }

  #keep(chunk: Buffer, start: number, maxBytes: number, sink: LineSink): void {
    const length = this.#tailLength + chunk.length - start;
    if (length > maxBytes) {
      this.#drop();
      this.#discarding = true;
      sink.oversize();
      return;
    }
    if (this.#tail === null || this.#tail.length < length) {
      // Doubling, so that a line that arrives byte by byte is not copied once a byte.
      const grown = Buffer.allocUnsafeSlow(Math.min(maxBytes, Math.max(64, 2 * length)));
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
