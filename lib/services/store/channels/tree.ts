import { ownText } from "../keys/tree/memory.ts";
import { type Ordered, type Ranked, rankedList, rankOf } from "../keys/tree/ordered.ts";
import type { Path } from "../keys/path.ts";

/** A name with its place in a tree; subclasses add its contents. */
export class TreeNode<N extends TreeNode<N>> implements Ranked {
  readonly name: string;
  readonly rank: number;
  parent: N | null;
  /** The nodes right below it, in order; null when there are none. */
  below: Ordered<N> | null = null;

  constructor(name: string, parent: N | null) {
    this.name = ownText(name);
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
      const next = node.below?.get(part);
      if (next === undefined) return null;
      node = next;
    }
    return node;
  }

  /** The node of a path; it and the nodes above it are made when they are missing. */
  make(path: Path): N {
    let node = this.root;
    for (const part of path) {
      const next = node.below?.get(part);
      node = next ?? this.#add(part, node);
    }
    return node;
  }

  /** Removes a node if nothing is below it and it is `idle`, and then the same for each node above it. */
  prune(node: N, idle: (node: N) => boolean): void {
    for (let at = node; at.parent !== null && at.below === null && idle(at);) {
      const { parent } = at;
      parent.below?.remove(at);
      if (parent.below?.size === 0) parent.below = null;
      at.parent = null;
      at = parent;
    }
  }

  #add(part: string, parent: N): N {
    const node = this.#make(part, parent);
    (parent.below ??= rankedList<N>()).add(node);
    return node;
  }
}
