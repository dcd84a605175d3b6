import { describe, expect, test } from "bun:test";
import { HandClock } from "../lib/host/clock.ts";
import type { Page, Paging } from "../lib/services/store/keys/scan.ts";
import { Keys, type Recorder } from "../lib/services/store/keys/keys.ts";
import type { Watchers } from "../lib/services/store/keys/live-keys.ts";
import { compare, Ordered, rankOf } from "../lib/services/store/keys/ordered.ts";
import { MAX_DEPTH, MAX_PART_BYTES, type Path } from "../lib/services/store/keys/path.ts";
import { Refusal } from "../lib/services/store/refusal.ts";
import { VisibleKeys } from "../lib/services/store/keys/visible-keys.ts";
import { Values } from "../lib/services/store/keys/values.ts";
import { Random } from "./random.ts";

// --- the order of names, once more and naively

/** A canonical number of at most 15 digits in steps of 10^-15, or null. */
function numberIn(name: string): bigint | null {
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

/** The first that differs decides; what ends first comes first. */
function lists<T>(a: readonly T[], b: readonly T[], order: (a: T, b: T) => number): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const found = order(a[i] as T, b[i] as T);
    if (found !== 0) return found;
  }
  return a.length - b.length;
}

function names(a: string, b: string): number {
  if (a === b) return 0;
  const [x, y] = [placeOf(a), placeOf(b)];
  if (x.number !== null && y.number !== null) return x.number < y.number ? -1 : 1;
  if (x.number !== null) return -1;
  if (y.number !== null) return 1;
  return lists(x.codes, y.codes, (one, other) => one - other);
}

const paths = (a: Path, b: Path): number => lists(a, b, names);

const NAMES = [
  ..."-1.5 -1 -.5 0 .5 007 10 9 1e3 0.5 -0 1.0 +1 1. 2 -10 9.25 9.5 .05 . - -- 1a".split(" "),
  ..."999999999999999 1000000000000000 -99999999999999.9 .000000000000001".split(" "),
  ..."a ab abc b B Z ~ $ é __proto__ constructor toString".split(" "),
  ..."\u{1f600} \u{10000} \u{10000}b \u{10ffff} \ue000 \ufffd \uffff \ud7ff".split(" "),
  ..."a\u{1f600} a\ue000 a\uffff".split(" "),
  " ",
];

describe("the order of names", () => {
  test("numbers are those that MUMPS would write, of up to 15 digits", () => {
    const canonical = { "-1.5": -1.5, "-.5": -0.5, "0": 0, ".5": 0.5, ".05": 0.05, "10": 10 };
    for (const [name, value] of Object.entries(canonical)) expect(rankOf(name)).toBe(value);
    expect(rankOf("999999999999999")).toBe(999999999999999);
    expect(rankOf(".000000000000001")).toBe(1e-15);
    expect(rankOf("-99999999999999.9")).toBe(-99999999999999.9);
    const others = ["", ".", "-", "-0", "007", "0.5", "1.0", "1.", "+1", "1e3", "1a", " 1", "1 "];
    others.push("1000000000000000", ".0000000000000001", "--1", "-.0", "1..2", "٣", "NaN");
    for (const name of others) expect([name, rankOf(name)]).toEqual([name, NaN]);
    for (const name of NAMES) expect(Number.isNaN(rankOf(name))).toBe(numberIn(name) === null);
  });

  test("of any two is as it is naively", () => {
    for (const a of NAMES) {
      for (const b of NAMES) {
        const found = Math.sign(compare(a, rankOf(a), b, rankOf(b)));
        expect([a, b, found]).toEqual([a, b, Math.sign(names(a, b))]);
      }
    }
  });
});

// --- a list that is always in order

interface Item {
  readonly name: string;
  readonly rank: number;
}

const item = (name: string): Item => ({ name, rank: rankOf(name) });

function visited(list: Ordered<Item>, from: string | null, inclusive: boolean, most = Infinity) {
  const seen: string[] = [];
  const ended = list.visit(from, inclusive, ({ name }) => seen.push(name) < most);
  return { seen, ended };
}

function visitedBack(list: Ordered<Item>, from: string | null, most = Infinity) {
  const seen: string[] = [];
  const ended = list.visitBack(from, ({ name }) => seen.push(name) < most);
  return { seen, ended };
}

describe("a list in order", () => {
  /** Whether the pieces hold just these, in this order, none of them empty or too long. */
  function holds(list: Ordered<Item>, expected: readonly string[]): void {
    expect(list.chunks.flat().map(({ name }) => name)).toEqual([...expected]);
    expect(list.size).toBe(expected.length);
    for (const { length } of list.chunks) expect(length > 0 && length <= 512).toBe(true);
  }

  test("is that of a sorted array after each of 10,000 comings and goings", () => {
    for (const share of [50, 80, 20]) {
      const random = new Random(share);
      const list = new Ordered<Item>();
      const items = new Map<string, Item>();
      let sorted: string[] = [];
      const sort = () => (sorted = [...items.keys()].sort(names));
      for (let step = 0; step < 10_000; step++) {
        const name = `${NAMES[random.whole(0, 9)]}${random.whole(0, 999)}`;
        const found = items.get(name);
        expect(list.get(name)).toBe(found as Item);
        if (found === undefined && (random.whole(0, 99) < share || items.size < 5)) {
          const made = item(name);
          items.set(name, made);
          list.add(made);
        } else if (found !== undefined) {
          items.delete(name);
          list.remove(found);
          // Another of the same name is not in the list.
          list.remove(item(name));
        }
        expect(list.size).toBe(items.size);
        if (step % 500 !== 0) continue;
        holds(list, sort());
        for (let look = 0; look < 20; look++) {
          const from = `${NAMES[random.whole(0, 9)]}${random.whole(0, 999)}`;
          const after = sorted.filter((one) => names(one, from) > 0);
          const here = items.has(from) ? [from] : [];
          expect(visited(list, from, false)).toEqual({ seen: after, ended: true });
          expect(visited(list, from, true)).toEqual({ seen: [...here, ...after], ended: true });
          const before = sorted.filter((one) => names(one, from) < 0).reverse();
          expect(visitedBack(list, from)).toEqual({ seen: before, ended: true });
          const most = random.whole(1, 5);
          if (after.length >= most) {
            const some = { seen: after.slice(0, most), ended: false };
            expect(visited(list, from, false, most)).toEqual(some);
          }
          if (before.length >= most) {
            const some = { seen: before.slice(0, most), ended: false };
            expect(visitedBack(list, from, most)).toEqual(some);
          }
        }
      }
      expect(visited(list, null, true).seen).toEqual(sort());
      expect(visitedBack(list, null).seen).toEqual(sort().reverse());
      for (const one of items.values()) list.remove(one);
      holds(list, []);
      expect(visited(list, null, true)).toEqual({ seen: [], ended: true });
      expect(visitedBack(list, "a")).toEqual({ seen: [], ended: true });
    }
  }, 60_000);

  test("is split where a piece would hold more than 512, and forgets pieces that are empty", () => {
    const list = new Ordered<Item>();
    const items = Array.from({ length: 513 }, (_, n) => item(`${n * 2}`));
    for (const one of items.slice(0, 512)) list.add(one);
    expect(list.chunks.map(({ length }) => length)).toEqual([512]);
    // At the end a new piece begins, in the midst one is halved.
    list.add(items[512] as Item);
    expect(list.chunks.map(({ length }) => length)).toEqual([512, 1]);
    list.add(item("7"));
    expect(list.chunks.map(({ length }) => length)).toEqual([256, 257, 1]);
    list.remove(items[512] as Item);
    expect(list.chunks.map(({ length }) => length)).toEqual([256, 257]);
    holds(list, [...items.slice(0, 512).map(({ name }) => name), "7"].sort(names));
  });
});

// --- values by their names

describe("values", () => {
  /** Values, and a map of what they must be. */
  class Both {
    readonly values = new Values();
    readonly map = new Map<string, { id: number; text: string; version: number }>();

    find(name: string): number {
      const bytes = Buffer.from(`..${name}..`);
      return this.values.find(bytes, 2, bytes.length - 2);
    }

    add(name: string, text: string, version: number): void {
      const bytes = Buffer.from(`-${name}`);
      const id = this.values.add(bytes, 1, bytes.length, Buffer.from(text));
      this.values.setVersion(id, version);
      this.values.setExpiresAt(id, version * 2);
      this.map.set(name, { id, text, version });
    }

    set(name: string, text: string): void {
      const found = this.map.get(name) as { id: number; text: string };
      const bytes = Buffer.from(`"${text}"`);
      this.values.set(found.id, bytes, 1, bytes.length - 1);
      found.text = text;
    }

    remove(name: string): void {
      this.values.remove((this.map.get(name) as { id: number }).id);
      this.map.delete(name);
    }

    /** Whether all are found as they are, and nothing else is. */
    check(others: Iterable<string>): void {
      const { values, map } = this;
      expect(values.size).toBe(map.size);
      const wrong: unknown[] = [];
      const ids = new Set<number>();
      for (const [name, { id, text, version }] of map) {
        ids.add(id);
        const right =
          this.find(name) === id &&
          values.text(id) === text &&
          values.length(id) === Buffer.byteLength(text) &&
          values.nameLength(id) === Buffer.byteLength(name) &&
          values.version(id) === version &&
          values.expiresAt(id) === version * 2;
        if (!right) wrong.push([name, id]);
      }
      for (const name of others) if (!map.has(name) && this.find(name) !== -1) wrong.push(name);
      expect([wrong, ids.size]).toEqual([[], map.size]);
    }
  }

  test("are those of a map, after random comings and goings of every length", () => {
    for (const seed of [1, 2, 3]) {
      const random = new Random(seed);
      const both = new Both();
      const all = Array.from({ length: 700 }, (_, n) => `${"é".repeat(n % 5)}${n}^${n % 7}`);
      const textOf = () => {
        const most = [4, 4, 40, 300, 3000, 70_000, 300_000][random.whole(0, 6)] as number;
        return "é€x"[random.whole(0, 2)] + "y".repeat(random.whole(0, most));
      };
      for (let step = 0; step < 20_000; step++) {
        const name = all[random.whole(0, all.length - 1)] as string;
        if (!both.map.has(name)) both.add(name, textOf(), step);
        else if (random.whole(0, 2) === 0) both.remove(name);
        else both.set(name, textOf());
        if (step % 4000 === 3999) both.check(all);
      }
      for (const name of both.map.keys()) both.remove(name);
      both.check(all);
    }
  }, 60_000);

  test("are found while their table grows, and after most have gone", () => {
    const both = new Both();
    const names = (letter: string, count: number) =>
      Array.from({ length: count }, (_, n) => `${letter}${n}`);
    for (const [letter, count, left] of [
      ["a", 768, 767],
      ["b", 50_000, 256],
      ["c", 769, 0],
      ["d", 3072, 3072],
    ] as const) {
      for (const name of names(letter, count)) {
        both.add(name, name, 1);
        expect([both.find(name) >= 0, both.find(`${name}?`)]).toEqual([true, -1]);
      }
      both.check(names("z", 1000));
      for (const name of names(letter, count - left)) both.remove(name);
      both.check(names(letter, count));
    }
  });
});

// --- keys against a model of them

interface Held {
  text: string;
  version: number;
  expiresAt: number;
}

const keyOf = (path: Path): string => path.join("^");
const pathIn = (key: string): Path => key.split("^");
const isBelow = (path: Path, top: Path): boolean =>
  path.length > top.length && top.every((part, i) => path[i] === part);

/** What keys must be, as simply as it can be told. */
class Model {
  readonly held = new Map<string, Held>();
  /** The highest version that a key has ever had, of all that there ever were. */
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
  #reserved = 0;

  reserve(bytes: number): boolean {
    if (!this.full) this.#reserved = bytes;
    return !this.full;
  }

  append(record: string, bytes: number): void {
    const isLine = record.indexOf("\n") === record.length - 1;
    if (!isLine || bytes !== Buffer.byteLength(record) || bytes > this.#reserved) {
      throw new Error(`not a line of ${bytes} bytes that were reserved: ${record}`);
    }
    this.#reserved -= bytes;
    this.lines.push(record);
  }
}

/** Follows the keys by what it is told. */
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

function open(clock = new HandClock(), maxBytes: () => number = () => Infinity) {
  const mirror = new Mirror();
  const records = new Records();
  const keys = new Keys(clock, mirror, maxBytes);
  keys.record(records);
  return { clock, keys, mirror, records };
}

/** Keys as they are after records were read back. */
function restored(clock: HandClock, lines: readonly string[]): Keys {
  const mirror = new Mirror();
  mirror.any = false;
  const keys = new Keys(clock, mirror, () => Infinity);
  for (const line of lines) keys.restore(JSON.parse(line) as unknown[]);
  keys.restored();
  return keys;
}

const linesIn = (text: string): string[] => text.split("\n").slice(0, -1);

function snapshotOf(keys: Keys): string[] {
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
function walk(page: (paging: Paging) => Page, limit: number): string[] {
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

const everything = (keys: Keys, limit = 1000): string[] =>
  walk((paging) => keys.scan([], "", paging), limit);

const codeOf = (answer: unknown): unknown => (answer instanceof Refusal ? answer.code : answer);

const VALUES = ["1", "-7", "41.5", '"text"', "null", "[1,2]", '{"__proto__":{"a":"é"}}', "0"];
/** A slice of a snapshot ends with one of these. */
const LARGE = `"${"x".repeat(70_000)}"`;

/** A walk under way. */
interface Walk {
  readonly namespace: Path;
  readonly prefix: string;
  readonly limit: number;
  readonly seen: string[];
  /** What was there all along. */
  readonly steady: Set<string>;
  pages: number;
  after: string | null;
}

/** A snapshot under way. */
interface Slices {
  readonly next: () => string | null;
  readonly lines: string[];
  /** How many records there were when it began. */
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
    // What nobody watches may be changed the shortest way.
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

  /** Whether other keys hold just what the model does, and give no version twice. */
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

  /** What an operation that would succeed answers. */
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
    // While a subtree is being given up there is no such way.
    if (id < 0 || held === null) return;
    this.shortcuts++;
    const length = Buffer.byteLength(held.text);
    const out = Buffer.alloc(length + 2, "-");
    expect([keys.lengthOf(id), keys.copy(id, out, 1)]).toEqual([length, length]);
    expect(out.toString()).toBe(`-${held.text}-`);
    // What is recorded is taken for ASCII.
    if (/[^ -~]/.test(keyOf(path))) return;
    const done = keys.overwrite(id, block, 1, nameEnd, nameEnd + 1, block.length - 1);
    expect(done).toBe(!mirror.any && !this.records.full);
    if (done) model.put(keyOf(path), { ...held, text: value, version: held.version + 1 });
    expect(this.#read(keys, path)).toEqual(this.#expected(path));
  }

  /** The version of a value where there was none, after so many changes: whichever, if the key has not had it. */
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
      const found = walk((paging) => keys.scan(namespace, prefix, paging), limit);
      expect([prefix, found]).toEqual([prefix, model.scan(namespace, prefix)]);
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
      };
    }
  }

  #goOn(): void {
    const walk = this.#walk as Walk;
    const { namespace, prefix, limit, after } = walk;
    const page = this.keys.scan(namespace, prefix, { after, limit });
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
      expect(paths(seen[i - 1] as Path, seen[i] as Path)).toBeLessThan(0);
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

  /** Whether those who were told of every change know what there is, but for what has expired unseen. */
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

const SEEDS = Array.from({ length: 24 }, (_, n) => n + 1);
const STEPS = 3000;

/** Every sequence, once, when the first test needs it. */
const trials = new Map<number, Trial>();

function trial(seed: number): Trial {
  let found = trials.get(seed);
  if (found === undefined) {
    found = new Trial(seed);
    found.run(STEPS);
    trials.set(seed, found);
  }
  return found;
}

describe("keys, after random operations that each answered what a model does", () => {
  test("walks have seen what was there all along just once, in order", () => {
    let [walks, shortcuts] = [0, 0];
    for (const seed of SEEDS) {
      walks += trial(seed).walks;
      shortcuts += trial(seed).shortcuts;
    }
    expect(walks).toBeGreaterThan(SEEDS.length * 10);
    expect(shortcuts).toBeGreaterThan(SEEDS.length * 10);
  }, 60_000);

  test("records read back give the same values, versions and expiries", () => {
    for (const seed of SEEDS) {
      const { clock, records, ...one } = trial(seed);
      expect(records.lines.length).toBeGreaterThan(STEPS / 4);
      trial(seed).matches(restored(clock, records.lines));
      expect(one.keys.expired).toBeGreaterThan(0);
    }
  }, 60_000);

  test("a snapshot read back gives the same values, versions and expiries", () => {
    for (const seed of SEEDS) {
      const one = trial(seed);
      one.matches(restored(one.clock, snapshotOf(one.keys)));
    }
  });

  test("a snapshot taken in slices meanwhile, and the records since it began, give the same", () => {
    let [count, slices] = [0, 0];
    for (const seed of SEEDS) {
      const one = trial(seed);
      for (const snapshot of one.snapshots) {
        const { lines, since } = snapshot;
        one.matches(restored(one.clock, [...lines, ...one.records.lines.slice(since)]));
        count++;
        slices += snapshot.slices;
      }
    }
    expect(count).toBeGreaterThan(SEEDS.length);
    expect(slices).toBeGreaterThan(count * 2);
  }, 60_000);

  test("those who watch know what there is", () => {
    for (const seed of SEEDS) trial(seed).told();
  });

  // The clock has moved since: much has expired before it is read back.
  test("all of these give the same when they are read later", () => {
    for (const seed of SEEDS) {
      const one = trial(seed);
      const again = restored(one.clock, one.records.lines);
      expect([again.size, again.bytes, again.expiring]).toEqual([one.keys.size, one.keys.bytes, 0]);
      one.matches(again);
      one.matches(restored(one.clock, snapshotOf(one.keys)));
      for (const { lines, since } of one.snapshots) {
        one.matches(restored(one.clock, [...lines, ...one.records.lines.slice(since)]));
      }
    }
  }, 60_000);

  test("nothing is left once all is deleted, one by one or as a whole", () => {
    for (const seed of SEEDS) {
      const { keys, model } = trial(seed);
      expect(keys.size).toBe(model.paths().length);
      expect(keys.bytes).toBeGreaterThan(0);
      for (const path of model.paths()) {
        if (keys.get(path) === null) continue;
        expect(keys.del(path, seed % 2 === 0, undefined)).toBeGreaterThan(0);
      }
      expect([keys.size, keys.bytes, keys.expiring]).toEqual([0, 0, 0]);
      expect(everything(keys)).toEqual([]);
    }
  });
});

describe("what is kept of a key", () => {
  /** Keys read back from the records, so many milliseconds later. */
  function later({ clock, records }: ReturnType<typeof open>, ms = 0): Keys {
    clock.advance(ms);
    return restored(clock, records.lines);
  }

  test("a value whose expiry was taken back outlives the time that it had", () => {
    const one = open();
    one.keys.set(["a"], "1", { ttlMs: 1000 });
    one.keys.expire(["a"], null);
    one.keys.set(["b"], "2", {});
    one.keys.expire(["b"], 1000);
    one.keys.expire(["b"], 5000);
    one.keys.set(["c"], "3", { ttlMs: 1000 });
    const keys = later(one, 1000);
    expect(["a", "b", "c"].map((name) => keys.get([name])?.text)).toEqual(["1", "2", undefined]);
    expect(keys.get(["b"])?.expiresAt).toBe(5000);
  });

  test("a version is not given again when a snapshot is made between an expiry and its sweep", () => {
    const { clock, keys } = open();
    for (let n = 0; n < 9; n++) keys.set(["a"], `${n}`, { ttlMs: 1000 });
    expect(keys.get(["a"])?.version).toBe(9);
    clock.advance(1000);
    const again = restored(clock, snapshotOf(keys));
    expect(again.get(["a"])).toBeNull();
    expect(again.set(["a"], "0", {})).toBeGreaterThan(9);
  });

  test("a version is not given again when its key goes while a snapshot is made", () => {
    for (const tree of [false, true]) {
      const { clock, keys, records } = open();
      for (const name of ["a", "b", "c"]) keys.set([name], LARGE, {});
      for (let n = 0; n < 9; n++) keys.set(["z"], `${n}`, {});
      const since = records.lines.length;
      const next = keys.snapshot();
      const lines = linesIn(next() as string);
      expect(keys.del(["z"], tree, undefined)).toBe(1);
      for (let slice = next(); slice !== null; slice = next()) lines.push(...linesIn(slice));
      const again = restored(clock, [...lines, ...records.lines.slice(since)]);
      expect(everything(again)).toEqual(["a", "b", "c"]);
      expect(again.set(["z"], "0", {})).toBeGreaterThan(9);
    }
  });

  test("a version is not given again after a subtree went, by records or by a snapshot", () => {
    const one = open();
    for (let n = 0; n < 9; n++) one.keys.set(["a", "b"], `${n}`, {});
    expect(one.keys.del(["a"], true, undefined)).toBe(1);
    expect(later(one).set(["a", "b"], "0", {})).toBeGreaterThan(9);
    expect(restored(one.clock, snapshotOf(one.keys)).set(["a", "b"], "0", {})).toBeGreaterThan(9);
    expect(one.keys.set(["a", "b"], "0", {})).toBeGreaterThan(9);
  });

  test("expiries count on while nothing runs, by the wall clock", () => {
    const { keys, records } = open(new HandClock(1_000_000));
    keys.set(["a"], "1", { ttlMs: 5000 });
    keys.set(["b"], "2", { ttlMs: 5001 });
    const clock = new HandClock(1_005_000);
    const again = restored(clock, records.lines);
    expect([again.get(["a"]), again.get(["b"])?.expiresAt]).toEqual([null, 1]);
    expect([again.size, again.expiring, again.expired]).toEqual([1, 1, 0]);
  });

  test("a slice of a snapshot grows with neither the number of keys nor their values", () => {
    const { keys } = open();
    const large = JSON.stringify("x".repeat(100_000));
    for (let n = 0; n < 300; n++) keys.set([`k${n}`], large, {});
    for (let n = 0; n < 3000; n++) keys.set([`s${n}`], "1", {});
    const next = keys.snapshot();
    const lengths: number[] = [];
    for (let slice = next(); slice !== null && lengths.length < 10_000; slice = next()) {
      lengths.push(slice.length);
    }
    expect([lengths.length > 6, lengths.length < 10_000]).toEqual([true, true]);
    expect(Math.max(...lengths)).toBeLessThan(2 ** 20);
  });
});

describe("bounds", () => {
  test("a value expires with the millisecond that it was given, and not before", () => {
    const { clock, keys } = open();
    keys.set(["a"], "1", { ttlMs: 1000 });
    clock.advance(999);
    expect(keys.get(["a"])?.text).toBe("1");
    expect(everything(keys)).toEqual(["a"]);
    clock.advance(1);
    expect(everything(keys)).toEqual([]);
    expect([keys.next([], "", false), keys.get(["a"])]).toEqual([null, null]);
    expect(keys.expired).toBe(1);
  });

  test("memory is used to its last byte, and nothing changes beyond", () => {
    const changes: ((keys: Keys) => unknown)[] = [
      (keys) => keys.set(["a", "b", "c"], '"é€"', {}),
      (keys) => keys.set(["a"], '"longer than before"', {}),
      (keys) => keys.set(["a"], "1", { ttlMs: 1000 }),
      (keys) =>
        keys.setAll([
          [["x"], "1"],
          [["y", "z"], '"two"'],
        ] as const),
      (keys) => keys.increase(["n"], 100_000),
    ];
    for (const [at, change] of changes.entries()) {
      const made = (maxBytes: () => number) => {
        const one = open(undefined, maxBytes);
        one.keys.set(["a"], "1", {});
        one.keys.set(["n"], "1", {});
        return one;
      };
      const free = made(() => Infinity);
      const before = free.keys.bytes;
      expect(codeOf(change(free.keys))).not.toBe("MEMORY_FULL");
      const needed = free.keys.bytes;
      expect([at, needed > before]).toEqual([at, true]);
      let most = Infinity;
      const full = made(() => most);
      most = needed - 1;
      expect([at, codeOf(change(full.keys))]).toEqual([at, "MEMORY_FULL"]);
      expect([full.keys.bytes, full.keys.size, full.records.lines.length]).toEqual([before, 2, 2]);
      most = needed;
      expect([at, codeOf(change(full.keys))]).not.toEqual([at, "MEMORY_FULL"]);
      expect([full.keys.bytes, full.keys.size]).toEqual([needed, free.keys.size]);
      // What needs no more is taken even above the bound, and so is what frees some.
      most = 0;
      expect(full.keys.set(["a"], "2", {})).toBeGreaterThan(1);
      expect(full.keys.del(["a"], false, undefined)).toBe(1);
    }
  });

  test("a key that is too long or too deep is refused, and with it all that it came with", () => {
    const { keys, records } = open();
    const part = "é".repeat(MAX_PART_BYTES / 2);
    const deep = Array.from({ length: MAX_DEPTH }, () => part);
    expect(keys.set(deep, "1", {})).toBe(1);
    expect(keys.get(deep)?.text).toBe("1");
    expect(everything(keys)).toEqual([keyOf(deep)]);
    for (const bad of [[`${part}e`], [...deep, "a"], ["a", ""], ["\u0000"], ["\ud800"], []]) {
      expect(codeOf(keys.set(bad, "1", {}))).toBe("BAD_KEY");
      expect(
        codeOf(
          keys.setAll([
            [["ok"], "1"],
            [bad, "1"],
          ]),
        ),
      ).toBe("BAD_KEY");
      expect(codeOf(keys.increase(bad, 1))).toBe("BAD_KEY");
      expect(codeOf(keys.expire(bad, 1))).toBe("BAD_KEY");
      expect(codeOf(keys.del(bad, false, undefined))).toBe("BAD_KEY");
    }
    expect([keys.size, records.lines.length]).toEqual([1, 1]);
  });

  test("whatever the clock has leapt over expires, some at a time", () => {
    const { clock, keys, mirror } = open();
    for (let n = 0; n < 20_000; n++) keys.set([`k${n}`], "1", { ttlMs: 1000 + n * 100 });
    keys.set(["late"], "1", { ttlMs: 86_400_001 });
    clock.leap(86_400_000);
    expect(everything(keys)).toEqual(["late"]);
    for (let left = keys.expiring, swept = 1; swept > 0; left -= swept) {
      keys.sweep();
      swept = left - keys.expiring;
      expect(swept).toBeLessThanOrEqual(10_000);
    }
    expect([keys.size, keys.expired, mirror.expired]).toEqual([1, 20_000, 20_000]);
    clock.leap(1);
    expect(keys.get(["late"])).toBeNull();
    expect(keys.bytes).toBe(0);
  });

  test("half a surrogate pair is not taken for what it is encoded as", () => {
    const { keys, records } = open();
    keys.set(["\ufffd"], "1", {});
    keys.set(["a", "\ufffd"], "1", {});
    for (const bad of [["\ud800"], ["\udc00"], ["a", "\udfff"]]) {
      expect(keys.get(bad)).toBeNull();
      expect(codeOf(keys.set(bad, "2", {}))).toBe("BAD_KEY");
      expect(codeOf(keys.setAll([[bad, "2"]]))).toBe("BAD_KEY");
      expect(codeOf(keys.increase(bad, 1))).toBe("BAD_KEY");
      expect(codeOf(keys.expire(bad, 1))).toBe("BAD_KEY");
      expect(codeOf(keys.del(bad, false, undefined))).toBe("BAD_KEY");
      expect(codeOf(keys.del(bad, true, undefined))).toBe("BAD_KEY");
    }
    expect([keys.get(["\ufffd"])?.text, records.lines.length]).toEqual(["1", 2]);
  });

  test("numbers go as far as a double is exact", () => {
    const { keys } = open();
    const most = Number.MAX_SAFE_INTEGER;
    expect([keys.increase(["a"], most), codeOf(keys.increase(["a"], 1))]).toEqual([
      most,
      "NUMBER_RANGE",
    ]);
    expect([keys.increase(["b"], -most), codeOf(keys.increase(["b"], -1))]).toEqual([
      -most,
      "NUMBER_RANGE",
    ]);
    expect([keys.get(["a"])?.text, keys.get(["b"])?.text]).toEqual([`${most}`, `${-most}`]);
  });
});

describe("the server's own keys", () => {
  test("are beside those of clients: only who names them sees them", () => {
    const clock = new HandClock();
    const [own, system] = [open(clock).keys, open(clock).keys];
    const spaces = new VisibleKeys(own, system);
    system.tell(["sys", "stats", "keys"], "1");
    system.tell(["sys", "version"], '"1"');
    own.set(["a", "b"], "1", {});
    own.set(["t"], "1", {});
    const scan = (namespace: Path, prefix: string) =>
      walk((paging) => spaces.scan(namespace, prefix, paging), 1);
    expect(scan([], "")).toEqual(["a^b", "t"]);
    expect(scan(["sys"], "")).toEqual(["stats^keys", "version"]);
    expect(scan([], "sys^")).toEqual(["sys^stats^keys", "sys^version"]);
    expect(spaces.get(["sys", "version"])?.text).toBe('"1"');
    const namespaces = (path: Path) => walk((paging) => spaces.namespaces(path, paging), 1);
    expect([namespaces([]), namespaces(["sys"])]).toEqual([["a"], ["stats"]]);
    expect(spaces.next([], "a", false)).toBe("t");
    expect(spaces.next(["sys"], "", true)).toBe("version");
  });

  test("a thing that is told again unchanged makes no version and no event", () => {
    const { keys, mirror } = open();
    keys.tell(["sys", "a"], "1");
    keys.tell(["sys", "a"], "1");
    expect(keys.get(["sys", "a"])?.version).toBe(1);
    keys.tell(["sys", "a"], "2");
    expect([keys.get(["sys", "a"])?.version, mirror.held.get("sys^a")]).toEqual([
      2,
      { text: "2", version: 2 },
    ]);
  });
});

describe("a million keys", () => {
  const COUNT = 1_000_000;

  test("that expire in the same second are seen by nobody, swept a bounded number at a time, and told of", () => {
    const { clock, keys, mirror } = open();
    mirror.any = false;
    for (let n = 0; n < COUNT; n++) keys.set([`k${n}`], "1", { ttlMs: 1000 + (n % 100) });
    keys.set(["stays"], "1", {});
    let told = 0;
    mirror.any = true;
    mirror.gone = (path, why, tree) => {
      if (path[0]?.startsWith("k") && why === "expired" && !tree) told++;
    };
    expect([keys.size, keys.expiring]).toEqual([COUNT + 1, COUNT]);
    clock.advance(1099);
    expect(everything(keys)).toEqual(["stays"]);
    expect([keys.next([], "", false), keys.next([], "stays", true)]).toEqual(["stays", null]);
    // Each of the two that look for a sibling removes so many that are in its way.
    expect([told, keys.size]).toEqual([20_000, COUNT + 1 - 20_000]);
    expect(keys.takeVisits()).toBeGreaterThan(COUNT);
    expect(keys.takeVisits()).toBe(0);
    expect(keys.get([`k${COUNT - 1}`])).toBeNull();
    expect(told).toBe(20_001);
    clock.advance(101);
    let most = 0;
    for (let left = keys.expiring, swept = 1; swept > 0; left -= swept) {
      keys.sweep();
      swept = left - keys.expiring;
      most = Math.max(most, swept);
    }
    expect(most).toBeLessThanOrEqual(10_000);
    expect([told, keys.expired, keys.size]).toEqual([COUNT, COUNT, 1]);
    expect(everything(keys)).toEqual(["stays"]);
    keys.del(["stays"], false, undefined);
    expect(keys.bytes).toBe(0);
  }, 60_000);

  test("cost a page no more than the names in it", () => {
    const { keys } = open();
    for (let n = 0; n < 300_000; n++) keys.set([`k${n}`], "1", {});
    for (let n = 0; n < 25_000; n++) keys.set([`${n}`], "1", {});
    for (const [prefix, after] of [
      ["", null],
      ["k", null],
      ["k77", null],
      ["k77", "k7777"],
      ["", "k299"],
    ] as const) {
      const page = keys.scan([], prefix, { after, limit: 50 });
      expect([page.names.length, page.visited]).toEqual([50, 50]);
    }
    const few = keys.scan([], "k29999", { after: null, limit: 50 });
    expect([few.names.length, few.cursor]).toEqual([11, null]);
    expect(few.visited).toBeLessThanOrEqual(12);

    // A number's text says nothing of its place: such a prefix is looked for in steps.
    let after: string | null = null;
    let pages = 0;
    do {
      const page: Page = keys.scan([], "-", { after, limit: 50 });
      expect([page.names, page.visited <= 10_000]).toEqual([[], true]);
      after = page.cursor;
      pages++;
    } while (after !== null);
    expect(pages).toBeGreaterThan(2);
  }, 60_000);

  test("a page has an end in text as well", () => {
    const { keys } = open();
    const part = "x".repeat(MAX_PART_BYTES);
    for (let n = 0; n < 2000; n++) keys.set([part, part, part, `${n}`], "1", {});
    const { names: some, cursor } = keys.scan([], "", { after: null, limit: 10_000 });
    const length = some.join("").length;
    expect([length > 200_000, length <= 256 * 1024 + 4 * MAX_PART_BYTES, cursor !== null]).toEqual([
      true,
      true,
      true,
    ]);
    expect(everything(keys, 10_000)).toHaveLength(2000);
  });

  test("below one go at once, without being looked at one by one", () => {
    const { clock, keys } = open();
    const count = 100_000;
    for (let n = 0; n < count; n++) keys.set(["top", `${n % 100}`, `k${n}`], "1", { ttlMs: 5000 });
    keys.set(["other"], "1", { ttlMs: 5000 });
    expect(keys.del(["top"], true, undefined)).toBe(count);
    const { bytes } = keys;
    expect([keys.size, keys.namespaces([], { after: null, limit: 9 }).visited]).toEqual([1, 1]);
    // Their expiries are forgotten by and by.
    expect(keys.expiring).toBeGreaterThan(count * 0.9);
    keys.set(["top", "1", "k1"], "2", { ttlMs: 5000 });
    for (let left = keys.expiring; left > 2; left = keys.expiring) {
      keys.sweep();
      expect(left - keys.expiring).toBeLessThanOrEqual(10_000);
      expect(keys.expiring).toBeLessThan(left);
    }
    expect([keys.expired, keys.get(["top", "1", "k1"])?.text]).toEqual([0, "2"]);
    keys.del(["top"], true, undefined);
    expect(keys.bytes).toBe(bytes);
    clock.advance(5100);
    keys.sweep();
    expect([keys.size, keys.bytes, keys.expiring, keys.expired]).toEqual([0, 0, 0, 1]);
  }, 60_000);
});
