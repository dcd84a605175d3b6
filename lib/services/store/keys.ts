import type { Clock } from "../../host/clock.ts";
import type { KeyEngine, Page, Paging, SetTerms, Stored } from "./engine.ts";
import { Expiry } from "./expiry.ts";
import { type Path, SYSTEM, textOf, unfit } from "./path.ts";
import { DISK_FULL, MEMORY_FULL, NOT_FOUND, Refusal } from "./refusal.ts";
import { namespacesBelow, scanBelow } from "./scan.ts";
import { type Level, memoryOf, Tree, TreeNode } from "./tree.ts";

/** A node of the tree; it may hold a value, nodes below it, or both. */
export class KeyNode extends TreeNode<KeyNode> implements Stored {
  /** JSON; null when it holds no value. */
  held: string | null = null;
  version = 0;
  expiresAt = Infinity;

  get text(): string {
    return this.held as string;
  }
}

/** Where changes are recorded before they are answered; each record is a line of JSON. */
export interface Recorder {
  /** Whether a record of so many bytes is sure to be kept; without that nothing is changed. */
  reserve(bytes: number): boolean;
  append(record: string, bytes: number): void;
}

/** Who is told of changes. */
export interface Watchers {
  /** Whether anybody is; otherwise nothing needs to be told. */
  readonly any: boolean;
  set(path: Path, text: string, version: number): void;
  gone(path: Path, why: "del" | "expired", tree: boolean): void;
}

/** Bytes of memory that an expiry takes. */
const EXPIRY_BYTES = 64;
/** How many expired keys a sweep removes: about two milliseconds' work. */
const SWEPT = 2000;

/** The keys of the store: an ordered tree of values with versions and expiries, in memory. */
export class Keys implements KeyEngine {
  readonly #tree = new Tree<KeyNode>((name, parent) => new KeyNode(name, parent));
  readonly #expiry = new Expiry<KeyNode>();
  readonly #clock: Pick<Clock, "now" | "wall">;
  readonly #watchers: Watchers;
  readonly #maxBytes: () => number;
  /** Pieces of subtrees that were deleted whole: their expiries are still to be forgotten. */
  readonly #doomed: (readonly KeyNode[])[] = [];
  #recorder: Recorder | null = null;
  /** No version up to this one is given to a new value, since the key may have had it. */
  #floor = 0;
  #highest = 0;
  expired = 0;

  constructor(clock: Pick<Clock, "now" | "wall">, watchers: Watchers, maxBytes: () => number) {
    this.#clock = clock;
    this.#watchers = watchers;
    this.#maxBytes = maxBytes;
  }

  /** From now on changes are recorded. */
  record(recorder: Recorder): void {
    this.#recorder = recorder;
  }

  /** Keys held; some may have expired a moment ago. */
  get size(): number {
    return this.#tree.root.below?.keys ?? 0;
  }

  /** Memory that keys and values take, as it is bounded. */
  get bytes(): number {
    return this.#tree.root.below?.bytes ?? 0;
  }

  /** Keys that will expire. */
  get expiring(): number {
    return this.#expiry.size;
  }

  // --- the engine

  get(path: Path): KeyNode | null {
    const node = this.#tree.find(path);
    return node !== null && this.#lives(node) ? node : null;
  }

  set(path: Path, text: string, terms: SetTerms): number | Refusal {
    const found = this.#tree.find(path);
    const node = found !== null && this.#lives(found) ? found : null;
    const { ttlMs, ifAbsent, ifVersion } = terms;
    if (ifAbsent && node !== null) {
      return new Refusal("ALREADY_EXISTS", `the key has a value, of version ${node.version}`);
    }
    if (ifVersion !== undefined) {
      const refusal = this.#mismatch(node, ifVersion);
      if (refusal) return refusal;
    }
    const expiresAt = ttlMs === undefined ? Infinity : this.#clock.now() + ttlMs;
    return this.#store(path, node, text, expiresAt);
  }

  setAll(values: readonly (readonly [path: Path, text: string])[]): Refusal | null {
    let growth = 0;
    let bytes = 0;
    for (const [path, text] of values) {
      const refusal = unfit(path);
      if (refusal) return refusal;
      const node = this.get(path);
      growth += this.#growth(path, node, text, Infinity);
      bytes += Buffer.byteLength(recordOf(path, Number.MAX_SAFE_INTEGER, 0, text));
    }
    if (!this.#fits(growth)) return MEMORY_FULL;
    if (this.#recorder?.reserve(bytes) === false) return DISK_FULL;
    for (const [path, text] of values) {
      const node = this.get(path);
      const version = this.#nextVersion(node);
      this.#recorder?.append(...lengthOf(recordOf(path, version, 0, text)));
      this.#change(path, node, text, version, Infinity);
    }
    return null;
  }

  del(path: Path, tree: boolean, ifVersion: number | undefined): number | Refusal {
    const found = this.#tree.find(path);
    const node = found !== null && this.#lives(found) ? found : null;
    if (ifVersion !== undefined) {
      const refusal = this.#mismatch(node, ifVersion);
      if (refusal) return refusal;
    }
    if (tree && found !== null) {
      const count = this.#count(found);
      if (count === 0) return NOT_FOUND;
      const refusal = this.#recorded(JSON.stringify(["deltree", textOf(path)]));
      if (refusal) return refusal;
      this.#uproot(found);
      if (this.#watchers.any) this.#watchers.gone(path, "del", true);
      return count;
    }
    if (node === null) return unfit(path) ?? NOT_FOUND;
    const refusal = this.#recorded(JSON.stringify(["del", textOf(path)]));
    if (refusal) return refusal;
    this.#clear(node);
    if (this.#watchers.any) this.#watchers.gone(path, "del", false);
    return 1;
  }

  increase(path: Path, by: number): number | Refusal {
    const node = this.get(path);
    const before = node === null ? 0 : Number(node.text);
    if (!Number.isInteger(before)) {
      return new Refusal("NOT_A_NUMBER", "the value is no integer");
    }
    const after = before + by;
    if (!Number.isSafeInteger(after)) {
      return new Refusal("NUMBER_RANGE", "the number would leave the range of exact integers");
    }
    const version = this.#store(path, node, `${after}`, node?.expiresAt ?? Infinity);
    return version instanceof Refusal ? version : after;
  }

  expire(path: Path, ttlMs: number | null): Refusal | null {
    const node = this.get(path);
    if (node === null) return unfit(path) ?? NOT_FOUND;
    const expiresAt = ttlMs === null ? Infinity : this.#clock.now() + ttlMs;
    const record = ["expire", textOf(path), this.#wallOf(expiresAt)];
    const refusal = this.#recorded(JSON.stringify(record));
    if (refusal) return refusal;
    this.#write(node, node.text, node.version, expiresAt);
    return null;
  }

  scan(namespace: Path, prefix: string, paging: Paging): Page {
    return scanBelow(this.#tree, namespace, prefix, paging, (node) => this.#isLive(node));
  }

  namespaces(namespace: Path, paging: Paging): Page {
    return namespacesBelow(this.#tree, namespace, paging, (node) => this.#holdsBelow(node));
  }

  next(namespace: Path, name: string, back: boolean): string | null {
    const level = this.#tree.find(namespace)?.below;
    if (!level) return null;
    let found: string | null = null;
    const see = (node: KeyNode) => {
      if (!this.#isLive(node) && !this.#holdsBelow(node)) return true;
      found = node.name;
      return false;
    };
    const from = name === "" ? null : name;
    if (back) level.all.visitBack(from, see);
    else level.all.visit(from, false, see);
    return found;
  }

  // --- what only this engine offers

  /** Sets a value of the server's own, which nobody needs to find again after a restart. */
  tell(path: Path, text: string): void {
    const node = this.#tree.make(path);
    if (node.held === text) return;
    const version = this.#nextVersion(node);
    this.#write(node, text, version, Infinity);
    if (this.#watchers.any) this.#watchers.set(path, text, version);
  }

  /** The namespaces at the top, with how many keys they hold. */
  *counts(): Generator<[name: string, keys: number]> {
    for (const chunk of this.#tree.root.below?.branches?.chunks ?? []) {
      for (const node of chunk) yield [node.name, (node.below as Level<KeyNode>).keys];
    }
  }

  /** Removes keys that have expired, some at a time. */
  sweep(): void {
    this.#expiry.sweep(this.#clock.now(), SWEPT, (node) => this.#expire(node));
    for (let left = SWEPT; left > 0 && this.#doomed.length > 0;) {
      const nodes = this.#doomed.pop() as readonly KeyNode[];
      left -= nodes.length;
      for (const node of nodes) this.#forgetExpiries(node);
    }
  }

  /** Applies a record that was read back. Values whose time has passed meanwhile are left out. */
  restore(record: readonly unknown[]): void {
    const [kind, second] = record;
    if (kind === "floor") {
      this.#floor = Math.max(this.#floor, second as number);
      this.#highest = Math.max(this.#highest, this.#floor);
      return;
    }
    const path = (second as string).split("^");
    if (kind === "set") {
      const [, , version, wall, value] = record as [string, string, number, number, unknown];
      this.#highest = Math.max(this.#highest, version);
      const expiresAt = this.#clockOf(wall);
      if (expiresAt > this.#clock.now()) {
        this.#write(this.#tree.make(path), JSON.stringify(value), version, expiresAt);
        return;
      }
      this.#floor = Math.max(this.#floor, version);
    }
    const node = this.#tree.find(path);
    if (node === null) return;
    if (kind === "deltree") this.#uproot(node);
    else if (node.held === null) return;
    else if (kind === "expire") {
      const expiresAt = this.#clockOf(record[2] as number);
      if (expiresAt > this.#clock.now()) this.#write(node, node.held, node.version, expiresAt);
      else this.#clear(node);
    } else this.#clear(node);
  }

  /**
   * Everything as records, a slice with each call, null at the end; keys may
   * change in between, and are then as they were at one moment or the other.
   */
  snapshot(sliceKeys = 500): () => string | null {
    let after: string | null = null;
    let ended = false;
    return () => {
      if (ended) return null;
      // In each slice, since it may have grown: no version may come twice.
      let text = `${JSON.stringify(["floor", this.#floor])}\n`;
      const live = (node: KeyNode) => this.#isLive(node);
      const page: Page = scanBelow(this.#tree, [], "", { after, limit: sliceKeys }, live);
      for (const name of page.names) {
        const path = name.split("^");
        const node = this.#tree.find(path) as KeyNode;
        if (path[0] === SYSTEM) continue;
        text += recordOf(path, node.version, this.#wallOf(node.expiresAt), node.text);
      }
      after = page.cursor;
      ended = after === null;
      return text;
    };
  }

  // --- changes

  #store(path: Path, node: KeyNode | null, text: string, expiresAt: number): number | Refusal {
    if (node === null) {
      const refusal = unfit(path);
      if (refusal) return refusal;
    }
    if (!this.#fits(this.#growth(path, node, text, expiresAt))) return MEMORY_FULL;
    const version = this.#nextVersion(node);
    if (this.#recorder !== null) {
      const [record, bytes] = lengthOf(recordOf(path, version, this.#wallOf(expiresAt), text));
      if (!this.#recorder.reserve(bytes)) return DISK_FULL;
      this.#recorder.append(record, bytes);
    }
    this.#change(path, node, text, version, expiresAt);
    return version;
  }

  #change(
    path: Path,
    node: KeyNode | null,
    text: string,
    version: number,
    expiresAt: number,
  ): void {
    this.#write(node ?? this.#tree.make(path), text, version, expiresAt);
    if (this.#watchers.any) this.#watchers.set(path, text, version);
  }

  /** Records a change that frees memory, or takes none. */
  #recorded(text: string): Refusal | null {
    if (this.#recorder === null) return null;
    const [record, bytes] = lengthOf(`${text}\n`);
    if (!this.#recorder.reserve(bytes)) return DISK_FULL;
    this.#recorder.append(record, bytes);
    return null;
  }

  #write(node: KeyNode, text: string, version: number, expiresAt: number): void {
    const isNew = node.held === null;
    const before = isNew ? 0 : costOf(node.text, node.expiresAt);
    if (node.expiresAt !== Infinity) this.#expiry.remove(node);
    node.held = text;
    node.version = version;
    node.expiresAt = expiresAt;
    if (version > this.#highest) this.#highest = version;
    if (expiresAt !== Infinity) this.#expiry.add(node);
    this.#tree.charge(node, isNew ? 1 : 0, costOf(text, expiresAt) - before);
  }

  /** Takes a node's value away, and the node where nothing needs it. */
  #clear(node: KeyNode): void {
    this.#floor = Math.max(this.#floor, node.version);
    this.#tree.charge(node, -1, -costOf(node.text, node.expiresAt));
    if (node.expiresAt !== Infinity) this.#expiry.remove(node);
    node.held = null;
    node.expiresAt = Infinity;
    this.#tree.prune(node, ({ held }) => held === null);
  }

  #expire(node: KeyNode): void {
    if (!this.#isAttached(node)) {
      this.#expiry.remove(node);
      return;
    }
    const path = this.#watchers.any ? node.path() : null;
    this.expired++;
    this.#clear(node);
    if (path) this.#watchers.gone(path, "expired", false);
  }

  #uproot(node: KeyNode): void {
    if (node.held !== null) {
      this.#tree.charge(node, -1, -costOf(node.held, node.expiresAt));
    }
    const parent = node.parent as KeyNode;
    this.#tree.detach(node);
    this.#tree.prune(parent, ({ held }) => held === null);
    this.#floor = this.#highest;
    if (this.#expiry.size > 0) this.#forgetExpiries(node);
  }

  #forgetExpiries(node: KeyNode): void {
    if (node.expiresAt !== Infinity) this.#expiry.remove(node);
    for (const chunk of node.below?.all.chunks ?? []) this.#doomed.push(chunk);
  }

  #isAttached(node: KeyNode): boolean {
    let top = node;
    while (top.parent !== null) top = top.parent;
    return top === this.#tree.root;
  }

  // --- what is there

  /** Whether a node holds a value that has not expired; one that has is removed. */
  #lives(node: KeyNode): boolean {
    if (node.held === null) return false;
    if (node.expiresAt === Infinity || node.expiresAt > this.#clock.now()) return true;
    this.#expire(node);
    return false;
  }

  /** As `#lives`, and nothing changes: for visits. */
  #isLive(node: KeyNode): boolean {
    if (node.held === null) return false;
    return node.expiresAt === Infinity || node.expiresAt > this.#clock.now();
  }

  #holdsBelow({ below }: KeyNode): boolean {
    if (below === null || below.keys === 0) return false;
    if (!this.#expiry.mayBeDue(this.#clock.now())) return true;
    return !below.all.visit(null, true, (node) => !this.#isLive(node) && !this.#holdsBelow(node));
  }

  #count(node: KeyNode): number {
    const own = this.#isLive(node) ? 1 : 0;
    if (node.below === null) return own;
    if (!this.#expiry.mayBeDue(this.#clock.now())) return own + node.below.keys;
    let count = own;
    node.below.all.visit(null, true, (one) => {
      count += this.#count(one);
      return true;
    });
    return count;
  }

  #mismatch(node: KeyNode | null, version: number): Refusal | null {
    const actual = node?.version ?? 0;
    if (actual === version) return null;
    const found = actual === 0 ? "there is no value" : `the version is ${actual}`;
    return new Refusal("VERSION_MISMATCH", found);
  }

  #nextVersion(node: KeyNode | null): number {
    return node === null || node.held === null ? this.#floor + 1 : node.version + 1;
  }

  // --- memory and time

  #fits(growth: number): boolean {
    return growth <= 0 || this.bytes + growth <= this.#maxBytes();
  }

  /** Bytes of memory that a value would need on top of what it replaces. */
  #growth(path: Path, node: KeyNode | null, text: string, expiresAt: number): number {
    const cost = costOf(text, expiresAt);
    return node === null
      ? cost + this.#tree.growth(path)
      : cost - costOf(node.text, node.expiresAt);
  }

  /** Milliseconds since 1970, which outlive a restart; 0 for never. */
  #wallOf(expiresAt: number): number {
    if (expiresAt === Infinity) return 0;
    return Math.round(this.#clock.wall() + expiresAt - this.#clock.now());
  }

  #clockOf(wall: number): number {
    return wall === 0 ? Infinity : this.#clock.now() + wall - this.#clock.wall();
  }
}

function recordOf(path: Path, version: number, wall: number, text: string): string {
  return `["set",${JSON.stringify(textOf(path))},${version},${wall},${text}]\n`;
}

function costOf(text: string, expiresAt: number): number {
  return memoryOf(text) + (expiresAt === Infinity ? 0 : EXPIRY_BYTES);
}

/** A record with its length in bytes. */
function lengthOf(record: string): [record: string, bytes: number] {
  return [record, Buffer.byteLength(record)];
}
