import { describe, expect, test } from "bun:test";
import { version as programVersion } from "../package.json";
import { COMMANDS } from "../lib/services/store/commands/commands.ts";
import { CODES } from "../lib/services/store/refusal.ts";
import { ask, heard, type Peer, until } from "./kit.ts";
import { Random } from "./random.ts";
import { allKeys, epochOf, outcome, setAll, StoreSuite } from "./store-suite.ts";

const suite = new StoreSuite();

const VALID: Record<string, Record<string, unknown>> = {
  PING: {},
  ECHO: { value: 1 },
  SET: { key: "a", value: 1, ns: "n", ttl_ms: 1000, if_absent: false, if_version: 1, meta: true },
  GET: { key: "a", ns: "n", default: 1, meta: true },
  DEL: { key: "a", ns: "n", tree: false, if_version: 1 },
  EXISTS: { key: "a", ns: "n" },
  INCR: { key: "a", ns: "n", by: 2, meta: true },
  EXPIRE: { key: "a", ns: "n", ttl_ms: 1000 },
  TTL: { key: "a", ns: "n" },
  MGET: { keys: ["a"], ns: "n" },
  MSET: { values: { a: 1 }, ns: "n", ttl_ms: 1000 },
  TXN: {
    writes: [{ action: "INCR", key: "a" }],
    ns: "n",
    if_version: { a: 1 },
    if_absent: ["b"],
  },
  KEYS: { ns: "n", prefix: "a", cursor: "a", limit: 10 },
  ORDER: { key: "a", ns: "n", reverse: true },
  NAMESPACES: { ns: "n", cursor: "a", limit: 10 },
  RANGE: { ns: "n", prefix: "a", cursor: "a", limit: 10, reverse: true },
  SUBSCRIBE: { channel: "c", ns: "n", since: 0, epoch: "x", state: false },
  UNSUBSCRIBE: { channel: "c", ns: "n" },
  PUBLISH: { channel: "c", ns: "n", value: 1 },
  CHANNELS: { ns: "n", prefix: "c", cursor: "c", limit: 10 },
  AUTH: { token: "t" },
  INFO: {},
  ACKNOWLEDGE: {},
  BACKUP: { more: false },
  HELP: { command: "GET" },
};

const NO_TEXT = [null, 1, true, [], {}];
const NO_FLAG = [null, 0, "true", []];
const wrongNumbers = (low: number, high: number) => [
  low - 1,
  low + 0.5,
  high === Number.MAX_SAFE_INTEGER ? 2 ** 53 : high + 1,
  "1",
  null,
  true,
  [1],
];

/** Values that each field may not hold. */
const WRONG: Record<string, readonly unknown[]> = {
  ...Object.fromEntries(
    ["key", "ns", "prefix", "cursor", "channel", "token", "command", "epoch"].map((name) => [
      name,
      NO_TEXT,
    ]),
  ),
  ...Object.fromEntries(
    ["if_absent", "meta", "tree", "reverse", "more", "state"].map((name) => [name, NO_FLAG]),
  ),
  // EXPIRE takes null.
  ttl_ms: wrongNumbers(1, 10 ** 13).filter((one) => one !== null),
  if_version: wrongNumbers(0, Number.MAX_SAFE_INTEGER),
  since: wrongNumbers(0, Number.MAX_SAFE_INTEGER),
  limit: wrongNumbers(1, 10_000),
  by: ["1", null, 0.5, 2 ** 53, -(2 ** 53), [1]],
  values: [null, 1, "a", [], [1], {}],
  keys: [null, "a", {}, [], [1], ["a", null]],
  writes: [null, 1, "a", {}, [], [1], [null], [[]]],
};

describe.each(Object.entries(VALID))("the fields of %s", (action, fields) => {
  test("are served, needed, known and of their types", async () => {
    const peer = await suite.client();
    await setAll(peer, ["n^a"], 1);
    const answer = await ask(peer, { action, ...fields });
    expect(answer["error"]?.code).toBeUndefined();
    const declared = COMMANDS[action]?.fields ?? {};
    const known = Object.keys(declared).filter((name) => name in fields || name !== "keys");
    expect(Object.keys(fields).toSorted()).toEqual(known.toSorted());
    for (const [name, { optional }] of Object.entries(declared)) {
      if (!(name in fields)) continue;
      const { [name]: _, ...rest } = fields;
      const { error } = await ask(peer, { action, ...rest });
      if (optional) expect(error?.code).not.toBe("UNKNOWN_FIELD");
      else expect(error).toEqual({ code: "MISSING_FIELD", message: name });
    }
    for (const name of [
      "further",
      "Key",
      "__proto__",
      "constructor",
      "toString",
      "hasOwnProperty",
    ]) {
      const line = JSON.stringify({ action, ...fields, X: 1 }).replace('"X"', `"${name}"`);
      const { error } = await ask(peer, line);
      expect(error.code).toBe("UNKNOWN_FIELD");
      expect(error.message).toStartWith(`${name}: `);
    }
    for (const name of Object.keys(fields)) {
      if (name === "value" || name === "default") continue;
      for (const wrong of WRONG[name] as unknown[]) {
        const { error } = await ask(peer, { action, ...fields, [name]: wrong });
        expect([name, wrong, error?.code]).toEqual([name, wrong, "WRONG_TYPE"]);
        expect(error.message).toStartWith(`${name}; allowed: `);
      }
    }
    expect(suite.stat("closed_bug")).toBe(0);
  });
});

test("every action is tested for its fields", () => {
  expect(Object.keys(VALID).toSorted()).toEqual(Object.keys(COMMANDS).toSorted());
});

describe("the bounds of fields", () => {
  test("of whole numbers are in", async () => {
    const peer = await suite.client();
    await setAll(peer, ["a"]);
    const most = Number.MAX_SAFE_INTEGER;
    for (const request of [
      { action: "EXPIRE", key: "a", ttl_ms: 1 },
      { action: "EXPIRE", key: "a", ttl_ms: 10 ** 13 },
      { action: "EXPIRE", key: "a", ttl_ms: null },
      { action: "SET", key: "a", value: 0, ttl_ms: 10 ** 13 },
      { action: "KEYS", limit: 1 },
      { action: "KEYS", limit: 10_000 },
      { action: "CHANNELS", limit: 10_000 },
      { action: "NAMESPACES", limit: 10_000 },
      { action: "SUBSCRIBE", channel: "c", since: most },
      { action: "INCR", key: "a", by: most },
      { action: "INCR", key: "b", by: -most },
    ]) {
      expect(await ask(peer, request)).not.toHaveProperty("error");
    }
    expect(await outcome(peer, { action: "SET", key: "a", value: 0, ttl_ms: null })).toBe(
      "WRONG_TYPE",
    );
    for (const if_version of [0, most]) {
      expect(await outcome(peer, { action: "DEL", key: "a", if_version })).toBe("VERSION_MISMATCH");
    }
  });

  test("of lists and objects are 10,000 keys", async () => {
    const peer = await suite.client();
    const keys = Array.from({ length: 10_000 }, (_, i) => `k${i}`);
    const values = Object.fromEntries(keys.map((key) => [key, 1]));
    expect(await outcome(peer, { action: "MSET", values })).toBe("OK");
    const { result } = await ask(peer, { action: "MGET", keys });
    expect(result.values).toEqual(keys.map(() => 1));
    expect(result.found).toEqual(keys.map(() => true));
    expect(await outcome(peer, { action: "MSET", values: { ...values, more: 1 } })).toBe(
      "WRONG_TYPE",
    );
    expect(await outcome(peer, { action: "MGET", keys: [...keys, "more"] })).toBe("WRONG_TYPE");
    expect(suite.stat("keys")).toBe(10_000);
  });
});

describe("PING, ECHO, INFO and HELP", () => {
  test("PING answers PONG", async () => {
    const peer = await suite.client();
    expect(await ask(peer, { action: "PING" })).toEqual({ result: "PONG" });
  });

  test.each([["text"], [""], [0], [-1.5], [true], [null], [[]], [{ a: [{}] }], ["é\u2028\0😀"]])(
    "ECHO sends %p back",
    async (value) => {
      const peer = await suite.client();
      expect(await ask(peer, { action: "ECHO", value })).toEqual({ result: value });
    },
  );

  test("INFO tells about the server", async () => {
    const peer = await suite.client();
    await setAll(peer, ["a", "b"]);
    suite.server.clock.advance(61_500);
    const { result } = await ask(peer, { action: "INFO" });
    expect(result).toMatchObject({
      version: programVersion,
      epoch: epochOf(suite.server),
      durability: "none",
      uptime_seconds: 61,
      clients: 1,
      keys: 2,
      requests_set: 2,
    });
  });

  test("HELP tells about every action", async () => {
    const peer = await suite.client();
    const { result } = await ask(peer, { action: "HELP" });
    expect(Object.keys(result)).toEqual(Object.keys(COMMANDS));
    for (const [action, { fields, errors, right }] of Object.entries(COMMANDS)) {
      const told = result[action];
      expect(told.about).toEndWith(".");
      expect(told.result).toBeString();
      expect(Object.keys(told.fields)).toEqual(Object.keys(fields));
      for (const [name, { optional, allowed }] of Object.entries(fields)) {
        expect(told.fields[name]).toMatchObject({ allowed, needed: !optional });
      }
      expect(told.errors).toEqual(Object.fromEntries(errors.map((code) => [code, CODES[code]])));
      expect(told.right).toBe(right ?? undefined);
      expect(await outcome(peer, { action: "HELP", command: action })).toEqual({ [action]: told });
    }
  });

  test("HELP does not know what is no action", async () => {
    const peer = await suite.client();
    for (const command of ["", "get", "__proto__", "constructor", "toString"]) {
      expect(await outcome(peer, { action: "HELP", command })).toBe("UNKNOWN_ACTION");
    }
  });
});

describe("SET and GET", () => {
  test("SET replaces a value and takes its time away", async () => {
    const peer = await suite.client();
    await ask(peer, { action: "SET", key: "a", value: 1, ttl_ms: 1000 });
    await ask(peer, { action: "SET", key: "a", value: 2 });
    expect(await outcome(peer, { action: "TTL", key: "a" })).toBeNull();
    suite.server.clock.advance(2000);
    expect(await outcome(peer, { action: "GET", key: "a" })).toBe(2);
  });

  test("if_absent sets what is not there", async () => {
    const peer = await suite.client();
    const set = { action: "SET", key: "a", value: 1, if_absent: true };
    expect(await outcome(peer, set)).toBe("OK");
    expect(await outcome(peer, { ...set, value: 2 })).toBe("ALREADY_EXISTS");
    expect(await outcome(peer, { ...set, value: 2, if_absent: false })).toBe("OK");
    expect(await outcome(peer, { action: "GET", key: "a" })).toBe(2);
    // A node without a value of its own is absent.
    await setAll(peer, ["b^c"]);
    expect(await outcome(peer, { ...set, key: "b" })).toBe("OK");
    await ask(peer, { action: "DEL", key: "a" });
    expect(await outcome(peer, set)).toBe("OK");
    expect(await outcome(peer, { ...set, if_version: 0 })).toBe("ALREADY_EXISTS");
  });

  test("if_version sets what has not changed", async () => {
    const peer = await suite.client();
    const set = { action: "SET", key: "a", value: 1 };
    expect(await outcome(peer, { ...set, if_version: 1 })).toBe("VERSION_MISMATCH");
    expect(await outcome(peer, { ...set, if_version: 0 })).toBe("OK");
    expect(await outcome(peer, { ...set, if_version: 0 })).toBe("VERSION_MISMATCH");
    const { error } = await ask(peer, { ...set, if_version: 7 });
    expect(error).toEqual({ code: "VERSION_MISMATCH", message: "the version is 1" });
    expect(await outcome(peer, { ...set, value: 2, if_version: 1 })).toBe("OK");
    expect(await outcome(peer, { action: "GET", key: "a", meta: true })).toEqual({
      value: 2,
      version: 2,
      ttl_ms: null,
    });
  });

  test("meta tells the version and the time left", async () => {
    const peer = await suite.client();
    await ask(peer, { action: "SET", key: "a", value: [1], ttl_ms: 5000 });
    suite.server.clock.advance(1234);
    const get = { action: "GET", key: "a" };
    expect(await outcome(peer, { ...get, meta: true })).toEqual({
      value: [1],
      version: 1,
      ttl_ms: 3766,
    });
    expect(await outcome(peer, { ...get, meta: false })).toEqual([1]);
  });

  test("default is answered where there is no value", async () => {
    const peer = await suite.client();
    await setAll(peer, ["a"], null);
    const get = { action: "GET", key: "b" };
    for (const value of [null, 0, false, "", [], { a: 1 }]) {
      expect(await outcome(peer, { ...get, default: value })).toEqual(value);
    }
    expect(await outcome(peer, { ...get, default: 7, meta: true })).toEqual({
      value: 7,
      version: 0,
      ttl_ms: null,
    });
    expect(await outcome(peer, { ...get, key: "a", default: 7 })).toBeNull();
    expect(await outcome(peer, { ...get, meta: true })).toBe("NOT_FOUND");
    expect(suite.stat("keys")).toBe(1);
  });

  test("every spelling of a request means the same", async () => {
    const peer = await suite.client();
    const lines = [
      '{"action":"SET","key":"a","value":"x"}',
      '{"action": "SET", "key": "a", "value": "x"}',
      '{ "action":"SET","key":"a","value":"x" }',
      '{"key":"a","value":"x","action":"SET"}',
      '{"action":"SET","value":"x","key":"a"}',
      '{"\\u0061ction":"SET","key":"\\u0061","value":"\\u0078"}',
      '{"action":"SET","key":"^a","value":"x"}',
      '{"action":"SET","key":"a","value":"x"} ',
      '\t{"action":"SET","key":"a","value":"x"}\r',
      '{"action":"SET","key":"b","key":"a","value":0,"value":"x"}',
    ];
    for (const [i, line] of [...lines, ...lines].entries()) {
      expect(await outcome(peer, line)).toBe("OK");
      expect(await outcome(peer, '{"action":"GET","key":"a"}')).toBe("x");
      expect(await outcome(peer, { action: "GET", key: "a", meta: true })).toEqual({
        value: "x",
        version: i + 1,
        ttl_ms: null,
      });
    }
    for (const value of ["", "plain", 'a"b', "a\\b", "é", "\u007f", "0", " "]) {
      for (const round of [1, 2]) {
        expect(await outcome(peer, { action: "SET", key: `k${round}`, value })).toBe("OK");
        expect(await outcome(peer, { action: "GET", key: `k${round}` })).toBe(value);
      }
    }
    // Each of these is nearly a request of the plainest kind.
    for (const line of [
      '{"action":"GET","key":"a"}}',
      '{"action":"GET","key":"a"',
      '{"action":"GET","key":"a",}',
      '{"action":"GET","key":"a}',
      '{"action":"SET","key":"a","value":01}',
      '{"action":"SET","key":"a","value":-}',
      '{"action":"SET","key":"a","value":}',
      '{"action":"SET","key":"a","value":1.}',
    ]) {
      expect(await outcome(peer, line)).toBe("MALFORMED");
    }
    for (const value of ["\xff", "\xc3", "\t", "\0", "\x1f", "\\x", "\\"]) {
      peer.send(Buffer.from(`{"action":"SET","key":"a","value":"${value}"}\n`, "latin1"));
      expect((await heard(peer))["error"].code).toBe("MALFORMED");
    }
    expect(await outcome(peer, '{"action":"GET","key":"a"}')).toBe("x");
    expect(await outcome(peer, '{"action":"SET","key":"a"}')).toBe("MISSING_FIELD");
    expect(await outcome(peer, '{"action":"GET","key":"a","value":1}')).toBe("UNKNOWN_FIELD");
  });

  test("a backslash in a key is not taken for two", async () => {
    const peer = await suite.client();
    const [one, double] = [String.raw`a\b`, String.raw`a\\b`];
    for (const round of [1, 2, 3]) {
      for (const key of [double, one]) {
        expect(await outcome(peer, { action: "SET", key, value: `${key} ${round}` })).toBe("OK");
      }
      for (const key of [one, double]) {
        expect(await outcome(peer, { action: "GET", key })).toBe(`${key} ${round}`);
      }
    }
    expect(suite.stat("keys")).toBe(2);
  });

  test.each([
    ["taken together", {}],
    // Then each line is looked at by itself.
    ["longer than a line may be", { max_line_bytes: 256 }],
  ])("the plainest and all others in one write are answered in order: %s", async (_, section) => {
    const peer = await suite.client(section);
    const other = await suite.server.join();
    const random = new Random(8);
    await setAll(peer, ["a", "b"], "first");
    await ask(other, { action: "SUBSCRIBE", channel: "c" });
    const held: Record<string, string> = { a: "first", b: "first" };
    let published = 0;
    for (let round = 0; round < 500; round++) {
      const lines: string[] = [];
      const expected: string[] = [];
      for (let i = random.whole(1, 8); i > 0; i--) {
        const key = ["a", "b"][random.whole(0, 1)] as string;
        switch (random.whole(0, 5)) {
          case 0:
          case 1:
            lines.push(`{"action":"GET","key":"${key}"}`);
            expected.push(`{"result":"${held[key]}"}`);
            break;
          case 2:
            held[key] = "x".repeat(random.whole(0, 100));
            lines.push(`{"action":"SET","key":"${key}","value":"${held[key]}"}`);
            expected.push('{"result":"OK"}');
            break;
          case 3:
            lines.push(`{"action":"GET","key":"${key}","id":${i}}`);
            expected.push(`{"result":"${held[key]}","id":${i}}`);
            break;
          case 4:
            lines.push('{"action":"PUBLISH","channel":"c","value":1}');
            expected.push('{"result":1}');
            published++;
            break;
          default:
            lines.push("garbage");
            expected.push('{"error":{"code":"MALFORMED","message":"the line is not JSON"}}');
        }
      }
      peer.send(`${lines.join("\n")}\n`);
      for (const line of expected) expect(await peer.next()).toBe(line);
    }
    await until(() => other.lines.length === published);
  });
});

describe("DEL and EXISTS", () => {
  test("DEL removes one value and leaves those below", async () => {
    const peer = await suite.client();
    await setAll(peer, ["a", "a^b"]);
    expect(await outcome(peer, { action: "DEL", key: "a" })).toBe(1);
    expect(await outcome(peer, { action: "DEL", key: "a" })).toBe("NOT_FOUND");
    expect(await outcome(peer, { action: "EXISTS", key: "a^b" })).toBe(true);
    expect(await outcome(peer, { action: "EXISTS", key: "a" })).toBe(false);
  });

  test("DEL with tree removes all below too, and nothing beside", async () => {
    const peer = await suite.client();
    const below = ["a", "a^1", "a^1^x", "a^2^y^z"];
    const beside = ["b", "a1", "aa^1", "A^1"];
    await setAll(peer, [...below, ...beside]);
    expect(await outcome(peer, { action: "DEL", key: "a", tree: true })).toBe(4);
    expect(await outcome(peer, { action: "DEL", key: "a", tree: true })).toBe("NOT_FOUND");
    for (const key of below) {
      expect(await outcome(peer, { action: "EXISTS", key })).toBe(false);
      expect(await outcome(peer, { action: "GET", key })).toBe("NOT_FOUND");
    }
    expect(await allKeys(peer)).toEqual(["A^1", "a1", "aa^1", "b"]);
    await setAll(peer, below, "again");
    suite.server.clock.advance(1000);
    for (const key of below) expect(await outcome(peer, { action: "GET", key })).toBe("again");
    expect(await outcome(peer, { action: "DEL", key: "a^2", tree: true })).toBe(1);
    expect(await outcome(peer, { action: "DEL", key: "a^1", tree: false })).toBe(1);
    expect(await allKeys(peer, { ns: "a" })).toEqual(["1^x"]);
  });

  test("DEL with tree of a large subtree is done at once", async () => {
    const peer = await suite.client();
    for (let i = 0; i < 5; i++) {
      const values = Object.fromEntries(Array.from({ length: 10_000 }, (_, j) => [`${i}^${j}`, j]));
      expect(await outcome(peer, { action: "MSET", ns: "big", values })).toBe("OK");
    }
    await setAll(peer, ["other"]);
    expect(await outcome(peer, { action: "DEL", key: "big", tree: true })).toBe(50_000);
    for (const request of [
      { action: "GET", key: "big^3^5000" },
      { action: "TTL", key: "big^0^0" },
      { action: "DEL", key: "big^4^9999" },
      { action: "EXPIRE", key: "big^4^1", ttl_ms: 1 },
    ]) {
      expect(await outcome(peer, request)).toBe("NOT_FOUND");
    }
    expect(await outcome(peer, { action: "INCR", key: "big^3^5000" })).toBe(1);
    expect(await allKeys(peer)).toEqual(["big^3^5000", "other"]);
    suite.server.clock.advance(10_000);
    expect(await allKeys(peer)).toEqual(["big^3^5000", "other"]);
    expect(await outcome(peer, { action: "GET", key: "big^3^5000" })).toBe(1);
    expect(suite.stat("keys")).toBe(2);
  });

  test("DEL with if_version removes what has not changed", async () => {
    const peer = await suite.client();
    await setAll(peer, ["a", "a", "a^b"]);
    const del = { action: "DEL", key: "a" };
    expect(await outcome(peer, { ...del, if_version: 1 })).toBe("VERSION_MISMATCH");
    expect(await outcome(peer, { ...del, if_version: 1, tree: true })).toBe("VERSION_MISMATCH");
    expect(await outcome(peer, { ...del, if_version: 2 })).toBe(1);
    expect(await outcome(peer, { ...del, if_version: 2 })).toBe("VERSION_MISMATCH");
    expect(await outcome(peer, { ...del, if_version: 0 })).toBe("NOT_FOUND");
    expect(await outcome(peer, { ...del, if_version: 0, tree: true })).toBe(1);
  });
});

describe("a version", () => {
  const version = async (peer: Peer, key: string) =>
    (await ask(peer, { action: "GET", key, meta: true }))["result"].version;

  test("is counted up by each change", async () => {
    const peer = await suite.client();
    await setAll(peer, ["a"], 1);
    expect(await version(peer, "a")).toBe(1);
    await setAll(peer, ["a"], 1);
    expect(await version(peer, "a")).toBe(2);
    await ask(peer, { action: "INCR", key: "a" });
    expect(await version(peer, "a")).toBe(3);
    await ask(peer, { action: "MSET", values: { a: 5, b: 1 } });
    expect(await version(peer, "a")).toBe(4);
    expect(await version(peer, "b")).toBe(1);
    await ask(peer, { action: "SET", key: "a", value: 1, if_version: 1 });
    expect(await version(peer, "a")).toBe(4);
  });

  test.each([
    ["was deleted", { action: "DEL", key: "t^a" }],
    ["was deleted with its subtree", { action: "DEL", key: "t", tree: true }],
    ["expired", null],
  ])("is never used twice by a key that %s", async (_, gone) => {
    const peer = await suite.client();
    const used = new Set<number>();
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i <= round; i++) {
        await ask(peer, { action: "SET", key: "t^a", value: i, ttl_ms: 1000 });
        const now = await version(peer, "t^a");
        expect(used.has(now)).toBe(false);
        used.add(now);
      }
      // Keys that come and go in between have versions of their own.
      await setAll(peer, ["t^b"]);
      if (gone !== null) expect(await outcome(peer, gone)).toBeNumber();
      else suite.server.clock.advance(1000);
      expect(await outcome(peer, { action: "EXISTS", key: "t^a" })).toBe(false);
    }
    const old = [...used].slice(0, -1);
    await setAll(peer, ["t^a"]);
    for (const if_version of old) {
      const set = { action: "SET", key: "t^a", value: "lost update", if_version };
      expect(await outcome(peer, set)).toBe("VERSION_MISMATCH");
    }
  });
});

describe("INCR", () => {
  test("adds, from 0 where there is nothing", async () => {
    const peer = await suite.client();
    const incr = { action: "INCR", key: "n" };
    expect(await outcome(peer, incr)).toBe(1);
    expect(await outcome(peer, { ...incr, by: 10 })).toBe(11);
    expect(await outcome(peer, { ...incr, by: -20 })).toBe(-9);
    expect(await outcome(peer, { ...incr, by: 0 })).toBe(-9);
    expect(await outcome(peer, { action: "GET", key: "n" })).toBe(-9);
  });

  test.each([["text"], ["5"], [""], [null], [true], [1.5], [[]], [[1]], [{}]])(
    "does not add to %p",
    async (value) => {
      const peer = await suite.client();
      await setAll(peer, ["a"], value);
      expect(await outcome(peer, { action: "INCR", key: "a" })).toBe("NOT_A_NUMBER");
      expect(await outcome(peer, { action: "GET", key: "a" })).toEqual(value);
    },
  );

  test("stays within exact integers", async () => {
    const peer = await suite.client();
    const most = Number.MAX_SAFE_INTEGER;
    for (const sign of [1, -1]) {
      const key = `n${sign}`;
      await setAll(peer, [key], sign * (most - 1));
      expect(await outcome(peer, { action: "INCR", key, by: sign })).toBe(sign * most);
      expect(await outcome(peer, { action: "INCR", key, by: sign })).toBe("NUMBER_RANGE");
      expect(await outcome(peer, { action: "INCR", key, by: sign * most })).toBe("NUMBER_RANGE");
      expect(await outcome(peer, { action: "GET", key })).toBe(sign * most);
      expect(await outcome(peer, { action: "INCR", key, by: -sign * most })).toBe(0);
    }
  });

  test("leaves the time that is left", async () => {
    const peer = await suite.client();
    await ask(peer, { action: "SET", key: "n", value: 1, ttl_ms: 5000 });
    suite.server.clock.advance(1000);
    expect(await outcome(peer, { action: "INCR", key: "n" })).toBe(2);
    expect(await outcome(peer, { action: "TTL", key: "n" })).toBe(4000);
  });
});

describe("EXPIRE and TTL", () => {
  test("set and tell when a value goes", async () => {
    const peer = await suite.client();
    await setAll(peer, ["a"]);
    const ttl = { action: "TTL", key: "a" };
    const expire = { action: "EXPIRE", key: "a" };
    expect(await outcome(peer, ttl)).toBeNull();
    expect(await outcome(peer, { ...expire, ttl_ms: 3000 })).toBe("OK");
    expect(await outcome(peer, ttl)).toBe(3000);
    suite.server.clock.advance(999);
    expect(await outcome(peer, ttl)).toBe(2001);
    expect(await outcome(peer, { ...expire, ttl_ms: 10 ** 13 })).toBe("OK");
    expect(await outcome(peer, ttl)).toBe(10 ** 13);
    expect(await outcome(peer, { ...expire, ttl_ms: null })).toBe("OK");
    expect(await outcome(peer, ttl)).toBeNull();
    expect(suite.stat("expiring")).toBe(0);
    expect(await outcome(peer, { action: "TTL", key: "b" })).toBe("NOT_FOUND");
    expect(await outcome(peer, { ...expire, key: "b", ttl_ms: 1 })).toBe("NOT_FOUND");
  });

  const moves: [string, (ms: number) => void][] = [
    ["as it passes", (ms) => suite.server.clock.advance(ms)],
    // Nothing has been swept then.
    ["at once, as for a machine that slept", (ms) => void suite.server.clock.leap(ms)],
  ];

  test.each(moves)(
    "a value is there until its time and never after, time moved %s",
    async (_, move) => {
      const peer = await suite.client();
      const fresh = async () => {
        await ask(peer, { action: "SET", key: "t^a", value: 1, ttl_ms: 1000 });
        await ask(peer, { action: "SET", key: "t^b", value: 1 });
      };
      const requests: [object, unknown, unknown][] = [
        [{ action: "GET", key: "t^a" }, 1, "NOT_FOUND"],
        [{ action: "GET", key: "t^a", default: 9 }, 1, 9],
        [{ action: "EXISTS", key: "t^a" }, true, false],
        [
          { action: "MGET", keys: ["t^a", "t^b"] },
          { values: [1, 1], found: [true, true] },
          { values: [null, 1], found: [false, true] },
        ],
        [
          { action: "KEYS" },
          { keys: ["t^a", "t^b"], cursor: null },
          { keys: ["t^b"], cursor: null },
        ],
        [{ action: "ORDER", key: "t^" }, "t^a", "t^b"],
        [{ action: "ORDER", key: "t^b", reverse: true }, "t^a", null],
        [{ action: "TTL", key: "t^a" }, 1, "NOT_FOUND"],
        [{ action: "EXPIRE", key: "t^a", ttl_ms: 1000 }, "OK", "NOT_FOUND"],
        [{ action: "DEL", key: "t^a" }, 1, "NOT_FOUND"],
        [{ action: "DEL", key: "t^a", tree: true }, 1, "NOT_FOUND"],
        [{ action: "DEL", key: "t", tree: true }, 2, 1],
        [{ action: "INCR", key: "t^a" }, 2, 1],
        [{ action: "SET", key: "t^a", value: 2, if_absent: true }, "ALREADY_EXISTS", "OK"],
      ];
      for (const [request, before, after] of requests) {
        for (const [wait, expected] of [
          [999, before],
          [1000, after],
        ] as const) {
          await fresh();
          move(wait);
          expect([request, await outcome(peer, request)]).toEqual([request, expected]);
          await ask(peer, { action: "DEL", key: "t", tree: true });
        }
      }
    },
  );

  test.each(moves)("a namespace goes with its last value, time moved %s", async (_, move) => {
    const peer = await suite.client();
    await ask(peer, { action: "SET", key: "n^a^b", value: 1, ttl_ms: 1000 });
    await setAll(peer, ["m^a"]);
    move(999);
    expect(await outcome(peer, { action: "NAMESPACES" })).toEqual({
      namespaces: ["m", "n"],
      cursor: null,
    });
    expect(await outcome(peer, { action: "ORDER", key: "m" })).toBe("n");
    move(1);
    expect(await outcome(peer, { action: "NAMESPACES" })).toEqual({
      namespaces: ["m"],
      cursor: null,
    });
    expect(await outcome(peer, { action: "NAMESPACES", ns: "n" })).toEqual({
      namespaces: [],
      cursor: null,
    });
    expect(await outcome(peer, { action: "ORDER", key: "m" })).toBeNull();
    suite.server.clock.advance(200);
    expect(suite.server.stats()).toMatchObject({ keys: 1, expired: 1, expiring: 0 });
  });

  test("what has expired is swept, and its memory given back", async () => {
    const peer = await suite.client();
    const before = suite.stat("memory_bytes");
    for (let i = 0; i < 5000; i++) {
      peer.send(`{"action":"SET","key":"n^${i}","value":"x","ttl_ms":${1000 + (i % 700)}}\n`);
    }
    await until(() => peer.lines.length === 5000);
    expect(suite.server.stats()).toMatchObject({ keys: 5000, expiring: 5000 });
    suite.server.clock.advance(3000);
    expect(suite.server.stats()).toMatchObject({ keys: 0, expired: 5000, expiring: 0 });
    expect(suite.stat("memory_bytes")).toBe(before);
  });

  test("a new time counts and not the one before", async () => {
    const peer = await suite.client();
    await ask(peer, { action: "SET", key: "a", value: 1, ttl_ms: 1000 });
    await ask(peer, { action: "EXPIRE", key: "a", ttl_ms: 3000 });
    await ask(peer, { action: "SET", key: "b", value: 1, ttl_ms: 3000 });
    await ask(peer, { action: "SET", key: "b", value: 1, ttl_ms: 1000 });
    await ask(peer, { action: "SET", key: "c", value: 1, ttl_ms: 1000 });
    await ask(peer, { action: "MSET", values: { c: 2 } });
    suite.server.clock.advance(2000);
    expect(await allKeys(peer)).toEqual(["a", "c"]);
    suite.server.clock.advance(2000);
    expect(await allKeys(peer)).toEqual(["c"]);
  });
});

describe("RANGE", () => {
  const entries = (page: any) => page.entries.map((entry: any) => Object.values(entry));

  test("answers keys with their values and versions, in order or the other way", async () => {
    const peer = await suite.client();
    await outcome(peer, {
      action: "MSET",
      values: { "n^2": "b", "n^10": [1], "n^1": null, "n^1^x": 1 },
    });
    await outcome(peer, { action: "SET", key: "n^2", value: "c" });
    await outcome(peer, { action: "SET", key: "n^gone", value: 1, ttl_ms: 10 });
    suite.server.clock.advance(11);
    const all = [
      ["1", null, 1],
      ["1^x", 1, 1],
      ["2", "c", 2],
      ["10", [1], 1],
    ];
    const whole: any = await outcome(peer, { action: "RANGE", ns: "n" });
    expect([entries(whole), whole.cursor]).toEqual([all, null]);
    const back: any = await outcome(peer, { action: "RANGE", ns: "n", reverse: true });
    expect([entries(back), back.cursor]).toEqual([all.toReversed(), null]);
    for (const reverse of [false, true]) {
      const found = [];
      for (let cursor: string | null = null; ;) {
        const page: any = await outcome(peer, {
          action: "RANGE",
          prefix: "n^",
          limit: 3,
          reverse,
          ...(cursor === null ? {} : { cursor }),
        });
        found.push(...entries(page));
        cursor = page.cursor;
        if (cursor === null) break;
      }
      const named = all.map(([name, ...rest]) => [`n^${name}`, ...rest]);
      expect(found).toEqual(reverse ? named.toReversed() : named);
    }
    expect(await outcome(peer, { action: "RANGE", prefix: "none" })).toEqual({
      entries: [],
      cursor: null,
    });
    for (const limit of [0, 10_001, 1.5]) {
      expect(await outcome(peer, { action: "RANGE", limit })).toBe("WRONG_TYPE");
    }
  });

  test("ends a page where it would be longer than a megabyte, and loses none", async () => {
    const peer = await suite.client();
    const value = "é".repeat(100_000);
    const names = Array.from({ length: 25 }, (_, i) => `k${String(i).padStart(2, "0")}`);
    await setAll(peer, names, value);
    for (const reverse of [false, true]) {
      const found: string[] = [];
      for (let cursor: string | null = null; ;) {
        const page: any = await outcome(peer, {
          action: "RANGE",
          reverse,
          ...(cursor === null ? {} : { cursor }),
        });
        expect(page.entries).toHaveLength(5);
        found.push(...page.entries.map(({ key }: { key: string }) => key));
        cursor = page.cursor;
        if (cursor === null) break;
      }
      expect(found).toEqual(reverse ? names.toReversed() : names);
    }
  });

  test("shows at least one value, however long", async () => {
    const peer = await suite.client({ outbox_bytes: 100_000, max_line_bytes: 50_000 });
    await setAll(peer, ["a", "b"], "x".repeat(49_000));
    const page: any = await outcome(peer, { action: "RANGE" });
    expect([page.entries.length, page.cursor]).toEqual([1, "a"]);
    const next: any = await outcome(peer, { action: "RANGE", cursor: "a" });
    expect([next.entries.length, next.cursor]).toEqual([1, null]);
    await suite.server.reload({ store: { outbox_bytes: 40_000, max_line_bytes: 1000 } });
    expect(await outcome(peer, { action: "RANGE" })).toBe("TOO_LARGE");
  });
});

describe("meta", () => {
  test("tells the version after SET and INCR, which if_version then takes", async () => {
    const peer = await suite.client();
    const set = (value: unknown, more: object = {}) =>
      outcome(peer, { action: "SET", key: "a", value, ...more });
    expect(await set("x", { meta: true })).toEqual({ version: 1 });
    expect(await set("y", { meta: true, if_version: 1 })).toEqual({ version: 2 });
    expect(await set("z", { meta: true, if_version: 1 })).toBe("VERSION_MISMATCH");
    expect(await set("z", { meta: false })).toBe("OK");
    expect(await outcome(peer, { action: "GET", key: "a", meta: true })).toMatchObject({
      version: 3,
    });
    const incr = (more: object = {}) => outcome(peer, { action: "INCR", key: "n", ...more });
    expect(await incr({ meta: true })).toEqual({ value: 1, version: 1 });
    expect(await incr({ by: 5 })).toBe(6);
    expect(await incr({ meta: true, by: -2 })).toEqual({ value: 4, version: 3 });
    expect(await outcome(peer, { action: "SET", key: "n", value: 0, if_version: 3 })).toBe("OK");
  });
});

describe("MGET and MSET", () => {
  test("MSET sets all, MGET answers in the order asked", async () => {
    const peer = await suite.client();
    const values = { b: null, a: 1, "c^d": [2] };
    expect(await outcome(peer, { action: "MSET", values })).toBe("OK");
    expect(await outcome(peer, { action: "MGET", keys: ["c^d", "x", "b", "a", "a"] })).toEqual({
      values: [[2], null, null, 1, 1],
      found: [true, false, true, true, true],
    });
    expect(await outcome(peer, { action: "MSET", ns: "n", values: { a: 2 } })).toBe("OK");
    expect(await outcome(peer, { action: "MGET", ns: "n", keys: ["a", "b"] })).toEqual({
      values: [2, null],
      found: [true, false],
    });
  });

  test("MSET sets nothing when one cannot be set", async () => {
    const peer = await suite.client();
    await setAll(peer, ["a"], "before");
    for (const [values, code] of [
      [{ a: 1, "": 2 }, "BAD_KEY"],
      [{ a: 1, "b^^c": 2 }, "BAD_KEY"],
      [{ a: 1, "x\n": 2 }, "BAD_KEY"],
      [{ a: 1, "sys^x": 2 }, "RESERVED"],
    ] as const) {
      expect(await outcome(peer, { action: "MSET", values })).toBe(code);
    }
    expect(await outcome(peer, { action: "GET", key: "a" })).toBe("before");
    expect(suite.stat("keys")).toBe(1);
  });

  test("MSET of one key in two spellings is refused, as by TXN", async () => {
    const peer = await suite.client();
    expect(await outcome(peer, '{"action":"MSET","values":{"a":1,"^a":2}}')).toBe("WRONG_TYPE");
    const writes = ["a", "^a"].map((key) => ({ action: "SET", key, value: 1 }));
    expect(await outcome(peer, { action: "TXN", writes })).toBe("WRONG_TYPE");
    expect(suite.stat("keys")).toBe(0);
  });

  test("an answer is never longer than outbox_bytes", async () => {
    const most = 64 * 1024;
    const peer = await suite.client({ max_line_bytes: 32 * 1024, outbox_bytes: most });
    const text = "x".repeat(8000);
    await setAll(peer, ["a", "b"], text);
    expect(await outcome(peer, { action: "MGET", keys: ["a"] })).toEqual({
      values: [text],
      found: [true],
    });
    const keys = Array.from({ length: 9 }, () => "a");
    expect(await outcome(peer, { action: "MGET", keys })).toBe("TOO_LARGE");
    expect(await outcome(peer, { action: "GET", key: "b" })).toBe(text);
  });
});

describe("what is longer as JSON than it came", () => {
  // 100000000000000000000 for 1e20.
  const grown = (numbers: number) => `[${Array(numbers).fill("1e20").join(",")}]`;
  const bytes = (numbers: number) => numbers * 22 + 1;
  const MOST = 8192;
  const section = { max_line_bytes: 4096, outbox_bytes: MOST, total_outbox_bytes: 1_000_000 };
  const fits = Math.floor((MOST / 2 - 1) / 22);

  test.each([
    ["SET", (v: string) => `{"action":"SET","key":"a","value":${v}}`],
    ["MSET", (v: string) => `{"action":"MSET","values":{"a":${v}}}`],
    ["PUBLISH", (v: string) => `{"action":"PUBLISH","channel":"c","value":${v}}`],
  ])("is taken to half of outbox_bytes and no further: %s", async (_, line) => {
    const peer = await suite.client(section);
    const watcher = await suite.server.join();
    await ask(watcher, { action: "SUBSCRIBE", channel: "c" });
    await ask(watcher, { action: "SUBSCRIBE", keys: "a" });
    expect(bytes(fits)).toBeLessThanOrEqual(MOST / 2);
    expect(await outcome(peer, line(grown(fits)))).toBeOneOf(["OK", 1]);
    expect((await heard(watcher))["value"]).toHaveLength(fits);
    expect(await outcome(peer, line(grown(fits + 1)))).toBe("TOO_LARGE");
    expect(await outcome(peer, line(grown(800)))).toBe("TOO_LARGE");
    expect(suite.stat("closed_slow")).toBe(0);
    expect(await outcome(watcher, { action: "PING" })).toBe("PONG");
  });

  test("is not read once outbox_bytes is too small for it", async () => {
    const peer = await suite.client({
      ...section,
      max_line_bytes: 2 * MOST,
      outbox_bytes: 4 * MOST,
    });
    const value = "x".repeat(7000);
    await setAll(peer, ["a"], value);
    const get = '{"action":"GET","key":"a"}';
    const small = { ...section, max_line_bytes: 2048 };
    const answer = `{"result":"${value}"}`.length;
    expect(await outcome(peer, get)).toBe(value);
    expect(suite.server.reload({ store: { ...small, outbox_bytes: answer } })).toEqual([]);
    expect(await outcome(peer, get)).toBe(value);
    expect(suite.server.reload({ store: { ...small, outbox_bytes: 4096 } })).toEqual([]);
    expect(await outcome(peer, get)).toBe("TOO_LARGE");
    expect(await outcome(peer, { action: "GET", key: "a", meta: true })).toBe("TOO_LARGE");
    expect(await outcome(peer, { action: "EXISTS", key: "a" })).toBe(true);
  });

  test("is not sent back beyond outbox_bytes", async () => {
    const peer = await suite.client(section);
    const line = (numbers: number) => `{"action":"ECHO","value":${grown(numbers)}}`;
    const most = Math.floor((MOST - '"result":'.length - 1) / 22);
    expect(await outcome(peer, line(most))).toHaveLength(most);
    expect(await outcome(peer, line(most + 1))).toBe("TOO_LARGE");
    expect(await outcome(peer, { action: "PING" })).toBe("PONG");
  });
});

test("3,000 random lines get one answer each, alone, in one write and in pieces", async () => {
  const random = new Random(77);
  const some = <T>(list: readonly T[]): T => list[random.whole(0, list.length - 1)] as T;
  const words = ["a", "a^b", "^a", "", "n", "\ud800", "__proto__", "1", "-.5", "*", "é😀", "sys"];
  const json = (depth = 0): unknown => {
    switch (random.whole(0, depth > 3 ? 5 : 8)) {
      case 0:
        return null;
      case 1:
        return random.whole(0, 1) === 0;
      case 2:
        return random.whole(-5, 5);
      case 3:
        return some([1.5, 1e21, 2 ** 53, -0, 1e-7, Number.MAX_SAFE_INTEGER]);
      case 4:
      case 5:
        return some(words);
      case 6:
        return Array.from({ length: random.whole(0, 3) }, () => json(depth + 1));
      default:
        return Object.fromEntries(
          Array.from({ length: random.whole(0, 3) }, () => [some(words), json(depth + 1)]),
        );
    }
  };
  // INFO tells of bytes and requests, which differ.
  const actions = Object.keys(COMMANDS).filter((action) => action !== "INFO");
  const request = (): Record<string, unknown> => {
    const action = some(actions);
    const made: Record<string, unknown> = { action };
    for (const [name, sample] of Object.entries(VALID[action] as object)) {
      if (random.whole(0, 3) > 0) made[name] = sample;
      if (random.whole(0, 4) === 0) made[name] = json();
    }
    if (random.whole(0, 2) === 0) made["id"] = json();
    if (random.whole(0, 9) === 0) made[some(words)] = json();
    return made;
  };
  const mutated = (bytes: Buffer): Buffer => {
    const copy = Buffer.from(bytes);
    for (let i = random.whole(1, 3); i > 0 && copy.length > 0; i--) {
      copy[random.whole(0, copy.length - 1)] = random.whole(0, 255);
    }
    return random.whole(0, 3) === 0 ? copy.subarray(0, random.whole(0, copy.length)) : copy;
  };
  const line = (): Buffer => {
    switch (random.whole(0, 7)) {
      case 0:
        return random.bytes(random.whole(1, 80));
      case 1:
        return Buffer.from(JSON.stringify(json()));
      case 2:
      case 3:
        return mutated(Buffer.from(JSON.stringify(request())));
      case 4:
        return Buffer.from(JSON.stringify(request(), null, 1).replaceAll("\n", " "));
      case 5:
        return Buffer.from(
          `{"action":"ECHO","value":[${some(["1e400", "9007199254740993", "01", "-", "1.", "NaN"])}]}`,
        );
      default:
        return Buffer.from(JSON.stringify(request()));
    }
  };
  const lines: Buffer[] = [];
  while (lines.length < 3000) {
    const one = line();
    if (!one.includes(10) && one.toString().trim() !== "") lines.push(one);
  }
  const newline = Buffer.from("\n");
  const whole = Buffer.concat(lines.flatMap((one) => [one, newline]));
  const isAnswer = (one: string) => /^\{"(?:result|error)":/.test(one);

  /** All answers when the bytes are sent in some way. */
  async function answers(send: (peer: Peer) => Promise<void>): Promise<string[]> {
    const peer = await suite.client();
    await send(peer);
    await until(() => peer.lines.filter(isAnswer).length >= lines.length || peer.isClosed);
    expect(peer.isClosed).toBe(false);
    for (const one of peer.lines) {
      const { event } = JSON.parse(one);
      expect(isAnswer(one)).toBe(event === undefined);
    }
    const found = peer.lines.splice(0).filter(isAnswer);
    expect(found).toHaveLength(lines.length);
    expect(await outcome(peer, { action: "PING", id: "usable" })).toBeOneOf(["PONG"]);
    expect(suite.server.stats()).toMatchObject({ requests: 3001, closed_bug: 0 });
    const epoch = epochOf(suite.server);
    await suite.server.stop();
    return found.map((one) => one.replaceAll(epoch, "EPOCH"));
  }

  const alone = await answers(async (peer) => {
    for (const [i, one] of lines.entries()) {
      peer.send(Buffer.concat([one, newline]));
      await until(() => suite.stat("requests") === i + 1);
    }
  });
  const together = await answers(async (peer) => peer.send(whole));
  const pieces = await answers(async (peer) => {
    for (let at = 0; at < whole.length;) {
      const end = at + random.whole(1, 3000);
      const before = suite.stat("bytes_in");
      const piece = whole.subarray(at, end);
      peer.send(piece);
      await until(() => suite.stat("bytes_in") === before + piece.length);
      at = end;
    }
  });
  for (let i = 0; i < lines.length; i++) {
    const sent = (lines[i] as Buffer).toString();
    expect([sent, together[i]]).toEqual([sent, alone[i]]);
    expect([sent, pieces[i]]).toEqual([sent, alone[i]]);
  }
  // The lines are of many kinds.
  const codes = new Set(alone.map((one) => JSON.parse(one).error?.code ?? "result"));
  for (const code of ["result", "MALFORMED", "BAD_REQUEST", "WRONG_TYPE", "NUMBER_RANGE"]) {
    expect(codes).toContain(code);
  }
});
