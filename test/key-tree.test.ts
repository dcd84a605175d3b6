import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { KeyTree, NONE } from "../lib/services/store/keys/tree/key-tree.ts";
import { rankOf } from "../lib/services/store/keys/tree/ordered.ts";
import { MAX_PART_BYTES, type Path } from "../lib/services/store/keys/path.ts";
import { rankIn } from "../lib/services/store/keys/tree/ranks.ts";
import { Values } from "../lib/services/store/keys/tree/values.ts";
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

/** Bytes that keys hold and that are counted in one of the cases of the fixture. */
async function memoryOf(what: string): Promise<{ held: number; counted: number; size: number }> {
  const program = join(import.meta.dir, "fixtures/key-memory.ts");
  const child = Bun.spawn([process.execPath, program, what], { stdout: "pipe" });
  return JSON.parse(await new Response(child.stdout).text());
}

/** Milliseconds that a process of its own may take on a busy machine. */
const SLOW = 60_000;

describe("the memory of keys", () => {
  test.each([
    ["in order", 140],
    ["in no order", 140],
    ["below a name", 140],
    ["two below each of many names", 340],
    ["that expire at once", 220],
    ["that expire at times of their own", 300],
  ])(
    "%s is small, and is counted",
    async (what, most) => {
      const { held, counted, size } = await memoryOf(what);
      expect(size).toBe(100_000);
      expect(held / size).toBeWithin(80, most);
      // What the system takes for it is a little more than what is held.
      expect(counted).toBeWithin(held * 0.8, held * 1.3);
    },
    SLOW,
  );

  test(
    "left over by those that went is little",
    async () => {
      const { held, counted, size } = await memoryOf("left over by those that went");
      expect(size).toBe(800);
      // What is left over of segments and tables is as large for many as for few.
      expect(held).toBeLessThan(1.5 * counted + 2_200_000);
    },
    SLOW,
  );

  test(
    "that had longer values is that of the values that they have",
    async () => {
      const { held, counted } = await memoryOf("that had longer values");
      expect(held).toBeLessThan(1.75 * counted);
    },
    SLOW,
  );

  test(
    "holds no long names that were sought among them",
    async () => {
      expect((await memoryOf("among which long names were sought")).held).toBeLessThan(10_000_000);
    },
    SLOW,
  );

  test(
    "holds names without the longer ones that they were cut from",
    async () => {
      const { held, counted } = await memoryOf("whose names were cut from longer ones");
      expect(held).toBeLessThan(3 * counted);
    },
    SLOW,
  );
});
