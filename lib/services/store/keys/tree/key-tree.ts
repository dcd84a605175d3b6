import { KeyNames } from "./key-names.ts";
import { memoryOf, ownText } from "./memory.ts";
import { Ordered, type Ranked, rankedList, rankOf } from "./ordered.ts";
import { type Path, SEPARATOR } from "../path.ts";
import type { Siblings } from "./scan.ts";
import { NONE } from "./times.ts";
import type { Values } from "./values.ts";

export { NONE };

/** Bytes of memory that a branch takes besides its name and what is below it; measured with half a million of them. */
export const BRANCH_BYTES = 400;

/** A name in the tree of keys: it holds a value, has names below it, or both. */
export interface KeyNode {
  readonly name: string;
  /** The number of its value; `NONE` when it holds none. */
  readonly value: number;
  /** What is below it; null when there is nothing. */
  readonly below: Branch | null;
}

/** A name that holds a value and has nothing below it; made when one looks at it. */
class Leaf implements KeyNode {
  readonly value: number;
  readonly below = null;
  readonly #names: KeyNames;

  constructor(names: KeyNames, value: number) {
    this.#names = names;
    this.value = value;
  }

  get name(): string {
    return this.#names.nameOf(this.value);
  }
}

/** A name that has names below it, and the list of those right below it. */
export class Branch implements KeyNode, Ranked, Siblings<KeyNode> {
  readonly name: string;
  readonly rank: number;
  readonly number: number;
  /** Null for the root, and once it has been taken off the tree. */
  parent: Branch | null;
  value = NONE;
  /** The numbers of the values that stand alone right below it, and of the branches, as `KeyNames` takes them. */
  readonly items: Ordered<number>;
  /** Those that have names below them in turn; null when there are none. */
  branches: Ordered<Branch> | null = null;
  /** Values below it, at any depth, and the memory that all of it takes, as `KeyTree.charge` counts them. */
  keys = 0;
  bytes = 0;
  readonly #tree: KeyTree;

  constructor(
    name: string,
    number: number,
    parent: Branch | null,
    items: Ordered<number>,
    tree: KeyTree,
  ) {
    this.name = name;
    this.rank = rankOf(name);
    this.number = number;
    this.parent = parent;
    this.items = items;
    this.#tree = tree;
  }

  /** As for every node: one object less for each. */
  get below(): Branch {
    return this;
  }

  get size(): number {
    return this.items.size;
  }

  get(name: string): KeyNode | undefined {
    const item = this.items.get(name);
    return item === undefined ? undefined : this.#tree.nodeOf(item);
  }

  before(name: string): number {
    return this.items.before(name);
  }

  from(place: number, most: number): KeyNode[] {
    return this.items.from(place, most).map((item) => this.#tree.nodeOf(item));
  }

  visit(from: string | null, inclusive: boolean, see: (node: KeyNode) => boolean): boolean {
    return this.items.visit(from, inclusive, (item) => see(this.#tree.nodeOf(item)));
  }

  visitBack(from: string | null, see: (node: KeyNode) => boolean): boolean {
    return this.items.visitBack(from, (item) => see(this.#tree.nodeOf(item)));
  }
}

/**
 * The names of all values in order. Most of them are one value's alone, and take
 * no more than its number in a list: a value tells its name, and as its owner
 * the branch that it stands right below (or `~` of the one that holds it).
 */
export class KeyTree {
  readonly root: Branch;
  readonly #values: Values;
  readonly #branches: (Branch | null)[] = [];
  readonly #free: number[] = [];
  readonly #names: KeyNames;

  constructor(values: Values) {
    this.#values = values;
    this.#names = new KeyNames(values, this.#branches);
    this.root = this.#make("", null);
  }

  find(path: Path): KeyNode | null {
    let node: KeyNode = this.root;
    for (const part of path) {
      const next = node.below?.get(part);
      if (next === undefined) return null;
      node = next;
    }
    return node;
  }

  nodeOf(item: number): KeyNode {
    return item < 0 ? (this.#branches[~item] as Branch) : new Leaf(this.#names, item);
  }

  /** Adds a value, whose name is that of a path that holds none; the branches above are made when they are missing. */
  add(path: Path, value: number): void {
    let branch = this.root;
    const last = path.length - 1;
    for (let at = 0; at < last; at++) branch = this.#below(branch, path[at] as string);
    const part = path[last] as string;
    const { items } = branch;
    const item = items.get(part);
    if (item === undefined) {
      items.add(value, part);
      this.#values.setOwner(value, branch.number);
    } else this.#give(this.#branches[~item] as Branch, value);
  }

  /** Takes a value off, and the branches that are then needless. */
  remove(value: number): void {
    this.#prune(this.take(value));
  }

  /** Takes a value off, and leaves the branches. @returns the one that it was right below */
  take(value: number): Branch {
    const owner = this.#values.owner(value);
    const branch = this.#branches[owner < 0 ? ~owner : owner] as Branch;
    if (owner < 0) branch.value = NONE;
    else branch.items.remove(value);
    return branch;
  }

  /** Takes a branch off, with everything below it; `forget` gives up the branches. Its own value is no longer counted. */
  detach(branch: Branch): void {
    const parent = branch.parent as Branch;
    parent.items.remove(~branch.number);
    this.#unlink(branch, -branch.keys, -this.weight(branch));
    this.#prune(parent);
  }

  /** Gives up the number of a branch that was taken off, once nothing is below it. */
  forget({ number }: Branch): void {
    this.#branches[number] = null;
    this.#free.push(number);
  }

  /** True if a value is still in the tree. */
  isAttached(value: number): boolean {
    const owner = this.#values.owner(value);
    let top = this.#branches[owner < 0 ? ~owner : owner] as Branch;
    while (top.parent !== null) top = top.parent;
    return top === this.root;
  }

  /** Bytes of memory that a name takes with everything below it, without its own value. */
  weight({ name, below }: KeyNode): number {
    return below === null ? 0 : BRANCH_BYTES + memoryOf(name) + below.bytes;
  }

  /**
   * Bytes of memory that the branches take that `add` would make for a path.
   * @param counted those that will be made before; its own are added
   */
  growth(path: Path, counted?: Set<string>): number {
    let branch: Branch | null = this.root;
    let bytes = 0;
    let name = "";
    for (let at = 0; at < path.length - 1; at++) {
      const part = path[at] as string;
      branch = branch?.get(part)?.below ?? null;
      if (counted) name += SEPARATOR + part;
      if (branch !== null || counted?.has(name)) continue;
      bytes += BRANCH_BYTES + memoryOf(part);
      counted?.add(name);
    }
    return bytes;
  }

  /** Adds to the counts of every level above a value. */
  charge(value: number, keys: number, bytes: number): void {
    const owner = this.#values.owner(value);
    const own = this.#branches[owner < 0 ? ~owner : owner] as Branch;
    this.#charge(owner < 0 ? own.parent : own, keys, bytes);
  }

  #charge(branch: Branch | null, keys: number, bytes: number): void {
    for (let above = branch; above !== null; above = above.parent) {
      above.keys += keys;
      above.bytes += bytes;
    }
  }

  /** The branch of a name right below another one; it is made when it is missing, also of a value that stood alone. */
  #below(parent: Branch, name: string): Branch {
    const { items } = parent;
    const item = items.get(name);
    if (item !== undefined && item < 0) return this.#branches[~item] as Branch;
    const branch = this.#make(name, parent);
    if (item === undefined) items.add(~branch.number, name);
    else {
      items.replace(item, ~branch.number);
      this.#give(branch, item);
    }
    (parent.branches ??= rankedList<Branch>()).add(branch);
    this.#charge(parent, 0, BRANCH_BYTES + memoryOf(name));
    return branch;
  }

  #give(branch: Branch, value: number): void {
    branch.value = value;
    this.#values.setOwner(value, ~branch.number);
  }

  #make(name: string, parent: Branch | null): Branch {
    const number = this.#free.pop() ?? this.#branches.length;
    const items = new Ordered<number>(this.#names);
    const branch = new Branch(ownText(name), number, parent, items, this);
    this.#branches[number] = branch;
    return branch;
  }

  /** Removes branches that have nothing below them, from one on upwards; of one that holds a value, that stays. */
  #prune(from: Branch): void {
    for (let branch = from; branch.parent !== null && branch.size === 0;) {
      const { parent, number, value } = branch;
      if (value === NONE) parent.items.remove(~number);
      else {
        parent.items.replace(~number, value);
        this.#values.setOwner(value, parent.number);
      }
      this.#unlink(branch, 0, -this.weight(branch));
      this.forget(branch);
      if (value !== NONE) return;
      branch = parent;
    }
  }

  /** Takes a branch from its parent, in whose list it is no more. */
  #unlink(branch: Branch, keys: number, bytes: number): void {
    const parent = branch.parent as Branch;
    parent.branches?.remove(branch);
    if (parent.branches?.size === 0) parent.branches = null;
    this.#charge(parent, keys, bytes);
    branch.parent = null;
  }
}
