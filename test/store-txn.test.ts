import { describe, expect, test } from "bun:test";
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Answer, ask, boot, heard, type Peer } from "./kit.ts";
import { allKeys, outcome, setAll, StoreSuite } from "./store-suite.ts";

const suite = new StoreSuite();

const txn = (peer: Peer, writes: readonly object[], more: object = {}) =>
  ask(peer, { action: "TXN", writes, ...more });
const codeOf = ({ error }: Answer) => error?.code as unknown;
const get = async (peer: Peer, key: string) =>
  (await ask(peer, { action: "GET", key, meta: true }))["result"];
const set = (key: string, value: unknown, more: object = {}) => ({
  action: "SET",
  key,
  value,
  ...more,
});
const incr = (key: string, by = 1) => ({ action: "INCR", key, by });
const del = (key: string) => ({ action: "DEL", key });

describe("TXN", () => {
  test("makes changes of every kind, in order, and tells what each has come to", async () => {
    const peer = await suite.client();
    const watcher = await suite.server.join();
    await setAll(peer, ["a", "gone", "n", "kept"], 5);
    await ask(watcher, { action: "SUBSCRIBE", keys: "*" });
    const writes = [
      set("a", { x: 1 }, { ttl_ms: 1000 }),
      set("new^a", "é"),
      incr("n", -7),
      { action: "INCR", key: "count" },
      del("gone"),
      { action: "EXPIRE", key: "kept", ttl_ms: 500 },
    ];
    expect(await txn(peer, writes, { id: 7 })).toEqual({
      result: {
        results: [
          { version: 2 },
          { version: 1 },
          { value: -2, version: 2 },
          { value: 1, version: 1 },
          1,
          "OK",
        ],
      },
      id: 7,
    });
    expect(await get(peer, "a")).toEqual({ value: { x: 1 }, version: 2, ttl_ms: 1000 });
    expect(await get(peer, "new^a")).toEqual({ value: "é", version: 1, ttl_ms: null });
    expect(await get(peer, "kept")).toEqual({ value: 5, version: 1, ttl_ms: 500 });
    expect(await allKeys(peer)).toEqual(["a", "count", "kept", "n", "new^a"]);
    const seen: unknown[] = [];
    for (let i = 0; i < 5; i++) {
      const { event, key } = await heard(watcher);
      seen.push([event, key]);
    }
    expect(seen).toEqual([
      ["set", "a"],
      ["set", "new^a"],
      ["set", "n"],
      ["set", "count"],
      ["del", "gone"],
    ]);
    suite.server.clock.advance(1001);
    expect(await allKeys(peer)).toEqual(["count", "n", "new^a"]);
  });

  test("is made in a namespace", async () => {
    const peer = await suite.client();
    await setAll(peer, ["n^a"], 1);
    const more = { ns: "n", if_version: { a: 1 }, if_absent: ["b"] };
    expect(await txn(peer, [incr("a"), incr("b")], more)).toEqual({
      result: {
        results: [
          { value: 2, version: 2 },
          { value: 1, version: 1 },
        ],
      },
    });
    expect(await allKeys(peer)).toEqual(["n^a", "n^b"]);
  });

  test("needs all of its conditions, which may be about keys that it does not write", async () => {
    const peer = await suite.client();
    await setAll(peer, ["a", "b"]);
    await ask(peer, { action: "SET", key: "short", value: 1, ttl_ms: 10 });
    const write = [set("to", 1)];
    for (const [terms, code, message] of [
      [{ if_version: { a: 1, b: 2 } }, "VERSION_MISMATCH", "b: the version is 1"],
      [{ if_version: { a: 0 } }, "VERSION_MISMATCH", "a: the version is 1"],
      [{ if_version: { none: 1 } }, "VERSION_MISMATCH", "none: there is no value"],
      [{ if_absent: ["none", "a"] }, "ALREADY_EXISTS", "a: the key has a value, of version 1"],
      [{ if_absent: ["short"] }, "ALREADY_EXISTS", "short: the key has a value, of version 1"],
      [{ if_version: { a: 1 }, if_absent: ["b"] }, "ALREADY_EXISTS", "b: the key has a value"],
    ] as const) {
      const { error } = await txn(peer, write, terms);
      expect([error.code, error.message]).toEqual([code, expect.stringContaining(message)]);
      expect(await outcome(peer, { action: "EXISTS", key: "to" })).toBe(false);
    }
    suite.server.clock.advance(11);
    const holds = { if_version: { a: 1, none: 0 }, if_absent: ["none", "short"] };
    expect(codeOf(await txn(peer, write, holds))).toBeUndefined();
    expect(await outcome(peer, { action: "GET", key: "to" })).toBe(1);
  });

  test.each([
    ["NOT_FOUND", del("none")],
    ["NOT_FOUND", { action: "EXPIRE", key: "none", ttl_ms: 1 }],
    ["NOT_A_NUMBER", incr("text")],
    ["NUMBER_RANGE", incr("big")],
    ["BAD_KEY", set("a^^b", 1)],
    ["BAD_KEY", del("")],
    ["RESERVED", set("sys^a", 1)],
    ["WRONG_TYPE", set("first", 2)],
    ["WRONG_TYPE", set("^first", 2)],
    ["WRONG_TYPE", { action: "PUBLISH", key: "a", value: 1 }],
    ["WRONG_TYPE", { action: "toString", key: "a" }],
    ["WRONG_TYPE", { key: "a", value: 1 }],
    ["WRONG_TYPE", { action: "SET", key: 1, value: 1 }],
    ["WRONG_TYPE", set("a", 1, { ttl_ms: 0 })],
    ["WRONG_TYPE", { action: "EXPIRE", key: "text", ttl_ms: 0.5 }],
    ["MISSING_FIELD", { action: "SET", key: "a" }],
    ["MISSING_FIELD", { action: "DEL" }],
    ["UNKNOWN_FIELD", set("a", 1, { if_absent: true })],
    ["UNKNOWN_FIELD", set("a", 1, { ns: "n" })],
    ["UNKNOWN_FIELD", set("a", 1, { id: 1 })],
    ["UNKNOWN_FIELD", { action: "DEL", key: "text", tree: true }],
  ])("that has one write refused, as %s, makes none: %j", async (code, write) => {
    const peer = await suite.client();
    await ask(peer, { action: "MSET", values: { text: "x", big: Number.MAX_SAFE_INTEGER } });
    const before = await allKeys(peer);
    const { error } = await txn(peer, [set("first", 1), write]);
    expect(error.code).toBe(code);
    expect(error.message).toStartWith("writes[1]: ");
    expect(await allKeys(peer)).toEqual(before);
  });

  test("that has no room makes no change", async () => {
    const peer = await suite.client({ max_memory_bytes: 2 ** 20, max_line_bytes: 2 ** 21 });
    const [half, more] = [set("b", "x".repeat(500_000)), set("c", "x".repeat(600_000))];
    expect(codeOf(await txn(peer, [incr("n"), half, more]))).toBe("MEMORY_FULL");
    expect(await allKeys(peer)).toEqual([]);
    expect(codeOf(await txn(peer, [incr("n"), half]))).toBeUndefined();
    expect(codeOf(await txn(peer, [incr("n"), more]))).toBe("MEMORY_FULL");
    expect(await outcome(peer, { action: "GET", key: "n" })).toBe(1);
  });

  test("that has a value too large to be sent makes no change", async () => {
    const peer = await suite.client({ max_line_bytes: 10_000, outbox_bytes: 20_000 });
    const lists = [400, 500].map((count) => `[${"1e20,".repeat(count)}1]`);
    const codes = [];
    for (const list of lists) {
      const writes = `[{"action":"INCR","key":"n"},{"action":"SET","key":"a","value":${list}}]`;
      codes.push(codeOf(await ask(peer, `{"action":"TXN","writes":${writes}}`)));
    }
    expect(codes).toEqual([undefined, "TOO_LARGE"]);
    expect(await outcome(peer, { action: "GET", key: "n" })).toBe(1);
  });

  test("takes 10,000 writes, and no more", async () => {
    const peer = await suite.client();
    const writes = (count: number) => Array.from({ length: count }, (_, i) => incr(`k${i}`));
    expect(codeOf(await txn(peer, writes(10_001)))).toBe("WRONG_TYPE");
    expect(suite.stat("keys")).toBe(0);
    const { result } = await txn(peer, writes(10_000));
    expect(result.results).toHaveLength(10_000);
    expect(suite.stat("keys")).toBe(10_000);
  });

  test("needs the right to write what it changes, and to read or write what it asks for", async () => {
    const folder = mkdtempSync(join(tmpdir(), "summoner-txn-"));
    suite.endings.push(() => rmSync(folder, { recursive: true }));
    const [token, rights] = ["a-token-of-the-role", 'read = ["^r"]\nwrite = ["^w"]'];
    const roles_file = join(folder, "roles.toml");
    writeFileSync(roles_file, `[role]\ntoken = "${token}"\n${rights}\n`);
    const peer = await suite.client({ roles_file });
    expect(codeOf(await txn(peer, [incr("w")]))).toBe("AUTH_REQUIRED");
    expect(await outcome(peer, { action: "AUTH", token })).toBe("OK");
    expect(codeOf(await txn(peer, [incr("w^a"), incr("r^a")]))).toBe("FORBIDDEN");
    for (const [key, code] of [
      ["w^a", undefined],
      ["r^a", undefined],
      ["x", "FORBIDDEN"],
      ["sys^version", "RESERVED"],
      ["a^^b", "BAD_KEY"],
    ] as const) {
      for (const terms of [{ if_version: { [key]: 0 } }, { if_absent: [key] }]) {
        expect([key, codeOf(await txn(peer, [incr("w^n")], terms))]).toEqual([key, code]);
      }
    }
    expect(await outcome(peer, { action: "INCR", key: "w^n" })).toBe(5);
  });

  test("of many clients at once moves what there is, and loses and makes none of it", async () => {
    const peer = await suite.client();
    const accounts = ["a", "b", "c"];
    await setAll(peer, accounts, 100);
    const peers = await Promise.all(Array.from({ length: 8 }, () => suite.server.join()));
    let refused = 0;
    await Promise.all(
      peers.map(async (one, p) => {
        for (let done = 0; done < 25;) {
          const from = accounts[(p + done) % 3] as string;
          const to = accounts[(p + done + 1) % 3] as string;
          const [source, target] = [await get(one, from), await get(one, to)];
          const answer = await txn(one, [set(from, source.value - 1), set(to, target.value + 1)], {
            if_version: { [from]: source.version, [to]: target.version },
          });
          if (codeOf(answer) === undefined) done++;
          else {
            expect(codeOf(answer)).toBe("VERSION_MISMATCH");
            refused++;
          }
        }
      }),
    );
    const { values } = (await outcome(peer, { action: "MGET", keys: accounts })) as Answer;
    expect(values.reduce((sum: number, one: number) => sum + one, 0)).toBe(300);
    expect(refused).toBeGreaterThan(0);
  });

  test("is on disk as a whole or not at all", async () => {
    const folder = mkdtempSync(join(tmpdir(), "summoner-txn-"));
    suite.endings.push(() => rmSync(folder, { recursive: true }));
    const [path, torn] = [join(folder, "store"), join(folder, "torn")];
    const peer = await suite.client({ path, durability: "always" });
    await setAll(peer, ["a", "gone"], 1);
    // As a crash leaves it: all is as before, but for the beginning of one more batch.
    cpSync(path, torn, { recursive: true });
    const before = suite.stat("journal_batches");
    await txn(peer, [incr("a"), del("gone"), set("b", "x".repeat(10_000)), set("c", 1)]);
    expect(suite.stat("journal_batches")).toBe(before + 1);
    const [name] = readdirSync(torn).filter((one) => one.startsWith("journal-"));
    const journal = join(torn, name as string);
    cpSync(join(path, name as string), journal);
    const end = readFileSync(journal).findLastIndex((byte) => byte !== 0);
    truncateSync(journal, end - 1);
    for (const [at, keys, a] of [
      [torn, ["a", "gone"], 1],
      [path, ["a", "b", "c"], 2],
    ] as const) {
      if (at === path) await suite.server.stop();
      const server = await boot("store", { store: { path: at, durability: "always" } });
      const other = await server.join();
      expect(await allKeys(other)).toEqual([...keys]);
      expect(await outcome(other, { action: "GET", key: "a" })).toBe(a);
      await server.stop();
    }
  });
});

describe("MSET", () => {
  test("sets ends with the values: one for all, or some by their keys", async () => {
    const peer = await suite.client();
    const mset = (values: object, ttl_ms: unknown, more: object = {}) =>
      outcome(peer, { action: "MSET", values, ttl_ms, ...more });
    expect(await mset({ a: 1, b: 2 }, 100)).toBe("OK");
    expect(await mset({ c: 1, d: 2, e: 3 }, { c: 50, e: 200 })).toBe("OK");
    const ends = async () => {
      const left: Record<string, unknown> = {};
      for (const key of await allKeys(peer)) {
        left[key] = await outcome(peer, { action: "TTL", key });
      }
      return left;
    };
    expect(await ends()).toEqual({ a: 100, b: 100, c: 50, d: null, e: 200 });
    suite.server.clock.advance(101);
    expect(await ends()).toEqual({ d: null, e: 99 });
    // Without an end, the one before does not stay.
    expect(await outcome(peer, { action: "MSET", values: { e: 4 } })).toBe("OK");
    expect(await ends()).toEqual({ d: null, e: null });
    for (const wrong of [{ none: 1 }, {}, { d: 0 }, { d: "1" }, { d: null }, { toString: 1 }]) {
      expect(await mset({ d: 5, f: 1 }, wrong)).toBe("WRONG_TYPE");
    }
    expect(await allKeys(peer)).toEqual(["d", "e"]);
  });

  test("takes each key once, by whatever name", async () => {
    const peer = await suite.client();
    const mset = (values: object, more: object = {}) =>
      outcome(peer, { action: "MSET", values, ...more });
    for (const values of [
      { a: 1, "^a": 2 },
      { "^a^b": 1, c: 1, "a^b": 2 },
    ]) {
      expect([values, await mset(values)]).toEqual([values, "WRONG_TYPE"]);
    }
    expect(await allKeys(peer)).toEqual([]);
    expect(await mset({ "^a": 1, "a^b": 2, "^b": 3 })).toBe("OK");
    expect(await allKeys(peer)).toEqual(["a", "a^b", "b"]);
    expect(await mset({ a: 1, "^a": 2 }, { ns: "n" })).toBe("BAD_KEY");
  });
});
