import { Expiry } from "./expiry.ts";
import { MAX_DEPTH, MAX_PART_BYTES, type Path, textOf } from "./path.ts";
import { Tree, TreeNode } from "./tree.ts";
import { VALUE_BYTES, Values } from "./values.ts";

/** Stands for a value's number where there is no value. */
export const NONE = -1;

/** A node of the tree; it may hold a value, nodes below it, or both. */
export class KeyNode extends TreeNode<KeyNode> {
  /** The number of its value; `NONE` when it holds none. */
  value = NONE;
}

/** Bytes of memory that an expiry takes. */
const EXPIRY_BYTES = 64;
/** Longest possible name, in bytes. */
const MAX_NAME = MAX_DEPTH * (MAX_PART_BYTES + 1);

// The name that was encoded last, by `encode`.
const scratch = Buffer.allocUnsafeSlow(MAX_NAME);
let scratchEnd = 0;

/** Values by name, an ordered tree of the names, and the times at which values expire; `Keys` adds the rules. */
export class KeySpace {
  readonly tree = new Tree<KeyNode>((name, parent) => new KeyNode(name, parent));
  readonly values = new Values();
  readonly expiry = new Expiry((id) => this.values.expiresAt(id));
  /** The highest version of the values that were removed: a new value gets a higher one. */
  floor = 0;
  /** The highest version of any value. */
  highest = 0;
  /** The node of each value, by its number. */
  readonly #nodes: (KeyNode | null)[] = [];
  /** Pieces of deleted subtrees whose values are not freed yet. */
  readonly #unlinked: (readonly KeyNode[])[] = [];

  /** Values held. */
  get size(): number {
    return this.tree.root.below?.keys ?? 0;
  }

  /** Memory that names and values take. */
  get bytes(): number {
    return this.tree.root.below?.bytes ?? 0;
  }

  /** True while values of deleted subtrees are not freed yet: `values` still finds them by name. */
  get hasUnlinked(): boolean {
    return this.#unlinked.length > 0;
  }

  /** The node of a value. */
  node(id: number): KeyNode {
    return this.#nodes[id] as KeyNode;
  }

  /** The nodes of all values. */
  *nodes(): Generator<KeyNode> {
    for (const node of this.#nodes) if (node !== null) yield node;
  }

  /** Sets the value of a path; with `NONE` for `id`, adds one. */
  write(path: Path, id: number, text: string, version: number, expiresAt: number): void {
    const bytes = Buffer.from(text);
    if (version > this.highest) this.highest = version;
    if (id === NONE) {
      const node = this.tree.make(path);
      encode(textOf(path));
      const added = this.values.add(scratch, 0, scratchEnd, bytes);
      this.#nodes[added] = node;
      node.value = added;
      this.values.setVersion(added, version);
      this.values.setExpiresAt(added, expiresAt);
      if (expiresAt !== Infinity) this.expiry.add(added, expiresAt);
      this.tree.charge(node, 1, this.costOf(added));
      return;
    }
    const growth = bytes.length - this.values.length(id);
    this.values.set(id, bytes, 0, bytes.length);
    this.values.setVersion(id, version);
    if (growth !== 0) this.tree.charge(this.node(id), 0, growth);
    this.expireAt(id, expiresAt);
  }

  /** Sets the time at which a value expires. */
  expireAt(id: number, expiresAt: number): void {
    const before = this.values.expiresAt(id);
    if (before === expiresAt) return;
    const cost = this.costOf(id);
    if (before !== Infinity) this.expiry.remove(id, before);
    this.values.setExpiresAt(id, expiresAt);
    if (expiresAt !== Infinity) this.expiry.add(id, expiresAt);
    this.tree.charge(this.node(id), 0, this.costOf(id) - cost);
  }

  /** Removes a node's value, and the nodes that are then needless. */
  clear(node: KeyNode): void {
    this.floor = Math.max(this.floor, this.values.version(node.value));
    this.tree.charge(node, -1, -this.costOf(node.value));
    this.drop(node);
    this.tree.prune(node, ({ value }) => value === NONE);
  }

  /** Removes the value of a node that the tree no longer counts. */
  drop(node: KeyNode): void {
    const id = node.value;
    const expiresAt = this.values.expiresAt(id);
    if (expiresAt !== Infinity) this.expiry.remove(id, expiresAt);
    this.values.remove(id);
    this.#nodes[id] = null;
    node.value = NONE;
  }

  /** Takes a node off the tree with everything below it; `freeUnlinked` frees the values later. */
  unlink(node: KeyNode): void {
    if (node.value !== NONE) this.tree.charge(node, -1, -this.costOf(node.value));
    const parent = node.parent as KeyNode;
    this.tree.detach(node);
    this.tree.prune(parent, ({ value }) => value === NONE);
    this.floor = this.highest;
    this.#free(node);
  }

  /** Frees about `most` values of deleted subtrees. */
  freeUnlinked(most: number): void {
    for (let left = most; left > 0 && this.#unlinked.length > 0;) {
      const nodes = this.#unlinked.pop() as readonly KeyNode[];
      left -= nodes.length;
      for (const node of nodes) this.#free(node);
    }
  }

  #free(node: KeyNode): void {
    if (node.value !== NONE) this.drop(node);
    for (const chunk of node.below?.all.chunks ?? []) this.#unlinked.push(chunk);
  }

  /** True if a node is still in the tree. */
  isAttached(node: KeyNode): boolean {
    let top = node;
    while (top.parent !== null) top = top.parent;
    return top === this.tree.root;
  }

  /** The number of the value at a path, expired or not; `NONE` without one. */
  lookup(path: Path): number {
    if (!encode(textOf(path))) return NONE;
    const id = this.values.find(scratch, 0, scratchEnd);
    if (id === NONE || !this.hasUnlinked) return id;
    const node = this.#nodes[id] as KeyNode;
    if (this.isAttached(node)) return id;
    // It was deleted with its subtree and is not freed yet.
    this.drop(node);
    return NONE;
  }

  /** Bytes of memory that a value of `length` bytes would need beyond the value it replaces. */
  growth(path: Path, id: number, length: number, expiresAt: number, counted?: Set<string>): number {
    const expiry = expiresAt === Infinity ? 0 : EXPIRY_BYTES;
    if (id !== NONE) return VALUE_BYTES + nameLength(path) + length + expiry - this.costOf(id);
    return VALUE_BYTES + nameLength(path) + length + expiry + this.tree.growth(path, counted);
  }

  /** Bytes of memory that a value takes, with its name and its expiry. */
  costOf(id: number): number {
    const expiry = this.values.expiresAt(id) === Infinity ? 0 : EXPIRY_BYTES;
    return VALUE_BYTES + this.values.nameLength(id) + this.values.length(id) + expiry;
  }
}

function nameLength(path: Path): number {
  return Buffer.byteLength(textOf(path));
}

/** Encodes a name into `scratch`. @returns false for a name that no key can have */
function encode(name: string): boolean {
  // In UTF-8 half a surrogate pair would become U+FFFD, which may be part of another name.
  if (!name.isWellFormed()) return false;
  if (
    name.length > MAX_NAME ||
    (3 * name.length > MAX_NAME && Buffer.byteLength(name) > MAX_NAME)
  ) {
    return false;
  }
  scratchEnd = scratch.write(name);
  return true;
}
