import type { Clock } from "../../../host/clock.ts";
import type { KeyEngine, Page, Paging, SetTerms, Stored } from "./engine.ts";
import { type KeyNode, KeySpace, NONE } from "./key-space.ts";
import { type Path, SEPARATOR, textOf, unfit } from "../path.ts";
import { DISK_FULL, MEMORY_FULL, NOT_FOUND, Refusal } from "../refusal.ts";
import { namespacesBelow, scanBelow } from "./scan.ts";
import type { Level } from "./tree.ts";

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

/** How many expired keys a sweep removes: about two milliseconds' work. */
const SWEPT = 2000;
/** How many expired keys a request removes that must not see any. */
const SETTLED = 10_000;
/** How many keys of subtrees that were deleted whole a sweep gives up. */
const REAPED = 10_000;
/** How much a slice of a snapshot holds at least, unless it is the last, in characters. */
const SLICE = 64 * 1024;

/** The keys of the store and their rules: terms, versions, expiries, the bound of memory; who records changes, and who is told. */
export class Keys implements KeyEngine {
  /** Values that have expired. */
  expired = 0;
  readonly #space = new KeySpace();
  readonly #clock: Pick<Clock, "now" | "wall">;
  readonly #watchers: Watchers;
  readonly #maxBytes: () => number;
  #recorder: Recorder | null = null;
  /** What requests have cost since it was asked. */
  #spent = 0;

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
    return this.#space.size;
  }

  /** Memory that keys and values take, as it is bounded. */
  get bytes(): number {
    return this.#space.bytes;
  }

  /** Keys that will expire. */
  get expiring(): number {
    return this.#space.expiry.size;
  }

  // --- the engine

  get(path: Path): Stored | null {
    const id = this.#find(path);
    if (id === NONE) return null;
    const values = this.#space.values;
    return {
      text: values.text(id),
      version: values.version(id),
      expiresAt: values.expiresAt(id),
    };
  }

  set(path: Path, text: string, { ttlMs, ifAbsent, ifVersion }: SetTerms): number | Refusal {
    const id = this.#find(path);
    if (ifAbsent && id !== NONE) {
      return new Refusal(
        "ALREADY_EXISTS",
        `the key has a value, of version ${this.#versionOf(id)}`,
      );
    }
    if (ifVersion !== undefined) {
      const refusal = this.#mismatch(id, ifVersion);
      if (refusal) return refusal;
    }
    const expiresAt = ttlMs === undefined ? Infinity : this.#clock.now() + ttlMs;
    return this.#store(path, id, text, expiresAt);
  }

  setAll(values: readonly (readonly [path: Path, text: string])[]): Refusal | null {
    let growth = 0;
    let bytes = 0;
    const counted = new Set<string>();
    for (const [path, text] of values) {
      const refusal = unfit(path);
      if (refusal) return refusal;
      growth += this.#space.growth(
        path,
        this.#find(path),
        Buffer.byteLength(text),
        Infinity,
        counted,
      );
      bytes += Buffer.byteLength(recordOf(path, Number.MAX_SAFE_INTEGER, 0, text));
    }
    if (!this.#fits(growth)) return MEMORY_FULL;
    if (this.#recorder?.reserve(bytes) === false) return DISK_FULL;
    for (const [path, text] of values) {
      const id = this.#find(path);
      const version = this.#nextVersion(id);
      this.#recorder?.append(...lengthOf(recordOf(path, version, 0, text)));
      this.#change(path, id, text, version, Infinity);
    }
    return null;
  }

  del(path: Path, tree: boolean, ifVersion: number | undefined): number | Refusal {
    const id = this.#find(path);
    if (ifVersion !== undefined) {
      const refusal = this.#mismatch(id, ifVersion);
      if (refusal) return refusal;
    }
    if (tree) return this.#delTree(path);
    if (id === NONE) return unfit(path) ?? NOT_FOUND;
    const refusal = this.#recorded(["del", textOf(path)]);
    if (refusal) return refusal;
    this.#space.clear(this.#space.node(id));
    if (this.#watchers.any) this.#watchers.gone(path, "del", false);
    return 1;
  }

  increase(path: Path, by: number): number | Refusal {
    const id = this.#find(path);
    const before = id === NONE ? 0 : Number(this.#space.values.text(id));
    if (!Number.isInteger(before)) {
      return new Refusal("NOT_A_NUMBER", "the value is no integer");
    }
    const after = before + by;
    if (!Number.isSafeInteger(after)) {
      return new Refusal("NUMBER_RANGE", "the number would leave the range of exact integers");
    }
    const expiresAt = id === NONE ? Infinity : this.#space.values.expiresAt(id);
    const version = this.#store(path, id, `${after}`, expiresAt);
    return version instanceof Refusal ? version : after;
  }

  expire(path: Path, ttlMs: number | null): Refusal | null {
    const id = this.#find(path);
    if (id === NONE) return unfit(path) ?? NOT_FOUND;
    const expiresAt = ttlMs === null ? Infinity : this.#clock.now() + ttlMs;
    const refusal = this.#recorded(["expire", textOf(path), this.#wallOf(expiresAt)]);
    if (refusal) return refusal;
    this.#space.expireAt(id, expiresAt);
    return null;
  }

  scan(namespace: Path, prefix: string, paging: Paging): Page {
    const live = (node: KeyNode) => this.#isLive(node);
    const page = scanBelow(this.#space.tree, namespace, prefix, paging, live);
    this.#spent += page.visited;
    return page;
  }

  namespaces(namespace: Path, paging: Paging): Page {
    const exact = this.#settleExpiries();
    const holds = (node: KeyNode) => this.#holdsBelow(node, exact);
    const page = namespacesBelow(this.#space.tree, namespace, paging, holds);
    this.#spent += page.visited;
    return page;
  }

  next(namespace: Path, name: string, back: boolean): string | null {
    const exact = this.#settleExpiries();
    const level = this.#space.tree.find(namespace)?.below;
    if (!level) return null;
    let found: string | null = null;
    const see = (node: KeyNode) => {
      this.#spent++;
      if (!this.#isLive(node) && !this.#holdsBelow(node, exact)) return true;
      found = node.name;
      return false;
    };
    const from = name === "" ? null : name;
    if (back) level.all.visitBack(from, see);
    else level.all.visit(from, false, see);
    return found;
  }

  spent(): number {
    const spent = this.#spent;
    this.#spent = 0;
    return spent;
  }

  // --- what only this engine offers

  /** Sets a value of the server's own, which nobody needs to find again after a restart. */
  tell(path: Path, text: string): void {
    const id = this.#find(path);
    if (id !== NONE && this.#space.values.text(id) === text) return;
    this.#change(path, id, text, this.#nextVersion(id), Infinity);
  }

  /** The namespaces at the top, with how many keys they hold. */
  *counts(): Generator<[name: string, keys: number]> {
    for (const chunk of this.#space.tree.root.below?.branches?.chunks ?? []) {
      for (const node of chunk) yield [node.name, (node.below as Level<KeyNode>).keys];
    }
  }

  /** Gives up what has expired or was deleted with a subtree, some at a time. */
  sweep(): void {
    this.#space.expiry.sweep(this.#clock.now(), SWEPT, (id) => this.#expire(id));
    this.#space.reap(REAPED);
    this.#space.values.tidy();
  }

  /** Applies a record that was read back; `restored` follows the last. */
  restore(record: readonly unknown[]): void {
    const [kind, second, third] = record;
    if (kind === "floor") {
      this.#space.floor = Math.max(this.#space.floor, second as number);
      this.#space.highest = Math.max(this.#space.highest, this.#space.floor);
      return;
    }
    const path = (second as string).split(SEPARATOR);
    if (kind === "set") {
      const [, , version, wall, value] = record as [string, string, number, number, unknown];
      const id = this.#space.lookup(path);
      this.#space.write(path, id, JSON.stringify(value), version, this.#clockOf(wall));
      return;
    }
    const node = this.#space.tree.find(path);
    if (node === null) return;
    if (kind === "deltree") this.#space.uproot(node);
    else if (node.value === NONE) return;
    else if (kind === "expire") this.#space.expireAt(node.value, this.#clockOf(third as number));
    else this.#space.clear(node);
  }

  /** All records have been applied: gives up what has expired meanwhile, which a later one might have put off. */
  restored(): void {
    this.#space.reap(Infinity);
    const now = this.#clock.now();
    for (const node of this.#space.nodes()) {
      if (this.#space.values.expiresAt(node.value) <= now) this.#space.clear(node);
    }
  }

  /**
   * Everything as records, a slice with each call, null at the end; keys may
   * change in between, and are then as they were at one moment or the other.
   */
  snapshot(): () => string | null {
    let after: string | null = null;
    let ended = false;
    // Expired values are held until they are swept, and their versions are taken until then.
    const isHeld = ({ value }: KeyNode) => value !== NONE;
    return () => {
      if (ended) return null;
      // In each slice, since it may have grown: no version may come twice.
      let text = `${JSON.stringify(["floor", this.#space.floor])}\n`;
      const page: Page = scanBelow(this.#space.tree, [], "", { after, limit: 500 }, isHeld);
      for (const name of page.names) {
        const path = name.split(SEPARATOR);
        const id = this.#space.lookup(path);
        const wall = this.#wallOf(this.#space.values.expiresAt(id));
        text += recordOf(path, this.#versionOf(id), wall, this.#space.values.text(id));
        after = name;
        if (text.length >= SLICE) return text;
      }
      after = page.cursor;
      ended = after === null;
      return text;
    };
  }

  // --- by bytes: what the shortest way through a request needs

  /** The number of the value whose name is `bytes` from `start` to `end` and that never expires, or -1 when there is none. */
  lookup(bytes: Buffer, start: number, end: number): number {
    if (this.#space.hasDoomed) return NONE;
    const id = this.#space.values.find(bytes, start, end);
    return id === NONE || this.#space.values.expiresAt(id) !== Infinity ? NONE : id;
  }

  /** Bytes of a value that `lookup` has found. */
  lengthOf(id: number): number {
    return this.#space.values.length(id);
  }

  /** Copies it to `out` from `to` on. @returns its length */
  copy(id: number, out: Buffer, to: number): number {
    return this.#space.values.copy(id, out, to);
  }

  /**
   * Replaces it by JSON in ASCII: `block` from `start` to `end`.
   * @param name where its name begins in `block`, quotes included; `nameEnd` where that ends
   * @returns false when it takes the long way to do so, or to refuse it
   */
  overwrite(
    id: number,
    block: Buffer,
    name: number,
    nameEnd: number,
    start: number,
    end: number,
  ): boolean {
    const growth = end - start - this.#space.values.length(id);
    if (this.#watchers.any || !this.#fits(growth)) return false;
    const version = this.#space.values.version(id) + 1;
    if (this.#recorder !== null) {
      const [key, value] = [
        block.toString("latin1", name, nameEnd),
        block.toString("latin1", start, end),
      ];
      const record = `["set",${key},${version},0,${value}]\n`;
      if (!this.#recorder.reserve(record.length)) return false;
      this.#recorder.append(record, record.length);
    }
    this.#space.values.set(id, block, start, end);
    this.#space.values.setVersion(id, version);
    if (version > this.#space.highest) this.#space.highest = version;
    if (growth !== 0) this.#space.tree.charge(this.#space.node(id), 0, growth);
    return true;
  }

  // --- changes

  #store(path: Path, id: number, text: string, expiresAt: number): number | Refusal {
    if (id === NONE) {
      const refusal = unfit(path);
      if (refusal) return refusal;
    }
    if (!this.#fits(this.#space.growth(path, id, Buffer.byteLength(text), expiresAt)))
      return MEMORY_FULL;
    const version = this.#nextVersion(id);
    if (this.#recorder !== null) {
      const [record, bytes] = lengthOf(recordOf(path, version, this.#wallOf(expiresAt), text));
      if (!this.#recorder.reserve(bytes)) return DISK_FULL;
      this.#recorder.append(record, bytes);
    }
    this.#change(path, id, text, version, expiresAt);
    return version;
  }

  #change(path: Path, id: number, text: string, version: number, expiresAt: number): void {
    this.#space.write(path, id, text, version, expiresAt);
    if (this.#watchers.any) this.#watchers.set(path, text, version);
  }

  /** Records a change that frees memory, or takes none. */
  #recorded(change: readonly unknown[]): Refusal | null {
    if (this.#recorder === null) return null;
    const [record, bytes] = lengthOf(`${JSON.stringify(change)}\n`);
    if (!this.#recorder.reserve(bytes)) return DISK_FULL;
    this.#recorder.append(record, bytes);
    return null;
  }

  #expire(id: number): void {
    const node = this.#space.node(id);
    if (!this.#space.isAttached(node)) {
      this.#space.drop(node);
      return;
    }
    const path = this.#watchers.any ? node.path() : null;
    this.expired++;
    this.#space.clear(node);
    if (path) this.#watchers.gone(path, "expired", false);
  }

  #delTree(path: Path): number | Refusal {
    const exact = this.#settleExpiries();
    const node = this.#space.tree.find(path);
    const count = node === null ? 0 : this.#count(node, exact);
    if (node === null || count === 0) return unfit(path) ?? NOT_FOUND;
    const refusal = this.#recorded(["deltree", textOf(path)]);
    if (refusal) return refusal;
    this.#space.uproot(node);
    if (this.#watchers.any) this.#watchers.gone(path, "del", true);
    return count;
  }

  // --- what is there

  /** The number of the value at a path that has not expired; one that has is removed. */
  #find(path: Path): number {
    const id = this.#space.lookup(path);
    if (id === NONE) return NONE;
    const expiresAt = this.#space.values.expiresAt(id);
    if (expiresAt === Infinity || expiresAt > this.#clock.now()) return id;
    this.#expire(id);
    return NONE;
  }

  /** Whether a node holds a value that has not expired; nothing changes, as visits demand. */
  #isLive({ value }: KeyNode): boolean {
    if (value === NONE) return false;
    const expiresAt = this.#space.values.expiresAt(value);
    return expiresAt === Infinity || expiresAt > this.#clock.now();
  }

  /**
   * Removes what has expired by now, within bounds, before something is asked of whole subtrees.
   * @returns whether that was all of it, so that what is counted is just what is there
   */
  #settleExpiries(): boolean {
    const looked = this.#space.expiry.settle(this.#clock.now(), SETTLED, (id) => this.#expire(id));
    this.#spent += looked < 0 ? SETTLED : looked;
    return looked >= 0;
  }

  /** @param exact whether no value is held that has expired */
  #holdsBelow({ below }: KeyNode, exact: boolean): boolean {
    if (below === null || below.keys === 0) return false;
    if (exact) return true;
    return !below.all.visit(null, true, (node) => {
      this.#spent++;
      return !this.#isLive(node) && !this.#holdsBelow(node, exact);
    });
  }

  /** How many values a node and those below it hold. @param exact as for `#holdsBelow` */
  #count(node: KeyNode, exact: boolean): number {
    const own = this.#isLive(node) ? 1 : 0;
    if (node.below === null) return own;
    if (exact) return own + node.below.keys;
    let count = own;
    node.below.all.visit(null, true, (one) => {
      this.#spent++;
      count += this.#count(one, exact);
      return true;
    });
    return count;
  }

  #mismatch(id: number, version: number): Refusal | null {
    const actual = id === NONE ? 0 : this.#versionOf(id);
    if (actual === version) return null;
    const found = actual === 0 ? "there is no value" : `the version is ${actual}`;
    return new Refusal("VERSION_MISMATCH", found);
  }

  #versionOf(id: number): number {
    return this.#space.values.version(id);
  }

  #nextVersion(id: number): number {
    return id === NONE ? this.#space.floor + 1 : this.#versionOf(id) + 1;
  }

  // --- memory and time

  #fits(growth: number): boolean {
    return growth <= 0 || this.bytes + growth <= this.#maxBytes();
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

/** A record with its length in bytes. */
function lengthOf(record: string): [record: string, bytes: number] {
  return [record, Buffer.byteLength(record)];
}
