import { randomBytes } from "node:crypto";
import { copy } from "./bytes.ts";
import { GONE, GrowingTable, type HashTable } from "./hash-table.ts";
import { Times } from "./times.ts";

/** Bytes of a segment. An entry of more than a quarter of it gets a segment of its own. */
const SEGMENT = 256 * 1024;
const LARGE = SEGMENT / 4;
/** Bytes before those of an entry: the number of its value, and its room. */
const HEADER = 8;
/** Words of 32 bits that describe one value, half a line of the processor's cache; the last two are a double. */
const WORDS = 8;
/** Values that one page of such words describes. */
const PAGE = 4096;
const [PLACE, OFFSET, NAME, LENGTH, ROOM, OWNER] = [0, 1, 2, 3, 4, 5];
/** The place of the double, counted in doubles. */
const [DOUBLES, VERSION] = [WORDS / 2, 3];
/** The lower half of the word `NAME` is the length of the name, the upper half that of its last part. */
const [NAME_MASK, PART_SHIFT] = [0xffff, 16];
const CARET = 94;
/** Segments that are emptied at a time: about two milliseconds' work. */
const EMPTIED = 4;

/** Bytes of memory that a value takes besides its name and itself: also in the table, in the list of its siblings, and up to the next word. */
export const VALUE_BYTES = HEADER + WORDS * 4 + 22 + 16 + 4;

interface Segment {
  readonly bytes: Buffer;
  used: number;
  /** Bytes of entries that are not garbage. */
  live: number;
}

/**
 * Names and values (JSON) of keys as bytes outside of the collected heap, found
 * by the bytes of the name. A lookup touches three places of memory (a slot, the
 * words that describe the value, the bytes), a map of strings and objects seven;
 * with many keys, these are the cost of a lookup.
 */
export class Values {
  /** Number of values. */
  size = 0;
  /** The bytes that were looked for last, as by `locate`: `found` from `foundStart` to `foundEnd`. */
  found: Buffer = Buffer.alloc(0);
  foundStart = 0;
  foundEnd = 0;
  readonly #words: Int32Array[] = [];
  readonly #doubles: Float64Array[] = [];
  readonly #expiries = new Times();
  readonly #free: number[] = [];
  #next = 0;
  readonly #index = new GrowingTable();
  readonly #segments: (Segment | null)[] = [];
  readonly #freePlaces: number[] = [];
  #head = -1;
  /** Bytes of all segments, and of the entries in them. */
  #allocated = 0;
  #live = 0;
  #compacting = false;
  // Random, so that nobody can choose names that share a hash.
  readonly #seed = randomBytes(4).readInt32LE();
  readonly #factor = randomBytes(4).readInt32LE() | 1;

  /** The number of the value whose name is `bytes` from `start` to `end`, or -1. */
  find(bytes: Buffer, start: number, end: number): number {
    const hash = this.#hash(bytes, start, end);
    const { table, old } = this.#index;
    const found = this.#probe(table, hash, bytes, start, end);
    return found >= 0 || old === null ? found : this.#probe(old, hash, bytes, start, end);
  }

  /**
   * Adds a value; there must be none of that name.
   * @returns its number, which stays until it is removed
   */
  add(
    name: Buffer,
    nameStart: number,
    nameEnd: number,
    value: Buffer,
    start = 0,
    end = value.length,
  ): number {
    const id = this.#free.pop() ?? this.#next++;
    if (id >= this.#words.length * PAGE) {
      const page = new ArrayBuffer(PAGE * WORDS * 4);
      this.#words.push(new Int32Array(page));
      this.#doubles.push(new Float64Array(page));
      this.#expiries.reach(id);
    }
    const hash = this.#hash(name, nameStart, nameEnd);
    const words = this.#words[(id / PAGE) | 0] as Int32Array;
    const at = (id % PAGE) * WORDS;
    let part = nameEnd;
    while (part > nameStart && name[part - 1] !== CARET) part--;
    words[at + NAME] = (nameEnd - nameStart) | ((nameEnd - part) << PART_SHIFT);
    this.#put(id, name, nameStart, value, start, end);
    this.#index.add(id, hash);
    this.size++;
    return id;
  }

  /** Replaces a value by `bytes` from `start` to `end`. */
  set(id: number, bytes: Buffer, start: number, end: number): void {
    const words = this.#words[(id / PAGE) | 0] as Int32Array;
    const at = (id % PAGE) * WORDS;
    const name = (words[at + NAME] as number) & NAME_MASK;
    const room = words[at + ROOM] as number;
    const length = end - start;
    const needed = HEADER + name + length;
    const place = words[at + PLACE] as number;
    const offset = words[at + OFFSET] as number;
    const segment = this.#segments[place] as Segment;
    // In place, unless that would waste a fifth of it, which nobody counts.
    if (needed <= room && room <= needed + (needed >> 2) + 16) {
      copy(bytes, start, end, segment.bytes, offset + HEADER + name);
      words[at + LENGTH] = length;
      return;
    }
    this.#discard(place, room);
    // Without room, the old entry is garbage to `#evacuate`, which may run before the new one is written.
    words[at + ROOM] = 0;
    this.#put(id, segment.bytes, offset + HEADER, bytes, start, end);
  }

  /** Removes a value; its number may be used again. */
  remove(id: number): void {
    const words = this.#words[(id / PAGE) | 0] as Int32Array;
    const at = (id % PAGE) * WORDS;
    this.#index.remove(id, this.#hashOf(id));
    this.#discard(words[at + PLACE] as number, words[at + ROOM] as number);
    words[at + ROOM] = 0;
    this.#free.push(id);
    this.size--;
  }

  /** Bytes of a value's name. */
  nameLength(id: number): number {
    const words = this.#words[(id / PAGE) | 0] as Int32Array;
    return (words[(id % PAGE) * WORDS + NAME] as number) & NAME_MASK;
  }

  /** Finds the bytes of the last part of a name, valid until something changes. */
  locate(id: number): void {
    const words = this.#words[(id / PAGE) | 0] as Int32Array;
    const at = (id % PAGE) * WORDS;
    const name = words[at + NAME] as number;
    this.found = (this.#segments[words[at + PLACE] as number] as Segment).bytes;
    this.foundEnd = (words[at + OFFSET] as number) + HEADER + (name & NAME_MASK);
    this.foundStart = this.foundEnd - (name >> PART_SHIFT);
  }

  /** The whole name. */
  name(id: number): string {
    this.locate(id);
    return this.found.toString("utf8", this.foundEnd - this.nameLength(id), this.foundEnd);
  }

  /** A number that the owner of a value has given it. */
  owner(id: number): number {
    const words = this.#words[(id / PAGE) | 0] as Int32Array;
    return words[(id % PAGE) * WORDS + OWNER] as number;
  }

  setOwner(id: number, owner: number): void {
    const words = this.#words[(id / PAGE) | 0] as Int32Array;
    words[(id % PAGE) * WORDS + OWNER] = owner;
  }

  /** Bytes of a value. */
  length(id: number): number {
    const words = this.#words[(id / PAGE) | 0] as Int32Array;
    return words[(id % PAGE) * WORDS + LENGTH] as number;
  }

  /** Copies a value to `out` from `to` on, where there must be room. @returns its length */
  copy(id: number, out: Buffer, to: number): number {
    const words = this.#words[(id / PAGE) | 0] as Int32Array;
    const at = (id % PAGE) * WORDS;
    const { bytes } = this.#segments[words[at + PLACE] as number] as Segment;
    const name = (words[at + NAME] as number) & NAME_MASK;
    const start = (words[at + OFFSET] as number) + HEADER + name;
    const length = words[at + LENGTH] as number;
    copy(bytes, start, start + length, out, to);
    return length;
  }

  text(id: number): string {
    this.#locateValue(id);
    return this.found.toString("utf8", this.foundStart, this.foundEnd);
  }

  /** The first characters of a value, from at most `most` bytes. */
  beginning(id: number, most: number): string {
    this.#locateValue(id);
    const end = Math.min(this.foundEnd, this.foundStart + most);
    // As of a stream: half a character at the end is left out.
    return new TextDecoder().decode(this.found.subarray(this.foundStart, end), { stream: true });
  }

  version(id: number): number {
    const doubles = this.#doubles[(id / PAGE) | 0] as Float64Array;
    return doubles[(id % PAGE) * DOUBLES + VERSION] as number;
  }

  setVersion(id: number, version: number): void {
    const doubles = this.#doubles[(id / PAGE) | 0] as Float64Array;
    doubles[(id % PAGE) * DOUBLES + VERSION] = version;
  }

  /** Clock milliseconds; Infinity for never. */
  expiresAt(id: number): number {
    return this.#expiries.get(id);
  }

  setExpiresAt(id: number, expiresAt: number): void {
    this.#expiries.set(id, expiresAt);
  }

  /** Raises the versions of all values. */
  raiseVersions(by: number): void {
    for (let id = 0; id < this.#next; id++) {
      const words = this.#words[(id / PAGE) | 0] as Int32Array;
      if (words[(id % PAGE) * WORDS + ROOM] !== 0) this.setVersion(id, this.version(id) + by);
    }
  }

  /** Bytes of all segments, bytes of the entries in them that are not garbage, and slots taken in the tables. */
  get memory(): { readonly allocated: number; readonly live: number; readonly slots: number } {
    return {
      allocated: this.#allocated,
      live: this.#live,
      slots: this.#index.used,
    };
  }

  // --- the table

  #hash(bytes: Buffer, start: number, end: number): number {
    let hash = this.#seed;
    for (let i = start; i < end; i++) {
      hash = Math.imul(hash ^ (bytes[i] as number), this.#factor);
      hash ^= hash >>> 15;
    }
    return hash;
  }

  #hashOf(id: number): number {
    this.locate(id);
    return this.#hash(this.found, this.foundEnd - this.nameLength(id), this.foundEnd);
  }

  #probe(table: HashTable, hash: number, bytes: Buffer, start: number, end: number): number {
    const { slots, mask } = table;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const number = slots[2 * slot] as number;
      if (number === 0) return -1;
      if (slots[2 * slot + 1] !== hash || number === GONE) continue;
      if (this.#isNamed(number - 1, bytes, start, end)) return number - 1;
    }
  }

  #isNamed(id: number, bytes: Buffer, start: number, end: number): boolean {
    const words = this.#words[(id / PAGE) | 0] as Int32Array;
    const at = (id % PAGE) * WORDS;
    const length = end - start;
    if (((words[at + NAME] as number) & NAME_MASK) !== length) return false;
    const segment = (this.#segments[words[at + PLACE] as number] as Segment).bytes;
    const offset = (words[at + OFFSET] as number) + HEADER;
    for (let i = 0; i < length; i++) {
      if (segment[offset + i] !== bytes[start + i]) return false;
    }
    return true;
  }

  // --- the bytes

  #locateValue(id: number): void {
    const words = this.#words[(id / PAGE) | 0] as Int32Array;
    const at = (id % PAGE) * WORDS;
    const name = (words[at + NAME] as number) & NAME_MASK;
    this.found = (this.#segments[words[at + PLACE] as number] as Segment).bytes;
    this.foundStart = (words[at + OFFSET] as number) + HEADER + name;
    this.foundEnd = this.foundStart + (words[at + LENGTH] as number);
  }

  /** Appends an entry. `name` may be the bytes of the value's old entry. */
  #put(
    id: number,
    name: Buffer,
    nameStart: number,
    value: Buffer,
    start: number,
    end: number,
  ): void {
    const words = this.#words[(id / PAGE) | 0] as Int32Array;
    const at = (id % PAGE) * WORDS;
    const nameLength = (words[at + NAME] as number) & NAME_MASK;
    const room = (HEADER + nameLength + end - start + 7) & ~7;
    const index = this.#placeFor(room);
    const segment = this.#segments[index] as Segment;
    const offset = segment.used;
    segment.used += room;
    segment.live += room;
    this.#live += room;
    segment.bytes.writeInt32LE(id, offset);
    segment.bytes.writeInt32LE(room, offset + 4);
    copy(name, nameStart, nameStart + nameLength, segment.bytes, offset + HEADER);
    copy(value, start, end, segment.bytes, offset + HEADER + nameLength);
    words[at + PLACE] = index;
    words[at + OFFSET] = offset;
    words[at + LENGTH] = end - start;
    words[at + ROOM] = room;
  }

  /** A segment with `room` bytes left at its end. */
  #placeFor(room: number): number {
    if (room > LARGE) return this.#open(room);
    const before = this.#head;
    const head = this.#segments[before];
    if (head && head.used + room <= SEGMENT) return before;
    this.#head = this.#open(SEGMENT);
    if (head?.live === 0) this.#close(before);
    if (!this.#compacting) this.tidy();
    // `tidy` may have filled the new segment.
    return this.#placeFor(room);
  }

  #open(size: number): number {
    const place = this.#freePlaces.pop() ?? this.#segments.length;
    this.#segments[place] = { bytes: Buffer.allocUnsafeSlow(size), used: 0, live: 0 };
    this.#allocated += size;
    return place;
  }

  #close(place: number): void {
    this.#allocated -= (this.#segments[place] as Segment).bytes.length;
    this.#segments[place] = null;
    this.#freePlaces.push(place);
  }

  #discard(place: number, room: number): void {
    const segment = this.#segments[place] as Segment;
    segment.live -= room;
    this.#live -= room;
    if (segment.live === 0 && place !== this.#head) this.#close(place);
  }

  /** Empties the emptiest segments, a few at a time, while more than a third of all bytes is garbage. */
  tidy(): void {
    this.#compacting = true;
    for (let left = EMPTIED; left > 0 && this.#isWasteful; left--) {
      const emptiest = this.#emptiest();
      if (emptiest < 0) break;
      this.#evacuate(emptiest);
    }
    this.#compacting = false;
  }

  get #isWasteful(): boolean {
    return this.#allocated - this.#live > this.#allocated / 3 + 2 * SEGMENT;
  }

  /** The segment with the fewest live bytes, except the one that is being filled; -1 when there is none. */
  #emptiest(): number {
    let emptiest = -1;
    let least = SEGMENT;
    for (let i = 0; i < this.#segments.length; i++) {
      const segment = this.#segments[i];
      if (!segment || i === this.#head || segment.bytes.length !== SEGMENT) continue;
      if (segment.live >= least) continue;
      emptiest = i;
      least = segment.live;
    }
    return emptiest;
  }

  #evacuate(place: number): void {
    const { bytes, used } = this.#segments[place] as Segment;
    for (let offset = 0; offset < used;) {
      const id = bytes.readInt32LE(offset);
      const room = bytes.readInt32LE(offset + 4);
      const words = this.#words[(id / PAGE) | 0] as Int32Array;
      const at = (id % PAGE) * WORDS;
      const isLive =
        words[at + PLACE] === place && words[at + OFFSET] === offset && words[at + ROOM] !== 0;
      if (isLive) {
        const name = offset + HEADER;
        const value = name + ((words[at + NAME] as number) & NAME_MASK);
        this.#live -= room;
        (this.#segments[place] as Segment).live -= room;
        this.#put(id, bytes, name, bytes, value, value + (words[at + LENGTH] as number));
      }
      offset += room;
    }
    this.#close(place);
  }
}
