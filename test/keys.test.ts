import { describe, expect, test } from "bun:test";
import { HandClock } from "../lib/host/clock.ts";
import type { Page } from "../lib/services/store/keys/tree/scan.ts";
import { Keys } from "../lib/services/store/keys/keys.ts";
import { MAX_DEPTH, MAX_PART_BYTES, type Path } from "../lib/services/store/keys/path.ts";
import { VisibleKeys } from "../lib/services/store/keys/visible-keys.ts";
import {
  codeOf,
  everything,
  keyOf,
  LARGE,
  linesIn,
  open,
  restored,
  SEEDS,
  snapshotOf,
  STEPS,
  trial,
  walk,
} from "./keys-model.ts";

describe("keys, after random operations that each answered what a model does", () => {
  test("walks have seen what was there all along just once, in order", () => {
    let [walks, shortcuts] = [0, 0];
    for (const seed of SEEDS) {
      walks += trial(seed).walks;
      shortcuts += trial(seed).shortcuts;
    }
    expect(walks).toBeGreaterThan(SEEDS.length * 10);
    expect(shortcuts).toBeGreaterThan(SEEDS.length * 10);
  });

  test("records read back give the same values, versions and expiries", () => {
    for (const seed of SEEDS) {
      const { clock, records, ...one } = trial(seed);
      expect(records.lines.length).toBeGreaterThan(STEPS / 4);
      trial(seed).matches(restored(clock, records.lines));
      expect(one.keys.expired).toBeGreaterThan(0);
    }
  });

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
  });

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
  });

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
      // A change that needs no more memory, or frees some, is taken even above the bound.
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
    void clock.leap(86_400_000);
    expect(everything(keys)).toEqual(["late"]);
    for (let left = keys.expiring, swept = 1; swept > 0; left -= swept) {
      keys.sweep();
      swept = left - keys.expiring;
      expect(swept).toBeLessThanOrEqual(10_000);
    }
    expect([keys.size, keys.expired, mirror.expired]).toEqual([1, 20_000, 20_000]);
    void clock.leap(1);
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

  test("values of any length come back as they were set, new ones and others in their place", () => {
    const { keys } = open();
    for (const unit of ["x", "é", "漢", "\u{1f600}"]) {
      for (const length of [
        0, 1, 1364, 1365, 1366, 2728, 2729, 2730, 2731, 8189, 8190, 8191, 8192,
      ]) {
        const text = JSON.stringify(unit.repeat(length));
        for (const name of ["same", `${unit}${length}`]) {
          keys.set([name], text, {});
          expect(keys.get([name])?.text === text).toBe(true);
        }
      }
    }
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
    // Each of the two that look for a sibling removes 10,000 expired keys in its way.
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
  });

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

    // Numbers are not in the order of their texts, so such a prefix is looked for in steps.
    let after: string | null = null;
    let pages = 0;
    do {
      const page: Page = keys.scan([], "-", { after, limit: 50 });
      expect([page.names, page.visited <= 10_000]).toEqual([[], true]);
      after = page.cursor;
      pages++;
    } while (after !== null);
    expect(pages).toBeGreaterThan(2);
  });

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
  });
});

test("a change is refused by what ails the disk", () => {
  const { keys, records } = open();
  keys.set(["a"], "1", {});
  records.full = true;
  for (const failing of [false, true]) {
    records.failing = failing;
    const code = failing ? "DISK_FAILING" : "DISK_FULL";
    expect(codeOf(keys.set(["b"], "1", {}))).toBe(code);
    expect(codeOf(keys.setAll([[["b"], "1"]]))).toBe(code);
    expect(codeOf(keys.del(["a"], false, undefined))).toBe(code);
    expect(codeOf(keys.del(["a"], true, undefined))).toBe(code);
    expect(codeOf(keys.increase(["a"], 1))).toBe(code);
    expect(codeOf(keys.expire(["a"], 1))).toBe(code);
  }
});
