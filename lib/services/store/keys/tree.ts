import { Ordered, type Ranked, rankOf } from "./ordered.ts";
import { type Path, SEPARATOR } from "./path.ts";

/** Bytes of memory that a node takes besides its name, with its places in the lists; measured with a million nodes. */
const NODE_BYTES = 200;
/** Bytes of memory that a level takes besides its nodes. */
const LEVEL_BYTES = 300;

/** Bytes of memory that a text takes: two a character as soon as one character does not fit into one byte. */
export function memoryOf(text: string): number {
  const bytes = Buffer.byteLength(text);
  return bytes === text.length ? bytes : Math.max(bytes, 2 * text.length);
}

/** The nodes right below one node, in order. */
export class Level<N extends TreeNode<N>> {
  readonly all = new Ordered<N>();
  /** The nodes that have nodes below them in turn; null when there are none. */
  branches: Ordered<N> | null = null;
  /** Values below, at any depth; the owner of the tree counts them by `charge`. */
  keys = 0;
  /** Bytes of memory that everything below takes, this list included. */
  bytes = 0;
}

/** A name with its place in a tree; subclasses add its contents. */
export class TreeNode<N extends TreeNode<N>> implements Ranked {
  readonly name: string;
  readonly rank: number;
  parent: N | null;
  below: Level<N> | null = null;

  constructor(name: string, parent: N | null) {
    this.name = name;
    this.rank = rankOf(name);
    this.parent = parent;
  }

  /** The names from below the root to this node. */
  path(): Path {
    if (this.parent?.parent === null) return [this.name];
    const path = [this.name];
    for (let node = this.parent; node?.parent; node = node.parent) path.push(node.name);
    return path.reverse();
  }
}

/** Nodes by their paths. A node stays for as long as it or a node below it is needed. */
export class Tree<N extends TreeNode<N>> {
  readonly root: N;
  readonly #make: (name: string, parent: N | null) => N;

  constructor(make: (name: string, parent: N | null) => N) {
    this.#make = make;
    this.root = make("", null);
  }

  find(path: Path): N | null {
    let node = this.root;
    for (const part of path) {
      const next = node.below?.all.get(part);
      if (next === undefined) return null;
      node = next;
    }
    return node;
  }

  /** The node of a path; it and the nodes above it are made when they are missing. */
  make(path: Path): N {
    let node = this.root;
    for (const part of path) {
      const next = node.below?.all.get(part);
      node = next ?? this.#add(part, node);
    }
    return node;
  }

  /**
   * Bytes of memory that `make` would need for a path.
   * @param counted paths that will be made before this one; its own are added
   */
  growth(path: Path, counted?: Set<string>): number {
    let node: N | undefined = this.root;
    let bytes = 0;
    let name = "";
    for (const part of path) {
      const parent: N | undefined = node;
      node = parent?.below?.all.get(part);
      const above = name;
      if (counted) name += SEPARATOR + part;
      if (node !== undefined || counted?.has(name)) continue;
      bytes += NODE_BYTES + memoryOf(part);
      if (!parent?.below && !counted?.has(`${above}${SEPARATOR}`)) bytes += LEVEL_BYTES;
      counted?.add(name).add(`${above}${SEPARATOR}`);
    }
    return bytes;
  }

  /** Bytes of memory that a node takes with everything below it, without what was charged at the node itself. */
  weight({ name, below }: N): number {
    return NODE_BYTES + memoryOf(name) + (below?.bytes ?? 0);
  }

  /** Adds to the counts of every level above a node. */
  charge(node: N, keys: number, bytes: number): void {
    for (let above = node.parent; above !== null; above = above.parent) {
      const level = above.below as Level<N>;
      level.keys += keys;
      level.bytes += bytes;
    }
  }

  /** Removes a node if nothing is below it and it is `idle`, and then the same for each node above it. */
  prune(node: N, idle: (node: N) => boolean): void {
    for (let at = node; at.parent !== null && at.below === null && idle(at);) {
      const { parent } = at;
      this.detach(at);
      at = parent;
    }
  }

  /** Takes a node off the tree, with everything below it. The caller has taken off what was charged at the node itself. */
  detach(node: N): void {
    const parent = node.parent as N;
    const level = parent.below as Level<N>;
    this.charge(node, -(node.below?.keys ?? 0), -this.weight(node));
    level.all.remove(node);
    if (node.below !== null) this.#unbranch(node, level);
    node.parent = null;
    if (level.all.size > 0) return;
    parent.below = null;
    this.charge(parent, 0, -LEVEL_BYTES);
    if (parent.parent !== null) this.#unbranch(parent, parent.parent.below as Level<N>);
  }

  #add(part: string, parent: N): N {
    const node = this.#make(part, parent);
    let bytes = NODE_BYTES + memoryOf(part);
    if (parent.below === null) {
      bytes += LEVEL_BYTES;
      parent.below = new Level<N>();
      const level = parent.parent?.below;
      if (level) (level.branches ??= new Ordered<N>()).add(parent);
    }
    parent.below.all.add(node);
    this.charge(node, 0, bytes);
    return node;
  }

  #unbranch(node: N, level: Level<N>): void {
    level.branches?.remove(node);
    if (level.branches?.size === 0) level.branches = null;
  }
}
