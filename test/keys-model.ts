import { expect } from "bun:test";
import { HandClock } from "../lib/host/clock.ts";
import type { Page, Paging } from "../lib/services/store/keys/tree/scan.ts";
import { Keys } from "../lib/services/store/keys/keys.ts";
import type { Recorder } from "../lib/services/store/keys/stored.ts";
import type { Watchers } from "../lib/services/store/keys/live-keys.ts";
import type { Path } from "../lib/services/store/keys/path.ts";
import { Refusal } from "../lib/services/store/refusal.ts";
import { Random } from "./random.ts";

/** A canonical number of at most 15 digits in steps of 10^-15, or null. */
export function numberIn(name: string): bigint | null {
  const negative = name.startsWith("-");
  const [whole = "", fraction, ...more] = (negative ? name.slice(1) : name).split(".");
  const isDigits = (text: string) => [...text].every((c) => c >= "0" && c <= "9");
  if (more.length > 0 || !isDigits(whole + (fraction ?? ""))) return null;
  if (fraction === undefined ? whole === "" : fraction === "" || fraction.endsWith("0"))
    return null;
  if (whole.startsWith("0") && name !== "0") return null;
  if (whole.length + (fraction ?? "").length > 15) return null;
  const steps = BigInt(whole + (fraction ?? "").padEnd(15, "0"));
  return negative ? -steps : steps;
}

interface Place {
  readonly number: bigint | null;
  readonly codes: readonly number[];
}

const places = new Map<string, Place>();

function placeOf(name: string): Place {
  let found = places.get(name);
  if (found === undefined) {
    const codes = Array.from(name, (character) => character.codePointAt(0) as number);
    found = { number: numberIn(name), codes };
    places.set(name, found);
  }
  return found;
}

/** Orders two lists by their first difference; a list comes before its continuations. */
function lists<T>(a: readonly T[], b: readonly T[], order: (a: T, b: T) => number): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const found = order(a[i] as T, b[i] as T);
    if (found !== 0) return found;
  }
  return a.length - b.length;
}

export function names(a: string, b: string): number {
  if (a === b) return 0;
  const [x, y] = [placeOf(a), placeOf(b)];
  if (x.number !== null && y.number !== null) return x.number < y.number ? -1 : 1;
  if (x.number !== null) return -1;
  if (y.number !== null) return 1;
  return lists(x.codes, y.codes, (one, other) => one - other);
}

const paths = (a: Path, b: Path): number => lists(a, b, names);

export const NAMES = [
  ..."-1.5 -1 -.5 0 .5 007 10 9 1e3 0.5 -0 1.0 +1 1. 2 -10 9.25 9.5 .05 . - -- 1a".split(" "),
  ..."999999999999999 1000000000000000 -99999999999999.9 .000000000000001".split(" "),
  ..."a ab abc b B Z ~ $ é __proto__ constructor toString".split(" "),
  ..."\u{1f600} \u{10000} \u{10000}b \u{10ffff} \ue000 \ufffd \uffff \ud7ff".split(" "),
  ..."a\u{1f600} a\ue000 a\uffff".split(" "),
  " ",
];

interface Held {
  text: string;
  version: number;
  expiresAt: number;
}

export const keyOf = (path: Path): string => path.join("^");
const pathIn = (key: string): Path => key.split("^");
const isBelow = (path: Path, top: Path): boolean =>
  path.length > top.length && top.every((part, i) => path[i] === part);

/** The simplest map that keys must agree with. */
class Model {
  readonly held = new Map<string, Held>();
  /** The highest version that each key has ever had, present keys and past ones. */
  readonly highest = new Map<string, number>();
  readonly #clock: HandClock;
  /** All that are held, in order, until that changes. */
  #sorted: Path[] | null = null;

  constructor(clock: HandClock) {
    this.#clock = clock;
  }

  get(key: string): Held | null {
    const found = this.held.get(key);
    return found !== undefined && found.expiresAt > this.#clock.now() ? found : null;
  }

  put(key: string, held: Held): void {
    if (!this.held.has(key)) this.#sorted = null;
    this.held.set(key, held);
    this.highest.set(key, held.version);
  }

  delete(key: string): void {
    this.held.delete(key);
    this.#sorted = null;
  }

  /** All that are there, in order. */
  paths(): Path[] {
    this.#sorted ??= [...this.held.keys()].map(pathIn).sort(paths);
    return this.#sorted.filter((path) => this.get(keyOf(path)) !== null);
  }

  scan(namespace: Path, prefix: string): string[] {
    return this.paths()
      .filter((path) => isBelow(path, namespace))
      .map((path) => keyOf(path.slice(namespace.length)))
      .filter((name) => name.startsWith(prefix));
  }

  /** The names right below, of keys and of what has keys below it. */
  siblings(namespace: Path, deeper: number): string[] {
    const below = this.paths().filter((path) => isBelow(path, namespace));
    const found = below.filter(({ length }) => length >= namespace.length + deeper);
    return [...new Set(found.map((path) => path[namespace.length] as string))];
  }

  next(namespace: Path, name: string, back: boolean): string | null {
    const siblings = this.siblings(namespace, 1);
    if (name === "") return (back ? siblings.at(-1) : siblings[0]) ?? null;
    if (!back) return siblings.find((one) => names(one, name) > 0) ?? null;
    return siblings.findLast((one) => names(one, name) < 0) ?? null;
  }
}

/** Collects records, and refuses when told to. */
class Records implements Recorder {
  readonly lines: string[] = [];
  full = false;
  failing = false;
  #reserved = 0;

  reserve(bytes: number): boolean {
    if (!this.full) this.#reserved = bytes;
    return !this.full;
  }

  append(record: string, bytes: number): void {
    const isLine = record.indexOf("\n") === record.length - 1;
    // That a value has expired is recorded as it is noticed, reserved or not.
    const isReserved = bytes <= this.#reserved;
    const fits = isReserved || record.startsWith('["del",');
    if (!isLine || bytes !== Buffer.byteLength(record) || !fits) {
      throw new Error(`not a line of ${bytes} bytes that were reserved: ${record}`);
    }
    if (isReserved) this.#reserved -= bytes;
    this.lines.push(record);
  }
}

/** A copy of the keys, kept from the changes that it is told of alone. */
class Mirror implements Watchers {
  any = true;
  readonly held = new Map<string, { text: string; version: number }>();
  expired = 0;

  set(path: Path, text: string, version: number): void {
    this.held.set(keyOf(path), { text, version });
  }

  gone(path: Path, why: "del" | "expired", tree: boolean): void {
    const key = keyOf(path);
    if (why === "expired") this.expired++;
    if (!tree) {
      if (!this.held.delete(key)) throw new Error(`${key} is gone, and was not there`);
      return;
    }
    this.held.delete(key);
    for (const one of this.held.keys()) if (isBelow(pathIn(one), path)) this.held.delete(one);
  }
}

export function open(clock = new HandClock(), maxBytes: () => number = () => Infinity) {
  const mirror = new Mirror();
  const records = new Records();
  const keys = new Keys(clock, mirror, maxBytes);
  keys.record(records);
  return { clock, keys, mirror, records };
}

/** Keys as they are after records were read back. */
export function restored(clock: HandClock, lines: readonly string[]): Keys {
  const mirror = new Mirror();
  mirror.any = false;
  const keys = new Keys(clock, mirror, () => Infinity);
  // All at once, or one by one as they come of a store.
  const isWhole = lines.length % 2 === 0;
  const text = lines.map((line) => (line.endsWith("\n") ? line : `${line}\n`)).join("");
  if (isWhole) expect(keys.restore(Buffer.from(text))).toBe(lines.length);
  else for (const line of lines) expect(keys.restore(Buffer.from(line))).toBe(1);
  keys.restored();
  return keys;
}

export const linesIn = (text: string): string[] => text.split("\n").slice(0, -1);

export function snapshotOf(keys: Keys): string[] {
  const next = keys.snapshot();
  const lines: string[] = [];
  for (let slice = next(); slice !== null; slice = next()) {
    lines.push(...linesIn(slice));
    if (lines.length > 10_000) throw new Error("a snapshot without an end");
  }
  expect(next()).toBeNull();
  return lines;
}

/** All names, page by page. */
export function walk(page: (paging: Paging) => Page, limit: number): string[] {
  const found: string[] = [];
  let pages = 0;
  let after: string | null = null;
  do {
    const { names: some, cursor }: Page = page({ after, limit });
    expect(some.length).toBeLessThanOrEqual(limit);
    found.push(...some);
    if (++pages > 10_000) throw new Error(`a walk without an end, at ${after}`);
    after = cursor;
  } while (after !== null);
  return found;
}

export const everything = (keys: Keys, limit = 1000): string[] =>
  walk((paging) => keys.scan([], "", paging), limit);

export const codeOf = (answer: unknown): unknown =>
  answer instanceof Refusal ? answer.code : answer;

const VALUES = ["1", "-7", "41.5", '"text"', "null", "[1,2]", '{"__proto__":{"a":"é"}}', "0"];
/** A slice of a snapshot ends with one of these. */
export const LARGE = `"${"x".repeat(70_000)}"`;

/** A walk under way. */
interface Walk {
  readonly namespace: Path;
  readonly prefix: string;
  readonly limit: number;
  readonly seen: string[];
  /** The keys that were there all along. */
  readonly steady: Set<string>;
  pages: number;
  after: string | null;
  readonly reverse: boolean;
}

/** A snapshot under way. */
interface Slices {
  readonly next: () => string | null;
  readonly lines: string[];
  /** The count of records when it began. */
  readonly since: number;
  slices: number;
}

/** One sequence of random operations on keys and on their model. */
class Trial {
  readonly clock = new HandClock();
  readonly model = new Model(this.clock);
  readonly mirror = new Mirror();
  readonly records = new Records();
  readonly keys: Keys;
  readonly #random: Random;
  readonly #names: string[];
  #walk: Walk | null = null;
  walks = 0;
  shortcuts = 0;
  #snapshot: Slices | null = null;
  readonly snapshots: Slices[] = [];

  constructor(seed: number) {
    this.#random = new Random(seed);
    // Keys that nobody watches may be changed the shortest way.
    this.mirror.any = seed % 3 > 0;
    this.keys = new Keys(this.clock, this.mirror, () => Infinity);
    this.keys.record(this.records);
    this.#names = Array.from({ length: this.#whole(4, 9) }, () => this.#pick(NAMES));
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) {
      this.records.full = this.#whole(0, 40) === 0;
      this.#change();
      if (this.#walk !== null && this.#whole(0, 2) === 0) this.#goOn();
      if (this.#snapshot !== null && this.#whole(0, 4) === 0) this.#slice();
      if (this.#whole(0, 3) === 0) this.#look();
    }
    this.records.full = false;
    while (this.#walk !== null) this.#goOn();
    while (this.#snapshot !== null) this.#slice();
  }

  /** Lets all that has an expiry expire, and be swept. */
  outlive(): void {
    this.clock.advance(100_000);
    for (let ticks = 0; this.keys.expiring > 0; ticks++) {
      expect(ticks).toBeLessThan(1000);
      this.keys.sweep();
    }
  }

  /** Expects other keys to hold just the model's, and to give no version twice. */
  matches(keys: Keys): void {
    const expected = this.model.paths();
    expect(everything(keys)).toEqual(expected.map(keyOf));
    expect(keys.size).toBe(expected.length);
    for (const path of expected) expect(this.#read(keys, path)).toEqual(this.#expected(path));
    for (const [key, highest] of this.model.highest) {
      const path = pathIn(key);
      const there = this.model.get(key) !== null;
      if (!there) expect([key, keys.get(path)]).toEqual([key, null]);
      const version = keys.set(path, "0", {}) as number;
      if (there) expect(version).toBe(highest + 1);
      else
        expect([key, version > highest, version, highest]).toEqual([key, true, version, highest]);
    }
  }

  #read(keys: Keys, path: Path): unknown {
    const found = keys.get(path);
    if (found === null) return [keyOf(path), null];
    return [keyOf(path), { text: found.text, version: found.version, expiresAt: found.expiresAt }];
  }

  #expected(path: Path): unknown {
    return [keyOf(path), this.model.get(keyOf(path))];
  }

  #whole(min: number, max: number): number {
    return this.#random.whole(min, max);
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#whole(0, list.length - 1)] as T;
  }

  #path(min: number, max: number): Path {
    return Array.from({ length: this.#whole(min, max) }, () => this.#pick(this.#names));
  }

  /** The answer of an operation that succeeds unless the disk is full. */
  #unlessFull<T>(answer: T): T | "DISK_FULL" {
    return this.records.full ? "DISK_FULL" : answer;
  }

  #change(): void {
    const { keys, model, clock } = this;
    const path = this.#path(1, 4);
    const key = keyOf(path);
    const before = model.get(key);
    const dice = this.#whole(0, 99);
    if (dice < 30) this.#set(path);
    else if (dice < 35) this.#overwrite(path);
    else if (dice < 45) {
      const values = Array.from(
        { length: this.#whole(1, 4) },
        () => [this.#path(1, 4), this.#pick(VALUES)] as const,
      );
      expect(codeOf(keys.setAll(values))).toBe(this.#unlessFull(null));
      if (this.records.full) return;
      for (const name of new Set(values.map(([one]) => keyOf(one)))) {
        const same = values.filter(([one]) => keyOf(one) === name);
        const text = same.at(-1)?.[1] as string;
        const old =
          model.get(name)?.version ?? this.#newVersion(pathIn(name), same.length) - same.length;
        model.put(name, { text, version: old + same.length, expiresAt: Infinity });
        expect(this.#read(keys, pathIn(name))).toEqual(this.#expected(pathIn(name)));
      }
    } else if (dice < 60) {
      const ifVersion = this.#whole(0, 3) === 0 ? this.#someVersion(before) : undefined;
      const answer = codeOf(keys.del(path, false, ifVersion));
      if (ifVersion !== undefined && ifVersion !== (before?.version ?? 0)) {
        expect(answer).toBe("VERSION_MISMATCH");
        return;
      }
      expect(answer).toBe(before === null ? "NOT_FOUND" : this.#unlessFull(1));
      if (answer === 1) this.#gone(path);
    } else if (dice < 64) {
      const top = this.#path(1, 3);
      const all = model.paths().filter((one) => keyOf(one) === keyOf(top) || isBelow(one, top));
      const own = model.get(keyOf(top));
      const ifVersion = this.#whole(0, 3) === 0 ? this.#someVersion(own) : undefined;
      const answer = codeOf(keys.del(top, true, ifVersion));
      if (ifVersion !== undefined && ifVersion !== (own?.version ?? 0)) {
        expect(answer).toBe("VERSION_MISMATCH");
        return;
      }
      expect(answer).toBe(all.length === 0 ? "NOT_FOUND" : this.#unlessFull(all.length));
      if (typeof answer === "number") for (const one of all) this.#gone(one);
    } else if (dice < 74) {
      const by = this.#pick([1, -1, 5, Number.MAX_SAFE_INTEGER]);
      const old = before === null ? 0 : Number(before.text);
      const answer = codeOf(keys.increase(path, by));
      if (!Number.isInteger(old)) expect(answer).toBe("NOT_A_NUMBER");
      else if (!Number.isSafeInteger(old + by)) expect(answer).toBe("NUMBER_RANGE");
      else expect(answer).toBe(this.#unlessFull(old + by));
      if (typeof answer !== "number") return;
      const version = before !== null ? before.version + 1 : this.#newVersion(path);
      model.put(key, {
        text: `${answer}`,
        version,
        expiresAt: before?.expiresAt ?? Infinity,
      });
      expect(this.#read(keys, path)).toEqual(this.#expected(path));
    } else if (dice < 86) {
      const ttl = this.#pick([null, 1, 100, 250, 1000, 5000]);
      const answer = codeOf(keys.expire(path, ttl));
      expect(answer).toBe(before === null ? "NOT_FOUND" : this.#unlessFull(null));
      if (answer === null && before !== null) {
        before.expiresAt = ttl === null ? Infinity : clock.now() + ttl;
      }
    } else if (dice < 95) this.#pass(this.#pick([1, 10, 99, 100, 101, 300, 2000]));
    else keys.sweep();
  }

  #set(path: Path, text = this.#pick(VALUES)): void {
    const key = keyOf(path);
    const before = this.model.get(key);
    const ttlMs = this.#pick([undefined, undefined, 1, 50, 100, 400, 3000]);
    const ifAbsent = this.#pick([undefined, undefined, false, true]);
    const ifVersion = this.#whole(0, 3) === 0 ? this.#someVersion(before) : undefined;
    const answer = codeOf(this.keys.set(path, text, { ttlMs, ifAbsent, ifVersion }));
    if (ifAbsent && before !== null) expect(answer).toBe("ALREADY_EXISTS");
    else if (ifVersion !== undefined && ifVersion !== (before?.version ?? 0)) {
      expect(answer).toBe("VERSION_MISMATCH");
    } else if (this.records.full) expect(answer).toBe("DISK_FULL");
    else {
      const version = before !== null ? before.version + 1 : this.#newVersion(path);
      expect(answer).toBe(version);
      const expiresAt = ttlMs === undefined ? Infinity : this.clock.now() + ttlMs;
      this.model.put(key, { text, version, expiresAt });
    }
    expect(this.#read(this.keys, path)).toEqual(this.#expected(path));
  }

  /** The shortest way, by bytes, as far as it goes. */
  #overwrite(path: Path): void {
    const { keys, model, mirror } = this;
    const held = model.get(keyOf(path));
    const value = this.#pick(["7", '"a"', '"some text"']);
    const block = Buffer.from(`{"${keyOf(path)}":${value}}`);
    const nameEnd = block.length - value.length - 2;
    const id = keys.lookup(block, 2, nameEnd - 1);
    if (held === null || held.expiresAt !== Infinity) expect(id).toBe(-1);
    // While a subtree is given up there is no shortcut.
    if (id < 0 || held === null) return;
    this.shortcuts++;
    const length = Buffer.byteLength(held.text);
    const out = Buffer.alloc(length + 2, "-");
    expect([keys.lengthOf(id), keys.copy(id, out, 1)]).toEqual([length, length]);
    expect(out.toString()).toBe(`-${held.text}-`);
    // `overwrite` is for names in ASCII alone.
    if (/[^ -~]/.test(keyOf(path))) return;
    const done = keys.overwrite(id, block, 1, nameEnd, nameEnd + 1, block.length - 1);
    expect(done).toBe(!mirror.any && !this.records.full);
    if (done) model.put(keyOf(path), { ...held, text: value, version: held.version + 1 });
    expect(this.#read(keys, path)).toEqual(this.#expected(path));
  }

  /** The version of a new value after this many changes: any that the key has not had before. */
  #newVersion(path: Path, changes = 1): number {
    const version = this.keys.get(path)?.version ?? -1;
    const highest = this.model.highest.get(keyOf(path)) ?? 0;
    expect([keyOf(path), version - changes >= highest]).toEqual([keyOf(path), true]);
    return version;
  }

  #someVersion(held: Held | null): number {
    return (held?.version ?? 0) + this.#pick([0, 0, 1]);
  }

  #gone(path: Path): void {
    const key = keyOf(path);
    this.model.delete(key);
    this.#walk?.steady.delete(key);
  }

  #pass(ms: number): void {
    this.clock.advance(ms);
    for (const [key] of this.model.held) {
      if (this.model.get(key) === null) this.#gone(pathIn(key));
    }
  }

  #prefix(namespace: Path): string {
    const name = keyOf(this.#path(1, 3));
    const there = this.#pick([...this.model.scan(namespace, ""), name]);
    const begun = (text: string) => text.slice(0, this.#whole(0, text.length));
    const some = ["", "", name, there, `${name}^`, begun(name), begun(there)];
    return this.#pick([...some, "^", "-", "1", "zz"]);
  }

  #look(): void {
    const { keys, model } = this;
    const dice = this.#whole(0, 9);
    const namespace = this.#path(0, 2);
    const limit = this.#pick([1, 2, 3, 10, 1000]);
    if (dice < 3) {
      const path = this.#path(1, 4);
      expect(this.#read(keys, path)).toEqual(this.#expected(path));
    } else if (dice < 5) {
      const prefix = this.#prefix(namespace);
      const listed = model.scan(namespace, prefix);
      for (const reverse of [false, true]) {
        const found = walk((paging) => keys.scan(namespace, prefix, { ...paging, reverse }), limit);
        expect([prefix, reverse, found]).toEqual([
          prefix,
          reverse,
          reverse ? listed.toReversed() : listed,
        ]);
      }
    } else if (dice < 6) {
      const found = walk((paging) => keys.namespaces(namespace, paging), limit);
      expect(found).toEqual(model.siblings(namespace, 2));
    } else if (dice < 8) {
      const name = this.#pick(["", ...NAMES]);
      for (const back of [false, true]) {
        const found = keys.next(namespace, name, back);
        expect([name, back, found]).toEqual([name, back, model.next(namespace, name, back)]);
      }
    } else if (dice < 9) this.#mirrored();
    else if (this.#snapshot === null && this.#whole(0, 9) === 0) {
      this.records.full = false;
      for (let n = 0; n < 5; n++) this.#set(this.#path(1, 4), LARGE);
      const next = keys.snapshot();
      this.#snapshot = { next, lines: [], since: this.records.lines.length, slices: 0 };
    } else if (this.#walk === null) {
      const prefix = this.#prefix(namespace);
      const steady = model.scan(namespace, prefix).map((name) => keyOf([...namespace, name]));
      this.#walk = {
        namespace,
        prefix,
        limit,
        seen: [],
        steady: new Set(steady),
        pages: 0,
        after: null,
        reverse: this.#whole(0, 1) === 1,
      };
    }
  }

  #goOn(): void {
    const walk = this.#walk as Walk;
    const { namespace, prefix, limit, after, reverse } = walk;
    const page = this.keys.scan(namespace, prefix, { after, limit, reverse });
    expect(page.names.length).toBeLessThanOrEqual(limit);
    for (const name of page.names) {
      const there = this.model.get(keyOf([...namespace, name])) !== null;
      expect([name, prefix, name.startsWith(prefix), there]).toEqual([name, prefix, true, true]);
    }
    walk.seen.push(...page.names);
    if (++walk.pages > 10_000) throw new Error(`a walk without an end, at ${after}`);
    walk.after = page.cursor;
    if (page.cursor !== null) return;
    this.#walk = null;
    this.walks++;
    const seen = walk.seen.map(pathIn);
    for (let i = 1; i < seen.length; i++) {
      const order = paths(seen[i - 1] as Path, seen[i] as Path);
      expect(reverse ? -order : order).toBeLessThan(0);
    }
    const all = new Set(walk.seen.map((name) => keyOf([...namespace, name])));
    expect([...walk.steady].filter((key) => !all.has(key))).toEqual([]);
  }

  #slice(): void {
    const snapshot = this.#snapshot as Slices;
    const slice = snapshot.next();
    if (slice !== null) {
      snapshot.lines.push(...linesIn(slice));
      snapshot.slices++;
      if (snapshot.lines.length > 10_000) throw new Error("a snapshot without an end");
      return;
    }
    this.#snapshot = null;
    this.snapshots.push(snapshot);
  }

  /** Expects a copy kept from the changes alone to hold the same keys, apart from those that expired unseen. */
  #mirrored(): void {
    if (!this.mirror.any) return;
    for (const [key, { text, version }] of this.mirror.held) {
      const held = this.model.get(key);
      if (held !== null) expect([key, text, version]).toEqual([key, held.text, held.version]);
    }
    const missing = this.model.paths().filter((path) => !this.mirror.held.has(keyOf(path)));
    expect(missing).toEqual([]);
  }

  told(): void {
    this.#mirrored();
    this.outlive();
    this.#mirrored();
    if (!this.mirror.any) return;
    expect([...this.mirror.held.keys()].sort()).toEqual(this.model.paths().map(keyOf).sort());
    expect(this.mirror.expired).toBe(this.keys.expired);
  }
}

export const SEEDS = Array.from({ length: 24 }, (_, n) => n + 1);
export const STEPS = 3000;

/** Every sequence, once, when the first test needs it. */
const trials = new Map<number, Trial>();

export function trial(seed: number): Trial {
  let found = trials.get(seed);
  if (found === undefined) {
    found = new Trial(seed);
    found.run(STEPS);
    trials.set(seed, found);
  }
  return found;
}
