/**
 * Bytes that wait for clients. They are encoded once and shared: an outbox
 * holds references into buffers that other outboxes may hold too, so memory is
 * measured by the buffers that are pinned, not by the sum of the outboxes.
 */

/** Takes bytes. `write` returns their number: fewer than given if it is full, -1 if it is closed. */
export interface Sink {
  write(bytes: Uint8Array, offset: number, length: number): number;
}

/** The sum of the bytes of all buffers that some outbox refers to. */
export class Pinned {
  bytes = 0;
}

/** A buffer that any number of outboxes refer to. */
export class SharedBytes {
  bytes: Buffer;
  /** The bytes of the buffer that are in use; these are counted while it is pinned. */
  size: number;
  refs = 0;
  #counted = false;
  readonly #pinned: Pinned;

  constructor(bytes: Buffer, size: number, pinned: Pinned) {
    this.bytes = bytes;
    this.size = size;
    this.#pinned = pinned;
  }

  /** Counts the buffer from now on until no outbox refers to it any more. */
  pin(): void {
    this.#counted = true;
    this.#pinned.bytes += this.size;
  }

  /** A new buffer with a copy of some of these bytes, referred to once. */
  copy(start: number, end: number): SharedBytes {
    const size = end - start;
    const copy = new SharedBytes(Buffer.allocUnsafeSlow(size), size, this.#pinned);
    this.bytes.copy(copy.bytes, 0, start, end);
    copy.refs = 1;
    copy.pin();
    return copy;
  }

  release(): void {
    this.refs--;
    if (this.refs === 0 && this.#counted) {
      this.#counted = false;
      this.#pinned.bytes -= this.size;
    }
  }
}

interface Piece {
  source: SharedBytes;
  start: number;
  end: number;
}

/** The longest piece that is copied out of a buffer of eight times its size or more, so as not to pin that. */
const SMALL = 2048;
/** Pieces shorter than this are gathered into one write: below it, copying costs less than a system call. */
const GATHER = 16 * 1024;

/** Bytes that each piece counts beyond its own where pieces are messages, so that empty ones count too. */
const MESSAGE_BYTES = 2;

const NEWLINE = 10;

/** Room in which small pieces are gathered, so that they leave together. */
export class Room {
  readonly bytes: Buffer;
  used = 0;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
  }

  /** True if there is no room for a piece that would be gathered. */
  get isFull(): boolean {
    return this.bytes.length - this.used < GATHER;
  }
}

/** A range of a buffer: the bytes that leave next. */
export interface Front {
  bytes: Uint8Array;
  start: number;
  length: number;
}

/** An empty range, to be filled. */
export function noFront(): Front {
  return { bytes: new Uint8Array(0), start: 0, length: 0 };
}

const scratch = new Room(64 * 1024);
const next = noFront();
const nextAlone = [next];

/** The bytes that wait for one client, in order. */
export class Outbox {
  /** Unsent bytes. */
  bytes = 0;
  /** Bytes at the end that may not leave yet. */
  held = 0;
  /** The sink took less than it was given; nothing is written until it drains. */
  blocked = false;
  #pieces: Piece[] = [];
  #head = 0;
  /** The last byte that was taken stood within a line, or within a piece. */
  #midLine = false;
  #midPiece = false;
  readonly #whole: boolean;

  /** @param whole true if each piece is a message, which is written alone and whole */
  constructor(whole = false) {
    this.#whole = whole;
  }

  /** Appends a range of a shared buffer. */
  push(source: SharedBytes, start: number, end: number): void {
    if (start >= end && !this.#whole) return;
    source.refs++;
    this.bytes += end - start + (this.#whole ? MESSAGE_BYTES : 0);
    this.#pieces.push({ source, start, end });
  }

  /** Writes until all that may leave is sent or the sink is full. @returns true if nothing waits any more */
  flush(sink: Sink): boolean {
    while (this.bytes > this.held) {
      const first = this.#pieces[this.#head] as Piece;
      if (this.#whole) {
        if (this.#flushMessage(first, sink)) continue;
        this.blocked = true;
        return false;
      }
      scratch.used = 0;
      this.fronts(nextAlone, scratch);
      const taken = sink.write(next.bytes, next.start, next.length);
      if (taken > 0) this.took(taken);
      if (taken < next.length) {
        this.blocked = true;
        return false;
      }
    }
    this.blocked = false;
    return this.bytes === 0;
  }

  /** True if bytes may leave now. */
  get mayLeave(): boolean {
    return this.bytes > this.held && !this.blocked;
  }

  /**
   * Finds the bytes that leave next, of which there must be some: pieces, and
   * small pieces gathered in `room`. They are valid until the outbox changes.
   * @param fronts get the ranges, in order
   * @returns the number of ranges, which is 1 at least
   */
  fronts(fronts: readonly Front[], room: Room): number {
    let free = this.bytes - this.held;
    let at = this.#head;
    let count = 0;
    while (free > 0 && count < fronts.length) {
      const { source, start, end } = this.#pieces[at] as Piece;
      const front = fronts[count] as Front;
      const length = Math.min(end - start, free);
      if (length >= GATHER || length === free) {
        front.bytes = source.bytes;
        front.start = start;
        front.length = length;
        at++;
      } else {
        if (count > 0 && room.isFull) break;
        front.bytes = room.bytes;
        front.start = room.used;
        at = this.#gather(at, free, room);
        front.length = room.used - front.start;
        // The last piece may have been cut there.
        if (room.used === room.bytes.length) return count + 1;
      }
      free -= front.length;
      count++;
    }
    return count;
  }

  /** Copies small pieces out of large buffers; for pieces that have to wait. */
  unpin(): void {
    for (let i = this.#head; i < this.#pieces.length; i++) {
      unpin(this.#pieces[i] as Piece);
    }
  }

  clear(): void {
    for (let i = this.#head; i < this.#pieces.length; i++) {
      (this.#pieces[i] as Piece).source.release();
    }
    this.#pieces = [];
    this.#head = 0;
    this.bytes = 0;
    this.held = 0;
  }

  /** The sink took this many bytes from the front. */
  took(taken: number): void {
    this.bytes -= taken;
    while (taken > 0) {
      const first = this.#pieces[this.#head] as Piece;
      const length = first.end - first.start;
      const used = Math.min(taken, length);
      first.start += used;
      taken -= used;
      this.#midLine = first.source.bytes[first.start - 1] !== NEWLINE;
      this.#midPiece = used < length;
      if (this.#midPiece) {
        unpin(first);
      } else {
        first.source.release();
        this.#head++;
      }
    }
    this.#trim();
  }

  /** @returns true if the sink took the message; it takes all of it or nothing */
  #flushMessage({ source, start, end }: Piece, sink: Sink): boolean {
    if (sink.write(source.bytes, start, end - start) < end - start) return false;
    source.release();
    this.#head++;
    this.bytes -= end - start + MESSAGE_BYTES;
    this.#trim();
    return true;
  }

  /** Drops pieces that have been sent from the list. */
  #trim(): void {
    if (this.#head === this.#pieces.length) {
      this.#pieces.length = 0;
      this.#head = 0;
    } else if (this.#head > 1024) {
      this.#pieces = this.#pieces.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Forgets everything except the rest of a line that was sent in part, so that a notice can follow it. */
  keepLine(): void {
    this.#keep(this.#midLine, ({ source, start, end }) => {
      const newline = source.bytes.indexOf(NEWLINE, start);
      return newline >= 0 && newline < end ? newline + 1 : -1;
    });
  }

  /** Forgets everything except the rest of a piece that was sent in part, so that a notice can follow it. */
  keepPiece(): void {
    this.#keep(this.#midPiece, ({ end }) => end);
  }

  /** @param endIn the end, in a piece, of the line or piece that the sink has taken in part; -1 if it does not end in this one */
  #keep(begun: boolean, endIn: (piece: Piece) => number): void {
    const kept: Piece[] = [];
    let bytes = 0;
    let open = begun;
    for (const piece of this.#pieces.slice(this.#head)) {
      if (!open) {
        piece.source.release();
        continue;
      }
      const end = endIn(piece);
      if (end >= 0) {
        piece.end = end;
        open = false;
      }
      kept.push(piece);
      bytes += piece.end - piece.start;
    }
    this.#pieces = kept;
    this.#head = 0;
    this.bytes = bytes;
    this.held = 0;
  }

  /** @returns the piece after those that were gathered */
  #gather(first: number, most: number, room: Room): number {
    const from = room.used;
    const to = Math.min(room.bytes.length, from + most);
    let at = first;
    for (; at < this.#pieces.length && room.used < to; at++) {
      const { source, start, end } = this.#pieces[at] as Piece;
      if (at > first && end - start >= GATHER) break;
      const cut = Math.min(end, start + to - room.used);
      room.used += source.bytes.copy(room.bytes, room.used, start, cut);
    }
    return at;
  }
}

function unpin(piece: Piece): void {
  const length = piece.end - piece.start;
  if (length > SMALL || piece.source.size < 8 * length) return;
  const copy = piece.source.copy(piece.start, piece.end);
  piece.source.release();
  piece.source = copy;
  piece.start = 0;
  piece.end = length;
}
