/** An item of an ordered list: a name among its siblings. */
export interface Ranked {
  readonly name: string;
  /** The value of a name that is a canonical number, NaN for any other. */
  readonly rank: number;
}

/** Most digits that a double always keeps exactly. */
const MAX_DIGITS = 15;
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

/** A list that is always in order, at a cost that grows with the logarithm of its length. */
export class Ordered<N extends Ranked> {
  size = 0;
  #chunks: N[][] = [];
  // The name that was searched for last, and its place.
  #sought: string | null = null;
  #chunk = 0;
  #index = 0;

  /** The pieces of the list, in order; not to be changed. */
  get chunks(): readonly (readonly N[])[] {
    return this.#chunks;
  }

  get(name: string): N | undefined {
    this.#seek(name, rankOf(name));
    const found = this.#chunks[this.#chunk]?.[this.#index];
    return found !== undefined && found.name === name ? found : undefined;
  }

  /** Adds a node whose name is not in the list. */
  add(node: N): void {
    this.#seek(node.name, node.rank);
    this.#sought = null;
    this.size++;
    const chunk = this.#chunks[this.#chunk];
    if (chunk === undefined) {
      const last = this.#chunks.at(-1);
      if (last !== undefined && last.length < CHUNK) last.push(node);
      else this.#chunks.push([node]);
      return;
    }
    chunk.splice(this.#index, 0, node);
    if (chunk.length <= CHUNK) return;
    this.#chunks.splice(this.#chunk + 1, 0, chunk.splice(CHUNK / 2));
  }

  /** Removes a node that is in the list. */
  remove(node: N): void {
    this.#seek(node.name, node.rank);
    const chunk = this.#chunks[this.#chunk];
    this.#sought = null;
    if (chunk?.[this.#index] !== node) return;
    this.size--;
    chunk.splice(this.#index, 1);
    if (chunk.length === 0) this.#chunks.splice(this.#chunk, 1);
  }

  /** The number of names before a name, which need not be in the list. */
  before(name: string): number {
    this.#seek(name, rankOf(name));
    let count = this.#index;
    for (let c = 0; c < this.#chunk; c++) count += (this.#chunks[c] as N[]).length;
    return count;
  }

  /** The nodes from a place in the order on, `most` of them. */
  from(place: number, most: number): N[] {
    const found: N[] = [];
    let left = place;
    for (const chunk of this.#chunks) {
      if (found.length === most) break;
      if (left < chunk.length) found.push(...chunk.slice(left, left + most - found.length));
      left = Math.max(0, left - chunk.length);
    }
    return found;
  }

  /**
   * Shows nodes in order for as long as `see` answers true; the list must not change meanwhile.
   * @param from the name to begin at, in the list or not; null for the beginning
   * @param inclusive true to show a node of just that name too
   * @returns false if `see` answered false
   */
  visit(from: string | null, inclusive: boolean, see: (node: N) => boolean): boolean {
    let c = 0;
    let i = 0;
    if (from !== null) {
      this.#seek(from, rankOf(from));
      c = this.#chunk;
      i = this.#index;
      if (!inclusive && this.#chunks[c]?.[i]?.name === from) i++;
    }
    for (; c < this.#chunks.length; c++, i = 0) {
      const chunk = this.#chunks[c] as N[];
      for (; i < chunk.length; i++) {
        if (!see(chunk[i] as N)) return false;
      }
    }
    return true;
  }

  /** Like `visit`, but backwards from `from` (never shown itself) to the beginning; null begins at the end. */
  visitBack(from: string | null, see: (node: N) => boolean): boolean {
    let c = this.#chunks.length - 1;
    let i = Infinity;
    if (from !== null) {
      this.#seek(from, rankOf(from));
      c = this.#chunk;
      i = this.#index - 1;
    }
    for (; c >= 0; c--, i = Infinity) {
      const chunk = this.#chunks[c];
      if (chunk === undefined) continue;
      for (i = Math.min(i, chunk.length - 1); i >= 0; i--) {
        if (!see(chunk[i] as N)) return false;
      }
    }
    return true;
  }

  /** Finds the first place whose node does not come before the name. */
  #seek(name: string, rank: number): void {
    if (this.#sought === name) return;
    this.#sought = name;
    const chunks = this.#chunks;
    let low = 0;
    let high = chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const chunk = chunks[middle] as N[];
      const last = chunk[chunk.length - 1] as N;
      if (compare(last.name, last.rank, name, rank) < 0) low = middle + 1;
      else high = middle;
    }
    this.#chunk = low;
    const chunk = chunks[low];
    if (chunk === undefined) {
      this.#index = 0;
      return;
    }
    low = 0;
    high = chunk.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const node = chunk[middle] as N;
      if (compare(node.name, node.rank, name, rank) < 0) low = middle + 1;
      else high = middle;
    }
    this.#index = low;
  }
}
