import { Expiry } from "./expiry.ts";
import { Branch, type KeyNode, KeyTree, NONE } from "./tree/key-tree.ts";
import { MAX_DEPTH, MAX_PART_BYTES, type Path, SEPARATOR, textOf } from "./path.ts";
import { VALUE_BYTES, Values } from "./tree/values.ts";

/** Bytes of memory that an expiry takes. */
export const EXPIRY_BYTES = 64;
/** Longest possible name, in bytes. */
const MAX_NAME = MAX_DEPTH * (MAX_PART_BYTES + 1);

// Most values are encoded here: a buffer of its own for each costs more than the rest of its copy.
const short = Buffer.allocUnsafeSlow(8192);

// The name that was encoded last, by `encode`.
const scratch = Buffer.allocUnsafeSlow(MAX_NAME);
let scratchEnd = 0;

/** Values by name, an ordered tree of the names, and the times at which values expire; `Keys` adds the rules. */
export class KeySpace {
  readonly values = new Values();
  readonly tree = new KeyTree(this.values);
  readonly expiry = new Expiry((id) => this.values.expiresAt(id));
  /** The highest version of the values that were removed: a new value gets a higher one. */
  floor = 0;
  /** The highest version of any value. */
  highest = 0;
  /** Branches that were deleted, and whose values are not freed yet; one inside another comes after it. */
  readonly #unlinked: Branch[] = [];

  /** Values held. */
  get size(): number {
    return this.tree.root.keys;
  }

  /** Memory that names and values take. */
  get bytes(): number {
    return this.tree.root.bytes;
  }

  /** True while values of deleted subtrees are not freed yet: `values` still finds them by name. */
  get hasUnlinked(): boolean {
    return this.#unlinked.length > 0;
  }

  /** The path of a value. */
  pathOf(id: number): Path {
    return this.values.name(id).split(SEPARATOR);
  }

  /** Sets the value of a path; with `NONE` for `id`, adds one. */
  write(path: Path, id: number, text: string, version: number, expiresAt: number): void {
    // A character is three bytes at most.
    const isShort = 3 * text.length <= short.length;
    const value = isShort ? short : Buffer.from(text);
    const end = isShort ? short.write(text) : value.length;
    if (id === NONE) {
      encode(textOf(path));
      this.#add(path, this.values.add(scratch, 0, scratchEnd, value, 0, end), version, expiresAt);
    } else this.#replace(id, value, 0, end, version, expiresAt);
  }

  /** The same by bytes: the name is `bytes` from `name` to `nameEnd`, the value from `start` to `end`. */
  load(
    bytes: Buffer,
    name: number,
    nameEnd: number,
    start: number,
    end: number,
    version: number,
    expiresAt: number,
  ): void {
    const id = this.#attached(this.values.find(bytes, name, nameEnd));
    if (id === NONE) {
      const path = bytes.toString("utf8", name, nameEnd).split(SEPARATOR);
      const added = this.values.add(bytes, name, nameEnd, bytes, start, end);
      this.#add(path, added, version, expiresAt);
    } else this.#replace(id, bytes, start, end, version, expiresAt);
  }

  #add(path: Path, id: number, version: number, expiresAt: number): void {
    this.tree.add(path, id);
    this.values.setVersion(id, version);
    this.values.setExpiresAt(id, expiresAt);
    if (version > this.highest) this.highest = version;
    if (expiresAt !== Infinity) this.expiry.add(id, expiresAt);
    this.tree.charge(id, 1, this.costOf(id));
  }

  #replace(
    id: number,
    value: Buffer,
    start: number,
    end: number,
    version: number,
    expiresAt: number,
  ): void {
    const growth = end - start - this.values.length(id);
    this.values.set(id, value, start, end);
    this.values.setVersion(id, version);
    if (version > this.highest) this.highest = version;
    if (growth !== 0) this.tree.charge(id, 0, growth);
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
    this.tree.charge(id, 0, this.costOf(id) - cost);
  }

  /** Removes a value, and the branches that are then needless. */
  clear(id: number): void {
    this.floor = Math.max(this.floor, this.values.version(id));
    this.tree.charge(id, -1, -this.costOf(id));
    this.tree.remove(id);
    this.#free(id);
  }

  /** Removes a value that was deleted with its subtree. */
  discard(id: number): void {
    this.tree.take(id);
    this.#free(id);
  }

  /** Takes a node off the tree with everything below it; `freeUnlinked` frees the values later. */
  unlink(node: KeyNode): void {
    const { value } = node;
    if (value !== NONE) this.clear(value);
    this.floor = this.highest;
    if (!(node instanceof Branch)) return;
    this.tree.detach(node);
    this.#unlinked.push(node);
  }

  /** Frees about `most` values of deleted subtrees. */
  freeUnlinked(most: number): void {
    for (let left = most; left > 0 && this.#unlinked.length > 0; left--) {
      const branch = this.#unlinked.at(-1) as Branch;
      const item = branch.items.pop();
      if (item === undefined) {
        this.#unlinked.pop();
        this.tree.forget(branch);
      } else if (item >= 0) this.#free(item);
      else {
        const inner = this.tree.nodeOf(item) as Branch;
        if (inner.value !== NONE) this.discard(inner.value);
        this.#unlinked.push(inner);
      }
    }
  }

  #free(id: number): void {
    const expiresAt = this.values.expiresAt(id);
    if (expiresAt !== Infinity) this.expiry.remove(id, expiresAt);
    this.values.remove(id);
  }

  /** True if a value was not deleted with its subtree. */
  isAttached(id: number): boolean {
    return !this.hasUnlinked || this.tree.isAttached(id);
  }

  /** The number of the value at a path, expired or not; `NONE` without one. */
  lookup(path: Path): number {
    if (!encode(textOf(path))) return NONE;
    return this.#attached(this.values.find(scratch, 0, scratchEnd));
  }

  #attached(id: number): number {
    if (id === NONE || this.isAttached(id)) return id;
    // It was deleted with its subtree and is not freed yet.
    this.discard(id);
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
