import type { FrameSource } from "../../../../net/frames.ts";

/** Takes the messages that a splitter finds in the bytes of a `C`. */
export interface SyslogSink<C> {
  /** One message, without what frames it. The bytes are only valid during the call. */
  message(from: C, bytes: Buffer, start: number, end: number): void;
  /** A message is longer than the bound, and is skipped. @param length 0 when it is not known yet */
  oversize(from: C, length: number): void;
  /** A length was announced that nobody means. All later bytes of this stream are ignored. */
  broken(from: C, length: number): void;
}

const [NUL, NEWLINE, SPACE, LESS] = [0, 10, 32, 0x3c];
const [ZERO, NINE] = [0x30, 0x39];
/** Digits of a length at most. */
const MOST_DIGITS = 9;
/** Bytes of a message that is skipped at most; a stream that announces more is broken. */
const MOST_SKIPPED = 64 * 2 ** 20;

/** The length that stands before a message, and where the message begins. */
interface Counted {
  readonly length: number;
  readonly start: number;
}

/**
 * Cuts a stream of syslog into messages (RFC 6587), each by its own framing: one
 * that begins with a length, a space and `<` has its length counted, any other
 * ends at a newline, or at NUL, as Python has it. Of a message that is not whole it holds about twice the bytes
 * that have come at most, whatever length was announced.
 */
export class SyslogSplitter {
  /** The first bytes of a message that may begin with a length. */
  #prefix: Buffer | null = null;
  /** Bytes of a message whose length is counted; null for one that ends at a newline. */
  #length: number | null = null;
  #part: Buffer | null = null;
  #partLength = 0;
  /** Bytes of a message that is too long still to come; Infinity: all to its end. */
  #skipping = 0;
  /** The next newline and the next NUL of the chunk, each looked for once; Infinity when there is none. */
  #newline = -1;
  #nul = -1;
  #isBroken = false;

  /** Bytes held of a message that is not whole yet. */
  get heldBytes(): number {
    return this.#part?.length ?? 0;
  }

  /** Drops the message that has come in part. */
  clear(): void {
    this.#prefix = null;
    this.#drop();
  }

  /** @returns the number of bytes taken: fewer than the chunk has once `from` is no longer read; the rest has to be fed again */
  feed<C extends FrameSource>(from: C, chunk: Buffer, most: number, sink: SyslogSink<C>): number {
    let at = 0;
    this.#newline = this.#nul = -1;
    while (at < chunk.length && from.reading) {
      if (this.#isBroken) return chunk.length;
      if (this.#skipping > 0) at = this.#skip(chunk, at);
      else if (this.#part !== null) at = this.#goOn(from, chunk, at, most, sink);
      else at = this.#begin(from, chunk, at, most, sink);
    }
    return at;
  }

  /** The stream has ended: a message without its newline is one, and so is what has come of a longer one. */
  end<C>(from: C, sink: SyslogSink<C>): void {
    const rest = this.#prefix ?? this.#part?.subarray(0, this.#partLength) ?? null;
    this.#prefix = null;
    this.#drop();
    if (rest !== null) sink.message(from, rest, 0, rest.length);
  }

  /** Begins a message. @returns the index of the first byte that is not used */
  #begin<C>(from: C, chunk: Buffer, at: number, most: number, sink: SyslogSink<C>): number {
    let bytes = chunk;
    let start = at;
    let next = at;
    if (this.#prefix !== null) {
      // What came before is short: it and the next bytes are looked at together.
      next = Math.min(chunk.length, at + MOST_DIGITS + 2);
      bytes = Buffer.concat([this.#prefix, chunk.subarray(at, next)]);
      start = 0;
    }
    const counted = countIn(bytes, start);
    if (counted === undefined) {
      this.#prefix = Buffer.from(bytes.subarray(start));
      return next === at ? chunk.length : next;
    }
    const before = this.#prefix?.length ?? 0;
    this.#prefix = null;
    if (counted === null) {
      if (before > 0) this.#keep(bytes, 0, before);
      return before > 0 ? at : this.#line(from, chunk, at, most, sink);
    }
    const { length } = counted;
    // The message begins with `<`, which is never among the bytes that came before.
    const first = at + counted.start - start - before;
    return this.#counted(from, chunk, first, length, most, sink);
  }

  #counted<C>(
    from: C,
    chunk: Buffer,
    at: number,
    length: number,
    most: number,
    sink: SyslogSink<C>,
  ): number {
    if (length > MOST_SKIPPED) {
      this.#isBroken = true;
      sink.broken(from, length);
      return chunk.length;
    }
    if (length > most) {
      this.#skipping = length;
      sink.oversize(from, length);
      return at;
    }
    const end = at + length;
    if (end <= chunk.length) {
      sink.message(from, chunk, at, end);
      return end;
    }
    this.#length = length;
    this.#keep(chunk, at, chunk.length);
    return chunk.length;
  }

  #line<C>(from: C, chunk: Buffer, at: number, most: number, sink: SyslogSink<C>): number {
    const found = this.#endOfLine(chunk, at);
    const end = found < 0 ? chunk.length : found;
    if (end - at > most) {
      if (found < 0) this.#skipping = Infinity;
      sink.oversize(from, found < 0 ? 0 : end - at);
    } else if (found < 0) this.#keep(chunk, at, end);
    else sink.message(from, chunk, at, end);
    return found < 0 ? end : found + 1;
  }

  /** Goes on with a message whose first bytes came before. */
  #goOn<C>(from: C, chunk: Buffer, at: number, most: number, sink: SyslogSink<C>): number {
    const found = this.#length === null ? this.#endOfLine(chunk, at) : -1;
    const wanted = this.#length === null ? Infinity : at + this.#length - this.#partLength;
    const end = found >= 0 ? found : Math.min(chunk.length, wanted);
    if (this.#partLength + end - at > most) {
      this.#drop();
      if (found < 0) this.#skipping = Infinity;
      sink.oversize(from, 0);
      return found < 0 ? end : found + 1;
    }
    this.#keep(chunk, at, end);
    if (found < 0 && end !== wanted) return end;
    const whole = (this.#part as Buffer).subarray(0, this.#partLength);
    this.#drop();
    sink.message(from, whole, 0, whole.length);
    return found < 0 ? end : found + 1;
  }

  #skip(chunk: Buffer, at: number): number {
    if (this.#skipping < Infinity) {
      const skipped = Math.min(this.#skipping, chunk.length - at);
      this.#skipping -= skipped;
      return at + skipped;
    }
    const end = this.#endOfLine(chunk, at);
    if (end < 0) return chunk.length;
    this.#skipping = 0;
    return end + 1;
  }

  /** The index of the newline or NUL that ends the message at `at`; -1 when it does not end here. */
  #endOfLine(chunk: Buffer, at: number): number {
    if (this.#newline < at) this.#newline = indexOf(chunk, NEWLINE, at);
    if (this.#nul < at) this.#nul = indexOf(chunk, NUL, at);
    const end = Math.min(this.#newline, this.#nul);
    return end === Infinity ? -1 : end;
  }

  #keep(chunk: Buffer, start: number, end: number): void {
    const length = this.#partLength + end - start;
    if (this.#part === null || this.#part.length < length) {
      // The room doubles, so that a message that arrives byte by byte is not copied at each byte.
      const room = Math.max(64, Math.min(2 * length, Math.max(length, this.#length ?? Infinity)));
      const grown = Buffer.allocUnsafeSlow(room);
      this.#part?.copy(grown, 0, 0, this.#partLength);
      this.#part = grown;
    }
    chunk.copy(this.#part, this.#partLength, start, end);
    this.#partLength = length;
  }

  #drop(): void {
    this.#part = null;
    this.#partLength = 0;
    this.#length = null;
  }
}

function indexOf(chunk: Buffer, byte: number, from: number): number {
  const found = chunk.indexOf(byte, from);
  return found < 0 ? Infinity : found;
}

/** The length before a message; null when it has none, undefined while more bytes have to come to tell. */
function countIn(bytes: Buffer, start: number): Counted | null | undefined {
  let length = 0;
  let at = start;
  for (; at < bytes.length && at - start < MOST_DIGITS; at++) {
    const byte = bytes[at] as number;
    if (byte < ZERO || byte > NINE) break;
    length = length * 10 + byte - ZERO;
  }
  if (at === start || bytes[start] === ZERO) return at === bytes.length ? undefined : null;
  if (at === bytes.length) return undefined;
  if (bytes[at] !== SPACE) return null;
  if (at + 1 === bytes.length) return undefined;
  return bytes[at + 1] === LESS ? { length, start: at + 1 } : null;
}
