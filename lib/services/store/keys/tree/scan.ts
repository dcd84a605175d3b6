import { type Path, SEPARATOR } from "../path.ts";

/** The nodes right below one, in order. */
export interface Siblings<N> {
  get(name: string): N | undefined;
  /** As `Ordered.visit`. */
  visit(from: string | null, inclusive: boolean, see: (node: N) => boolean): boolean;
  /** As `Ordered.visitBack`. */
  visitBack(from: string | null, see: (node: N) => boolean): boolean;
}

/** A node of a tree of names. */
interface Named<N> {
  readonly name: string;
  /** Null when there are none. */
  readonly below: Siblings<N> | null;
}

/** A page of names, in order. */
export interface Page {
  /** Names relative to the namespace that was asked. */
  readonly names: readonly string[];
  /** `after` of the next page; null when there is none. */
  readonly cursor: string | null;
  /** Names looked at. */
  readonly visited: number;
}

export interface Paging {
  /** `cursor` of the page before; null for the first page. */
  readonly after: string | null;
  readonly limit: number;
  /** True for the opposite order. */
  readonly reverse?: boolean;
}

/** Most nodes that one page looks at: about a millisecond's work. */
const VISITS = 10_000;
/** Most characters of names in a page. */
const MAX_TEXT = 256 * 1024;

/** A page that fills up; the walk ends when it is full. */
class Filling {
  readonly names: string[] = [];
  visited = 0;
  last: string | null = null;
  #text = 0;
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get full(): boolean {
    return this.names.length >= this.#limit || this.visited >= VISITS || this.#text >= MAX_TEXT;
  }

  add(name: string): void {
    this.names.push(name);
    this.#text += name.length;
  }

  /** A name that is not one of the page's was looked at. @returns false if the page is full */
  pass(name: string): boolean {
    if (this.full) return false;
    this.visited++;
    this.last = name;
    return true;
  }

  page(ended: boolean): Page {
    return { names: this.names, cursor: ended ? null : this.last, visited: this.visited };
  }
}

/** With this behind it, a beginning comes after all names that begin so: no unit comes after this one, and no name has two. */
const LAST = "\udfff\udfff";

/** True if all names with this beginning stand together; numbers with it may be anywhere among the numbers. */
function standsTogether(start: string): boolean {
  return start !== "" && !/^[-.\d]/.test(start);
}

const EMPTY: Page = { names: [], cursor: null, visited: 1 };

/**
 * A page of the keys below a namespace, in order: a node comes before those
 * below it. A page may be short, or empty, without being the last.
 * @param prefix the beginning of all names; up to its last separator it names nodes
 * @param holds true for a node that holds a value
 */
export function scanBelow<N extends Named<N>>(
  tree: { find(path: Path): N | null },
  namespace: Path,
  prefix: string,
  { after, limit, reverse = false }: Paging,
  holds: (node: N) => boolean,
): Page {
  const parts = prefix.split(SEPARATOR);
  const partial = parts.pop() as string;
  const top = tree.find([...namespace, ...parts]);
  if (top?.below == null) return EMPTY;
  const filling = new Filling(limit);
  const lead = parts.map((part) => part + SEPARATOR).join("");
  if (after !== null && !after.startsWith(lead)) return EMPTY;
  const rest = after === null ? [] : after.slice(lead.length).split(SEPARATOR);

  /** @returns false if the page is full: this node belongs to the next one */
  const see = (one: N, before: string): boolean => {
    const name = before + one.name;
    if (!filling.pass(name)) return false;
    if (holds(one)) filling.add(name);
    return true;
  };

  /** @param begin the parts of the last name seen, as far as this node's level is on its way */
  const walk = (node: N, before: string, begin: readonly string[], start: string): boolean => {
    const level = node.below;
    if (level === null) return true;
    const [first, ...deeper] = begin;
    const resumed = first === undefined ? undefined : level.get(first);
    if (resumed !== undefined && first?.startsWith(start)) {
      if (!walk(resumed, before + resumed.name + SEPARATOR, deeper, "")) return false;
    }
    let from = first ?? null;
    const jumps = standsTogether(start);
    if (from === null && jumps) from = start;
    return level.visit(from, first === undefined, (one) => {
      if (one.name.startsWith(start)) {
        return see(one, before) && walk(one, before + one.name + SEPARATOR, [], "");
      }
      return filling.pass(before + one.name) && !(jumps && one.name > start);
    });
  };

  /** As `walk`, in the opposite order: a node comes after those below it. */
  const walkBack = (node: N, before: string, begin: readonly string[], start: string): boolean => {
    const level = node.below;
    if (level === null) return true;
    const [first, ...deeper] = begin;
    const resumed = deeper.length === 0 ? undefined : level.get(first as string);
    if (resumed?.name.startsWith(start)) {
      if (!walkBack(resumed, before + resumed.name + SEPARATOR, deeper, "")) return false;
      if (!see(resumed, before)) return false;
    }
    const jumps = standsTogether(start);
    const from = first ?? (jumps ? start + LAST : null);
    return level.visitBack(from, (one) => {
      if (one.name.startsWith(start)) {
        return walkBack(one, before + one.name + SEPARATOR, [], "") && see(one, before);
      }
      return filling.pass(before + one.name) && !jumps;
    });
  };

  const ended = (reverse ? walkBack : walk)(top, lead, rest, partial);
  return filling.page(ended || !filling.full);
}

/** A page of the nodes right below a namespace that have nodes below them, `branches`, in order. */
export function namespacesBelow<N extends { readonly name: string }>(
  branches: Siblings<N> | null | undefined,
  { after, limit }: Paging,
  counts: (node: N) => boolean,
): Page {
  if (!branches) return EMPTY;
  const filling = new Filling(limit);
  const ended = branches.visit(after, false, (one) => {
    if (filling.full) return false;
    filling.visited++;
    filling.last = one.name;
    if (counts(one)) filling.add(one.name);
    return true;
  });
  return filling.page(ended);
}
