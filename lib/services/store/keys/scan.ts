import { type Path, SEPARATOR } from "./path.ts";
import type { Tree, TreeNode } from "./tree.ts";

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

  page(ended: boolean): Page {
    return { names: this.names, cursor: ended ? null : this.last, visited: this.visited };
  }
}

const EMPTY: Page = { names: [], cursor: null, visited: 1 };

/**
 * A page of the keys below a namespace, in order: a node comes before those
 * below it. A page may be short, or empty, without being the last.
 * @param prefix the beginning of all names; up to its last separator it names nodes
 * @param holds true for a node that holds a value
 */
export function scanBelow<N extends TreeNode<N>>(
  tree: Tree<N>,
  namespace: Path,
  prefix: string,
  { after, limit }: Paging,
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

  /** @param begin the parts of the last name seen, as far as this node's level is on its way */
  const walk = (node: N, before: string, begin: readonly string[], start: string): boolean => {
    const level = node.below;
    if (level === null) return true;
    const [first, ...deeper] = begin;
    const resumed = first === undefined ? undefined : level.all.get(first);
    if (resumed !== undefined && first?.startsWith(start)) {
      if (!walk(resumed, before + resumed.name + SEPARATOR, deeper, "")) return false;
    }
    let from = first ?? null;
    // Texts with the prefix stand together; numbers with it may be anywhere among the numbers.
    const jumps = start !== "" && !/^[-.\d]/.test(start);
    if (from === null && jumps) from = start;
    return level.all.visit(from, first === undefined, (one) => {
      // The page is full: this node belongs to the next one.
      if (filling.full) return false;
      filling.visited++;
      if (!one.name.startsWith(start)) {
        filling.last = before + one.name;
        return !(jumps && one.name > start);
      }
      const name = before + one.name;
      filling.last = name;
      if (holds(one)) filling.add(name);
      return walk(one, name + SEPARATOR, [], "");
    });
  };

  const ended = walk(top, lead, rest, partial);
  return filling.page(ended || !filling.full);
}

/** A page of the nodes right below a namespace that have nodes below them, in order. */
export function namespacesBelow<N extends TreeNode<N>>(
  tree: Tree<N>,
  namespace: Path,
  { after, limit }: Paging,
  counts: (node: N) => boolean,
): Page {
  const branches = tree.find(namespace)?.below?.branches;
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
