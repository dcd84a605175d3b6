import type { Path, Pattern } from "../keys/path.ts";
import { Tree, TreeNode } from "./tree.ts";

/** A name that somebody subscribes to, or a part of the way to one. */
export class SubscriptionNode<S> extends TreeNode<SubscriptionNode<S>> {
  /** Subscribers to just this name. */
  exact: Set<S> | null = null;
  /** Subscribers to everything below it. */
  patterns: Set<S> | null = null;
  /** The channel of this name; null when none is known. */
  channel: Channel | null = null;

  get idle(): boolean {
    return this.exact === null && this.patterns === null && this.channel === null;
  }
}

/** The messages of a channel. */
export interface Channel {
  seq: number;
  /** The number before the one of its first message. */
  readonly base: number;
  /** The newest messages, oldest first. */
  readonly kept: { readonly seq: number; readonly line: string }[];
}

/** Subscribers by what they subscribe to: names, and everything below names. */
export class Subscriptions<S> {
  readonly tree = new Tree<SubscriptionNode<S>>(
    (name, parent) => new SubscriptionNode(name, parent),
  );
  size = 0;

  /** @returns true if it is new */
  add(subscriber: S, { path, below }: Pattern): boolean {
    const node = this.tree.make(path);
    const set = below ? (node.patterns ??= new Set()) : (node.exact ??= new Set());
    if (set.has(subscriber)) return false;
    set.add(subscriber);
    this.size++;
    return true;
  }

  /** @returns true if there was one */
  remove(subscriber: S, { path, below }: Pattern): boolean {
    const node = this.tree.find(path);
    const set = below ? node?.patterns : node?.exact;
    if (!node || !set?.delete(subscriber)) return false;
    this.size--;
    if (set.size > 0) return true;
    if (below) node.patterns = null;
    else node.exact = null;
    this.prune(node);
    return true;
  }

  /** Removes a node, and those above it, if nobody needs them. */
  prune(node: SubscriptionNode<S>): void {
    this.tree.prune(node, ({ idle }) => idle);
  }

  /**
   * The subscribers to a name, by itself or by a pattern, each once; valid until a subscription begins or ends.
   * @param hidden true for a name that the pattern of everything leaves out
   */
  of(path: Path, hidden = false): ReadonlySet<S> {
    let node: SubscriptionNode<S> = this.tree.root;
    let found: ReadonlySet<S> | null = null;
    for (const part of path) {
      if (node.patterns !== null && !(hidden && node === this.tree.root))
        found = union(found, node.patterns);
      const next = node.below?.get(part);
      if (next === undefined) return found ?? NOBODY;
      node = next;
    }
    if (node.exact !== null) found = union(found, node.exact);
    return found ?? NOBODY;
  }

  /** The subscribers to a name or to anything below it. */
  within(path: Path): ReadonlySet<S> {
    const found = new Set(this.of(path));
    const collect = (node: SubscriptionNode<S>): boolean => {
      for (const one of node.exact ?? NOBODY) found.add(one);
      for (const one of node.patterns ?? NOBODY) found.add(one);
      node.below?.visit(null, true, collect);
      return true;
    };
    const node = this.tree.find(path);
    if (node !== null) collect(node);
    return found;
  }
}

const NOBODY: ReadonlySet<never> = new Set<never>();

function union<S>(some: ReadonlySet<S> | null, more: ReadonlySet<S>): ReadonlySet<S> {
  return some === null || some.size === 0 ? more : some.union(more);
}
