import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version as programVersion } from "../package.json";
import { ask, heard, type Peer } from "./kit.ts";
import { Random } from "./random.ts";
import { allKeys, epochOf, outcome, setAll, StoreSuite } from "./store-suite.ts";

const suite = new StoreSuite();

describe("a key", () => {
  /** Every place where a key, a namespace or a channel stands. */
  const places = (key: string): object[] => [
    { action: "SET", key, value: 1 },
    { action: "GET", key },
    { action: "GET", key, default: 1 },
    { action: "DEL", key },
    { action: "DEL", key, tree: true },
    { action: "EXISTS", key },
    { action: "INCR", key },
    { action: "EXPIRE", key, ttl_ms: 1 },
    { action: "TTL", key },
    { action: "MGET", keys: ["fine", key] },
    { action: "MSET", values: { fine: 1, [key]: 1 } },
    { action: "SUBSCRIBE", channel: key },
    { action: "SUBSCRIBE", keys: key },
    { action: "PUBLISH", channel: key, value: 1 },
  ];

  const bad: [string, string][] = [
    ["an empty one", ""],
    ["a lone ^", "^"],
    ["an empty part at the end", "a^"],
    ["an empty part in the middle", "a^^b"],
    ["an empty part at the beginning", "^^a"],
    ["a newline", "a\nb"],
    ["a NUL", "\0"],
    ["a tab", "a^\t"],
    ["an escape", "\x1b[2J"],
    ["DEL", "\x7f"],
    ["a control of the second range", "\x9b"],
    ["a lone high surrogate", "\ud800"],
    ["a lone low surrogate", "a^\udc00b"],
    ["surrogates in the wrong order", "\udc00\ud800"],
    ["a part of 257 bytes", "x".repeat(257)],
    ["a part of 257 bytes in fewer characters", `a^${"é".repeat(128)}x`],
    ["a part of 86 characters of three bytes", "日".repeat(86)],
    ["33 parts", Array(33).fill("a").join("^")],
    ["33 parts after a ^", `^${Array(33).fill("a").join("^")}`],
  ];

  test.each(bad)("is no key: %s", async (_, key) => {
    const peer = await suite.client();
    // Keys that such a key could be mistaken for.
    await setAll(peer, ["\ufffd", "a^\ufffdb", "a", "fine"], "untouched");
    for (const request of places(key)) {
      expect([request, await outcome(peer, request)]).toEqual([request, "BAD_KEY"]);
    }
    for (const action of ["KEYS", "NAMESPACES", "CHANNELS"]) {
      if (key === "" || key === "^") continue;
      expect(await outcome(peer, { action, ns: key })).toBe("BAD_KEY");
    }
    expect(await allKeys(peer)).toEqual(["a", "a^\ufffdb", "fine", "\ufffd"]);
    for (const one of ["\ufffd", "a^\ufffdb", "a", "fine"]) {
      expect(await outcome(peer, { action: "GET", key: one })).toBe("untouched");
    }
    expect(suite.stat("subscriptions")).toBe(0);
  });

  test.each([
    ["a part of 256 bytes", "x".repeat(256)],
    ["256 bytes in 128 characters", `a^${"é".repeat(128)}`],
    ["85 characters of three bytes", `${"日".repeat(85)}x`],
    ["32 parts", Array(32).fill("a").join("^")],
    ["32 parts of 256 bytes", Array(32).fill("x".repeat(256)).join("^")],
    ["a space", " "],
    ["quotes and backslashes", "\"\\'`"],
    ["a character beyond the basic plane", "😀"],
    ["a no-break space", "\u00a0"],
    ["a line separator", "\u2028"],
    ["a byte order mark", "\ufeff"],
    ["the replacement character", "\ufffd"],
    ["composed and decomposed are two", "e\u0301"],
    ["what JavaScript calls its prototype", "__proto__"],
    ["constructor", "constructor"],
    ["toString", "toString^hasOwnProperty^__proto__"],
  ])("is a key: %s", async (_, key) => {
    const peer = await suite.client();
    for (const value of [1, "two"]) {
      expect(await outcome(peer, { action: "SET", key, value })).toBe("OK");
      expect(await outcome(peer, { action: "GET", key })).toBe(value);
      expect(await outcome(peer, { action: "GET", key: `^${key}` })).toBe(value);
    }
    expect(await allKeys(peer)).toEqual([key]);
    expect(await outcome(peer, { action: "MGET", keys: [key] })).toEqual({
      values: ["two"],
      found: [true],
    });
    expect(await outcome(peer, { action: "ORDER", key: key.replace(/[^^]*$/, "") })).toBe(key);
    expect(await outcome(peer, { action: "SUBSCRIBE", keys: key })).toMatchObject({
      subscribed: key,
    });
    peer.send(`${JSON.stringify({ action: "DEL", key })}\n`);
    expect([await heard(peer), await heard(peer)]).toContainEqual({
      event: "del",
      key,
      seq: expect.any(Number),
    });
    expect(await allKeys(peer)).toEqual([]);
  });

  test("has 32 parts at most, its namespace included", async () => {
    const peer = await suite.client();
    const ns = Array(31).fill("a").join("^");
    expect(await outcome(peer, { action: "SET", ns, key: "b", value: 1 })).toBe("OK");
    expect(await outcome(peer, { action: "SET", ns, key: "b^c", value: 1 })).toBe("BAD_KEY");
    expect(await outcome(peer, { action: "ORDER", ns, key: "" })).toBe("b");
  });

  test("in a namespace does not begin with ^, which could mean two", async () => {
    const peer = await suite.client();
    await setAll(peer, ["a", "n^a"]);
    const requests = places("^a").map((request) => ({ ...request, ns: "n" }));
    for (const request of [
      ...requests,
      { action: "ORDER", ns: "n", key: "^a" },
      { action: "KEYS", ns: "n", prefix: "^a^" },
    ]) {
      expect([request, await outcome(peer, request)]).toEqual([request, "BAD_KEY"]);
    }
  });

  test("is the same with and without its first ^, and in any namespace", async () => {
    const peer = await suite.client();
    const spellings = [
      { key: "a^b^c" },
      { key: "^a^b^c" },
      { ns: "a", key: "b^c" },
      { ns: "^a", key: "b^c" },
      { ns: "a^b", key: "c" },
      { ns: "^a^b", key: "c" },
    ];
    for (const [i, one] of spellings.entries()) {
      expect(await outcome(peer, { action: "SET", ...one, value: i })).toBe("OK");
      for (const other of spellings) {
        expect(await outcome(peer, { action: "GET", ...other })).toBe(i);
      }
    }
    expect(suite.stat("keys")).toBe(1);
  });
});

/** Names in the order of MUMPS: canonical numbers by value, then texts by code point. */
const COLLATED = [
  "-123456789012345 -10 -1.5 -1 -.5 0 .000001 .5 1 1.25 1.5 2 10 99999 123456789012345".split(" "),
  " ",
  "+1 - -0 -0.5 . .50 0.5 00 007 1.0 1234567890123456 1e5".split(" "),
  "A Z _ a aa b é \uffe5 \ufffd 😀 🚀".split(" "),
].flat();

describe("the order of names", () => {
  test("is that of MUMPS, for KEYS, NAMESPACES and ORDER both ways", async () => {
    const peer = await suite.client();
    const random = new Random(3);
    const shuffled = COLLATED.map((name) => ({ name, at: random.whole(0, 2 ** 31) }))
      .sort((a, b) => a.at - b.at)
      .map(({ name }) => name);
    for (const name of shuffled) await setAll(peer, [`n^${name}^x`, `k^${name}`]);
    expect(await allKeys(peer, { ns: "k" })).toEqual(COLLATED);
    expect((await ask(peer, { action: "NAMESPACES", ns: "n" }))["result"].namespaces).toEqual(
      COLLATED,
    );
    for (const reverse of [false, true]) {
      const seen: string[] = [];
      for (let key = ""; ;) {
        const next = await outcome(peer, { action: "ORDER", ns: "k", key, reverse });
        if (next === null) break;
        seen.push(next as string);
        key = next as string;
      }
      expect(seen).toEqual(reverse ? COLLATED.toReversed() : COLLATED);
    }
  });

  test("holds for thousands that come and go", async () => {
    const peer = await suite.client();
    const random = new Random(4);
    const rank = (name: string) =>
      /^(?:0|-?(?:[1-9]\d*(?:\.\d*[1-9])?|\.\d*[1-9]))$/.test(name) ? Number(name) : Infinity;
    const points = (name: string) => [...name].map((one) => one.codePointAt(0) as number);
    const compare = (a: string, b: string) => {
      if (rank(a) !== rank(b)) return rank(a) - rank(b);
      const [left, right] = [points(a), points(b)];
      for (let i = 0; i < Math.min(left.length, right.length); i++) {
        if (left[i] !== right[i]) return (left[i] as number) - (right[i] as number);
      }
      return left.length - right.length;
    };
    const alphabet = [..."-.0123456789", "a", "é", "\uffff", "😀"];
    const held = new Set<string>();
    for (let round = 0; round < 6; round++) {
      const values: Record<string, number> = {};
      for (let i = 0; i < 1000; i++) {
        const length = random.whole(1, 4);
        const name = Array.from(
          { length },
          () => alphabet[random.whole(0, alphabet.length - 1)],
        ).join("");
        values[name] = i;
        held.add(name);
      }
      await ask(peer, { action: "MSET", values });
      for (const name of held) {
        if (random.whole(0, 2) > 0) continue;
        held.delete(name);
        peer.send(`${JSON.stringify({ action: "DEL", key: name })}\n`);
        expect((await heard(peer))["result"]).toBe(1);
      }
      const sorted = [...held].sort(compare);
      expect(await allKeys(peer, { limit: random.whole(1, 700) })).toEqual(sorted);
      const at = random.whole(0, sorted.length - 2);
      expect(await outcome(peer, { action: "ORDER", key: sorted[at] })).toBe(sorted[at + 1]);
      expect(await outcome(peer, { action: "ORDER", key: sorted[at + 1], reverse: true })).toBe(
        sorted[at],
      );
    }
  });
});

describe("ORDER", () => {
  test("walks siblings, which hold a value or something below", async () => {
    const peer = await suite.client();
    await setAll(peer, ["a^1", "a^2^x", "a^3", "a^3^y", "b"]);
    const order = (key: string, more: object = {}) =>
      outcome(peer, { action: "ORDER", key, ...more });
    expect(await order("a^")).toBe("a^1");
    expect(await order("a^1")).toBe("a^2");
    expect(await order("a^2")).toBe("a^3");
    expect(await order("a^3")).toBeNull();
    expect(await order("a^", { reverse: true })).toBe("a^3");
    expect(await order("a^1", { reverse: true })).toBeNull();
    expect(await order("")).toBe("a");
    expect(await order("^")).toBe("a");
    expect(await order("^a")).toBe("b");
    expect(await order("", { reverse: true })).toBe("b");
    expect(await order("b", { reverse: true })).toBe("a");
    expect(await order("", { ns: "a" })).toBe("1");
    expect(await order("1", { ns: "a" })).toBe("2");
    expect(await order("3^", { ns: "a" })).toBe("3^y");
  });

  test("needs no key that exists", async () => {
    const peer = await suite.client();
    await setAll(peer, ["a^1", "a^5", "a^x"]);
    const order = (key: string, reverse = false) =>
      outcome(peer, { action: "ORDER", key, reverse });
    expect(await order("a^3")).toBe("a^5");
    expect(await order("a^3", true)).toBe("a^1");
    expect(await order("a^6")).toBe("a^x");
    expect(await order("a^0", true)).toBeNull();
    expect(await order("a^z")).toBeNull();
    expect(await order("none^")).toBeNull();
    expect(await order("none^x^")).toBeNull();
    expect(await order("a^1^")).toBeNull();
  });

  test.each([["a^^"], ["a^^b"], ["^^a"], ["a^\n"], ["\ud800"], ["x".repeat(257)]])(
    "refuses %j",
    async (key) => {
      const peer = await suite.client();
      expect(await outcome(peer, { action: "ORDER", key })).toBe("BAD_KEY");
    },
  );
});

describe("KEYS and NAMESPACES", () => {
  const NAMES = ["1", "1^a", "1^b^c", "2^x", "10", "a", "a^1", "a^1^z", "b^1", "b^2", "ba", "é"];

  test("page by page show everything once and in order, at every limit", async () => {
    const peer = await suite.client();
    await setAll(peer, NAMES.toReversed());
    for (let limit = 1; limit <= NAMES.length + 1; limit++) {
      expect(await allKeys(peer, { limit })).toEqual(NAMES);
    }
    const namespaces: string[] = [];
    for (let cursor: string | null = null; ;) {
      const { result } = await ask(peer, {
        action: "NAMESPACES",
        limit: 1,
        ...(cursor === null ? {} : { cursor }),
      });
      expect(result.namespaces.length).toBeLessThanOrEqual(1);
      namespaces.push(...result.namespaces);
      cursor = result.cursor;
      if (cursor === null) break;
    }
    expect(namespaces).toEqual(["1", "2", "a", "b"]);
  });

  test("a page has at most limit names, 1,000 when not given", async () => {
    const peer = await suite.client();
    const values = Object.fromEntries(Array.from({ length: 1500 }, (_, i) => [`${i}^x`, i]));
    await ask(peer, { action: "MSET", values });
    for (const [more, expected] of [
      [{}, 1000],
      [{ limit: 7 }, 7],
      [{ limit: 1500 }, 1500],
    ] as const) {
      const keys = (await ask(peer, { action: "KEYS", ...more }))["result"];
      expect(keys.keys).toHaveLength(expected);
      expect(
        (await ask(peer, { action: "NAMESPACES", ...more }))["result"].namespaces,
      ).toHaveLength(expected);
    }
    expect(await allKeys(peer)).toHaveLength(1500);
  });

  test.each([
    [{ ns: "a" }, ["1", "1^z"]],
    [{ ns: "^a^1" }, ["z"]],
    [{ ns: "1" }, ["a", "b^c"]],
    [{ ns: "none" }, []],
    [{ prefix: "" }, NAMES],
    [{ prefix: "^" }, NAMES],
    [{ prefix: "1" }, ["1", "1^a", "1^b^c", "10"]],
    [{ prefix: "^1" }, ["1", "1^a", "1^b^c", "10"]],
    [{ prefix: "1^" }, ["1^a", "1^b^c"]],
    [{ prefix: "1^b" }, ["1^b^c"]],
    [{ prefix: "1^b^" }, ["1^b^c"]],
    [{ prefix: "b" }, ["b^1", "b^2", "ba"]],
    [{ prefix: "b^" }, ["b^1", "b^2"]],
    [{ prefix: "b^2" }, ["b^2"]],
    [{ prefix: "bb" }, []],
    [{ prefix: "z^" }, []],
    [{ prefix: "é" }, ["é"]],
    [{ ns: "a", prefix: "1" }, ["1", "1^z"]],
    [{ ns: "a", prefix: "1^" }, ["1^z"]],
  ])("KEYS with %j", async (request, expected) => {
    const peer = await suite.client();
    await setAll(peer, NAMES);
    for (let limit = 1; limit < 4; limit++) {
      expect(await allKeys(peer, { ...request, limit })).toEqual(expected);
    }
  });

  test("a prefix finds numbers and texts that begin with it", async () => {
    const peer = await suite.client();
    await setAll(peer, COLLATED);
    for (const prefix of [
      "1",
      "-",
      "-1",
      ".",
      "0",
      "00",
      "9",
      "a",
      "é",
      "😀",
      "\ud83d",
      "+",
      "1.",
    ]) {
      expect(await allKeys(peer, { prefix })).toEqual(
        COLLATED.filter((name) => name.startsWith(prefix)),
      );
    }
  });

  test("what stays is shown once while others come and go", async () => {
    const peer = await suite.client();
    const random = new Random(9);
    const stays = Array.from({ length: 300 }, (_, i) => `k^n${String(i).padStart(3, "0")}^stays`);
    await setAll(peer, stays);
    const seen: string[] = [];
    for (let cursor: string | null = null; ;) {
      const { result } = await ask(peer, {
        action: "KEYS",
        limit: random.whole(1, 20),
        ...(cursor === null ? {} : { cursor }),
      });
      seen.push(...result.keys);
      cursor = result.cursor;
      if (cursor === null) break;
      for (let i = 0; i < 5; i++) {
        const key = `k^n${String(random.whole(0, 299)).padStart(3, "0")}^${random.whole(0, 3)}`;
        const action = random.whole(0, 1) === 0 ? { action: "DEL" } : { action: "SET", value: 0 };
        await ask(peer, { ...action, key });
      }
      // The very one that the page ended at.
      if (!cursor.endsWith("stays")) await ask(peer, { action: "DEL", key: cursor });
    }
    expect(seen.filter((key) => key.endsWith("stays"))).toEqual(stays);
    expect(new Set(seen).size).toBe(seen.length);
  });

  test("a page of many that do not match is short and not the last", async () => {
    const peer = await suite.client();
    for (let round = 0; round < 3; round++) {
      const values = Object.fromEntries(
        Array.from({ length: 8000 }, (_, i) => [`2${round * 8000 + i}`, 0]),
      );
      await ask(peer, { action: "MSET", values });
    }
    await setAll(peer, ["1999999999"]);
    const first = (await ask(peer, { action: "KEYS", prefix: "1" }))["result"];
    expect(first.keys).toEqual([]);
    expect(first.cursor).not.toBeNull();
    expect(await allKeys(peer, { prefix: "1" })).toEqual(["1999999999"]);
    const none: string[] = [];
    for (const prefix of ["3", "-"]) expect(await allKeys(peer, { prefix })).toEqual(none);
  });

  test("a page of long names is short and not the last", async () => {
    const peer = await suite.client();
    const names = Array.from({ length: 3000 }, (_, i) => `${"x".repeat(250)}${i + 1000}`);
    for (let i = 0; i < names.length; i += 1000) {
      const values = Object.fromEntries(names.slice(i, i + 1000).map((name) => [name, 0]));
      expect(await outcome(peer, { action: "MSET", values })).toBe("OK");
    }
    const { keys, cursor } = (await ask(peer, { action: "KEYS", limit: 10_000 }))["result"];
    expect(keys.length).toBeLessThan(names.length);
    expect(cursor).not.toBeNull();
    expect(await allKeys(peer, { limit: 10_000 })).toEqual(names);
  });

  test("a cursor from elsewhere harms nothing", async () => {
    const peer = await suite.client();
    await setAll(peer, NAMES);
    for (const cursor of ["", "^", "zzz", "1^b^c^d^e", "^^^", "\ud800", "x".repeat(10_000)]) {
      for (const action of ["KEYS", "NAMESPACES", "CHANNELS"]) {
        expect(await ask(peer, { action, cursor, limit: 3 })).toHaveProperty("result");
      }
      expect(await ask(peer, { action: "KEYS", cursor, prefix: "b^" })).toHaveProperty("result");
    }
    expect(await ask(peer, { action: "KEYS", prefix: "^".repeat(5000) })).toBeDefined();
    expect(await outcome(peer, { action: "PING" })).toBe("PONG");
  });
});

describe("max_memory_bytes", () => {
  const MOST = 2 ** 20;
  const section = { max_memory_bytes: MOST, max_line_bytes: 4 * MOST };
  /** Sets a value that leaves `left` bytes. */
  async function fill(peer: Peer, left: number): Promise<number> {
    expect(await outcome(peer, { action: "SET", key: "fill", value: "" })).toBe("OK");
    const length = MOST - left - suite.stat("memory_bytes");
    const value = "x".repeat(length);
    expect(await outcome(peer, { action: "SET", key: "fill", value })).toBe("OK");
    expect(suite.stat("memory_bytes")).toBe(MOST - left);
    return length;
  }

  test("is reached and not passed by SET", async () => {
    const peer = await suite.client(section);
    const length = await fill(peer, 0);
    const set = (more: number) =>
      outcome(peer, { action: "SET", key: "fill", value: "x".repeat(length + more) });
    expect(await set(1)).toBe("MEMORY_FULL");
    expect(await outcome(peer, { action: "SET", key: "a", value: 1 })).toBe("MEMORY_FULL");
    expect(await outcome(peer, { action: "INCR", key: "a" })).toBe("MEMORY_FULL");
    expect(await outcome(peer, { action: "MSET", values: { a: 1 } })).toBe("MEMORY_FULL");
    expect(await outcome(peer, { action: "EXISTS", key: "a" })).toBe(false);
    expect(suite.server.stats()).toMatchObject({ keys: 1, memory_bytes: MOST });
    expect(await set(0)).toBe("OK");
    expect(await set(-1)).toBe("OK");
    expect(await set(0)).toBe("OK");
    expect(await set(1)).toBe("MEMORY_FULL");
  });

  test("is reached and not passed by plain values of plain keys", async () => {
    const peer = await suite.client(section);
    await setAll(peer, ["n"], 1);
    await fill(peer, 3);
    for (const [value, expected] of [
      [1234, "OK"],
      [12_345, "MEMORY_FULL"],
      ["ab", "OK"],
      ["abc", "MEMORY_FULL"],
      [1234, "OK"],
    ] as const) {
      expect(
        await outcome(peer, `{"action":"SET","key":"n","value":${JSON.stringify(value)}}`),
      ).toBe(expected);
    }
    expect(await outcome(peer, { action: "GET", key: "n" })).toBe(1234);
    expect(suite.stat("memory_bytes")).toBe(MOST);
  });

  test("a delete makes room, all of it", async () => {
    const peer = await suite.client(section);
    await setAll(peer, ["room^a", "room^b"], "x".repeat(1000));
    const withRoom = suite.stat("memory_bytes");
    await ask(peer, { action: "DEL", key: "room", tree: true });
    expect(suite.stat("memory_bytes")).toBe(0);
    await setAll(peer, ["room^a", "room^b"], "x".repeat(1000));
    expect(suite.stat("memory_bytes")).toBe(withRoom);
    await fill(peer, 0);
    const set = { action: "SET", key: "room^c", value: "x".repeat(1000) };
    expect(await outcome(peer, set)).toBe("MEMORY_FULL");
    expect(await outcome(peer, { action: "DEL", key: "room^a" })).toBe(1);
    expect(await outcome(peer, set)).toBe("OK");
    expect(suite.stat("memory_bytes")).toBe(MOST);
    expect(await outcome(peer, { ...set, key: "room^d" })).toBe("MEMORY_FULL");
    expect(await outcome(peer, { action: "DEL", key: "fill" })).toBe(1);
    expect(await outcome(peer, { ...set, key: "room^d" })).toBe("OK");
  });

  test("counts what expires, and gives it back", async () => {
    const peer = await suite.client(section);
    const set = { action: "SET", key: "a", value: 1, ttl_ms: 1000 };
    expect(await outcome(peer, set)).toBe("OK");
    await fill(peer, 0);
    expect(await outcome(peer, { action: "SET", key: "b", value: 1 })).toBe("MEMORY_FULL");
    await suite.server.clock.leap(1000);
    expect(await outcome(peer, { action: "EXISTS", key: "a" })).toBe(false);
    expect(await outcome(peer, { action: "SET", key: "b", value: 1 })).toBe("OK");
  });

  test("is counted the same for MSET as for SETs one by one", async () => {
    const peer = await suite.client(section);
    const ns = Array(20).fill("deep").join("^");
    const values = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`k${i}`, i]));
    for (const [key, value] of Object.entries(values)) {
      expect(await outcome(peer, { action: "SET", ns, key, value })).toBe("OK");
    }
    const needed = suite.stat("memory_bytes");
    await ask(peer, { action: "DEL", key: "deep", tree: true });
    suite.server.clock.advance(1000);
    await fill(peer, needed - 1);
    // The filling keys have paid for the first level, so the values need that much less.
    const level = needed - (await neededBeside(peer, ns, values, needed));
    await fill(peer, needed - level);
    expect(await outcome(peer, { action: "MSET", ns, values })).toBe("OK");
    expect(suite.stat("memory_bytes")).toBe(MOST);
    await ask(peer, { action: "DEL", key: "deep", tree: true });
    await fill(peer, needed - level - 1);
    expect(await outcome(peer, { action: "MSET", ns, values })).toBe("MEMORY_FULL");
    expect(suite.stat("keys")).toBe(1);

    /** The bytes that the same values take beside another key. */
    async function neededBeside(
      peer: Peer,
      ns: string,
      values: Record<string, number>,
      room: number,
    ): Promise<number> {
      await fill(peer, room);
      const before = suite.stat("memory_bytes");
      for (const [key, value] of Object.entries(values)) {
        expect(await outcome(peer, { action: "SET", ns, key, value })).toBe("OK");
      }
      const needed = suite.stat("memory_bytes") - before;
      await ask(peer, { action: "DEL", key: "deep", tree: true });
      return needed;
    }
  });

  test("evicts nothing, and reading goes on", async () => {
    const peer = await suite.client(section);
    let count = 0;
    const value = "x".repeat(10_000);
    while ((await outcome(peer, { action: "SET", key: `k${count}`, value })) === "OK") count++;
    expect(count).toBeGreaterThan(90);
    for (let i = 0; i < count; i++) {
      expect(await outcome(peer, { action: "GET", key: `k${i}` })).toBe(value);
    }
    expect(suite.stat("memory_bytes")).toBeLessThanOrEqual(MOST);
  });
});

test("a journal that cannot be written refuses changes, and reading goes on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "summoner-full-"));
  const program = join(import.meta.dir, "..", "index.ts");
  await Bun.write(
    join(folder, "summoner.toml"),
    '[relay]\nenabled = false\n[web]\nenabled = false\n[store]\nenabled = true\nport = 0\npath = "data"\n',
  );
  // Files of at most two megabytes, as on a disk that is nearly full.
  const child = Bun.spawn(
    ["bash", "-c", 'trap "" XFSZ; ulimit -f 2048; exec "$0" "$1"', process.execPath, program],
    { cwd: folder, env: { ...process.env, NO_COLOR: "1" }, stdin: "ignore", stdout: "pipe" },
  );
  suite.endings.push(async () => {
    child.kill("SIGKILL");
    await child.exited;
    rmSync(folder, { recursive: true });
  });
  let said = "";
  const ready = Promise.withResolvers<number>();
  void (async () => {
    for await (const bytes of child.stdout) {
      said += Buffer.from(bytes).toString();
      const port = /store is ready on \S+:(\d+)/.exec(said)?.[1];
      if (port) ready.resolve(Number(port));
    }
    ready.reject(new Error(`it ended after saying ${said}`));
  })();
  const { dial } = await import("./kit.ts");
  const peer = await dial(await ready.promise);
  const value = "x".repeat(100_000);
  let count = 0;
  let last: unknown;
  while ((last = await outcome(peer, { action: "SET", key: `k${count}`, value })) === "OK") count++;
  expect(last).toBe("DISK_FULL");
  expect(count).toBeGreaterThan(5);
  expect(count).toBeLessThan(22);
  for (const request of [
    { action: "INCR", key: "n" },
    { action: "MSET", values: { n: value } },
    { action: "SET", key: "k0", value },
  ]) {
    expect(await outcome(peer, request)).toBe("DISK_FULL");
  }
  for (let i = 0; i < count; i++) {
    expect(await outcome(peer, { action: "GET", key: `k${i}` })).toBe(value);
  }
  expect(await outcome(peer, { action: "EXISTS", key: "n" })).toBe(false);
});

describe("a namespace", () => {
  test("is removed by its name and tree, without a key", async () => {
    const peer = await suite.client();
    await setAll(peer, ["a^b", "a^b^c", "a^b^c^d", "a^bc", "b"]);
    expect(await outcome(peer, { action: "DEL", ns: "a^b", tree: true })).toBe(3);
    expect(await allKeys(peer)).toEqual(["a^bc", "b"]);
    expect(await outcome(peer, { action: "DEL", ns: "a^b", tree: true })).toBe("NOT_FOUND");
    expect(await outcome(peer, { action: "DEL", ns: "^a", tree: true })).toBe(1);
  });

  test("is removed in no other way", async () => {
    const peer = await suite.client();
    await setAll(peer, ["a", "a^b"]);
    for (const [request, code] of [
      [{ ns: "a" }, "MISSING_FIELD"],
      [{ ns: "a", tree: false }, "MISSING_FIELD"],
      [{ tree: true }, "MISSING_FIELD"],
      [{ ns: "", tree: true }, "MISSING_FIELD"],
      [{ ns: "^", tree: true }, "BAD_KEY"],
      [{ ns: "sys", tree: true }, "RESERVED"],
      [{ ns: "a", key: "", tree: true }, "BAD_KEY"],
      [{ ns: "a", key: "^", tree: true }, "BAD_KEY"],
      [{ key: "", tree: true }, "BAD_KEY"],
      [{}, "MISSING_FIELD"],
    ] as const) {
      expect(await outcome(peer, { action: "DEL", ...request })).toBe(code);
    }
    expect(await allKeys(peer)).toEqual(["a", "a^b"]);
  });

  test("is not named by an empty key, whatever the action", async () => {
    const peer = await suite.client();
    await setAll(peer, ["a"], 1);
    for (const request of [
      { action: "GET" },
      { action: "SET", value: 2 },
      { action: "DEL" },
      { action: "EXISTS" },
      { action: "INCR" },
      { action: "TTL" },
      { action: "EXPIRE", ttl_ms: 1 },
    ]) {
      expect(await outcome(peer, { ...request, ns: "a", key: "" })).toBe("BAD_KEY");
    }
    expect(await outcome(peer, { action: "MGET", ns: "a", keys: [""] })).toBe("BAD_KEY");
    expect(await outcome(peer, { action: "MSET", ns: "a", values: { "": 2 } })).toBe("BAD_KEY");
    expect(await outcome(peer, { action: "PUBLISH", ns: "a", channel: "", value: 2 })).toBe(
      "BAD_KEY",
    );
    expect(await outcome(peer, { action: "SUBSCRIBE", ns: "a", keys: "" })).toBe("BAD_KEY");
    expect(await outcome(peer, { action: "GET", key: "a" })).toBe(1);
  });
});

describe("^sys", () => {
  test("tells about the server and is kept apart", async () => {
    const peer = await suite.client();
    await setAll(peer, ["a", "zz"]);
    suite.server.clock.advance(1000);
    expect(await outcome(peer, { action: "GET", key: "^sys^version" })).toBe(programVersion);
    expect(await outcome(peer, { action: "GET", ns: "sys", key: "epoch" })).toBe(
      epochOf(suite.server),
    );
    expect(await outcome(peer, { action: "GET", key: "sys^stats^keys" })).toBe(2);
    expect(await outcome(peer, { action: "MGET", keys: ["sys^version", "a"] })).toEqual({
      values: [programVersion, 0],
      found: [true, true],
    });
    expect(await allKeys(peer)).toEqual(["a", "zz"]);
    const names = await allKeys(peer, { ns: "sys" });
    expect(names).toContain("stats^clients");
    expect(await allKeys(peer, { prefix: "sys^" })).toEqual(names.map((name) => `sys^${name}`));
    expect(await outcome(peer, { action: "ORDER", key: "sys^" })).toBe("sys^epoch");
    expect(await outcome(peer, { action: "ORDER", key: "a" })).toBe("zz");
    expect((await ask(peer, { action: "NAMESPACES", ns: "sys" }))["result"].namespaces).toEqual([
      "stats",
    ]);
    expect(suite.stat("keys")).toBe(2);
  });

  test("can be watched", async () => {
    const peer = await suite.client();
    await ask(peer, { action: "SUBSCRIBE", keys: "sys^stats^keys" });
    expect(await outcome(peer, { action: "GET", key: "sys^stats^keys" })).toBe(0);
    await setAll(peer, ["a"]);
    suite.server.clock.advance(1000);
    expect(await heard(peer)).toMatchObject({ event: "set", key: "sys^stats^keys", value: 1 });
  });

  test("is no part of all keys for those who watch them, as in lists", async () => {
    const peer = await suite.client();
    const other = await suite.server.join();
    await ask(peer, { action: "SUBSCRIBE", keys: "*" });
    await ask(other, { action: "SUBSCRIBE", keys: "sys^*" });
    await ask(other, { action: "SUBSCRIBE", keys: "*" });
    await setAll(await suite.server.join(), ["before"]);
    suite.server.clock.advance(1000);
    await setAll(await suite.server.join(), ["after"]);
    const seen: string[] = [];
    while (seen.at(-1) !== "after") seen.push((await heard(peer))["key"]);
    expect(seen).toEqual(["before", "after"]);
    const all: string[] = [];
    while (all.at(-1) !== "after") all.push((await heard(other))["key"]);
    expect(all.filter((key) => key === "sys^stats^keys")).toHaveLength(1);
  });

  test.each([
    [{ action: "SET", key: "sys", value: 1 }],
    [{ action: "SET", key: "^sys", value: 1 }],
    [{ action: "SET", key: "sys^version", value: 1 }],
    [{ action: "SET", ns: "sys", key: "version", value: 1 }],
    [{ action: "SET", ns: "^sys^stats", key: "keys", value: 1 }],
    [{ action: "DEL", key: "sys^version" }],
    [{ action: "DEL", key: "sys", tree: true }],
    [{ action: "INCR", key: "sys^stats^keys" }],
    [{ action: "EXPIRE", key: "sys^version", ttl_ms: 1 }],
    [{ action: "MSET", values: { a: 1, "sys^version": 1 } }],
    [{ action: "PUBLISH", channel: "sys^x", value: 1 }],
  ])("cannot be changed: %j", async (request) => {
    const peer = await suite.client();
    expect(await outcome(peer, request)).toBe("RESERVED");
    expect(await outcome(peer, { action: "GET", key: "sys^version" })).toBe(programVersion);
    expect(suite.stat("keys")).toBe(0);
  });

  test("is not what only begins like it", async () => {
    const peer = await suite.client();
    await setAll(peer, ["system", "sys1^a", "SYS"], 1);
    expect(await allKeys(peer)).toEqual(["SYS", "sys1^a", "system"]);
  });
});

describe("names that JavaScript knows", () => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", "then"];

  test("are actions that do not exist", async () => {
    const peer = await suite.client();
    for (const action of names) {
      expect(await outcome(peer, { action })).toBe("UNKNOWN_ACTION");
    }
  });

  test("are fields that are not inherited", async () => {
    const peer = await suite.client();
    const inherited = '{"action":"GET","__proto__":{"key":"a"}}';
    expect(await outcome(peer, inherited)).toBe("UNKNOWN_FIELD");
    peer.send(`${inherited}\n${inherited}\n{"__proto__":{"action":"PING"}}\n`);
    expect((await heard(peer))["error"].code).toBe("UNKNOWN_FIELD");
    expect((await heard(peer))["error"].code).toBe("UNKNOWN_FIELD");
    expect((await heard(peer))["error"].code).toBe("BAD_REQUEST");
  });

  test("are keys, channels and parts of values like any other", async () => {
    const peer = await suite.client();
    const text = `{${names.map((name, i) => `"${name}":${i}`).join(",")}}`;
    peer.send(`{"action":"MSET","values":${text}}\n{"action":"ECHO","value":${text}}\n`);
    expect(await peer.next()).toBe('{"result":"OK"}');
    expect(await peer.next()).toBe(`{"result":${text}}`);
    expect((await allKeys(peer)).toSorted()).toEqual(names.toSorted());
    for (const [i, name] of names.entries()) {
      expect(await outcome(peer, { action: "GET", key: name })).toBe(i);
      expect((await ask(peer, { action: "SUBSCRIBE", channel: name }))["result"].seq).toBe(0);
      peer.send(`{"action":"PUBLISH","channel":"${name}","value":${text}}\n`);
      const lines = [await peer.next(), await peer.next()];
      expect(lines).toContain('{"result":1}');
      expect(lines).toContain(`{"event":"message","channel":"${name}","seq":1,"value":${text}}`);
    }
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});

test("random work leaves what a simple model says", async () => {
  const peer = await suite.client();
  const random = new Random(2026);
  const held = new Map<string, { text: string; expiresAt: number }>();
  const names = Array.from({ length: 60 }, (_, i) =>
    [`k${i % 7}`, `${i % 5}`, `x${i}`].slice(0, 1 + (i % 3)).join("^"),
  );
  const pick = () => names[random.whole(0, names.length - 1)] as string;
  const now = () => suite.server.clock.now();
  const live = (key: string) => {
    const found = held.get(key);
    if (found && found.expiresAt > now()) return found;
    held.delete(key);
    return undefined;
  };
  const value = () => {
    switch (random.whole(0, 4)) {
      case 0:
        return random.whole(-1000, 1000);
      case 1:
        return "x".repeat(random.whole(0, 20));
      case 2:
        return "é".repeat(random.whole(0, 2000));
      case 3:
        return "y".repeat(random.whole(0, 80_000));
      default:
        return [random.whole(0, 9), { a: null }];
    }
  };
  for (let i = 0; i < 20_000; i++) {
    const key = pick();
    const found = live(key);
    switch (random.whole(0, 11)) {
      case 0:
      case 1:
      case 2: {
        const one = value();
        expect(await outcome(peer, { action: "SET", key, value: one })).toBe("OK");
        held.set(key, { text: JSON.stringify(one), expiresAt: Infinity });
        break;
      }
      case 3: {
        const ttl_ms = random.whole(1, 500);
        expect(await outcome(peer, { action: "SET", key, value: i, ttl_ms })).toBe("OK");
        held.set(key, { text: `${i}`, expiresAt: now() + ttl_ms });
        break;
      }
      case 4: {
        const expected = found ? 1 : "NOT_FOUND";
        expect(await outcome(peer, { action: "DEL", key })).toBe(expected);
        held.delete(key);
        break;
      }
      case 5: {
        if (random.whole(0, 9) > 0) break;
        const below = names.filter((one) => one === key || one.startsWith(`${key}^`));
        const gone = new Set(below.filter((one) => live(one)));
        const expected = gone.size > 0 ? gone.size : "NOT_FOUND";
        expect(await outcome(peer, { action: "DEL", key, tree: true })).toBe(expected);
        for (const one of gone) held.delete(one);
        break;
      }
      case 6: {
        const number = found === undefined ? 0 : JSON.parse(found.text);
        const answer = await outcome(peer, { action: "INCR", key, by: 3 });
        if (typeof number !== "number") {
          expect(answer).toBe("NOT_A_NUMBER");
          break;
        }
        expect(answer).toBe(number + 3);
        held.set(key, { text: `${number + 3}`, expiresAt: found?.expiresAt ?? Infinity });
        break;
      }
      case 7: {
        const ttl_ms = random.whole(0, 3) === 0 ? null : random.whole(1, 500);
        const answer = await outcome(peer, { action: "EXPIRE", key, ttl_ms });
        expect(answer).toBe(found ? "OK" : "NOT_FOUND");
        if (found) found.expiresAt = ttl_ms === null ? Infinity : now() + ttl_ms;
        break;
      }
      case 8:
        if (random.whole(0, 1) === 0) suite.server.clock.advance(random.whole(0, 60));
        else await suite.server.clock.leap(random.whole(0, 60));
        break;
      case 9:
        if (random.whole(0, 20) > 0) break;
        expect((await allKeys(peer, { limit: random.whole(1, 50) })).toSorted()).toEqual(
          [...new Set(names)].filter((one) => live(one)).toSorted(),
        );
        break;
      default: {
        peer.send(`${JSON.stringify({ action: "GET", key })}\n`);
        const line = await peer.next();
        const expected = found
          ? `{"result":${found.text}}`
          : '{"error":{"code":"NOT_FOUND","message":"there is no such key"}}';
        if (line !== expected) expect(line.slice(0, 200)).toBe(expected.slice(0, 200));
      }
    }
  }
  suite.server.clock.advance(1000);
  for (const name of names) live(name);
  expect(suite.stat("keys")).toBe(held.size);
});

test("what asks for all below a name waits while many that have expired are removed, and others are served", async () => {
  await suite.boot();
  const { server } = suite;
  const [peer, other] = [await server.join(), await server.join()];
  for (let group = 0; group < 20; group++) {
    const names = Array.from({ length: 10_000 }, (_, i) => [`gone^${group}^${i}`, 0]);
    const values = Object.fromEntries(names);
    expect(await outcome(peer, { action: "MSET", values, ttl_ms: 1000 })).toBe("OK");
  }
  await setAll(peer, ["stays^a"]);
  const peers = await Promise.all([server.join(), server.join(), server.join()]);
  const requests = [
    [{ action: "ORDER", key: "" }, "stays"],
    [{ action: "NAMESPACES" }, { namespaces: ["stays"], cursor: null }],
    [{ action: "DEL", key: "gone", tree: true }, "NOT_FOUND"],
  ] as const;
  server.clock.advance(1000);
  let answered = 0;
  const answers = requests.map(async ([request], i) => {
    const found = await outcome(peers[i] as Peer, request);
    answered++;
    return found;
  });
  let turns = 0;
  for (; answered < requests.length; turns++) {
    expect(await outcome(other, { action: "PING" })).toBe("PONG");
  }
  expect(await Promise.all(answers)).toEqual(requests.map(([, found]) => found));
  expect(turns).toBeGreaterThan(2);
  expect(suite.stat("keys")).toBe(1);
});
