import type { KeySpace } from "./key-space.ts";
import { type KeyNode, NONE } from "./tree/key-tree.ts";
import type { Path } from "./path.ts";

/** Names on one level that are compared by their sizes; with more of them the order is that of the names. */
const COMPARED = 1000;

/** The part of a level that is wanted. */
export interface Wanted {
  /** Begins at this name, or the next one after it; null for all names, the largest first. */
  readonly from: string | null;
  readonly offset: number;
  readonly limit: number;
}

/** A name on a level, with all that is below it. */
export interface Branch {
  readonly name: string;
  /** Values at the name and below it. */
  readonly keys: number;
  /** Bytes of memory that all of it takes. */
  readonly bytes: number;
  /** There is a value at the name itself. */
  readonly holds: boolean;
  /** There are names below it. */
  readonly branches: boolean;
}

/** A part of a level. */
export interface Browsed {
  readonly rows: readonly Branch[];
  /** Names on the level. */
  readonly total: number;
  /** The place of the first row in the order. */
  readonly start: number;
  /** True where the largest come first; otherwise the order is that of the names. */
  readonly bySize: boolean;
  /** Values below, at any depth, and the memory that they take. */
  readonly keys: number;
  readonly bytes: number;
}

const NOTHING: Browsed = { rows: [], total: 0, start: 0, bySize: true, keys: 0, bytes: 0 };

/**
 * Some of the names right below a path. The work is bounded, however many there
 * are: the tree keeps the sums, and a page is found without a walk.
 * @param isLive true for a node that holds a value
 */
export function browse(
  space: KeySpace,
  path: Path,
  { from, offset, limit }: Wanted,
  isLive: (node: KeyNode) => boolean,
): Browsed {
  const level = space.tree.find(path)?.below;
  if (!level) return NOTHING;
  const { keys, bytes } = level;
  const bySize = from === null && level.size <= COMPARED;
  const first = from === null ? 0 : level.before(from);
  const start = Math.min(first + offset, level.size);
  const nodes = bySize
    ? level.from(0, COMPARED).toSorted((a, b) => keysOf(b) - keysOf(a))
    : level.from(start, limit);
  const shown = bySize ? nodes.slice(start, start + limit) : nodes;
  return {
    rows: shown.map((node) => ({
      name: node.name,
      keys: keysOf(node),
      bytes: space.tree.weight(node) + (node.value === NONE ? 0 : space.costOf(node.value)),
      holds: isLive(node),
      branches: node.below !== null,
    })),
    total: level.size,
    start,
    bySize,
    keys,
    bytes,
  };
}

function keysOf({ value, below }: KeyNode): number {
  return (value === NONE ? 0 : 1) + (below?.keys ?? 0);
}
