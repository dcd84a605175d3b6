/** An item of an ordered list: a name among its siblings. */
export interface Ranked {
  readonly name: string;
  /** The value of a name that is a canonical number, NaN for any other. */
  readonly rank: number;
}

/** Most digits that a double always keeps exactly. */
export const MAX_DIGITS = 15;
const CANONICAL = /^(?:0|-?(?:[1-9]\d*(?:\.\d*[1-9])?|\.\d*[1-9]))$/;

/**
 * The value of a canonical number of up to 15 digits as MUMPS writes it (`7`,
 * `-1.5`, `.5`; not `007`, `+7`, `1.0`, `0.5` or `-0`), or NaN.
 */
export function rankOf(name: string): number {
  const first = name.charCodeAt(0);
  // Most names begin with a letter: they are sorted out without a regular expression.
  if (first > 57 || first < 45) return NaN;
  if (!CANONICAL.test(name)) return NaN;
  return name.replace(/\D/g, "").length > MAX_DIGITS ? NaN : Number(name);
}

/** Orders numbers first, by value, then texts, by code point. @returns less than 0 when `a` comes first */
export function compare(aName: string, aRank: number, bName: string, bRank: number): number {
  // Only NaN differs from itself.
  const aIsText = aRank !== aRank;
  const bIsText = bRank !== bRank;
  if (!aIsText || !bIsText) {
    if (aIsText) return 1;
    if (bIsText) return -1;
    return aRank - bRank;
  }
  const length = Math.min(aName.length, bName.length);
  for (let i = 0; i < length; i++) {
    const a = aName.charCodeAt(i);
    const b = bName.charCodeAt(i);
    if (a !== b) return codePointOrder(a) - codePointOrder(b);
  }
  return aName.length - bName.length;
}

/** Ranks halves of surrogate pairs above all other units, since they stand for code points above U+FFFF. */
function codePointOrder(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Most names in one piece, before it is split: adding or removing a name moves no more than these. */
const CHUNK = 512;

/** How the items of a list tell their names, for one that is sought among them. */
export interface Names<T> {
  /** From now on items are compared with this name. */
  seek(name: string): void;
  /** Less than 0 when an item comes before the name that is sought, 0 when it has that name. */
  compare(item: T): number;
  nameOf(item: T): string;
}

/** Items that hold their names. */
class RankedNames<N extends Ranked> implements Names<N> {
  #name = "";
  #rank = 0;

  seek(name: string): void {
    this.#name = name;
    this.#rank = rankOf(name);
  }

  compare({ name, rank }: N): number {
    return compare(name, rank, this.#name, this.#rank);
  }

  nameOf({ name }: N): string {
    return name;
  }
}

const RANKED = new RankedNames();

/** A list of items that hold their names. */
export function rankedList<N extends Ranked>(): Ordered<N> {
  return new Ordered<N>(RANKED);
}

/** A list that is always in order, at a cost that grows with the logarithm of its length. */
export class Ordered<T> {
  size = 0;
  readonly #names: Names<T>;
  #chunks: T[][] = [];
  // The place that was found last, and whether its item has the name. The name itself is not kept: it may be a client's, and long.
  #chunk = 0;
  #index = 0;
  #isThere = false;

  constructor(names: Names<T>) {
    this.#names = names;
  }

  /** The pieces of the list, in order; not to be changed. */
  get chunks(): readonly (readonly T[])[] {
    return this.#chunks;
  }

  get(name: string): T | undefined {
    this.#seek(name);
    return this.#isThere ? this.#chunks[this.#chunk]?.[this.#index] : undefined;
  }

  /** Adds an item whose name is not in the list. */
  add(item: T, name = this.#names.nameOf(item)): void {
    this.#seek(name);
    this.size++;
    const chunk = this.#chunks[this.#chunk];
    if (chunk === undefined) {
      const last = this.#chunks.at(-1);
      if (last === undefined) this.#chunks = [[item]];
      else if (last.length < CHUNK) last.push(item);
      else this.#chunks.push([item]);
      return;
    }
    chunk.splice(this.#index, 0, item);
    if (chunk.length <= CHUNK) return;
    this.#chunks.splice(this.#chunk, 1, chunk.slice(0, CHUNK / 2), chunk.slice(CHUNK / 2));
  }

  /** Puts an item into the place of one of the same name. */
  replace(before: T, item: T): void {
    this.#seek(this.#names.nameOf(before));
    const chunk = this.#chunks[this.#chunk];
    if (chunk?.[this.#index] === before) chunk[this.#index] = item;
  }

  /** Removes an item that is in the list. */
  remove(item: T): void {
    this.#seek(this.#names.nameOf(item));
    const chunk = this.#chunks[this.#chunk];
    if (chunk?.[this.#index] !== item) return;
    this.size--;
    chunk.splice(this.#index, 1);
    this.#shrink(chunk, this.#chunk);
  }

  /** Gives back the memory that a piece does not need any more: an array keeps the room that it once had. */
  #shrink(chunk: T[], at: number): void {
    const { length } = chunk;
    if (length === 0) this.#chunks.splice(at, 1);
    // Each time it has halved.
    if (length === 0 || (length & (length - 1)) !== 0) return;
    for (const first of [at - 1, at]) {
      const [one, other] = [this.#chunks[first], this.#chunks[first + 1]];
      if (one === undefined || other === undefined) continue;
      if (one.length + other.length > CHUNK / 2) continue;
      this.#chunks.splice(first, 2, one.concat(other));
      return;
    }
    this.#chunks[at] = chunk.slice();
  }

  /** Removes the last item. */
  pop(): T | undefined {
    const item = this.#chunks.at(-1)?.pop();
    if (item === undefined) return undefined;
    this.size--;
    if (this.#chunks.at(-1)?.length === 0) this.#chunks.pop();
    return item;
  }

  /** The number of names before a name, which need not be in the list. */
  before(name: string): number {
    this.#seek(name);
    let count = this.#index;
    for (let c = 0; c < this.#chunk; c++) count += (this.#chunks[c] as T[]).length;
    return count;
  }

  /** The items from a place in the order on, `most` of them. */
  from(place: number, most: number): T[] {
    const found: T[] = [];
    let left = place;
    for (const chunk of this.#chunks) {
      if (found.length === most) break;
      if (left < chunk.length) found.push(...chunk.slice(left, left + most - found.length));
      left = Math.max(0, left - chunk.length);
    }
    return found;
  }

  /**
   * Shows items in order for as long as `see` answers true; the list must not change meanwhile.
   * @param from the name to begin at, in the list or not; null for the beginning
   * @param inclusive true to show an item of just that name too
   * @returns false if `see` answered false
   */
  visit(from: string | null, inclusive: boolean, see: (item: T) => boolean): boolean {
    let c = 0;
    let i = 0;
    if (from !== null) {
      this.#seek(from);
      c = this.#chunk;
      i = this.#index;
      if (!inclusive && this.#isThere) i++;
    }
    for (; c < this.#chunks.length; c++, i = 0) {
      const chunk = this.#chunks[c] as T[];
      for (; i < chunk.length; i++) {
        if (!see(chunk[i] as T)) return false;
      }
    }
    return true;
  }

  /** Like `visit`, but backwards from `from` (never shown itself) to the beginning; null begins at the end. */
  visitBack(from: string | null, see: (item: T) => boolean): boolean {
    let c = this.#chunks.length - 1;
    let i = Infinity;
    if (from !== null) {
      this.#seek(from);
      c = this.#chunk;
      i = this.#index - 1;
    }
    for (; c >= 0; c--, i = Infinity) {
      const chunk = this.#chunks[c];
      if (chunk === undefined) continue;
      for (i = Math.min(i, chunk.length - 1); i >= 0; i--) {
        if (!see(chunk[i] as T)) return false;
      }
    }
    return true;
  }

  /** Finds the first place whose item does not come before the name. */
  #seek(name: string): void {
    const names = this.#names;
    names.seek(name);
    // Most names are sought more than once in a row.
    if (this.#isAtPlace()) return;
    this.#isThere = false;
    const chunks = this.#chunks;
    let low = 0;
    let high = chunks.length;
    // Names that come in order are sought behind the last one.
    if (high > 0 && names.compare((chunks[high - 1] as T[]).at(-1) as T) < 0) low = high;
    while (low < high) {
      const middle = (low + high) >> 1;
      const chunk = chunks[middle] as T[];
      if (names.compare(chunk[chunk.length - 1] as T) < 0) low = middle + 1;
      else high = middle;
    }
    this.#chunk = low;
    this.#index = 0;
    const chunk = chunks[low];
    if (chunk === undefined) return;
    low = 0;
    high = chunk.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const order = names.compare(chunk[middle] as T);
      if (order === 0) this.#isThere = true;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    this.#index = low;
  }

  /** True if the place that was found last is that of the name that is sought now. */
  #isAtPlace(): boolean {
    const names = this.#names;
    const chunk = this.#chunks[this.#chunk];
    const item = chunk?.[this.#index];
    if (chunk === undefined || item === undefined) return false;
    const order = names.compare(item);
    this.#isThere = order === 0;
    if (order <= 0) return order === 0;
    const before = this.#index > 0 ? chunk[this.#index - 1] : this.#chunks[this.#chunk - 1]?.at(-1);
    return before === undefined || names.compare(before) < 0;
  }
}
