import { describe, expect, test } from "bun:test";
import { heapStats } from "bun:jsc";
import { HandClock } from "../lib/host/clock.ts";
import type { Path } from "../lib/services/store/keys/path.ts";
import { Keys } from "../lib/services/store/keys/keys.ts";
import type { Watchers } from "../lib/services/store/keys/live-keys.ts";
import { Refusal } from "../lib/services/store/refusal.ts";
import { Values } from "../lib/services/store/keys/tree/values.ts";
import { Random } from "./random.ts";

const KiB = 1024;
const SEGMENT = 256 * KiB;
/** Bytes from which on a value has a segment of its own, whatever its name. */
const LARGE = SEGMENT / 4;
/** Before each entry. */
const HEADER = 8;

/** Bytes that live buffers hold outside of the collected heap. */
function heldBytes(): number {
  Bun.gc(true);
  return heapStats().extraMemorySize;
}

interface Entry {
  readonly id: number;
  value: Buffer;
  version: number;
  expiresAt: number;
}

/** Values beside a map that tells what they have to be. Names are written as latin1, one character a byte. */
class Pair {
  readonly values = new Values();
  readonly map = new Map<string, Entry>();
  /** Numbers in use. */
  readonly ids = new Set<number>();
  /** Names to take one of at random, in the order of `map` but for what was removed. */
  readonly names: string[] = [];
  readonly #at = new Map<string, number>();

  get live(): number {
    let bytes = 0;
    for (const [name, { value }] of this.map) bytes += HEADER + name.length + value.length;
    return bytes;
  }

  find(name: string): number {
    // Somewhere within a larger buffer, among bytes that would be found too.
    const block = Buffer.from(`${name}${name}${name}`, "latin1");
    return this.values.find(block, name.length, 2 * name.length);
  }

  add(name: string, value: Buffer, version = 1, expiresAt = Infinity): number {
    const block = Buffer.from(`"${name}"`, "latin1");
    const id = this.values.add(block, 1, 1 + name.length, value);
    expect(this.ids.has(id)).toBe(false);
    this.values.setVersion(id, version);
    this.values.setExpiresAt(id, expiresAt);
    this.ids.add(id);
    this.map.set(name, { id, value: Buffer.from(value), version, expiresAt });
    this.#at.set(name, this.names.push(name) - 1);
    return id;
  }

  set(name: string, value: Buffer): void {
    const entry = this.map.get(name) as Entry;
    const block = Buffer.concat([Buffer.from("<"), value, Buffer.from(">")]);
    this.values.set(entry.id, block, 1, 1 + value.length);
    entry.value = Buffer.from(value);
  }

  stamp(name: string, version: number, expiresAt: number): void {
    const entry = this.map.get(name) as Entry;
    this.values.setVersion(entry.id, version);
    this.values.setExpiresAt(entry.id, expiresAt);
    Object.assign(entry, { version, expiresAt });
  }

  remove(name: string): void {
    const { id } = this.map.get(name) as Entry;
    this.values.remove(id);
    this.ids.delete(id);
    this.map.delete(name);
    const at = this.#at.get(name) as number;
    const last = this.names.pop() as string;
    if (last !== name) {
      this.names[at] = last;
      this.#at.set(last, at);
    }
    this.#at.delete(name);
  }

  any(random: Random): string {
    return this.names[random.whole(0, this.names.length - 1)] as string;
  }

  /** Looks at one value in every way there is. */
  check(name: string): void {
    const { values } = this;
    const { id, value, version, expiresAt } = this.map.get(name) as Entry;
    const out = Buffer.alloc(value.length + 6, 0xee);
    const found = this.find(name);
    const copied = values.copy(id, out, 3);
    // Compared by hand, since a matcher for each would take most of the time.
    const isRight =
      found === id &&
      values.length(id) === value.length &&
      values.nameLength(id) === name.length &&
      values.version(id) === version &&
      values.expiresAt(id) === expiresAt &&
      copied === value.length &&
      out.compare(value, 0, value.length, 3, 3 + value.length) === 0 &&
      out.subarray(0, 3).equals(Buffer.alloc(3, 0xee)) &&
      out.subarray(3 + value.length).equals(Buffer.alloc(3, 0xee)) &&
      values.text(id) === value.toString();
    if (isRight) return;
    const got = out.subarray(3, 3 + value.length).toString("latin1");
    expect({
      name,
      found,
      length: values.length(id),
      nameLength: values.nameLength(id),
      version: values.version(id),
      expiresAt: values.expiresAt(id),
      copied: got,
      text: values.text(id),
    }).toEqual({
      name,
      found: id,
      length: value.length,
      nameLength: name.length,
      version,
      expiresAt,
      copied: value.toString("latin1"),
      text: value.toString(),
    });
    throw new Error("bytes beside the copy were changed");
  }

  checkAll(): void {
    expect(this.values.size).toBe(this.map.size);
    for (const name of this.map.keys()) this.check(name);
  }
}

/** Bytes of which no two lengths or dice begin alike. */
function bytesOf(length: number, random: Random): Buffer {
  return length === 0 ? Buffer.alloc(0) : Buffer.alloc(length, random.bytes(Math.min(length, 13)));
}

const TEXTS = ["é", "漢", "\u{1f600}", "a", '"', "\\", "\u007f", "z"];

/** JSON-like text, of one to four bytes a character. */
function textOf(length: number, random: Random): Buffer {
  let text = "";
  while (text.length < length) text += TEXTS[random.whole(0, TEXTS.length - 1)];
  return Buffer.from(text);
}

function nameOf(random: Random): string {
  const dice = random.whole(0, 99);
  // Many begin alike, and are beginnings of each other.
  if (dice < 50) return "key^".repeat(random.whole(1, 3)) + random.whole(0, 400);
  if (dice < 75) return "a".repeat(random.whole(1, 300));
  if (dice < 97) return random.bytes(random.whole(1, 12)).toString("latin1");
  return bytesOf(random.whole(1, 8 * KiB), random).toString("latin1");
}

function valueOf(random: Random): Buffer {
  const dice = random.whole(0, 199);
  if (dice < 60) return textOf(random.whole(0, 20), random);
  if (dice < 110) return bytesOf(random.whole(60, 70), random).fill("q", 3);
  if (dice < 180) return textOf(random.whole(0, 600), random);
  if (dice < 198) return Buffer.alloc(random.whole(1000, 9000), "漢é");
  return Buffer.alloc(random.whole(LARGE - 40, SEGMENT + 40), `${dice}-é-${random.whole(0, 9)}`);
}

/** Lengths around the old one, so that some fit in its place, some barely and some not. */
function another(before: Buffer, random: Random): Buffer {
  const { length } = before;
  const dice = random.whole(0, 9);
  if (dice < 2) return textOf(length, random).subarray(0, length);
  if (dice < 4) return Buffer.alloc(Math.max(0, length - random.whole(1, 9)), "s");
  if (dice < 6) return Buffer.alloc(length + random.whole(1, 9), "l");
  if (dice < 7) return Buffer.alloc(Math.max(0, (length >> 1) + random.whole(-48, 8)), "h");
  return valueOf(random);
}

describe("values", () => {
  test("are those of a map after each of many thousand changes", () => {
    const random = new Random(71);
    const pair = new Pair();
    const gone = new Set<string>();
    let version = 0;
    let reused = 0;
    for (let step = 0; step < 30_000; step++) {
      const dice = random.whole(0, 99);
      // Waves of coming and going: hundreds of values, then only a few.
      const comes = Math.floor(step / 3000) % 2 === 0 ? 45 : 20;
      if (dice < comes || pair.names.length === 0) {
        const name = nameOf(random);
        if (pair.map.has(name)) {
          pair.set(name, another((pair.map.get(name) as Entry).value, random));
        } else {
          expect(pair.find(name)).toBe(-1);
          const next = pair.values.size;
          if (pair.add(name, valueOf(random), ++version, step * 1.5) !== next) reused++;
          gone.delete(name);
        }
        pair.check(name);
      } else if (dice < 60) {
        const name = pair.any(random);
        pair.set(name, another((pair.map.get(name) as Entry).value, random));
        pair.check(name);
      } else if (dice < 70) {
        const name = pair.any(random);
        const expiresAt = random.whole(0, 1) === 0 ? Infinity : step + 0.25;
        pair.stamp(name, Number.MAX_SAFE_INTEGER - version++, expiresAt);
      } else if (dice < 95) {
        const name = pair.any(random);
        pair.remove(name);
        gone.add(name);
        expect(pair.find(name)).toBe(-1);
      } else pair.check(pair.any(random));
      if (step % 3000 === 2999) {
        pair.checkAll();
        for (const name of gone) expect([name, pair.find(name)]).toEqual([name, -1]);
      }
    }
    expect(reused).toBeGreaterThan(1000);
    while (pair.names.length > 0) pair.remove(pair.any(random));
    expect(pair.values.size).toBe(0);
    for (const name of gone) expect(pair.find(name)).toBe(-1);
  });

  test("whose names are beginnings of each other are told apart", () => {
    const pair = new Pair();
    const lengths = [...Array(300).keys()].map((i) => i + 1).concat([1000, 4095, 4096, 8191, 8192]);
    for (const length of lengths) pair.add("n".repeat(length), Buffer.from(`${length}`));
    expect(pair.find("n".repeat(301))).toBe(-1);
    expect(pair.find("n".repeat(8193))).toBe(-1);
    pair.checkAll();
    for (const length of lengths.filter((length) => length % 2 === 0)) {
      pair.remove("n".repeat(length));
    }
    for (const length of lengths) {
      const found = pair.find("n".repeat(length));
      expect([length, found === -1]).toEqual([length, length % 2 === 0]);
    }
    pair.checkAll();
  });

  test("of every byte are told apart by any byte of their names", () => {
    const pair = new Pair();
    const name = [..."a name of some length"];
    for (let i = 0; i < name.length; i++) {
      for (let byte = 0; byte < 256; byte++) {
        const one = name.with(i, String.fromCharCode(byte)).join("");
        if (!pair.map.has(one)) pair.add(one, Buffer.from(one, "latin1"));
      }
    }
    expect(pair.map.size).toBe(1 + 255 * name.length);
    pair.checkAll();
  });

  test("are found while the table grows, and those that go while it does are not", () => {
    const random = new Random(5);
    const pair = new Pair();
    const removed: string[] = [];
    let next = 0;
    const grown = (most: number) => {
      while (pair.map.size < most) {
        pair.add(`k${next}`, Buffer.from(`${next}`), next);
        next++;
        const dice = random.whole(0, 9);
        if (dice > 5) continue;
        // Old ones, which the larger table may not have yet, and new ones.
        const old = random.whole(0, pair.names.length - 1);
        const young = Math.max(0, pair.names.length - 1 - random.whole(0, 20));
        const name = pair.names[dice < 3 ? old : young] as string;
        if (dice < 4) {
          pair.remove(name);
          removed.push(name);
          if (pair.find(name) !== -1) expect([pair.map.size, name]).toEqual([0, "found"]);
        } else pair.check(name);
      }
    };
    for (const most of [760, 770, 775, 800, 1100, 3060, 3080, 5000, 12_300, 30_000]) {
      grown(most);
      pair.checkAll();
      for (const name of removed) {
        if (pair.find(name) !== -1) expect([most, name]).toEqual([most, "found"]);
      }
    }
  });

  test("that come and go by the hundred thousand leave a table that is searched to an end, and no larger", () => {
    const pair = new Pair();
    for (let i = 0; i < 1000; i++) pair.add(`stays ${i}`, Buffer.from(`${i}`));
    const before = heldBytes();
    const values = pair.values;
    const block = Buffer.alloc(64);
    const one = Buffer.from("1");
    const waiting: number[] = [];
    for (let i = 0; i < 200_000; i++) {
      const end = block.write(`comes and goes ${i}`);
      waiting.push(values.add(block, 0, end, one));
      // Some stay for a while, so that numbers come back in another order.
      if (i % 7 === 6) {
        waiting.reverse();
        for (const id of waiting.splice(0)) values.remove(id);
      }
      if (values.find(block, 0, end - 1) !== -1) throw new Error(`${i} was found`);
    }
    for (const id of waiting) values.remove(id);
    pair.checkAll();
    // A table of a slot for each that came would take 1.6 MB, their bytes ten.
    expect(heldBytes() - before).toBeLessThan(4 * SEGMENT);
  });

  test("of a name that comes and goes all the time are not farther each time", () => {
    const values = new Values();
    const block = Buffer.alloc(64);
    const one = Buffer.from("1");
    // A table that is large, and far from being replaced.
    for (let i = 0; i < 200_000; i++) values.add(block, 0, block.write(`other ${i}`), one);
    const end = block.write("lock");
    for (let i = 0; i < 60_000; i++) values.remove(values.add(block, 0, end, one));
    expect(values.memory.slots).toBe(200_000);
    expect(values.find(block, 0, end)).toBe(-1);
    expect(values.size).toBe(200_000);
  });

  test("grow and shrink by a byte at a time, each as it was set", () => {
    const pair = new Pair();
    pair.add("grows", Buffer.alloc(0));
    pair.add("neighbour", Buffer.from("untouched"));
    for (let length = 1; length <= 1000; length++) {
      pair.set("grows", Buffer.alloc(length, `${length}é`));
      pair.check("grows");
    }
    for (let length = 1000; length >= 0; length--) {
      pair.set("grows", Buffer.alloc(length, `${length}漢`));
      pair.check("grows");
    }
    pair.check("neighbour");
  });

  test("are whole at the length from which they have a segment of their own, and one past it", () => {
    const pair = new Pair();
    const largest = LARGE - HEADER - "name-0".length;
    const lengths = [largest - 8, largest - 1, largest, largest + 1, largest + 8];
    const whole = SEGMENT - HEADER - "name-0".length;
    lengths.push(whole - 1, whole, whole + 1, 2 * SEGMENT);
    lengths.forEach((length, i) => pair.add(`name-${i}`, Buffer.alloc(length, `${i}.`)));
    for (let i = 0; i < 100; i++) pair.add(`small-${i}`, Buffer.from(`${i}`));
    pair.checkAll();
    // Each takes every length in turn, its own one included.
    for (const length of [...lengths, 3]) {
      for (let i = 0; i < lengths.length; i++) {
        pair.set(`name-${i}`, Buffer.alloc(length, `${i}-${length}.`));
      }
      pair.checkAll();
    }
  });

  test("that are large give their memory back at once", () => {
    const values = new Values();
    const large = Buffer.alloc(8 * SEGMENT, "x");
    const before = heldBytes();
    const ids = [...Array(20).keys()].map((i) => {
      const id = values.add(Buffer.from(`${i}`), 0, `${i}`.length, Buffer.from("small"));
      values.set(id, large, 0, large.length);
      return id;
    });
    expect(heldBytes() - before).toBeGreaterThan(20 * large.length);
    ids.forEach((id, i) => {
      if (i % 2 === 0) values.remove(id);
      else values.set(id, large, 0, 10);
    });
    // A reference to one or two may still be held.
    expect(heldBytes() - before).toBeLessThan(3 * large.length);
    expect(ids.filter((_, i) => i % 2 === 1).map((id) => values.text(id))).toEqual(
      Array(10).fill("x".repeat(10)),
    );
  });

  test("that are written again and again take half as much again as they are, and a few segments", () => {
    const random = new Random(23);
    const before = heldBytes();
    const pair = new Pair();
    const filled = Buffer.alloc(5000, "0123456789é");
    const length = () => random.whole(0, random.whole(0, 3) === 0 ? 5000 : 500);
    for (let i = 0; i < 8000; i++) {
      pair.add(`value ${i}`, filled.subarray(0, length()), i, i % 3 === 0 ? i * 0.5 : Infinity);
    }
    const first = heldBytes() - before;
    for (let i = 0; i < 120_000; i++) {
      const name = pair.any(random);
      const entry = pair.map.get(name) as Entry;
      const value = filled.subarray(0, length());
      pair.values.set(entry.id, value, 0, value.length);
      entry.value = value;
    }
    // As much of it is the map's own as was before there was garbage.
    const { allocated, live } = pair.values.memory;
    expect(allocated - live).toBeLessThanOrEqual(allocated / 3 + 3 * SEGMENT);
    const held = heldBytes() - before;
    expect(held).toBeLessThan(Math.max(first, 1.5 * pair.live) + 0.25 * pair.live + 6 * SEGMENT);
    pair.checkAll();
    for (const { id } of pair.map.values()) pair.values.remove(id);
    pair.map.clear();
    expect(heldBytes() - before).toBeLessThan(8 * SEGMENT);
  });

  test("that are removed one here and one there give their memory back, some at a time", () => {
    const random = new Random(29);
    const pair = new Pair();
    for (let i = 0; i < 40_000; i++) pair.add(`${i}`, Buffer.alloc(500, `${i} `), i, i / 2);
    for (let i = 0; i < 36_000; i++) pair.remove(pair.any(random));
    pair.checkAll();
    const full = heldBytes();
    pair.values.tidy();
    pair.checkAll();
    // About ten segments a millisecond is what a turn can bear.
    const once = full - heldBytes();
    expect([once > SEGMENT, once < 10 * SEGMENT]).toEqual([true, true]);
    for (let i = 0; i < 30; i++) pair.values.tidy();
    pair.checkAll();
    // 80 segments were full before, 2 MB are live.
    const given = full - heldBytes();
    expect(given).toBeGreaterThan(80 * SEGMENT - 1.5 * pair.live - 6 * SEGMENT);
    pair.values.tidy();
    expect(Math.abs(full - heldBytes() - given)).toBeLessThan(SEGMENT);
  });
});

const nobody: Watchers = { any: false, set: () => {}, gone: () => {} };

function keysOf(clock: HandClock): Keys {
  return new Keys(clock, nobody, () => Infinity);
}

/** Every name below a namespace. */
function namesBelow(keys: Keys, namespace: Path): string[] {
  const names: string[] = [];
  for (let after: string | null = null; ;) {
    const page = keys.scan(namespace, "", { after, limit: 1000 });
    names.push(...page.names);
    if (page.cursor === null) return names;
    after = page.cursor;
  }
}

describe("keys that come back before those of their subtree were given up", () => {
  const COUNT = 100_000;
  const pathAt = (i: number): Path => ["t", `${i % 100}`, `${i}`];

  function filled(clock: HandClock): Keys {
    const keys = keysOf(clock);
    for (let i = 0; i < COUNT; i++) {
      keys.set(pathAt(i), `"old ${i}"`, i % 5 === 0 ? { ttlMs: 10_000 } : {});
    }
    keys.set(["u"], '"stays"', {});
    return keys;
  }

  /** A GET as the shortest way looks it up. */
  function shortest(keys: Keys, path: Path): string | null {
    const block = Buffer.from(`"${path.join("^")}"`);
    const id = keys.lookup(block, 1, block.length - 1);
    if (id < 0) return null;
    const out = Buffer.alloc(keys.lengthOf(id));
    keys.copy(id, out, 0);
    return out.toString();
  }

  test("hold what they were set to, before and after every sweep", () => {
    const clock = new HandClock();
    const keys = filled(clock);
    const versions = keys.get(pathAt(7))?.version as number;
    expect(keys.del(["t"], true, undefined)).toBe(COUNT);
    expect(keys.size).toBe(1);
    const isSet = (i: number) => i % 2 === 0;
    for (let i = 0; i < COUNT; i++) {
      if (!isSet(i)) continue;
      // Twice as long, and some that were to expire are not, and the other way round.
      const version = keys.set(pathAt(i), `"new ${i} ${i}"`, i % 3 === 0 ? { ttlMs: 20_000 } : {});
      if (version instanceof Refusal || version <= versions) expect(version).toBe(versions + 1);
    }
    const check = (step: number) => {
      for (let i = step; i < COUNT; i += 23) {
        const text = keys.get(pathAt(i))?.text ?? null;
        const fast = shortest(keys, pathAt(i));
        const wanted = isSet(i) ? `"new ${i} ${i}"` : null;
        if (text !== wanted) expect<unknown[]>([step, i, text]).toEqual([step, i, wanted]);
        if (fast !== wanted && fast !== null)
          expect<unknown[]>([step, i, fast]).toEqual([step, i, wanted]);
      }
      expect(keys.size).toBe(COUNT / 2 + 1);
      expect(keys.get(["u"])?.text).toBe('"stays"');
    };
    check(0);
    expect(namesBelow(keys, ["t"]).length).toBe(COUNT / 2);
    for (let sweep = 1; sweep < 14; sweep++) {
      clock.advance(20);
      keys.sweep();
      check(sweep);
    }
    expect(shortest(keys, pathAt(2))).toBe('"new 2 2"');
    const names = namesBelow(keys, ["t"]);
    expect(names.length).toBe(COUNT / 2);
    expect(names.every((name) => isSet(Number(name.split("^")[1])))).toBe(true);

    // None of the old ones expires, and of the new ones those whose time has come.
    clock.advance(12_000);
    for (let i = 0; i < 30; i++) keys.sweep();
    expect([keys.expired, keys.size]).toEqual([0, COUNT / 2 + 1]);
    clock.advance(10_000);
    for (let i = 0; i < 30; i++) keys.sweep();
    expect(keys.expired).toBe(Math.ceil(COUNT / 6));
    expect([keys.expiring, keys.size]).toEqual([0, COUNT / 2 + 1 - keys.expired]);
  });

  test("leave nothing behind once all is deleted", () => {
    const clock = new HandClock();
    const keys = filled(clock);
    const full = heldBytes();
    for (let round = 0; round < 3; round++) {
      expect(keys.del(["t"], true, undefined)).toBe(round === 0 ? COUNT : 500 * round);
      for (let i = 0; i < 500 * (round + 1); i++) keys.set(pathAt(i), `${round}`, { ttlMs: 5000 });
      keys.sweep();
    }
    for (let i = 0; i < 1500; i++) {
      const text = keys.get(pathAt(i))?.text;
      if (text !== "2") expect([i, text]).toEqual([i, "2"]);
    }
    // One after the other, some while old ones of their names are still held.
    for (let i = 0; i < 1500; i++) expect(keys.del(pathAt(i), false, undefined)).toBe(1);
    expect(keys.del(["u"], false, undefined)).toBe(1);
    expect([keys.size, keys.bytes]).toEqual([0, 0]);
    for (let i = 0; i < 20; i++) keys.sweep();
    expect([keys.size, keys.bytes, keys.expiring, keys.expired]).toEqual([0, 0, 0, 0]);
    for (let i = 0; i < COUNT; i += 11) {
      if (keys.get(pathAt(i)) !== null) expect(i).toBe(-1);
    }
    expect(full - heldBytes()).toBeGreaterThan(COUNT * 20);
  });
});

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

    /** Expects all to be found as they are, and nothing else. */
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
  });

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
