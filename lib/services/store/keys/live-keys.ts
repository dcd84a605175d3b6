import type { Clock } from "../../../host/clock.ts";
import { type Browsed, browse, type Wanted } from "./browse.ts";
import { KeySpace } from "./key-space.ts";
import { type KeyNode, NONE } from "./tree/key-tree.ts";
import type { Path } from "./path.ts";
import type { Stored } from "./stored.ts";
import { namespacesBelow, type Page, type Paging, scanBelow } from "./tree/scan.ts";

/** Gets the changes of keys. */
export interface Watchers {
  /** True if somebody watches; otherwise no change needs to be reported. */
  readonly any: boolean;
  set(path: Path, text: string, version: number): void;
  gone(path: Path, why: "del" | "expired", tree: boolean): void;
}

/** Most expired keys that a sweep removes: about two milliseconds' work. */
const SWEPT = 2000;
/** Most expired keys that are removed before a question about whole subtrees is answered. */
const SETTLED = 10_000;
/** Keys of deleted subtrees that a sweep frees, give or take a piece. */
const FREED = 10_000;

/**
 * The keys that have not expired, one by one and in lists. Expired ones are
 * removed when a look-up meets them, or by the sweep.
 */
export class LiveKeys {
  /** Values that have expired. */
  expired = 0;
  /** Told each path whose value has expired, before it is removed; null when nobody records it. */
  onExpired: ((path: Path) => void) | null = null;
  readonly space = new KeySpace();
  readonly #clock: Pick<Clock, "now">;
  readonly #watchers: Watchers;
  /** Names looked at since `takeVisits`. */
  #visits = 0;

  constructor(clock: Pick<Clock, "now">, watchers: Watchers) {
    this.#clock = clock;
    this.#watchers = watchers;
  }

  /** The number of the value at a path; an expired one is removed, and there is `NONE`. */
  find(path: Path): number {
    const id = this.space.lookup(path);
    if (id === NONE) return NONE;
    const expiresAt = this.space.values.expiresAt(id);
    if (expiresAt === Infinity || expiresAt > this.#clock.now()) return id;
    this.#expire(id);
    return NONE;
  }

  /** Removes what has expired and frees deleted subtrees, some at a time. */
  sweep(): void {
    this.space.expiry.sweep(this.#clock.now(), SWEPT, (id) => this.#expire(id));
    this.space.freeUnlinked(FREED);
    this.space.values.tidy();
  }

  /** Names looked at since the last call, in questions about many of them. */
  takeVisits(): number {
    const visits = this.#visits;
    this.#visits = 0;
    return visits;
  }

  /** Removes values that have expired, some at a time. @returns true once none is left, so that counts are exact */
  settle(): boolean {
    return this.#settleExpiries();
  }

  // --- many keys

  /** Keys with values below a namespace whose text begins with `prefix`. */
  scan(namespace: Path, prefix: string, paging: Paging): Page {
    const live = (node: KeyNode) => this.#isLive(node);
    const page = scanBelow(this.space.tree, namespace, prefix, paging, live);
    this.#visits += page.visited;
    return page;
  }

  /** Nodes right below a namespace that have keys below them. */
  namespaces(namespace: Path, paging: Paging): Page {
    const exact = this.#settleExpiries();
    const holds = (node: KeyNode) => this.#holdsBelow(node, exact);
    const page = namespacesBelow(this.space.tree.find(namespace)?.below?.branches, paging, holds);
    this.#visits += page.visited;
    return page;
  }

  /** A value of which no more than the beginning is wanted, from at most `most` bytes. */
  peek(path: Path, most: number): (Stored & { readonly bytes: number }) | null {
    const id = this.find(path);
    if (id === NONE) return null;
    const { values } = this.space;
    return {
      text: values.beginning(id, most),
      bytes: values.length(id),
      version: values.version(id),
      expiresAt: values.expiresAt(id),
    };
  }

  /** Some of the names right below a path, with all that is below each. */
  browse(path: Path, wanted: Wanted): Browsed {
    return browse(this.space, path, wanted, (node) => this.#isLive(node));
  }

  /** The name of the sibling after (or with `back` before) a name, which need not exist; "" is before the first and after the last. */
  next(namespace: Path, name: string, back: boolean): string | null {
    const exact = this.#settleExpiries();
    const level = this.space.tree.find(namespace)?.below;
    if (!level) return null;
    let found: string | null = null;
    const see = (node: KeyNode) => {
      this.#visits++;
      if (!this.#isLive(node) && !this.#holdsBelow(node, exact)) return true;
      found = node.name;
      return false;
    };
    const from = name === "" ? null : name;
    if (back) level.visitBack(from, see);
    else level.visit(from, false, see);
    return found;
  }

  /** The node at a path, and the number of values that it and those below it hold; null when there are none. */
  subtree(path: Path): { node: KeyNode; count: number } | null {
    const exact = this.#settleExpiries();
    const node = this.space.tree.find(path);
    const count = node === null ? 0 : this.#count(node, exact);
    return node === null || count === 0 ? null : { node, count };
  }

  /** True if a node holds a value that has not expired. Removes nothing, since lists must not change during a visit. */
  #isLive({ value }: KeyNode): boolean {
    if (value === NONE) return false;
    const expiresAt = this.space.values.expiresAt(value);
    return expiresAt === Infinity || expiresAt > this.#clock.now();
  }

  /** @param exact true if no expired value is held, so that the tree's own counts are right */
  #holdsBelow({ below }: KeyNode, exact: boolean): boolean {
    if (below === null || below.keys === 0) return false;
    if (exact) return true;
    return !below.visit(null, true, (node) => {
      this.#visits++;
      return !this.#isLive(node) && !this.#holdsBelow(node, exact);
    });
  }

  /** The number of values that a node and those below it hold. @param exact as for `#holdsBelow` */
  #count(node: KeyNode, exact: boolean): number {
    const own = this.#isLive(node) ? 1 : 0;
    if (node.below === null) return own;
    if (exact) return own + node.below.keys;
    let count = own;
    node.below.visit(null, true, (one) => {
      this.#visits++;
      count += this.#count(one, exact);
      return true;
    });
    return count;
  }

  // --- expiring

  /** Removes expired values, up to a bound. @returns true if none is left */
  #settleExpiries(): boolean {
    const looked = this.space.expiry.settle(this.#clock.now(), SETTLED, (id) => this.#expire(id));
    this.#visits += looked < 0 ? SETTLED : looked;
    return looked >= 0;
  }

  #expire(id: number): void {
    if (!this.space.isAttached(id)) {
      this.space.discard(id);
      return;
    }
    const path = this.#watchers.any || this.onExpired !== null ? this.space.pathOf(id) : null;
    this.expired++;
    if (path) this.onExpired?.(path);
    this.space.clear(id);
    if (path && this.#watchers.any) this.#watchers.gone(path, "expired", false);
  }
}
