import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HandClock } from "../lib/host/clock.ts";
import { Keys } from "../lib/services/store/keys/keys.ts";
import type { Recorder } from "../lib/services/store/keys/stored.ts";
import { Answers } from "../lib/services/store/commands/answers.ts";
import { takePlain } from "../lib/services/store/commands/shortcut.ts";
import { type Answer, ask, boot, type Booted, heard, type Peer, until } from "./kit.ts";
import { Random } from "./random.ts";

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function served(section: object = {}): Promise<Booted> {
  const booted = await boot("store", { store: section });
  endings.push(() => booted.stop());
  return booted;
}

async function joined(section: object = {}): Promise<[Booted, Peer]> {
  const store = await served(section);
  return [store, await store.join()];
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "shortcut-"));
  endings.push(() => rmSync(path, { recursive: true }));
  return path;
}

const get = (key: string) => `{"action":"GET","key":${JSON.stringify(key)}}`;
const set = (key: string, value: unknown) =>
  `{"action":"SET","key":${JSON.stringify(key)},"value":${JSON.stringify(value)}}`;
/** The same request, on the long way. */
const long = (line: string) => ` ${line}`;
const result = (value: unknown) => JSON.stringify({ result: value });
/** The parts of a text, which has two spaces between them. */
const list = (text: string) => text.split("  ");

async function lines(peer: Peer, count: number): Promise<string[]> {
  const got: string[] = [];
  while (got.length < count) got.push(await peer.next());
  return got;
}

/** The answer to a GET with `meta`. */
function meta(peer: Peer, key: string): Promise<Answer> {
  return ask(peer, { action: "GET", key, meta: true });
}

async function codeOf(peer: Peer, line: string): Promise<string> {
  return (await ask(peer, line))["error"]?.code ?? "none";
}

describe("what the shortest way takes", () => {
  const values = list('"x"  ""  " ~"  "}"  0  -1  10  999999999999999  -999999999999999');
  const TAKEN = [
    ...["a", "a^b", "a b", "__proto__", " ~"].map(get),
    ...values.map((value) => `{"action":"SET","key":"a","value":${value}}`),
    ...list('{"action": "GET", "key": "a"}  {"action": "SET", "key":"a","value": "x"}'),
  ];

  function keysOf(): Keys {
    const watchers = { any: false, set: () => {}, gone: () => {} };
    const keys = new Keys(new HandClock(), watchers, () => Infinity);
    for (const key of ["a", "a^b", "a b", "__proto__", " ~"]) keys.set(key.split("^"), '"old"', {});
    return keys;
  }

  /** @returns the count of GETs and SETs that were taken, the bytes of their lines, and the answers */
  function take(keys: Keys, text: string, terms: object = {}) {
    const usual = { most: Infinity, longest: Infinity, start: 0, answers: new Answers() };
    const { most, longest, start, answers } = { ...usual, ...terms };
    const from = answers.used;
    const { gets, sets, end } = takePlain(keys, Buffer.from(text), start, answers, most, longest);
    return [gets, sets, end, answers.bytes.toString("latin1", from, answers.used)] as const;
  }

  test.each(TAKEN)("%s", (line) => {
    const keys = keysOf();
    const isGet = line.includes("GET");
    const answer = `{"result":${isGet ? '"old"' : '"OK"'}}\n`;
    const taken = [isGet ? 1 : 0, isGet ? 0 : 1, line.length + 1, answer];
    expect<unknown>(take(keys, `${line}\nrest\n`)).toEqual(taken);
    if (isGet) return;
    const text = JSON.stringify(JSON.parse(line).value);
    expect(keys.get(["a"])).toEqual({ text, version: 2, expiresAt: Infinity });
  });

  const IDS = list('7  0  -1  999999999999999  "x"  ""  " ~"');
  test.each(IDS)("an id of %s, in the answer as it came", (id) => {
    const keys = keysOf();
    for (const [line, text] of [
      [`{"action":"GET","key":"a","id":${id}}`, '"old"'],
      [`{"action": "GET", "key": "a", "id": ${id}}`, '"old"'],
      [`{"action":"SET","key":"a","value":5,"id":${id}}`, '"OK"'],
      [`{"action":"GET","key":"a","id":${id}}`, "5"],
    ] as const) {
      const answer = `{"result":${text},"id":${id}}\n`;
      const counts = line.includes("GET") ? [1, 0] : [0, 1];
      expect<unknown>(take(keys, `${line}\n`)).toEqual([...counts, line.length + 1, answer]);
      const terms = { longest: answer.length };
      expect<unknown>(take(keys, `${line}\n`, terms).slice(0, 2)).toEqual(counts);
      const tooShort = { longest: answer.length - 1 };
      expect<unknown>(take(keys, `${line}\n`, tooShort).slice(0, 2)).toEqual([0, 0]);
    }
  });

  const NO_IDS = [
    ...list(String.raw`1.5  -0  01  1e3  9999999999999999  null  true  {}  [7]  "\u0041"`),
    ...list('"é"  7,"id":8  7,"ns":"b"'),
  ];
  test.each(NO_IDS)("no id of %s", (id) => {
    const line = `{"action":"GET","key":"a","id":${id}}\n`;
    expect(take(keysOf(), line).slice(0, 3)).toEqual([0, 0, 0]);
    const change = `{"action":"SET","key":"a","value":5,"id":${id}}\n`;
    const keys = keysOf();
    expect(take(keys, change).slice(0, 3)).toEqual([0, 0, 0]);
    expect(keys.get(["a"])?.text).toBe('"old"');
  });

  test("is line after line, up to the first that is not plain", () => {
    const first = [get("a"), set("a", 5), get("a"), get("a b"), set("a b", "x"), ""].join("\n");
    const expected = ['"old"', '"OK"', "5", '"old"', '"OK"'].map((one) => `{"result":${one}}\n`);
    const text = `${first} ${get("a")}\n${get("a")}\n`;
    expect(take(keysOf(), text)).toEqual([3, 2, first.length, expected.join("")]);
    const start = get("a").length + 1;
    expect(take(keysOf(), text, { start })[0]).toBe(2);
  });

  test("ends with the answer that reaches the most that was asked for", () => {
    const text = `${get("a")}\n`.repeat(3);
    const size = '{"result":"old"}\n'.length;
    const gets = [0, 1, size, size + 1, 2 * size, 2 * size + 1, Infinity];
    expect(gets.map((most) => take(keysOf(), text, { most })[0])).toEqual([0, 1, 1, 2, 2, 3, 3]);
  });

  test("is no answer that is longer than any may be, and none without room", () => {
    const size = '{"result":"old"}\n'.length;
    expect(take(keysOf(), `${get("a")}\n`, { longest: size })[0]).toBe(1);
    expect(take(keysOf(), `${get("a")}\n`, { longest: size - 1 })[0]).toBe(0);
    for (const line of [get("a"), set("a", "new")]) {
      const needed = line === get("a") ? size : '{"result":"OK"}\n'.length;
      for (const missing of [0, 1]) {
        const answers = new Answers();
        answers.used = answers.bytes.length - needed + missing;
        const keys = keysOf();
        const [gets, sets] = take(keys, `${line}\n`, { answers });
        expect([line, missing, gets + sets]).toEqual([line, missing, 1 - missing]);
        expect(keys.get(["a"])?.version).toBe(1 + sets);
      }
    }
  });

  test("is no SET that the journal has no room for", () => {
    const line = `${set("a", "longer")}\n`;
    const record = '["set","a",2,0,"longer"]\n';
    let room = record.length - 1;
    const records: string[] = [];
    const recorder: Recorder = {
      reserve: (bytes) => bytes <= room,
      append: (record, bytes) => void records.push(`${bytes} ${record}`),
    };
    const keys = keysOf();
    keys.record(recorder);
    expect([take(keys, line)[1], keys.get(["a"])?.version]).toEqual([0, 1]);
    room++;
    expect([take(keys, line)[1], keys.get(["a"])?.version]).toEqual([1, 2]);
    expect(records).toEqual([`${record.length} ${record}`]);
  });
});

const LONGEST = "k".repeat(256);

/** Keys and values as they stand in a line. */
const KEYS = [
  ...list('"a"  "b"  "n"  "a^b"  "users^42^name"  "a b"  "t"  "__proto__"  "constructor"  "a/b"'),
  ...list(`"é"  "漢"  "\u{1f600}"  "\\"q\\""  "${LONGEST}"`),
];
const ODD_KEYS = [
  ...list(String.raw`"\u0061"  "a\/b"  "\"q\""  "^a"  "a^"  "^"  "^^"  "a^^b"  "^^a"  ""  "a\tb"`),
  ...list(String.raw`"sys^version"  "sys"  "^sys^x"  "absent"  "\ud800"  'a'  a  5  "a  a"  "a\ `),
  ...list(`"a\u007f"  "a\0"  "a\tb"  "a\ue000"  "\u0085"  "\ufeffa"  null  ["a"]  {"a":1}  "A"`),
  ...list(`"${LONGEST}k"  "${"a^".repeat(31)}a"  "${"a^".repeat(32)}a"`),
];
const VALUES = [
  ...list('"x"  ""  "some longer text, with {braces}: and, commas"  "}"  "é"  "漢\u{1f600}"'),
  ...list("0  1  -1  42  999999999999999  -999999999999999  true  false  null"),
];
const ODD_VALUES = [
  ...list("-0  00  01  -01  --1  -  +1  .5  1.  1.0  1e5  1.5  1E+2  0x10  1e400  -1e400  tru"),
  ...list("9999999999999999  9007199254740991  9007199254740992  9007199254740993  NaN  1 2"),
  ...list("1000000000000000  -1000000000000000  -9999999999999999  123456789012345678"),
  ...list(
    String.raw`"\u0041"  "\""  "\\"  "\/"  "\n"  "\x"  "\u00"  "\ud800"  "x  x"  'x'  "x""y"`,
  ),
  ...list('"\u007f"  "\u2028"  "a\u0001b"  "a\tb"  "\ue000"  "\ufeff"  {}  []  [1,2  {  '),
  ...list(`{"a":[1,{"b":"é"}]}  [1e1,"\\u00e9"]  "${"y".repeat(3000)}"  ${"[".repeat(200)}1`),
  `${"[".repeat(200)}${"]".repeat(200)}`,
];
const SPACES = [" ", " ", "  ", "\t", "\r", "\u00a0"];
const JUNK = [...'"\\{},:^0- \t\r\0\ue000éx'];
const MORE = [
  ...list(',"key":"b"  ,"value":2  ,"id":7  ,"ns":"users"  ,"meta":true  ,"ttl_ms":500  ,"x":1'),
  ...list(',"if_absent":true  ,"default":[1]  ,"action":"GET"  ,"action":5'),
];

/** Lines that are plain, nearly so, or no JSON at all; \ue000 stands for a byte that is not UTF-8. */
class Grammar {
  constructor(readonly random: Random) {}

  pick<T>(from: readonly T[]): T {
    return from[this.random.whole(0, from.length - 1)] as T;
  }

  #one(plain: readonly string[], odd: readonly string[]): string {
    return this.pick(this.random.whole(0, 4) > 0 ? plain : odd);
  }

  #space(): string {
    return this.pick(this.random.whole(0, 59) > 0 ? ["", " "] : SPACES);
  }

  line(): string {
    const isGet = this.random.whole(0, 1) === 0;
    const tokens = ["{", '"action"', ":", this.#space(), isGet ? '"GET"' : '"SET"', ","];
    tokens.push(this.#space(), '"key"', ":", this.#space(), this.#one(KEYS, ODD_KEYS));
    if (!isGet) {
      tokens.push(",", this.#space(), '"value"', ":", this.#space());
      tokens.push(this.#one(VALUES, ODD_VALUES));
    }
    if (this.random.whole(0, 2) === 0) {
      tokens.push(",", this.#space(), '"id"', ":", this.#space(), this.#one(VALUES, ODD_VALUES));
    }
    tokens.push("}");
    for (let dice = this.random.whole(0, 9); dice < 3; dice++) this.#spoil(tokens);
    const line = tokens.join("");
    const at = this.random.whole(0, line.length);
    const action = this.pick(["get", "Set", "DEL", "NONE"]);
    const odd = [
      line.slice(0, at),
      line + line,
      line + this.pick(SPACES),
      line.replace(/GET|SET/, action),
      line.slice(0, at) + this.pick(JUNK) + line.slice(at),
    ];
    return odd[this.random.whole(0, 39)] ?? line;
  }

  #spoil(tokens: string[]): void {
    const at = this.random.whole(0, tokens.length - 1);
    const dice = this.random.whole(0, 6);
    if (dice === 0) tokens.splice(at, 1);
    else if (dice === 1) tokens.splice(at, 0, tokens[at] as string);
    else if (dice === 2) tokens.splice(at, 1, this.pick(tokens));
    else if (dice === 3) tokens.splice(at, 0, this.pick(SPACES));
    // The key, or the value.
    else if (dice === 4) tokens.splice(this.pick([5, 11]), 6);
    else tokens.splice(-1, 0, this.pick(MORE));
  }

  /** Changes that only the long way makes. */
  other(): string {
    const key = this.pick(KEYS);
    const rest = this.pick([
      `"SET","value":"for a while","ttl_ms":${this.random.whole(1, 300)},"key":"t"`,
      `"EXPIRE","ttl_ms":${this.random.whole(1, 300)},"key":${key}`,
      `"DEL","key":${key}`,
      `"DEL","tree":true,"key":${this.pick(['"a"', '"users"'])}`,
      `"MSET","values":{"a":1,"b":"two","a^b":3,"users^42^name":"é","n":1}`,
      `"INCR","key":"n"`,
    ]);
    return `{"action":${rest}}`;
  }
}

function bytesOf(text: string): Buffer {
  const [first = "", ...parts] = text.split("\ue000");
  const wrong = Buffer.from([0xff]);
  return Buffer.concat([Buffer.from(first), ...parts.flatMap((one) => [wrong, Buffer.from(one)])]);
}

/** All that a line is answered, which may be nothing. */
async function answersOf(peer: Peer, line: string): Promise<string[]> {
  peer.send(bytesOf(`${line}\n{"action":"PING","id":"end"}\n`));
  const got: string[] = [];
  for (;;) {
    const next = await peer.next();
    if (next === '{"result":"PONG","id":"end"}') return got;
    got.push(next);
  }
}

describe("the shortest way and the long way", () => {
  test("answer alike, count alike, and leave the same behind, on disk too", async () => {
    const durable = (path: string) => ({ durability: "batch", max_line_bytes: 4096, path });
    const [here, there] = [durable(folder()), durable(folder())];
    const stores = [await served(here), await served(there)] as const;
    const peers = [await stores[0].join(), await stores[1].join()] as const;
    const random = new Random(20_260_102);
    const grammar = new Grammar(random);
    const codes = new Map<string, number>();
    /** A line as it is for one, and behind a space, where no plain line begins, for the other. */
    const both = async (line: string) => {
      const got = await Promise.all([answersOf(peers[0], line), answersOf(peers[1], long(line))]);
      expect({ line, got: got[0] }).toEqual({ line, got: got[1] });
      for (const one of got[0]) {
        const code = JSON.parse(one).error?.code ?? "none";
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
    };
    const asked = KEYS.map((key) => `{"action":"GET","key":${key},"meta":true,"default":"gone"}`);
    const dump = (peer: Peer) => answersOf(peer, asked.join("\n"));
    for (const key of KEYS) await both(`{"action":"SET","key":${key},"value":"first"}`);
    for (let step = 0; step < 5000; step++) {
      await both(step % 40 === 39 ? grammar.other() : grammar.line());
      if (step % 25 === 24) {
        expect([step, await dump(peers[0])]).toEqual([step, await dump(peers[1])]);
      }
      const ms = step % 60 === 59 ? random.whole(1, 60) : 0;
      for (const { clock } of stores) clock.advance(ms);
    }
    const differs = ["bytes_in", "journal_batches", "journal_syncs"];
    const counts = (store: Booted) =>
      Object.entries(store.stats()).filter(([name]) => !differs.includes(name));
    expect(counts(stores[0])).toEqual(counts(stores[1]));
    // Otherwise nothing much was compared.
    const needed = "MALFORMED BAD_REQUEST UNKNOWN_ACTION MISSING_FIELD UNKNOWN_FIELD WRONG_TYPE";
    const others = "NUMBER_RANGE TOO_DEEP BAD_KEY RESERVED NOT_FOUND ALREADY_EXISTS";
    expect([...codes.keys()]).toContainValues(`${needed} ${others}`.split(" "));
    expect(codes.get("none")).toBeGreaterThan(2000);

    const before = (await dump(peers[0])).map((line) => JSON.parse(line).result);
    for (const store of stores) await store.stop();
    const after = await dump((await joined(here))[1]);
    expect(after).toEqual(await dump((await joined(there))[1]));
    before.forEach((known, i) => {
      if (known.version === 0 || known.ttl_ms !== null) return;
      expect(JSON.parse(after[i] as string).result).toEqual(known);
    });
  });

  test("may alternate in one write: answers and messages come in order", async () => {
    for (const durability of ["none", "always"]) {
      const most = durability === "none" ? 4 : 2;
      const [, peer] = await joined({ durability, path: join(folder(), "store") });
      await ask(peer, set("a", 0));
      await ask(peer, { action: "SUBSCRIBE", channel: "own" });
      const publish = '{"action":"PUBLISH","channel":"own","value":7}';
      let value = 0;
      let seq = 0;
      const kinds: (() => [line: string, ...expected: string[]])[] = [
        () => [get("a"), result(value)],
        () => [set("a", ++value), result("OK")],
        () => [`{"key":"a","action":"GET","id":${value}}`, `{"result":${value},"id":${value}}`],
        () => [get("absent"), '{"error":{"code":"NOT_FOUND","message":"there is no such key"}}'],
        () => [publish, `{"event":"message","channel":"own","seq":${++seq},"value":7}`, result(1)],
      ];
      const all: (typeof kinds)[] = [[]];
      for (const some of all) {
        if (some.length < most) all.push(...kinds.map((one) => [...some, one]));
        const made = some.map((one) => one());
        const write = made.map(([line]) => `${line}\n`).join("");
        const expected = made.flatMap(([, ...answers]) => answers);
        peer.send(write);
        const got = await lines(peer, expected.length);
        expect({ write, got }).toEqual({ write, got: expected });
      }
      expect(peer.lines).toEqual([]);
    }
  });

  test("may be cut anywhere", async () => {
    const [store, peer] = await joined();
    await ask(peer, set("a", "x"));
    const expected = ["x", "OK", "é", "OK", "x"].map(result);
    const write = [get("a"), set("a", "é"), long(get("a")), set("a", "x"), get("a"), ""];
    const bytes = Buffer.from(write.join("\n"));
    let sent = store.stats()["bytes_in"] as number;
    for (let cut = 1; cut < bytes.length; cut++) {
      peer.send(bytes.subarray(0, cut));
      sent += cut;
      await until(() => store.stats()["bytes_in"] === sent);
      peer.send(bytes.subarray(cut));
      sent += bytes.length - cut;
      const got = await lines(peer, expected.length);
      expect({ cut, got }).toEqual({ cut, got: expected });
    }
    // Half of the last line comes with the end of the connection.
    peer.send(`${set("a", 1)}\n${get("a")}\n${get("a")}`);
    peer.half();
    expect(await lines(peer, 3)).toEqual(["OK", 1, 1].map(result));
  });

  test("answer pipelines of many thousand lines, in whatever pieces they come", async () => {
    const store = await served();
    const random = new Random(9);
    const clients: [peer: Peer, key: string, expected: string[], bytes: Buffer][] = [];
    for (const key of ["a", "b", "c"]) {
      const [peer, expected] = [await store.join(), [result("OK")]];
      let write = `${set(key, 0)}\n`;
      for (let i = 1, value = 0; i < 40_000; i++) {
        const dice = random.whole(0, 999);
        if (dice < 300) write += `${set(key, ++value)}\n`;
        else write += `${dice < 998 ? get(key) : long(get(key))}\n`;
        expected.push(result(dice < 300 ? "OK" : value));
      }
      clients.push([peer, key, expected, Buffer.from(write)]);
    }
    for (let at = 0; at < 3_000_000;) {
      const end = at + random.whole(1, random.whole(0, 3) === 0 ? 600_000 : 3000);
      for (const [peer, , , bytes] of clients) peer.send(bytes.subarray(at, end));
      at = end;
    }
    for (const [peer, key, expected] of clients) {
      const got = await lines(peer, expected.length);
      const wrong = got.findIndex((line, i) => line !== expected[i]);
      expect([wrong, got[wrong]]).toEqual([-1, undefined]);
      const version = expected.filter((one) => one === result("OK")).length;
      expect((await meta(peer, key))["result"].version).toBe(version);
    }
  });
});

describe("a plain SET", () => {
  test("counts the version up by one, and so it is after a restart", async () => {
    const path = folder();
    const [store, peer] = await joined({ durability: "batch", path });
    await ask(peer, set("a", "first"));
    for (let i = 2; i <= 50; i++) {
      expect(await ask(peer, set("a", i))).toEqual({ result: "OK" });
      expect((await meta(peer, "a"))["result"]).toEqual({ value: i, version: i, ttl_ms: null });
    }
    // A key that is gone begins after the highest version there was.
    await ask(peer, { action: "DEL", key: "a" });
    for (const value of ["new", "last"]) await ask(peer, set("a", value));
    const { result: last } = await meta(peer, "a");
    expect(last).toEqual({ value: "last", version: 52, ttl_ms: null });
    await store.stop();
    const [, again] = await joined({ durability: "batch", path });
    expect((await meta(again, "a"))["result"]).toEqual(last);
  });

  test("is told to those who watch, and not once they do not any more", async () => {
    const [store, writer] = await joined();
    const watcher = await store.join();
    await ask(writer, set("a", 1));
    for (const keys of ["a", "*"]) {
      const { seq } = (await ask(watcher, { action: "SUBSCRIBE", keys }))["result"];
      const { version } = (await meta(writer, "a"))["result"];
      writer.send(`${set("a", "x")}\n${set("a", 7)}\n`);
      const told = { event: "set", key: "a" };
      expect(await heard(watcher)).toEqual({
        ...told,
        version: version + 1,
        seq: seq + 1,
        value: "x",
      });
      expect(await heard(watcher)).toEqual({
        ...told,
        version: version + 2,
        seq: seq + 2,
        value: 7,
      });
      expect(await lines(writer, 2)).toEqual([result("OK"), result("OK")]);
      expect(await ask(watcher, { action: "UNSUBSCRIBE", keys })).toEqual({ result: 1 });
      await ask(writer, set("a", 8));
      expect(await ask(watcher, get("a"))).toEqual({ result: 8 });
    }
  });

  test("of a key that was to expire makes it stay", async () => {
    const [store, peer] = await joined();
    for (const key of ["a", "b"]) {
      await ask(peer, set(key, "first"));
      await ask(peer, { action: "EXPIRE", key, ttl_ms: 1000 });
    }
    expect(await ask(peer, set("a", "stays"))).toEqual({ result: "OK" });
    store.clock.advance(999);
    expect(await ask(peer, get("b"))).toEqual({ result: "first" });
    store.clock.advance(1);
    expect(await codeOf(peer, get("b"))).toBe("NOT_FOUND");
    expect(await meta(peer, "a")).toEqual({ result: { value: "stays", version: 2, ttl_ms: null } });
    expect([store.stats()["expired"], store.stats()["expiring"]]).toEqual([1, 0]);
  });

  test("uses memory to its last byte, and nothing changes beyond", async () => {
    const most = 2 ** 20;
    const [store, peer] = await joined({ max_memory_bytes: most });
    await ask(peer, set("b", "b".repeat(900_000)));
    await ask(peer, set("a", ""));
    const room = most - (store.stats()["memory_bytes"] as number);
    const fits = "f".repeat(room);
    expect(await ask(peer, set("a", fits))).toEqual({ result: "OK" });
    expect(store.stats()["memory_bytes"]).toBe(most);
    expect(await codeOf(peer, set("a", `${fits}f`))).toBe("MEMORY_FULL");
    expect((await meta(peer, "a"))["result"]).toEqual({ value: fits, version: 2, ttl_ms: null });
    expect(await ask(peer, set("a", "g".repeat(room)))).toEqual({ result: "OK" });
    expect(await ask(peer, set("a", 1))).toEqual({ result: "OK" });
    // Two quotes became a digit.
    expect(store.stats()["memory_bytes"]).toBe(most - room - 1);
    expect(await codeOf(peer, set("a", "f".repeat(room + 1)))).toBe("MEMORY_FULL");
    expect(await ask(peer, get("a"))).toEqual({ result: 1 });
  });
});

describe("plain requests", () => {
  test("are within a client's rights, and within its new ones as soon as they change", async () => {
    const at = folder();
    const [token, reader] = ["0123456789abcdef", "fedcba9876543210"];
    const [all, roles] = [join(at, "token"), join(at, "roles.toml")];
    writeFileSync(all, token);
    writeFileSync(roles, `[reader]\ntoken = "${reader}"\nread = ["^a"]\nwrite = ["^w"]\n`);
    const [store, full] = await joined({ token_file: all, roles_file: roles });
    const [restricted, nobody] = [await store.join(), await store.join()];
    await ask(full, { action: "AUTH", token });
    await ask(restricted, { action: "AUTH", token: reader });
    for (const key of ["a", "b", "w"]) await ask(full, set(key, "first"));
    const requests = ["a", "b", "w"].flatMap((key) => [get(key), set(key, "next")]);
    const codes = async (peer: Peer) => {
      peer.send(`${requests.join("\n")}\n`);
      return (await lines(peer, 6)).map((line) => JSON.parse(line).error?.code ?? "none");
    };
    const no = "FORBIDDEN";
    expect(await codes(restricted)).toEqual(["none", no, no, no, no, "none"]);
    expect(await codes(nobody)).toEqual(Array(6).fill("AUTH_REQUIRED"));
    expect(await codes(full)).toEqual(Array(6).fill("none"));
    expect((await meta(full, "w"))["result"].version).toBe(3);
    writeFileSync(roles, `[few]\ntoken = "${token}"\nread = ["^b"]\n`);
    await store.reload({ store: { roles_file: roles } });
    expect(await codes(full)).toEqual([no, no, "none", no, no, no]);
    expect(await restricted.closed).toBe("end");
  });

  test("are held to an outbox_bytes that has become smaller", async () => {
    const [store, peer] = await joined();
    const fits = "f".repeat(8192 - '"result":""'.length);
    await ask(peer, set("fits", fits));
    await ask(peer, set("large", `${fits}f`));
    await ask(peer, set("huge", "h".repeat(100_000)));
    await store.reload({ store: { outbox_bytes: 8192, max_line_bytes: 4096 } });
    for (const way of [(line: string) => line, long]) {
      expect(await ask(peer, way(get("fits")))).toEqual({ result: fits });
      expect(await codeOf(peer, way(get("large")))).toBe("TOO_LARGE");
      expect(await codeOf(peer, way(get("huge")))).toBe("TOO_LARGE");
      expect(await codeOf(peer, way(set("fits", fits)))).toBe("TOO_LONG");
    }
  });

  test("are no requests where lines are only sent back", async () => {
    for (const mode of ["json", "echo"]) {
      const [store, peer] = await joined({ mode });
      const sent = [set("a", 1), set("a", 2), get("a")];
      peer.send(`${sent.join("\n")}\n`);
      expect(await lines(peer, 3)).toEqual(sent);
      expect(store.stats()).toMatchObject({ requests_get: 0, requests_set: 0, keys: 0 });
    }
  });

  test("are counted once each, and keep a client from being idle", async () => {
    const [store, peer] = await joined({ idle_secs: 10 });
    const silent = await store.join();
    await ask(peer, set("a", 1));
    const requests = [get("a"), set("a", 2), get("a"), long(get("a")), get("absent"), set("b", 3)];
    for (let round = 1; round <= 3; round++) {
      store.clock.advance(6000);
      for (const one of requests) await ask(peer, one);
      peer.send(`${requests.join("\n")}\n\n`);
      await lines(peer, requests.length);
      expect(store.stats()).toMatchObject({
        requests: 1 + 12 * round,
        refused: 0,
        misses: 2 * round,
        requests_get: 8 * round,
        requests_set: 1 + 4 * round,
      });
      const [info] = store.clients().filter(({ address }) => address === peer.address);
      expect(info?.messagesIn).toBe(1 + 12 * round);
    }
    await silent.closed;
  });

  test("whose answers are longer than a turn has room for come whole", async () => {
    const [store, first] = await joined();
    const values = [100_000, 200_000, 262_132, 262_133, 10].map((length, i) =>
      `${i}${"abcdefghij".repeat(length / 10 + 1)}`.slice(0, length - 2),
    );
    for (const [i, value] of values.entries()) await ask(first, set(`v${i}`, value));
    const peers = [first];
    while (peers.length < 10) peers.push(await store.join());
    const order = [...Array(20).keys()].map((i) => [0, 1, 4, 0, 1, 2, 4, 3][i % 8] as number);
    for (const peer of peers) peer.send(order.map((i) => `${get(`v${i}`)}\n`).join(""));
    for (const peer of peers) {
      const got = await lines(peer, order.length);
      const wrong = got.findIndex((line, i) => line !== result(values[order[i] as number]));
      expect([wrong, got[wrong]?.length]).toEqual([-1, undefined]);
    }
  });

  test("of three hundred clients at once are answered to each its own", async () => {
    const store = await served();
    const peers: Peer[] = [];
    const valueOf = (i: number) => `${i} `.repeat(1 + (i % 50));
    for (let i = 0; i < 300; i++) peers.push(await store.join());
    for (let i = 0; i < 300; i++) await ask(peers[i] as Peer, set(`k${i}`, valueOf(i)));
    peers.forEach((peer, i) => peer.send(`${get(`k${i}`)}\n`.repeat(200)));
    for (const [i, peer] of peers.entries()) {
      const got = await lines(peer, 200);
      const wrong = got.find((line) => line !== result(valueOf(i)));
      expect([i, wrong]).toEqual([i, undefined]);
    }
    expect(store.stats()["requests_get"]).toBe(60_000);
  });

  test("of a client that does not read wait, and with them little else", async () => {
    const [store, slow] = await joined();
    const other = await store.join();
    await ask(other, set("large", "x".repeat(30_000)));
    await ask(other, set("a", "served"));
    slow.pause();
    const info = () => store.clients().find(({ address }) => address === slow.address);
    const asked = () => store.stats()["requests_get"] as number;
    let count = 0;
    for (; info()?.outboxBytes === 0; count++) {
      slow.send(`${get("large")}\n`);
      await until(() => asked() > count);
    }
    slow.send(`${get("large")}\n`.repeat(1000));
    count += 1000;
    await until(() => info()?.state === "paused");
    // At most two shares of 256 KiB, and an answer.
    expect(info()?.outboxBytes).toBeLessThan(2 * 256 * 1024 + 30_100);
    for (let i = 0; i < 100; i++) expect(await ask(other, get("a"))).toEqual({ result: "served" });
    expect(asked()).toBeLessThan(count);
    slow.resume();
    const got = await lines(slow, count);
    expect(new Set(got)).toEqual(new Set([result("x".repeat(30_000))]));
    expect(await ask(slow, get("a"))).toEqual({ result: "served" });
    expect(asked()).toBe(count + 101);
  });
});
