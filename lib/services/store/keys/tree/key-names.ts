import { compare, type Names, type Ranked, rankOf } from "./ordered.ts";
import { MAX_PART_BYTES } from "../path.ts";
import { rankIn } from "./ranks.ts";
import type { Values } from "./values.ts";

/** Bytes of a sought name that are looked at: no name in a list has as many. */
const MOST = MAX_PART_BYTES + 1;
/** Units that surely have more bytes, with a character that was cut in two. */
const UNITS = MOST + 1;
/** Comes after every byte of UTF-8, and before every one that a character has behind its first. */
const [HIGHEST, BEFORE_MORE] = [0xff, 0x7f];

/** Names of a list of numbers: the last part of a value's name by the number of the value, that of a branch by `~` of its number. */
export class KeyNames implements Names<number> {
  readonly #values: Values;
  readonly #branches: readonly (Ranked | null)[];
  #name = "";
  #rank = NaN;
  // The name in UTF-8.
  readonly #bytes = Buffer.allocUnsafeSlow(4 * UNITS);
  #length = 0;

  constructor(values: Values, branches: readonly (Ranked | null)[]) {
    this.#values = values;
    this.#branches = branches;
  }

  seek(name: string): void {
    this.#name = name;
    this.#rank = rankOf(name);
    const bytes = this.#bytes;
    const { length } = name;
    let at = 0;
    if (length <= MOST) {
      for (; at < length; at++) {
        const unit = name.charCodeAt(at);
        if (unit > 127) break;
        bytes[at] = unit;
      }
    }
    this.#length = at === length ? length : Math.min(MOST, encode(name.slice(0, UNITS), bytes));
  }

  compare(item: number): number {
    if (item < 0) {
      const { name, rank } = this.#branches[~item] as Ranked;
      return compare(name, rank, this.#name, this.#rank);
    }
    const values = this.#values;
    values.locate(item);
    const { found, foundStart: start, foundEnd: end } = values;
    const rank = rankIn(found, start, end);
    const sought = this.#rank;
    // As in `compare`: only NaN differs from itself.
    if (rank === rank) return sought === sought ? rank - sought : -1;
    if (sought === sought) return 1;
    const bytes = this.#bytes;
    const length = Math.min(end - start, this.#length);
    for (let i = 0; i < length; i++) {
      const difference = (found[start + i] as number) - (bytes[i] as number);
      if (difference !== 0) return difference;
    }
    return end - start - this.#length;
  }

  nameOf(item: number): string {
    if (item < 0) return (this.#branches[~item] as Ranked).name;
    const values = this.#values;
    values.locate(item);
    return values.found.toString("utf8", values.foundStart, values.foundEnd);
  }
}

/**
 * Writes a name that is sought in UTF-8, so that bytes compare as `compare` does.
 * Half a surrogate pair, which no name in a list has, ends it: what comes behind
 * decides nothing. The first half comes just before all pairs that begin with
 * it, the second half after everything.
 * @returns the number of bytes
 */
function encode(name: string, bytes: Buffer): number {
  const half = loneHalf(name);
  if (half === name.length) return bytes.write(name);
  const end = bytes.write(name.slice(0, half));
  if (name.charCodeAt(half) >= 0xdc00) {
    bytes[end] = HIGHEST;
    return end + 1;
  }
  const more = end + bytes.write(`${name.charAt(half)}\udc00`, end);
  bytes[more - 1] = BEFORE_MORE;
  return more;
}

/** The place of the first half of a surrogate pair that stands alone, or the end. */
function loneHalf(name: string): number {
  for (let at = 0; at < name.length; at++) {
    const point = name.codePointAt(at) as number;
    if (point > 0xffff) at++;
    else if (point >= 0xd800 && point < 0xe000) return at;
  }
  return name.length;
}
