import type { Clock } from "../../../host/clock.ts";
import { DISK_FAILING, DISK_FULL, MEMORY_FULL, NOT_FOUND, Refusal } from "../refusal.ts";
import {
  type Changed,
  type GroupRefused,
  increased,
  mismatch,
  type Planned,
  plannedOf,
  present,
  type Term,
  type Write,
} from "./group.ts";
import type { KeySpace } from "./key-space.ts";
import { NONE } from "./tree/key-tree.ts";
import type { ChangeLog } from "./change-log.ts";
import { LiveKeys, type Watchers } from "./live-keys.ts";
import { type Path, textOf, unfit } from "./path.ts";
import {
  delRecord,
  expiredRecord,
  expireRecord,
  setRecord,
  snapshotOf,
  wallOf,
} from "./records.ts";
import { applyLines } from "./replay.ts";
import { Recording } from "./recording.ts";
import type { Page, Paging } from "./tree/scan.ts";
import type { Recorder, SetTerms, Stored } from "./stored.ts";

/** More versions than changes can have been lost. */
const RAISE = 10 ** 9;

/** Keys and the rules of their changes: terms, versions, the bound of memory; changes are recorded and told to watchers. */
export class Keys {
  readonly #live: LiveKeys;
  readonly #space: KeySpace;
  readonly #clock: Pick<Clock, "now" | "wall">;
  readonly #watchers: Watchers;
  readonly #maxBytes: () => number;
  readonly #recording: Recording;

  /** @param log counts and keeps the changes; null where nobody asks for them later */
  constructor(
    clock: Pick<Clock, "now" | "wall">,
    watchers: Watchers,
    maxBytes: () => number,
    log: ChangeLog | null = null,
  ) {
    this.#live = new LiveKeys(clock, watchers);
    this.#recording = new Recording(log);
    this.#live.onExpired = (path) => {
      // Whoever saw a value expired must not see it again after a restart with the clock set back.
      this.#recording.appendKept(() => delRecord(path, false));
      this.#recording.log(() => expiredRecord(path));
    };
    this.#space = this.#live.space;
    this.#clock = clock;
    this.#watchers = watchers;
    this.#maxBytes = maxBytes;
  }

  /** From now on changes are recorded. */
  record(recorder: Recorder): void {
    this.#recording.recorder = recorder;
  }

  /** From now on a call gets the record of each change too, also where none is kept; null ends that. */
  follow(follower: ((record: string) => void) | null): void {
    this.#recording.follower = follower;
  }

  /** Keys held; some may have expired a moment ago. */
  get size(): number {
    return this.#space.size;
  }

  /** Bytes of memory that keys and values take; `maxBytes` bounds them. */
  get bytes(): number {
    return this.#space.bytes;
  }

  /** Keys that will expire. */
  get expiring(): number {
    return this.#space.expiry.size;
  }

  /** Values that have expired. */
  get expired(): number {
    return this.#live.expired;
  }

  // --- reading

  get(path: Path): Stored | null {
    const id = this.#live.find(path);
    if (id === NONE) return null;
    const values = this.#space.values;
    return {
      text: values.text(id),
      version: values.version(id),
      expiresAt: values.expiresAt(id),
    };
  }

  /** For whoever looks around and changes nothing. */
  get seen(): Pick<LiveKeys, "browse" | "peek"> {
    return this.#live;
  }

  /** Milliseconds that a value has left; null for ever. */
  left({ expiresAt }: Stored): number | null {
    return expiresAt === Infinity ? null : Math.ceil(expiresAt - this.#clock.now());
  }

  /** Keys with values below a namespace whose text begins with `prefix`. */
  scan(namespace: Path, prefix: string, paging: Paging): Page {
    return this.#live.scan(namespace, prefix, paging);
  }

  /** Nodes right below a namespace that have keys below them. */
  namespaces(namespace: Path, paging: Paging): Page {
    return this.#live.namespaces(namespace, paging);
  }

  /** The name of the sibling after (or with `back` before) a name, which need not exist; "" is before the first and after the last. */
  next(namespace: Path, name: string, back: boolean): string | null {
    return this.#live.next(namespace, name, back);
  }

  /** As `LiveKeys.settle`: what asks for all below a name first calls it until it is true, once a turn. */
  settle(): boolean {
    return this.#live.settle();
  }

  /** Names looked at since the last call, in questions about many of them. */
  takeVisits(): number {
    return this.#live.takeVisits();
  }

  /** The namespaces at the top, each with the number of its keys. */
  *counts(): Generator<[name: string, keys: number]> {
    for (const chunk of this.#space.tree.root.branches?.chunks ?? []) {
      for (const { name, keys } of chunk) yield [name, keys];
    }
  }

  // --- changing

  /** @returns the new version, or the refusal */
  set(path: Path, text: string, { ttlMs, ifAbsent, ifVersion }: SetTerms): number | Refusal {
    const id = this.#live.find(path);
    const there = ifAbsent ? present(this.#space, id) : null;
    if (there) return there;
    if (ifVersion !== undefined) {
      const refusal = mismatch(this.#space, id, ifVersion);
      if (refusal) return refusal;
    }
    const expiresAt = ttlMs === undefined ? Infinity : this.#clock.now() + ttlMs;
    return this.#store(path, id, text, expiresAt);
  }

  /** Sets all or none. */
  setAll(values: readonly (readonly [path: Path, text: string, ttlMs?: number])[]): Refusal | null {
    const writes = values.map(([path, text, ttlMs]): Write => ({ kind: "set", path, text, ttlMs }));
    const done = this.changeAll([], writes);
    return "refusal" in done ? done.refusal : null;
  }

  /**
   * Makes all changes, if all terms hold, or none. Their records are one batch
   * of the journal, since nothing else happens in between.
   * @returns what each has come to, or why nothing was changed
   */
  changeAll(
    terms: readonly Term[],
    writes: readonly Write[],
  ): readonly Changed[] | GroupRefused | { readonly index: null; readonly refusal: Refusal } {
    const refusedAs = (refusal: Refusal) => ({ index: null, refusal });
    for (const { path, version, isAbsent } of terms) {
      const id = this.#live.find(path);
      const refusal = isAbsent ? present(this.#space, id) : mismatch(this.#space, id, version);
      if (refusal)
        return refusedAs(new Refusal(refusal.code, `${textOf(path)}: ${refusal.message}`));
    }
    const now = this.#clock.now();
    const planned: Planned[] = [];
    const counted = new Set<string>();
    let [growth, bytes] = [0, 0];
    for (const [index, write] of writes.entries()) {
      const id = this.#live.find(write.path);
      const one = plannedOf(this.#space, id, write, now);
      if (one instanceof Refusal) return { index, refusal: one };
      planned.push(one);
      bytes += one.bytes;
      if (one.text === null) continue;
      growth += this.#space.growth(write.path, id, one.length, one.expiresAt, counted);
    }
    if (!this.#fits(growth)) return refusedAs(MEMORY_FULL);
    const frees = planned.every(({ text }) => text === null);
    if (this.#recording.recorder?.reserve(bytes, frees) === false)
      return refusedAs(this.#unwritable());
    return planned.map((one) => this.#make(one));
  }

  /** @param tree true to remove everything below too @returns the number of keys removed, or the refusal */
  del(path: Path, tree: boolean, ifVersion: number | undefined): number | Refusal {
    const id = this.#live.find(path);
    if (ifVersion !== undefined) {
      const refusal = mismatch(this.#space, id, ifVersion);
      if (refusal) return refusal;
    }
    if (tree) return this.#delTree(path);
    if (id === NONE) return unfit(path) ?? NOT_FOUND;
    if (!this.#recording.change(() => delRecord(path, false), true)) return this.#unwritable();
    this.#space.clear(id);
    if (this.#watchers.any) this.#watchers.gone(path, "del", false);
    return 1;
  }

  /** Adds to an integer; an absent one counts as 0. @returns the new number, or the refusal */
  increase(path: Path, by: number): number | Refusal {
    const id = this.#live.find(path);
    const after = increased(this.#space, id, by);
    if (after instanceof Refusal) return after;
    const expiresAt = id === NONE ? Infinity : this.#space.values.expiresAt(id);
    const version = this.#store(path, id, `${after}`, expiresAt);
    return version instanceof Refusal ? version : after;
  }

  /** @param ttlMs null for never */
  expire(path: Path, ttlMs: number | null): Refusal | null {
    const id = this.#live.find(path);
    if (id === NONE) return unfit(path) ?? NOT_FOUND;
    const expiresAt = ttlMs === null ? Infinity : this.#clock.now() + ttlMs;
    const record = () => expireRecord(path, wallOf(this.#clock, expiresAt));
    if (!this.#recording.keep(record, true)) return this.#unwritable();
    this.#space.expireAt(id, expiresAt);
    return null;
  }

  /** Sets a value without recording it or bounding memory. Setting the same text again changes nothing. */
  tell(path: Path, text: string): void {
    const id = this.#live.find(path);
    if (id !== NONE && this.#space.values.text(id) === text) return;
    this.#change(path, id, text, this.#nextVersion(id), Infinity);
  }

  /** Removes what has expired and frees deleted subtrees, some at a time. */
  sweep(): void {
    this.#live.sweep();
  }

  // --- what is on disk

  /** Applies records that were read back, each a line; `restored` follows the last. @returns their number */
  restore(records: Buffer): number {
    return applyLines(this.#space, this.#clock, records);
  }

  /** Called when all records have been applied, and changes are recorded again. Removes expired values: a later record might have put their end off. */
  restored(): void {
    const space = this.#space;
    space.freeUnlinked(Infinity);
    space.expiry.settle(this.#clock.now(), Number.MAX_SAFE_INTEGER, (id) => {
      this.#recording.appendKept(() => delRecord(space.pathOf(id), false));
      space.clear(id);
    });
  }

  /** Gives every value a version far above any that it may have had: changes were lost, and nobody may take a value for another one that had its version. */
  raiseVersions(): void {
    this.#space.values.raiseVersions(RAISE);
    this.#space.floor += RAISE;
    this.#space.highest = Math.max(this.#space.highest + RAISE, this.#space.floor);
  }

  /** Everything as records, a slice with each call, null at the end; keys may change between two calls. */
  snapshot(): () => string | null {
    return snapshotOf(this.#space, this.#clock);
  }

  // --- by bytes, for requests that are answered without being parsed

  /** The number of the value that never expires and whose name is `bytes` from `start` to `end`; -1 when there is none. */
  lookup(bytes: Buffer, start: number, end: number): number {
    if (this.#space.hasUnlinked) return NONE;
    const id = this.#space.values.find(bytes, start, end);
    return id === NONE || this.#space.values.expiresAt(id) !== Infinity ? NONE : id;
  }

  /** Bytes of a value that `lookup` has found. */
  lengthOf(id: number): number {
    return this.#space.values.length(id);
  }

  /** Copies a value that `lookup` has found to `out` from `to` on. @returns its length */
  copy(id: number, out: Buffer, to: number): number {
    return this.#space.values.copy(id, out, to);
  }

  /**
   * Replaces a value that `lookup` has found by JSON in ASCII: `block` from `start` to `end`.
   * @param name start of its name in `block`, quotes included; `nameEnd` is the end
   * @returns false when `set` must do it, since it may refuse, or somebody watches keys
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
    const record = () => {
      const key = block.toString("latin1", name, nameEnd);
      return `["set",${key},${version},0,${block.toString("latin1", start, end)}]\n`;
    };
    if (!this.#recording.change(record)) return false;
    this.#space.values.set(id, block, start, end);
    this.#space.values.setVersion(id, version);
    if (version > this.#space.highest) this.#space.highest = version;
    if (growth !== 0) this.#space.tree.charge(id, 0, growth);
    return true;
  }

  // --- the steps of a change

  #store(path: Path, id: number, text: string, expiresAt: number): number | Refusal {
    if (id === NONE) {
      const refusal = unfit(path);
      if (refusal) return refusal;
    }
    const growth = this.#space.growth(path, id, Buffer.byteLength(text), expiresAt);
    if (!this.#fits(growth)) return MEMORY_FULL;
    const version = this.#nextVersion(id);
    const record = () => setRecord(path, version, wallOf(this.#clock, expiresAt), text);
    if (!this.#recording.change(record)) return this.#unwritable();
    this.#change(path, id, text, version, expiresAt);
    return version;
  }

  #delTree(path: Path): number | Refusal {
    const subtree = this.#live.subtree(path);
    if (subtree === null) return unfit(path) ?? NOT_FOUND;
    if (!this.#recording.change(() => delRecord(path, true), true)) return this.#unwritable();
    this.#space.unlink(subtree.node);
    if (this.#watchers.any) this.#watchers.gone(path, "del", true);
    return subtree.count;
  }

  /** Makes a change of a group, for whose record there is room. */
  #make({ write, text, number, expiresAt }: Planned): Changed {
    const { path, kind } = write;
    // A value that has expired since the change was planned is still there.
    const id = this.#space.lookup(path);
    const wall = wallOf(this.#clock, expiresAt);
    if (text !== null) {
      const least = (kind === "set" && write.minVersion) || 0;
      const version = Math.max(this.#nextVersion(id), least);
      this.#recording.append(setRecord(path, version, wall, text));
      this.#change(path, id, text, version, expiresAt);
      return number === undefined ? { version } : { version, number };
    }
    if (kind === "del") {
      this.#recording.append(delRecord(path, false));
      this.#space.clear(id);
      if (this.#watchers.any) this.#watchers.gone(path, "del", false);
    } else {
      this.#recording.appendKept(() => expireRecord(path, wall));
      this.#space.expireAt(id, expiresAt);
    }
    return {};
  }

  #change(path: Path, id: number, text: string, version: number, expiresAt: number): void {
    this.#space.write(path, id, text, version, expiresAt);
    if (this.#watchers.any) this.#watchers.set(path, text, version);
  }

  /** The refusal of a change that could not be recorded. */
  #unwritable(): Refusal {
    return this.#recording.recorder?.failing ? DISK_FAILING : DISK_FULL;
  }

  #nextVersion(id: number): number {
    return (id === NONE ? this.#space.floor : this.#space.values.version(id)) + 1;
  }

  #fits(growth: number): boolean {
    return growth <= 0 || this.bytes + growth <= this.#maxBytes();
  }
}
