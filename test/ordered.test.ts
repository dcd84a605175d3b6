import { describe, expect, test } from "bun:test";
import {
  compare,
  type Ordered,
  rankedList,
  rankOf,
} from "../lib/services/store/keys/tree/ordered.ts";
import { Random } from "./random.ts";
import { names, NAMES, numberIn } from "./keys-model.ts";

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
  /** Expects the pieces to hold just these, in this order, none of them empty or too long. */
  function holds(list: Ordered<Item>, expected: readonly string[]): void {
    expect(list.chunks.flat().map(({ name }) => name)).toEqual([...expected]);
    expect(list.size).toBe(expected.length);
    for (const { length } of list.chunks) expect(length > 0 && length <= 512).toBe(true);
  }

  test("is that of a sorted array after each of 10,000 comings and goings", () => {
    for (const share of [50, 80, 20]) {
      const random = new Random(share);
      const list = rankedList<Item>();
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
  });

  test("is split where a piece would hold more than 512, and forgets pieces that are empty", () => {
    const list = rankedList<Item>();
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
