import { describe, expect, test } from "bun:test";
import { heapStats } from "bun:jsc";
import { HandClock } from "../lib/host/clock.ts";
import { Keys } from "../lib/services/store/keys/keys.ts";
import { KeyTree, NONE } from "../lib/services/store/keys/key-tree.ts";
import { rankOf } from "../lib/services/store/keys/ordered.ts";
import { MAX_PART_BYTES, type Path } from "../lib/services/store/keys/path.ts";
import { rankIn } from "../lib/services/store/keys/ranks.ts";
import { Values } from "../lib/services/store/keys/values.ts";
import { names, NAMES } from "./keys-model.ts";
import { Random } from "./random.ts";

/** A tree of names alone. */
class Names {
  readonly values = new Values();
  readonly tree = new KeyTree(this.values);

  add(...path: Path): number {
    const bytes = Buffer.from(path.join("^"));
    const id = this.values.add(bytes, 0, bytes.length, Buffer.from("1"));
    this.tree.add(path, id);
    return id;
  }

  remove(id: number): void {
    this.tree.remove(id);
    this.values.remove(id);
  }

  /** The names at the top, from one on. */
  from(name: string | null): string[] {
    const seen: string[] = [];
    this.tree.root.visit(name, true, (node) => seen.push(node.name) > 0);
    return seen;
  }

  /** The names at the top before one, backwards. */
  before(name: string): string[] {
    const seen: string[] = [];
    this.tree.root.visitBack(name, (node) => seen.push(node.name) > 0);
    return seen;
  }
}

test("the value of a name is the same by its bytes", () => {
  const random = new Random(3);
  const tried = [
    ...NAMES,
    "",
    "٣",
    "NaN",
    "--1",
    "1..2",
    "-.0",
    "0.",
    "00",
    ".5.",
    "1-",
    "1\u0000",
  ];
  const digits = "0123456789.-";
  for (let i = 0; i < 50_000; i++) {
    let name = "";
    for (let n = random.whole(1, 18); n > 0; n--) name += digits[random.whole(0, 11)];
    tried.push(name);
    tried.push(
      `${random.whole(0, 1) === 0 ? "-" : ""}${random.whole(1, 1e9)}.${random.whole(1, 1e6)}`,
    );
  }
  let numbers = 0;
  for (const name of tried) {
    // Among digits that would belong to it too.
    const bytes = Buffer.from(`12.${name}.34`);
    const wanted = rankOf(name);
    if (!Number.isNaN(wanted)) numbers++;
    const found = rankIn(bytes, 3, bytes.length - 3);
    if (!Object.is(found, wanted)) expect([name, found]).toEqual([name, wanted]);
  }
  expect(numbers).toBeGreaterThan(10_000);
});

describe("names in a list, alone and with others below them", () => {
  const sorted = NAMES.toSorted(names);

  /** Each name of the list alone, with one below it, and with both. */
  function filled(): Names {
    const all = new Names();
    NAMES.forEach((name, i) => {
      if (i % 3 !== 0) all.add(name, "below");
      if (i % 3 !== 1) all.add(name);
    });
    return all;
  }

  test("are sought from any name on, in both directions", () => {
    const all = filled();
    const others = ["b", "1.5", "-2", "a\u{10400}", "\u{1f600}x", "\ufffe", "x".repeat(300)];
    for (const name of [...NAMES, ...others]) {
      const after = sorted.filter((one) => names(one, name) >= 0);
      const before = sorted.filter((one) => names(one, name) < 0).reverse();
      expect([name, all.from(name)]).toEqual([name, after]);
      expect([name, all.before(name)]).toEqual([name, before]);
      expect(all.tree.root.before(name)).toBe(before.length);
      expect([name, all.tree.root.get(name)?.name]).toEqual([name, after.find((n) => n === name)]);
    }
    expect(all.from(null)).toEqual(sorted);
  });

  test("are sought from half a surrogate pair on, whatever is behind it", () => {
    const all = filled();
    // By units, as texts are compared where all units are below U+E000 or in pairs.
    for (const start of ["", "a", "\u{1f600}", "\u{10000}"]) {
      for (const half of ["\ud800", "\ud83d", "\udbff", "\udc00", "\udfff"]) {
        for (const rest of ["", "a", "\ud800", "\uffff"]) {
          const name = start + half + rest;
          const first = half < "\udc00" ? `${start}${half}\udc00` : null;
          const after = sorted.filter((one) => {
            if (first !== null) return names(one, first) >= 0;
            return !one.startsWith(start) && names(one, start) > 0;
          });
          expect([name, all.from(name)]).toEqual([name, after]);
          expect(all.before(name).length).toBe(sorted.length - after.length);
          expect(all.tree.root.get(name)).toBeUndefined();
        }
      }
    }
  });

  test("are told apart to their last byte, and from longer ones that no key can have", () => {
    for (const unit of ["x", "é", "漢", "\u{1f600}"]) {
      const bytes = Buffer.byteLength(unit);
      const longest = unit.repeat(Math.floor(MAX_PART_BYTES / bytes));
      for (const below of [[], ["below"]]) {
        const all = new Names();
        all.add(longest.slice(0, -unit.length), ...below);
        all.add(longest, ...below);
        expect(all.tree.root.get(longest)?.name).toBe(longest);
        for (const more of [unit, "\u0001", unit.repeat(1000), "\udfff\udfff", "\ud800"]) {
          expect(all.tree.root.get(longest + more)).toBeUndefined();
          expect(all.from(longest + more)).toEqual([]);
          expect(all.before(longest + more)).toHaveLength(2);
        }
      }
    }
  });

  test("hold what they held when what is below them comes and goes", () => {
    const all = new Names();
    const own = all.add("a");
    const read = (...path: Path) => all.tree.find(path)?.value ?? null;
    const deep = all.add("a", "b", "c");
    expect([read("a"), read("a", "b"), read("a", "b", "c")]).toEqual([own, NONE, deep]);
    const middle = all.add("a", "b");
    all.remove(deep);
    expect([read("a"), read("a", "b"), read("a", "b", "c")]).toEqual([own, middle, null]);
    expect(all.tree.find(["a", "b"])?.below).toBeNull();
    all.remove(own);
    expect([read("a"), read("a", "b")]).toEqual([NONE, middle]);
    all.remove(middle);
    expect(all.from(null)).toEqual([]);
    expect(all.tree.root.branches).toBeNull();
  });
});

describe("memory of a key", () => {
  const COUNT = 100_000;
  const nobody = { any: false, set: () => {}, gone: () => {} };

  function held(): number {
    Bun.gc(true);
    return heapStats().heapSize;
  }

  /** Bytes of the collected heap and outside of it that each of many keys takes, and those that are counted. */
  function costOf(path: (i: number) => Path, ttlMs?: number): { held: number; counted: number } {
    const keys = new Keys(new HandClock(), nobody, () => Infinity);
    const before = held();
    for (let i = 0; i < COUNT; i++) keys.set(path(i), '"0123456789abcdef"', { ttlMs });
    const found = (held() - before) / COUNT;
    expect(keys.size).toBe(COUNT);
    return { held: found, counted: keys.bytes / COUNT };
  }

  /** Names in no order, of as many digits as those in order. */
  const mixed = (i: number) => String((i * 7919) % COUNT).padStart(7, "0");

  test.each([
    ["in order", (i: number) => [`key:${String(i).padStart(7, "0")}`], 140],
    ["in no order", (i: number) => [`key:${mixed(i)}`], 140],
    ["below a name", (i: number) => ["users", mixed(i)], 140],
    ["two below each of many names", (i: number) => ["users", `${i >> 1}`, `${i & 1}`], 400],
  ])("%s is small, and is counted", (_, path, most) => {
    const { held, counted } = costOf(path);
    expect(held).toBeLessThan(most);
    // What the system takes for it is a little more than what is held.
    expect(counted).toBeWithin(held * 0.8, held * 1.4);
  });

  test("that expires at a time of its own is larger by no more than what is counted for that", () => {
    const keys = new Keys(new HandClock(), nobody, () => Infinity);
    const before = held();
    for (let i = 0; i < COUNT; i++) keys.set([`key:${mixed(i)}`], "1", { ttlMs: 1000 + 100 * i });
    expect(held() - before).toBeLessThan(keys.bytes * 1.25);
  });

  test("is given back when keys among others go", () => {
    const keys = new Keys(new HandClock(), nobody, () => Infinity);
    const before = held();
    for (let group = 0; group < 400; group++) {
      // Short lists of their own, and pieces of a long one.
      for (const path of [
        (i: number): Path => [`group${group}`, `${i}`],
        (i: number): Path => ["all", `${group * 500 + i}`],
      ]) {
        for (let i = 0; i < 500; i++) keys.set(path(i), "1", {});
        for (let i = 1; i < 500; i++) keys.del(path(i), false, undefined);
      }
    }
    expect(keys.size).toBe(800);
    // What is left over of segments and tables is as large for many as for few.
    expect(held() - before).toBeLessThan(1.5 * keys.bytes + 1_500_000);
  });

  test("is that of its value, not of a longer one that it had", () => {
    const keys = new Keys(new HandClock(), nobody, () => Infinity);
    const before = held();
    for (let i = 0; i < COUNT; i++) {
      keys.set([`key:${mixed(i)}`], `"${"x".repeat(76)}"`, {});
      keys.set([`key:${mixed(i)}`], "1", {});
    }
    expect(held() - before).toBeLessThan(keys.bytes * 1.75);
  });

  /** A text like one that comes from a client: of its own, in one piece. */
  const sent = (text: string) => JSON.parse(JSON.stringify(text)) as string;

  test("is its own: long names that were sought are not kept", () => {
    const keys = new Keys(new HandClock(), nobody, () => Infinity);
    const before = held();
    for (let i = 0; i < 100; i++) {
      const long = `${i}${"x".repeat(500_000)}`;
      keys.set([`group${i}`, "a", "b"], "1", {});
      keys.scan([], "", { after: sent(`group${i}^${long}`), limit: 10 });
      keys.scan([`group${i}`], sent(long), { after: null, limit: 10, reverse: true });
      keys.namespaces([`group${i}`, "a"], { after: sent(long), limit: 10 });
      keys.namespaces([`group${i}`], { after: sent(long), limit: 10 });
    }
    expect(held() - before).toBeLessThan(10_000_000);
  });

  test("is its own: a name is kept without the longer one that it was cut from", () => {
    const keys = new Keys(new HandClock(), nobody, () => Infinity);
    const before = held();
    const below = Array.from({ length: 30 }, () => "y".repeat(256)).join("^");
    for (let i = 0; i < 3000; i++) {
      const name = `a-name-that-is-long-enough-to-be-shared-${i}`;
      const longer = sent(`${name}^${below}`).split("^");
      keys.set(longer, "1", {});
      keys.set([name, "a"], "1", {});
      keys.del(longer, false, undefined);
    }
    expect(held() - before).toBeLessThan(3 * keys.bytes);
  });

  test("that expires is larger by what is counted for that", () => {
    const { held, counted } = costOf((i) => [`key:${mixed(i)}`], 1_000_000);
    expect(held).toBeLessThan(220);
    expect(counted).toBeWithin(held * 0.8, held * 1.4);
  });
});
