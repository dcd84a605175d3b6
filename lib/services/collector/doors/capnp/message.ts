/**
 * Messages of Cap'n Proto, read in place and without an object for any part of
 * them (capnproto.org/encoding.html). Every length and every pointer is checked
 * before it is followed: a message can cost no more than the bytes it has.
 */

import { LastView, viewOf } from "../../last-view.ts";

/** The reason why bytes are no message of the schema. */
export class Malformed extends Error {}

/** Segments that a message may have, as in the C++ and Rust readers. */
const MOST_SEGMENTS = 512;
/** First size of the buffer that messages are unpacked into. */
const SMALL = 64 * 1024;
/** A buffer that has grown beyond this is released after its message. */
const LARGE = 2 ** 20;
const WORD = 8;

/** The low two bits of a pointer. */
const STRUCT = 0;
const LIST = 1;
const FAR = 2;
/** The element size of a list of bytes. */
const BYTES = 2;

/** One message at a time, in a buffer that is used again. */
export class Message {
  /** The words of the message. */
  bytes: Buffer;
  #view: DataView;
  /** The same memory by halves of words: every machine that Bun runs on is little-endian, as Cap'n Proto is. */
  #halves: Int32Array;
  readonly #packed = new LastView();
  /** Kept, since the compiler does best with a buffer that stays the same. */
  readonly #small: Buffer;
  readonly #most: number;
  #length = 0;
  #segments = 0;
  readonly #starts = new Int32Array(MOST_SEGMENTS);
  readonly #lengths = new Int32Array(MOST_SEGMENTS);
  /** The pointer that was followed last: its two halves, its segment, and the byte that it points to. */
  #low = 0;
  #high = 0;
  #segment = 0;
  #target = 0;
  /** The struct that was entered last: where its pointers begin, and how many it has. */
  #pointers = 0;
  #pointerCount = 0;
  #structSegment = 0;
  /** The struct's data, and its bytes. */
  #data = 0;
  #dataBytes = 0;
  /** The text that was found last, without its NUL. */
  textStart = 0;
  textEnd = 0;
  /** Bytes of all texts that were found. */
  #textBytes = 0;

  /** @param most bytes that a message may have when it is unpacked */
  constructor(most: number) {
    this.#most = most - (most % WORD);
    this.#small = Buffer.allocUnsafeSlow(Math.min(SMALL, this.#most));
    this.bytes = this.#small;
    this.#view = viewOf(this.bytes);
    this.#halves = halvesOf(this.bytes);
  }

  /** Takes a packed message. @throws Malformed */
  unpack(from: Buffer, start: number, end: number): void {
    this.#shrink();
    const packed = this.#packed.of(from);
    let bytes = this.bytes;
    let halves = this.#halves;
    // As whole numbers for the compiler, too: lengths that were read from the wire are none.
    let at = start | 0;
    const last = end | 0;
    let to = 0;
    while (at < last) {
      const tag = from[at++] as number;
      if (to + WORD > bytes.length) {
        bytes = this.#reserve(to, WORD);
        halves = this.#halves;
      }
      let half = to >> 2;
      to += WORD;
      if (tag === 0) {
        if (at >= last) throw new Malformed("it ends within a run of zeros");
        to += (from[at++] as number) * WORD;
        if (to > bytes.length) {
          bytes = this.#reserve(half << 2, to - (half << 2));
          halves = this.#halves;
        }
        for (const stop = to >> 2; half < stop; half++) halves[half] = 0;
        continue;
      }
      if (tag === 0xff) {
        if (at + WORD >= last) throw new Malformed("it ends within a run of words");
        // The count stands behind the first word of the run.
        const run = (from[at + WORD] as number) * WORD;
        halves[half++] = packed.getInt32(at, true);
        halves[half++] = packed.getInt32(at + 4, true);
        at += WORD + 1;
        if (at + run > last) throw new Malformed("it ends within a run of words");
        if (to + run > bytes.length) {
          bytes = this.#reserve(to, run);
          halves = this.#halves;
        }
        to += run;
        for (const stop = to >> 2; half < stop; half++, at += 4) {
          halves[half] = packed.getInt32(at, true);
        }
        continue;
      }
      halves[half] = 0;
      halves[half + 1] = 0;
      // Written out, since this is where most of the time for a message goes.
      const word = half << 2;
      if (tag & 1) bytes[word] = from[at++] as number;
      if (tag & 2) bytes[word + 1] = from[at++] as number;
      if (tag & 4) bytes[word + 2] = from[at++] as number;
      if (tag & 8) bytes[word + 3] = from[at++] as number;
      if (tag & 16) bytes[word + 4] = from[at++] as number;
      if (tag & 32) bytes[word + 5] = from[at++] as number;
      if (tag & 64) bytes[word + 6] = from[at++] as number;
      if (tag & 128) bytes[word + 7] = from[at++] as number;
      if (at > last) throw new Malformed("it ends within a word");
    }
    this.#open(to);
  }

  /** Takes a message that is not packed. @throws Malformed */
  copy(from: Buffer, start: number, end: number): void {
    this.#shrink();
    this.#reserve(0, end - start);
    this.bytes.set(from.subarray(start, end));
    this.#open(end - start);
  }

  /** Enters the struct at the root. @returns false when it is null: everything in it has its default @throws Malformed */
  enterRoot(): boolean {
    if ((this.#lengths[0] as number) < WORD) throw new Malformed("it has no root");
    const root = this.#starts[0] as number;
    if (this.#isNull(root)) return false;
    this.#follow(root, 0);
    if ((this.#low & 3) !== STRUCT) throw new Malformed("its root is no struct");
    const data = this.#target;
    const dataBytes = (this.#high & 0xffff) * WORD;
    const pointerCount = this.#high >>> 16;
    this.#within(data, dataBytes + pointerCount * WORD);
    this.#data = data;
    this.#dataBytes = dataBytes;
    this.#pointers = data + dataBytes;
    this.#pointerCount = pointerCount;
    this.#structSegment = this.#segment;
    return true;
  }

  /** A whole number of 16 bits of the struct's data; 0 where the sender's schema has none. */
  uint16(offset: number): number {
    return offset + 2 <= this.#dataBytes ? this.#view.getUint16(this.#data + offset, true) : 0;
  }

  bit(offset: number): boolean {
    const at = offset >> 3;
    if (at >= this.#dataBytes) return false;
    return (((this.bytes[this.#data + at] as number) >> (offset & 7)) & 1) === 1;
  }

  uint64(offset: number): bigint {
    return offset + 8 <= this.#dataBytes ? this.#view.getBigUint64(this.#data + offset, true) : 0n;
  }

  /** Finds a text of the struct, by its place among the pointers. One that is not there is empty. @throws Malformed */
  findText(place: number): void {
    this.textStart = this.textEnd = 0;
    if (place >= this.#pointerCount) return;
    const at = this.#pointers + place * WORD;
    if (this.#isNull(at)) return;
    this.#follow(at, this.#structSegment);
    if ((this.#low & 3) !== LIST || (this.#high & 7) !== BYTES) {
      throw new Malformed("a text is something else");
    }
    const length = this.#high >>> 3;
    this.#within(this.#target, length);
    if (length === 0 || this.bytes[this.#target + length - 1] !== 0) {
      throw new Malformed("a text has no end");
    }
    this.#countText(length);
    this.textStart = this.#target;
    this.textEnd = this.#target + length - 1;
  }

  /** Finds the first `count` texts of the struct, and writes where each begins and ends. @throws Malformed */
  findTexts(count: number, starts: Int32Array, ends: Int32Array): void {
    const halves = this.#halves;
    const first = this.#starts[this.#structSegment] as number;
    const last = first + (this.#lengths[this.#structSegment] as number);
    const there = Math.min(count, this.#pointerCount);
    let half = this.#pointers >> 2;
    let textBytes = 0;
    for (let place = 0; place < there; place++, half += 2) {
      const low = halves[half] as number;
      const high = halves[half + 1] as number;
      // Most texts of most messages are not there.
      if (low === 0 && high === 0) continue;
      const start = ((half + 2) << 2) + (low >> 2) * WORD;
      const length = high >>> 3;
      // Nearly all others lie in the struct's segment.
      if (
        (low & 3) === LIST &&
        (high & 7) === BYTES &&
        start >= first &&
        length > 0 &&
        start + length <= last &&
        this.bytes[start + length - 1] === 0
      ) {
        textBytes += length;
        starts[place] = start;
        ends[place] = start + length - 1;
      } else {
        this.findText(place);
        starts[place] = this.textStart;
        ends[place] = this.textEnd;
      }
    }
    this.#countText(textBytes);
  }

  /** Pointers that share a text must not make more of it than was sent. @throws Malformed */
  #countText(bytes: number): void {
    this.#textBytes += bytes;
    if (this.#textBytes > this.#length) throw new Malformed("its texts share their bytes");
  }

  #isNull(at: number): boolean {
    return this.#halves[at >> 2] === 0 && this.#halves[(at >> 2) + 1] === 0;
  }

  /** Follows a pointer, over at most two others in other segments. */
  #follow(at: number, segment: number): void {
    const halves = this.#halves;
    this.#low = halves[at >> 2] as number;
    this.#high = halves[(at >> 2) + 1] as number;
    this.#segment = segment;
    let from = at;
    if ((this.#low & 3) === FAR) {
      const isDouble = (this.#low & 4) !== 0;
      from = this.#farTarget(isDouble ? 2 * WORD : WORD);
      this.#low = halves[from >> 2] as number;
      this.#high = halves[(from >> 2) + 1] as number;
      if (isDouble) {
        if ((this.#low & 7) !== FAR) throw new Malformed("a pointer leads nowhere");
        // The content has a pointer of its own, which tells only its kind and size.
        this.#target = this.#farTarget(0);
        this.#low = halves[(from >> 2) + 2] as number;
        this.#high = halves[(from >> 2) + 3] as number;
        return;
      }
      if ((this.#low & 3) === FAR) throw new Malformed("a pointer leads to a pointer");
    }
    this.#target = from + WORD + (this.#low >> 2) * WORD;
  }

  /** The byte that a far pointer points to, with `bytes` behind it in its segment. */
  #farTarget(bytes: number): number {
    const segment = this.#high >>> 0;
    if (segment >= this.#segments) throw new Malformed("a pointer leads to a missing segment");
    this.#segment = segment;
    const target = (this.#starts[segment] as number) + (this.#low >>> 3) * WORD;
    this.#within(target, bytes);
    return target;
  }

  /** @throws Malformed unless these bytes lie in the segment of the last pointer */
  #within(start: number, length: number): void {
    const first = this.#starts[this.#segment] as number;
    if (start < first || start + length > first + (this.#lengths[this.#segment] as number)) {
      throw new Malformed("a pointer leads out of its segment");
    }
  }

  /** Reads the table of segments of a message of so many bytes. */
  #open(length: number): void {
    this.#length = length;
    this.#textBytes = 0;
    if (length < WORD) throw new Malformed("it has no segments");
    const segments = this.#view.getUint32(0, true) + 1;
    if (segments > MOST_SEGMENTS) throw new Malformed("it has too many segments");
    let start = (4 + 4 * segments + 7) & ~7;
    if (start > length) throw new Malformed("its table of segments is cut short");
    for (let segment = 0; segment < segments; segment++) {
      const words = this.#view.getUint32(4 + 4 * segment, true);
      if (words > (length - start) / WORD) throw new Malformed("a segment is cut short");
      this.#starts[segment] = start;
      this.#lengths[segment] = words * WORD;
      start += words * WORD;
    }
    this.#segments = segments;
  }

  #shrink(): void {
    if (this.bytes.length > LARGE) this.#use(this.#small);
  }

  /** Makes room for `more` bytes behind `length` others. */
  #reserve(length: number, more: number): Buffer {
    const needed = length + more;
    if (needed <= this.bytes.length) return this.bytes;
    if (needed > this.#most) throw new Malformed(`it has more than ${this.#most} bytes unpacked`);
    const room = Math.min(this.#most, Math.max(SMALL, words(needed), this.bytes.length * 2));
    const wider = Buffer.allocUnsafeSlow(room);
    this.bytes.copy(wider, 0, 0, length);
    this.#use(wider);
    return wider;
  }

  /** @param bytes a buffer of its own memory, of whole words */
  #use(bytes: Buffer): void {
    this.bytes = bytes;
    this.#view = viewOf(bytes);
    this.#halves = halvesOf(bytes);
  }
}

/** Whole words that hold so many bytes. */
function words(bytes: number): number {
  return Math.ceil(bytes / WORD) * WORD;
}

function halvesOf({ buffer, byteOffset, length }: Buffer): Int32Array {
  return new Int32Array(buffer, byteOffset, length / 4);
}
