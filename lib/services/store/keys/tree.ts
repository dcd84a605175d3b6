import { Ordered, type Ranked, rankOf } from "./ordered.ts";
import { type Path, SEPARATOR } from "./path.ts";

/** Bytes of memory that a node takes besides its texts, its places among the others included; measured with a million. */
const NODE_BYTES = 200;
/** Bytes of memory that a level takes besides its nodes. */
const LEVEL_BYTES = 300;

/** Bytes of memory that a text takes: two a character as soon as one does not fit into one. */
export function memoryOf(text: string): number {
  const bytes = Buffer.byteLength(text);
  return bytes === text.length ? bytes : Math.max(bytes, 2 * text.length);
}

/** The nodes right below one node, in order. */
export class Level<N extends TreeNode<N>> {
  readonly all = new Ordered<N>();
  /** Those that have nodes below them in turn; null when there are none. */
  branches: Ordered<N> | null = null;
  /** Values below, at any depth; the owner of the tree counts them by `charge`. */
  keys = 0;
  /** Bytes of memory that all below takes, this list included. */
  bytes = 0;
}

/** A name with its place in a tree; subclasses add what it stands for. */
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

  /** Its parts from the root's children on. */
  path(): Path {
    if (this.parent?.parent === null) return [this.name];
    const path = [this.name];
    for (let node = this.parent; node?.parent; node = node.parent) path.push(node.name);
    return path.reverse();
  }
}

/** Nodes by their paths. A node stays for as long as it, or one below it, is needed. */
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

  /** The node of a path, made with all that lead to it where they are missing. */
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
   * @param counted paths that are to be made too; those on the way are added
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

  /** Adds to the counts of every level above a node. */
  charge(node: N, keys: number, bytes: number): void {
    for (let above = node.parent; above !== null; above = above.parent) {
      const level = above.below as Level<N>;
      level.keys += keys;
      level.bytes += bytes;
    }
  }

  /** Removes a node with nothing below it, and then those above it, as far as they are `idle`. */
  prune(node: N, idle: (node: N) => boolean): void {
    for (let at = node; at.parent !== null && at.below === null && idle(at);) {
      const { parent } = at;
      this.detach(at);
      at = parent;
    }
  }

  /** Takes a node off the tree, with everything below it; what was charged at the node itself is to be taken off before. */
  detach(node: N): void {
    const parent = node.parent as N;
    const level = parent.below as Level<N>;
    const { keys = 0, bytes = 0 } = node.below ?? {};
    this.charge(node, -keys, -(NODE_BYTES + memoryOf(node.name) + bytes));
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
