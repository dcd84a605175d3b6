import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version as programVersion } from "../package.json";
import { COMMANDS } from "../lib/services/store/commands.ts";
import { CODES } from "../lib/services/store/refusal.ts";
import {
  type Answer,
  ask,
  type BootedStore,
  bootStore,
  heard,
  type Peer,
  turn,
  until,
} from "./kit.ts";
import { Random } from "./random.ts";

let server: BootedStore;
const endings: (() => unknown)[] = [];
afterEach(async () => {
  await server?.stop();
  for (const end of endings.splice(0).reverse()) await end();
});

const stat = (name: string) => server.stats()[name] as number;

/** A store, and its one client. */
async function client(section: object = {}): Promise<Peer> {
  server = await bootStore(section);
  return server.join();
}

/** What a request is answered: its result, or the code of its error. */
async function outcome(peer: Peer, request: object | string): Promise<unknown> {
  const answer = await ask(peer, request);
  return "error" in answer ? answer["error"].code : answer["result"];
}

async function setAll(peer: Peer, keys: readonly string[], value: unknown = 0): Promise<void> {
  for (const key of keys) {
    expect(await outcome(peer, { action: "SET", key, value })).toBe("OK");
  }
}

/** All keys, page by page. */
async function allKeys(peer: Peer, request: object = {}): Promise<string[]> {
  const found: string[] = [];
  for (let cursor: string | null = null; ;) {
    const page: Answer = (await ask(peer, {
      action: "KEYS",
      ...request,
      ...(cursor === null ? {} : { cursor }),
    })) as Answer;
    found.push(...page["result"].keys);
    cursor = page["result"].cursor;
    if (cursor === null) return found;
  }
}

const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

describe("a line", () => {
  const bad: [string, string | Buffer, string][] = [
    ["no JSON", "PING", "MALFORMED"],
    ["JSON that is cut off", '{"action":"PING"', "MALFORMED"],
    ["two requests", '{"action":"PING"}{"action":"PING"}', "MALFORMED"],
    ["a request and a comma", '{"action":"PING"},', "MALFORMED"],
    ["a request and a comment", '{"action":"PING"} // now', "MALFORMED"],
    ["single quotes", "{'action':'PING'}", "MALFORMED"],
    ["a trailing comma", '{"action":"PING",}', "MALFORMED"],
    ["a byte order mark", '\ufeff{"action":"PING"}', "MALFORMED"],
    ["bytes that are not UTF-8", Buffer.from('{"action":"\xff"}', "latin1"), "MALFORMED"],
    ["half a character", Buffer.from('{"action":"ECHO","value":"\xc3"}', "latin1"), "MALFORMED"],
    ["a character in too many bytes", Buffer.from('{"action":"\xc0\xaf"}', "latin1"), "MALFORMED"],
    ["a surrogate as UTF-8", Buffer.from('{"action":"\xed\xa0\x80"}', "latin1"), "MALFORMED"],
    ["a NUL", '{"action":"PI\0NG"}', "MALFORMED"],
    ["NaN", '{"action":"ECHO","value":NaN}', "MALFORMED"],
    ["a number with a plus", '{"action":"ECHO","value":+1}', "MALFORMED"],
    ["a number with a leading zero", '{"action":"ECHO","value":01}', "MALFORMED"],
    ["a list", '[{"action":"PING"}]', "BAD_REQUEST"],
    ["a text", '"PING"', "BAD_REQUEST"],
    ["a number", "1", "BAD_REQUEST"],
    ["null", "null", "BAD_REQUEST"],
    ["true", "true", "BAD_REQUEST"],
    ["no action", '{"key":"a"}', "BAD_REQUEST"],
    ["an action that is no text", '{"action":1}', "BAD_REQUEST"],
    ["an action that is null", '{"action":null}', "BAD_REQUEST"],
    ["an unknown action", '{"action":"DROP"}', "UNKNOWN_ACTION"],
    ["an action in small letters", '{"action":"ping"}', "UNKNOWN_ACTION"],
    ["an empty action", '{"action":""}', "UNKNOWN_ACTION"],
    ["a field that is missing", '{"action":"GET"}', "MISSING_FIELD"],
    ["a field that is unknown", '{"action":"PING","key":"a"}', "UNKNOWN_FIELD"],
    ["a field of another type", '{"action":"GET","key":["a"]}', "WRONG_TYPE"],
    ["a field that is null", '{"action":"GET","key":null}', "WRONG_TYPE"],
  ];

  test.each(bad)("that is %s is refused, alone and among others", async (_, line, code) => {
    const peer = await client();
    const bytes = Buffer.concat([Buffer.from(line), Buffer.from("\n")]);
    const ping = Buffer.from('{"action":"PING"}\n');
    for (const block of [[bytes], [bytes, ping], [ping, bytes], [ping, bytes, bytes, ping]]) {
      peer.send(Buffer.concat(block));
      for (const one of block) {
        const answer = await heard(peer);
        if (one === ping) expect(answer).toEqual({ result: "PONG" });
        else expect(answer).toEqual({ error: { code, message: expect.any(String) } });
      }
    }
    expect(server.stats()).toMatchObject({ requests: 9, refused: 5, closed_bug: 0 });
    expect(peer.lines).toEqual([]);
  });

  test("that is empty is a heartbeat: not answered, not counted", async () => {
    const peer = await client();
    peer.send('\n\r\n  \n\t\n{"action":"PING"}\n\n\n{"action":"PING","id":2}\n\n');
    expect(await heard(peer)).toEqual({ result: "PONG" });
    expect(await heard(peer)).toEqual({ result: "PONG", id: 2 });
    peer.send("\n");
    expect(await outcome(peer, { action: "PING" })).toBe("PONG");
    expect(stat("requests")).toBe(3);
  });

  test("may end with a carriage return and a newline", async () => {
    const peer = await client();
    peer.send('{"action":"SET","key":"a","value":1}\r\n{"action":"GET","key":"a"}\r\n');
    expect(await heard(peer)).toEqual({ result: "OK" });
    expect(await peer.next()).toBe('{"result":1}');
  });

  test("may be parted by newlines only: a value over two lines is two bad lines", async () => {
    const peer = await client();
    peer.send('{"action":\n"PING"}\n{"action":"PING"}{"action":"PING"}\n{"action":"PING"}\n');
    for (const expected of ["MALFORMED", "MALFORMED", "MALFORMED", undefined]) {
      expect((await heard(peer))["error"]?.code).toBe(expected as string);
    }
  });

  test("may be chunked at every byte", async () => {
    const peer = await client();
    const lines = [
      '{"action":"SET","key":"schlüssel","value":"日本 😀"}',
      "garbage é",
      '{"action":"GET","key":"schlüssel","id":"é"}',
      "",
      '{"action":"DEL","key":"schlüssel"}\r',
    ];
    const bytes = Buffer.from(`${lines.join("\n")}\n`);
    const expected = [
      { result: "OK" },
      { error: { code: "MALFORMED", message: "the line is not JSON" } },
      { result: "日本 😀", id: "é" },
      { result: 1 },
    ];
    for (let cut = 0; cut <= bytes.length; cut++) {
      const before = stat("bytes_in");
      peer.send(bytes.subarray(0, cut));
      await until(() => stat("bytes_in") === before + cut);
      peer.send(bytes.subarray(cut));
      for (const answer of expected) expect(await heard(peer)).toEqual(answer);
    }
    for (const byte of bytes) {
      const before = stat("bytes_in");
      peer.send(Buffer.from([byte]));
      await until(() => stat("bytes_in") > before);
    }
    for (const answer of expected) expect(await heard(peer)).toEqual(answer);
  });

  describe("of max_line_bytes", () => {
    const MOST = 256;
    const echo = (length: number, end = "") => {
      const empty = '{"action":"ECHO","value":""}'.length + end.length;
      return `{"action":"ECHO","value":"${"x".repeat(length - empty)}"}${end}`;
    };

    test.each([
      ["in one write", 0],
      ["in two", 100],
      ["with its newline alone", MOST],
    ])("is served, and one byte more is too long: %s", async (_, cut) => {
      const peer = await client({ max_line_bytes: MOST });
      for (const [length, expected] of [
        [MOST, "x".repeat(MOST - 28)],
        [MOST + 1, "TOO_LONG"],
        [10 * MOST, "TOO_LONG"],
      ] as const) {
        const line = `${echo(length)}\n`;
        const before = stat("bytes_in");
        if (cut > 0) {
          peer.send(line.slice(0, cut));
          await until(() => stat("bytes_in") === before + cut);
        }
        peer.send(line.slice(cut));
        const answer = await heard(peer);
        expect(answer["result"] ?? answer["error"].code).toBe(expected);
      }
      expect(await outcome(peer, { action: "PING" })).toBe("PONG");
    });

    test("counts bytes, a carriage return among them", async () => {
      const peer = await client({ max_line_bytes: MOST });
      expect(await outcome(peer, echo(MOST, "\r"))).toBe("x".repeat(MOST - 29));
      expect(await outcome(peer, echo(MOST + 1, "\r"))).toBe("TOO_LONG");
      const wide = `{"action":"ECHO","value":"${"é".repeat(115)}"}`;
      expect(wide.length).toBeLessThan(MOST);
      expect(await outcome(peer, wide)).toBe("TOO_LONG");
    });

    test("is refused in its place among others", async () => {
      const peer = await client({ max_line_bytes: MOST });
      const ping = (id: number) => `{"action":"PING","id":${id}}\n`;
      const long = `${echo(MOST + 1)}\n`;
      const fits = `${echo(MOST)}\n`;
      const block = [ping(1), long, ping(2), fits, long, long, ping(3)];
      for (let cut = 0; cut < block.join("").length; cut += 97) {
        const before = stat("bytes_in");
        peer.send(block.join("").slice(0, cut));
        await until(() => stat("bytes_in") === before + cut);
        peer.send(block.join("").slice(cut));
        const got: unknown[] = [];
        for (let i = 0; i < block.length; i++) {
          const { id, error, result } = await heard(peer);
          got.push(id ?? error?.code ?? result.length);
        }
        expect(got).toEqual([1, "TOO_LONG", 2, MOST - 28, "TOO_LONG", "TOO_LONG", 3]);
      }
    });

    test("is not held when it never ends", async () => {
      const peer = await client({ max_line_bytes: MOST });
      const piece = "x".repeat(100_000);
      for (let i = 0; i < 100; i++) peer.send(piece);
      await until(() => stat("bytes_in") === 10_000_000);
      expect((await heard(peer))["error"].code).toBe("TOO_LONG");
      peer.send("\n");
      expect(await outcome(peer, { action: "PING" })).toBe("PONG");
      expect(stat("refused")).toBe(1);
    });
  });

  test("mixed with bad ones in one write is answered in order", async () => {
    const peer = await client({ max_line_bytes: 1000 });
    const random = new Random(11);
    const lines: string[] = [];
    const expected: (number | string)[] = [];
    for (let i = 0; i < 2000; i++) {
      const kind = random.whole(0, 5);
      lines.push(
        [
          `{"action":"ECHO","value":${i}}`,
          `{"action":"ECHO","value":${i},"id":${i}}`,
          "{",
          `{"action":"NONE${i}"}`,
          `"${"x".repeat(1000)}"`,
          "",
        ][kind] as string,
      );
      if (kind < 5)
        expected.push([i, i, "MALFORMED", "UNKNOWN_ACTION", "TOO_LONG"][kind] as number);
    }
    peer.send(`${lines.join("\n")}\n`);
    const got: unknown[] = [];
    while (got.length < expected.length) {
      const { result, error } = await heard(peer);
      got.push(result ?? error.code);
    }
    expect(got).toEqual(expected);
  });
});

describe("a pipeline", () => {
  test("of 200,000 requests loses nothing when its client reads late, and is not read meanwhile", async () => {
    const peer = await client();
    peer.pause();
    const count = 200_000;
    const value = "v".repeat(100);
    const lines: string[] = [];
    for (let i = 0; i < count; i++) lines.push(`{"action":"ECHO","value":"${value}","id":${i}}\n`);
    const bytes = lines.join("");
    peer.send(bytes);
    const one = () => [...server.store.clients()][0];
    await until(() => one()?.state === "paused");
    // Whatever is still on its way in this process comes, and nothing more.
    for (let i = 0; i < 100; i++) await turn();
    const before = stat("bytes_in");
    expect(before).toBeLessThan(bytes.length / 2);
    for (let i = 0; i < 100; i++) await turn();
    expect(stat("bytes_in")).toBe(before);
    expect(stat("pinned_bytes")).toBeLessThan(2_000_000);
    peer.resume();
    for (let i = 0; i < count; i++) {
      const line = await peer.next();
      if (line !== `{"result":"${value}","id":${i}}`) expect(line).toBe(`the answer to ${i}`);
    }
    expect(peer.lines).toEqual([]);
    expect(server.stats()).toMatchObject({ requests: count, clients: 1, closed_slow: 0 });
  }, 60_000);

  test("of plain GETs and SETs is answered just so", async () => {
    const peer = await client();
    peer.pause();
    await setAllPaused(peer);
    const count = 100_000;
    const lines: string[] = [];
    for (let i = 0; i < count; i++) {
      lines.push(
        i % 2 === 0
          ? `{"action":"SET","key":"k${i % 10}","value":"${"v".repeat(100)}${i}"}\n`
          : `{"action":"GET","key":"k${(i - 1) % 10}"}\n`,
      );
    }
    peer.send(lines.join(""));
    await until(() => [...server.store.clients()][0]?.state === "paused");
    peer.resume();
    for (let i = 0; i < count; i++) {
      const line = await peer.next();
      const expected = i % 2 === 0 ? '{"result":"OK"}' : `{"result":"${"v".repeat(100)}${i - 1}"}`;
      if (line !== expected) expect(line).toBe(expected);
    }
    expect(stat("requests")).toBe(count + 10);

    async function setAllPaused(peer: Peer): Promise<void> {
      for (let i = 0; i < 10; i++) peer.send(`{"action":"SET","key":"k${i}","value":"first"}\n`);
      await until(() => stat("keys") === 10);
      peer.resume();
      for (let i = 0; i < 10; i++) await peer.next();
      peer.pause();
    }
  }, 60_000);

  test.each([
    ["with a last newline", "\n"],
    ["without one", ""],
  ])(
    "is answered to its end when its client ends its side at once, %s",
    async (_, end) => {
      const peer = await client();
      const lines = Array.from({ length: 50_000 }, (_, i) => `{"action":"ECHO","value":${i}}`);
      peer.pause();
      peer.send(lines.join("\n") + end);
      peer.half();
      await until(() => stat("requests") > 1000);
      peer.resume();
      for (let i = 0; i < lines.length; i++) expect(await peer.next()).toBe(`{"result":${i}}`);
      expect(await peer.closed).toBe("end");
      expect(peer.lines).toEqual([]);
      await until(() => stat("clients") === 0);
      expect(stat("closed_eof")).toBe(1);
    },
    20_000,
  );

  test.each([
    ["a good line", '{"action":"PING"}', ["PONG"]],
    ["a bad one", "garbage", ["MALFORMED"]],
    ["one that is too long", `"${"x".repeat(300)}`, ["TOO_LONG"]],
    ["half a character", Buffer.from([0xc3]), ["MALFORMED"]],
    ["blanks", "  ", []],
    ["nothing", "", []],
  ])("that ends without a newline is answered: %s", async (_, last, expected) => {
    const peer = await client({ max_line_bytes: 256 });
    peer.send(Buffer.concat([Buffer.from('{"action":"PING"}\n'), Buffer.from(last)]));
    peer.half();
    await peer.closed;
    const outcomes = peer.lines.map((line) => {
      const { result, error } = JSON.parse(line);
      return result ?? error.code;
    });
    expect(outcomes).toEqual(["PONG", ...expected]);
  });

  test("of costly requests leaves the others their turn", async () => {
    const peer = await client();
    const other = await server.join();
    const values = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, 0]));
    expect(await outcome(peer, { action: "MSET", values })).toBe("OK");
    const line = '{"action":"KEYS","prefix":"nothing"}\n{"action":"KEYS","limit":10000}\n';
    peer.send(line.repeat(50));
    await until(() => stat("requests_keys") > 0);
    expect(await outcome(other, { action: "PING" })).toBe("PONG");
    expect(stat("requests_keys")).toBeLessThan(50);
    await until(() => peer.lines.length === 100);
  });
});

describe("an id", () => {
  test.each([
    ['"text"'],
    ['""'],
    ['"é 😀 \\u0000 \\ud800"'],
    ["1"],
    ["-1.5"],
    ["9007199254740992"],
    ["true"],
    ["false"],
    ["null"],
    ["[1,[2]]"],
    ['{"a":{"__proto__":1}}'],
    [nested(128)],
  ])("comes back with every answer: %s", async (id) => {
    const peer = await client();
    const sent = JSON.parse(id);
    for (const request of [
      '{"action":"PING"',
      '{"action":"GET","key":"missing"',
      '{"action":"NONE"',
      '{"key":1',
      '{"action":"GET"',
      '{"action":"GET","key":"a","more":1',
      '{"action":"GET","key":1',
      '{"action":"SET","key":"^^","value":1',
      '{"action":"HELP"',
    ]) {
      const answer = await ask(peer, `${request},"id":${id}}`);
      expect(answer["id"]).toEqual(sent);
      expect(Object.hasOwn(answer, "id")).toBe(true);
    }
    expect(await ask(peer, { action: "PING" })).toEqual({ result: "PONG" });
  });

  test.each([
    ["NUMBER_RANGE", "9007199254740993"],
    ["NUMBER_RANGE", "[9007199254740993]"],
    ["NUMBER_RANGE", "1e400"],
    ["NUMBER_RANGE", '{"a":-1e400}'],
    ["TOO_DEEP", nested(129)],
    ["TOO_DEEP", `[9007199254740992,${nested(200)}]`],
    ["TOO_DEEP", `[1e400,${nested(200_000)}]`],
  ])("that cannot come back as it was is refused and left out: %s", async (code, id) => {
    const peer = await client();
    for (const request of ['{"action":"PING"', '{"action":"NONE"', '{"action":"GET"']) {
      const answer = await ask(peer, `${request},"id":${id}}`);
      expect(answer).toEqual({ error: { code, message: expect.any(String) } });
    }
  });
});

describe("a number", () => {
  const altered = [
    "9007199254740993",
    "-9007199254740993",
    "12345678901234567890123",
    "1e400",
    "-1e400",
    "100000000000000000000000000000001",
  ];
  const kept = [
    "9007199254740992",
    "-9007199254740992",
    "9007199254740994",
    "18014398509481984",
    "100000000000000000000",
    "1e21",
    "1.5e300",
    "0.1",
    "-0.0",
    "5e-324",
    "1E3",
  ];
  const places: [string, (number: string) => string][] = [
    ["value", (n) => `{"action":"SET","key":"a","value":${n}}`],
    ["nested", (n) => `{"action":"SET","key":"a","value":{"x":[0,{"y":${n}}]}}`],
    ["behind texts", (n) => `{"action":"SET","key":"a","value":["\\"9","\\\\",${n},"1e400"]}`],
    ["behind a long text", (n) => `{"action":"ECHO","value":["${"\\\\\\n".repeat(99_999)}",${n}]}`],
    ["MSET", (n) => `{"action":"MSET","values":{"a":1,"b":[${n}]}}`],
    ["default", (n) => `{"action":"GET","key":"none","default":${n}}`],
    ["ECHO", (n) => `{"action":"ECHO","value":${n}}`],
    ["PUBLISH", (n) => `{"action":"PUBLISH","channel":"c","value":${n}}`],
    ["id", (n) => `{"action":"PING","id":${n}}`],
    ["id beside a value", (n) => `{"action":"SET","key":"a","value":1,"id":[${n}]}`],
    ["with spaces", (n) => `{ "action" : "ECHO" , "value" : [ ${n} ] }`],
  ];

  test.each(places)("that a double alters is refused: %s", async (_, line) => {
    const peer = await client();
    for (const number of altered) {
      expect(await outcome(peer, line(number))).toBe("NUMBER_RANGE");
    }
    expect(stat("keys")).toBe(0);
    peer.send(`${altered.map(line).join("\n")}\n`);
    for (const _ of altered) expect((await heard(peer))["error"].code).toBe("NUMBER_RANGE");
  });

  test.each(places)("that a double keeps is taken: %s", async (_, line) => {
    const peer = await client();
    for (const number of kept) expect(await ask(peer, line(number))).not.toHaveProperty("error");
  });

  test("comes back as it was", async () => {
    const peer = await client();
    for (const number of [...kept, "0", "-0", "-1", "123456789012345", "1234567890123456"]) {
      await ask(peer, `{"action":"SET","key":"n","value":${number}}`);
      expect(await outcome(peer, { action: "GET", key: "n" })).toBe(Number(number) + 0);
      // A second time, over a value that is there.
      await ask(peer, `{"action":"SET","key":"n","value":${number}}`);
      expect(await outcome(peer, { action: "GET", key: "n" })).toBe(Number(number) + 0);
    }
  });

  test("that a double alters does not take the place of a value either", async () => {
    const peer = await client();
    await setAll(peer, ["a"], "before");
    for (const number of altered) {
      expect(await outcome(peer, `{"action":"SET","key":"a","value":${number}}`)).toBe(
        "NUMBER_RANGE",
      );
    }
    expect(await outcome(peer, { action: "GET", key: "a" })).toBe("before");
  });

  test("in a text is text", async () => {
    const peer = await client();
    for (const text of altered) {
      expect(await outcome(peer, { action: "ECHO", value: text, id: text })).toBe(text);
      expect(await outcome(peer, { action: "ECHO", value: [2 ** 53, text] })).toEqual([
        2 ** 53,
        text,
      ]);
    }
  });
});

describe("nesting", () => {
  const places: [string, (value: string) => string][] = [
    ["value", (v) => `{"action":"ECHO","value":${v}}`],
    ["SET", (v) => `{"action":"SET","key":"a","value":${v}}`],
    ["default", (v) => `{"action":"GET","key":"none","default":${v}}`],
    ["id", (v) => `{"action":"PING","id":${v}}`],
    ["PUBLISH", (v) => `{"action":"PUBLISH","channel":"c","value":${v}}`],
  ];

  test.each(places)("is served to 128 levels and no deeper: %s", async (_, line) => {
    const peer = await client();
    const object = (levels: number) => `${'{"a":'.repeat(levels - 1)}{}${"}".repeat(levels - 1)}`;
    for (const make of [nested, object]) {
      expect(await ask(peer, line(make(128)))).not.toHaveProperty("error");
      expect(await outcome(peer, line(make(129)))).toBe("TOO_DEEP");
    }
    // What is shallow and comes before must not hide it.
    for (const before of ["9007199254740992", "1e400", "[[]]", '""']) {
      expect(await outcome(peer, line(`[${before},${nested(128)}]`))).toBe("TOO_DEEP");
    }
    expect(await outcome(peer, { action: "PING" })).toBe("PONG");
  });

  test.each([
    ["value", nested(400_000)],
    ["behind a number", `[9007199254740992,${nested(200_000)}]`],
    ["behind a number that is refused", `[1e400,${nested(200_000)}]`],
  ])("of any depth harms nobody: %s", async (_, value) => {
    const peer = await client();
    const line = `{"action":"ECHO","value":${value}}`;
    expect(await outcome(peer, line)).toBe("TOO_DEEP");
    peer.send(`{"action":"PING"}\n${line}\n{"action":"PING"}\n`);
    expect((await heard(peer))["result"]).toBe("PONG");
    expect((await heard(peer))["error"].code).toBe("TOO_DEEP");
    expect((await heard(peer))["result"]).toBe("PONG");
    for (const one of [`{"action":"NONE","x":${value}}`, `{"action":${value}}`, value]) {
      expect((await ask(peer, one))["error"].code).toBeOneOf([
        "UNKNOWN_ACTION",
        "BAD_REQUEST",
        "TOO_DEEP",
      ]);
    }
    expect(stat("closed_bug")).toBe(0);
  });

  test("in MSET is that of each value", async () => {
    const peer = await client();
    const line = (levels: number) => `{"action":"MSET","values":{"a":0,"b":${nested(levels)}}}`;
    // The object of values is a level of its own.
    expect(await outcome(peer, line(127))).toBe("OK");
    expect(await outcome(peer, line(129))).toBe("TOO_DEEP");
  });
});

/** A request of each action that is carried out, with every field it knows. */
const VALID: Record<string, Record<string, unknown>> = {
  PING: {},
  ECHO: { value: 1 },
  SET: { key: "a", value: 1, ns: "n", ttl_ms: 1000, if_absent: false, if_version: 1 },
  GET: { key: "a", ns: "n", default: 1, meta: true },
  DEL: { key: "a", ns: "n", tree: false, if_version: 1 },
  EXISTS: { key: "a", ns: "n" },
  INCR: { key: "a", ns: "n", by: 2 },
  EXPIRE: { key: "a", ns: "n", ttl_ms: 1000 },
  TTL: { key: "a", ns: "n" },
  MGET: { keys: ["a"], ns: "n" },
  MSET: { values: { a: 1 }, ns: "n" },
  KEYS: { ns: "n", prefix: "a", cursor: "a", limit: 10 },
  ORDER: { key: "a", ns: "n", reverse: true },
  NAMESPACES: { ns: "n", cursor: "a", limit: 10 },
  SUBSCRIBE: { channel: "c", ns: "n", since: 0, epoch: "x" },
  UNSUBSCRIBE: { channel: "c", ns: "n" },
  PUBLISH: { channel: "c", ns: "n", value: 1 },
  CHANNELS: { ns: "n", prefix: "c", cursor: "c", limit: 10 },
  AUTH: { token: "t" },
  INFO: {},
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

/** What each field may not hold. */
const WRONG: Record<string, readonly unknown[]> = {
  ...Object.fromEntries(
    ["key", "ns", "prefix", "cursor", "channel", "token", "command", "epoch"].map((name) => [
      name,
      NO_TEXT,
    ]),
  ),
  ...Object.fromEntries(["if_absent", "meta", "tree", "reverse"].map((name) => [name, NO_FLAG])),
  // EXPIRE takes null.
  ttl_ms: wrongNumbers(1, 10 ** 13).filter((one) => one !== null),
  if_version: wrongNumbers(0, Number.MAX_SAFE_INTEGER),
  since: wrongNumbers(0, Number.MAX_SAFE_INTEGER),
  limit: wrongNumbers(1, 10_000),
  by: ["1", null, 0.5, 2 ** 53, -(2 ** 53), [1]],
  values: [null, 1, "a", [], [1], {}],
  keys: [null, "a", {}, [], [1], ["a", null]],
};

describe.each(Object.entries(VALID))("the fields of %s", (action, fields) => {
  test("are served, needed, known and of their types", async () => {
    const peer = await client();
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
    for (const name of ["more", "Key", "__proto__", "constructor", "toString", "hasOwnProperty"]) {
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
    expect(stat("closed_bug")).toBe(0);
  });
});

test("every action is tested for its fields", () => {
  expect(Object.keys(VALID).toSorted()).toEqual(Object.keys(COMMANDS).toSorted());
});

describe("the bounds of fields", () => {
  test("of whole numbers are in", async () => {
    const peer = await client();
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
    const peer = await client();
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
    expect(stat("keys")).toBe(10_000);
  });
});

describe("PING, ECHO, INFO and HELP", () => {
  test("PING answers PONG", async () => {
    const peer = await client();
    expect(await ask(peer, { action: "PING" })).toEqual({ result: "PONG" });
  });

  test.each([["text"], [""], [0], [-1.5], [true], [null], [[]], [{ a: [{}] }], ["é\u2028\0😀"]])(
    "ECHO sends %p back",
    async (value) => {
      const peer = await client();
      expect(await ask(peer, { action: "ECHO", value })).toEqual({ result: value });
    },
  );

  test("INFO tells about the server", async () => {
    const peer = await client();
    await setAll(peer, ["a", "b"]);
    server.clock.advance(61_500);
    const { result } = await ask(peer, { action: "INFO" });
    expect(result).toMatchObject({
      version: programVersion,
      epoch: server.store.epoch,
      durability: "none",
      uptime_seconds: 61,
      clients: 1,
      keys: 2,
      requests_set: 2,
    });
  });

  test("HELP tells about every action", async () => {
    const peer = await client();
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
    const peer = await client();
    for (const command of ["", "get", "__proto__", "constructor", "toString"]) {
      expect(await outcome(peer, { action: "HELP", command })).toBe("UNKNOWN_ACTION");
    }
  });
});

describe("SET and GET", () => {
  test("SET replaces a value and takes its time away", async () => {
    const peer = await client();
    await ask(peer, { action: "SET", key: "a", value: 1, ttl_ms: 1000 });
    await ask(peer, { action: "SET", key: "a", value: 2 });
    expect(await outcome(peer, { action: "TTL", key: "a" })).toBeNull();
    server.clock.advance(2000);
    expect(await outcome(peer, { action: "GET", key: "a" })).toBe(2);
  });

  test("if_absent sets what is not there", async () => {
    const peer = await client();
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
    const peer = await client();
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
    const peer = await client();
    await ask(peer, { action: "SET", key: "a", value: [1], ttl_ms: 5000 });
    server.clock.advance(1234);
    const get = { action: "GET", key: "a" };
    expect(await outcome(peer, { ...get, meta: true })).toEqual({
      value: [1],
      version: 1,
      ttl_ms: 3766,
    });
    expect(await outcome(peer, { ...get, meta: false })).toEqual([1]);
  });

  test("default is answered where there is no value", async () => {
    const peer = await client();
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
    expect(stat("keys")).toBe(1);
  });

  test("every spelling of a request means the same", async () => {
    const peer = await client();
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
    // What is nearly a request of the plainest kind is none.
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
    const peer = await client();
    const [one, double] = [String.raw`a\b`, String.raw`a\\b`];
    for (const round of [1, 2, 3]) {
      for (const key of [double, one]) {
        expect(await outcome(peer, { action: "SET", key, value: `${key} ${round}` })).toBe("OK");
      }
      for (const key of [one, double]) {
        expect(await outcome(peer, { action: "GET", key })).toBe(`${key} ${round}`);
      }
    }
    expect(stat("keys")).toBe(2);
  });

  test.each([
    ["taken together", {}],
    // Then each line is looked at by itself.
    ["longer than a line may be", { max_line_bytes: 256 }],
  ])("the plainest and all others in one write are answered in order: %s", async (_, section) => {
    const peer = await client(section);
    const other = await server.join();
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
    const peer = await client();
    await setAll(peer, ["a", "a^b"]);
    expect(await outcome(peer, { action: "DEL", key: "a" })).toBe(1);
    expect(await outcome(peer, { action: "DEL", key: "a" })).toBe("NOT_FOUND");
    expect(await outcome(peer, { action: "EXISTS", key: "a^b" })).toBe(true);
    expect(await outcome(peer, { action: "EXISTS", key: "a" })).toBe(false);
  });

  test("DEL with tree removes all below too, and nothing beside", async () => {
    const peer = await client();
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
    server.clock.advance(1000);
    for (const key of below) expect(await outcome(peer, { action: "GET", key })).toBe("again");
    expect(await outcome(peer, { action: "DEL", key: "a^2", tree: true })).toBe(1);
    expect(await outcome(peer, { action: "DEL", key: "a^1", tree: false })).toBe(1);
    expect(await allKeys(peer, { ns: "a" })).toEqual(["1^x"]);
  });

  test("DEL with tree of a large subtree is done at once", async () => {
    const peer = await client();
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
    server.clock.advance(10_000);
    expect(await allKeys(peer)).toEqual(["big^3^5000", "other"]);
    expect(await outcome(peer, { action: "GET", key: "big^3^5000" })).toBe(1);
    expect(stat("keys")).toBe(2);
  });

  test("DEL with if_version removes what has not changed", async () => {
    const peer = await client();
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
    const peer = await client();
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
    const peer = await client();
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
      else server.clock.advance(1000);
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
    const peer = await client();
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
      const peer = await client();
      await setAll(peer, ["a"], value);
      expect(await outcome(peer, { action: "INCR", key: "a" })).toBe("NOT_A_NUMBER");
      expect(await outcome(peer, { action: "GET", key: "a" })).toEqual(value);
    },
  );

  test("stays within exact integers", async () => {
    const peer = await client();
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
    const peer = await client();
    await ask(peer, { action: "SET", key: "n", value: 1, ttl_ms: 5000 });
    server.clock.advance(1000);
    expect(await outcome(peer, { action: "INCR", key: "n" })).toBe(2);
    expect(await outcome(peer, { action: "TTL", key: "n" })).toBe(4000);
  });
});

describe("EXPIRE and TTL", () => {
  test("set and tell when a value goes", async () => {
    const peer = await client();
    await setAll(peer, ["a"]);
    const ttl = { action: "TTL", key: "a" };
    const expire = { action: "EXPIRE", key: "a" };
    expect(await outcome(peer, ttl)).toBeNull();
    expect(await outcome(peer, { ...expire, ttl_ms: 3000 })).toBe("OK");
    expect(await outcome(peer, ttl)).toBe(3000);
    server.clock.advance(999);
    expect(await outcome(peer, ttl)).toBe(2001);
    expect(await outcome(peer, { ...expire, ttl_ms: 10 ** 13 })).toBe("OK");
    expect(await outcome(peer, ttl)).toBe(10 ** 13);
    expect(await outcome(peer, { ...expire, ttl_ms: null })).toBe("OK");
    expect(await outcome(peer, ttl)).toBeNull();
    expect(stat("expiring")).toBe(0);
    expect(await outcome(peer, { action: "TTL", key: "b" })).toBe("NOT_FOUND");
    expect(await outcome(peer, { ...expire, key: "b", ttl_ms: 1 })).toBe("NOT_FOUND");
  });

  const moves: [string, (ms: number) => void][] = [
    ["as it passes", (ms) => server.clock.advance(ms)],
    // Nothing has been swept then.
    ["at once, as for a machine that slept", (ms) => server.clock.leap(ms)],
  ];

  test.each(moves)(
    "a value is there until its time and never after, time moved %s",
    async (_, move) => {
      const peer = await client();
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
    const peer = await client();
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
    server.clock.advance(200);
    expect(server.stats()).toMatchObject({ keys: 1, expired: 1, expiring: 0 });
  });

  test("what has expired is swept, and its memory given back", async () => {
    const peer = await client();
    const before = stat("memory_bytes");
    for (let i = 0; i < 5000; i++) {
      peer.send(`{"action":"SET","key":"n^${i}","value":"x","ttl_ms":${1000 + (i % 700)}}\n`);
    }
    await until(() => peer.lines.length === 5000);
    expect(server.stats()).toMatchObject({ keys: 5000, expiring: 5000 });
    server.clock.advance(3000);
    expect(server.stats()).toMatchObject({ keys: 0, expired: 5000, expiring: 0 });
    expect(stat("memory_bytes")).toBe(before);
  });

  test("a new time counts and not the one before", async () => {
    const peer = await client();
    await ask(peer, { action: "SET", key: "a", value: 1, ttl_ms: 1000 });
    await ask(peer, { action: "EXPIRE", key: "a", ttl_ms: 3000 });
    await ask(peer, { action: "SET", key: "b", value: 1, ttl_ms: 3000 });
    await ask(peer, { action: "SET", key: "b", value: 1, ttl_ms: 1000 });
    await ask(peer, { action: "SET", key: "c", value: 1, ttl_ms: 1000 });
    await ask(peer, { action: "MSET", values: { c: 2 } });
    server.clock.advance(2000);
    expect(await allKeys(peer)).toEqual(["a", "c"]);
    server.clock.advance(2000);
    expect(await allKeys(peer)).toEqual(["c"]);
  });
});

describe("MGET and MSET", () => {
  test("MSET sets all, MGET answers in the order asked", async () => {
    const peer = await client();
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
    const peer = await client();
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
    expect(stat("keys")).toBe(1);
  });

  test("MSET of one key in two spellings leaves the last", async () => {
    const peer = await client();
    expect(await outcome(peer, '{"action":"MSET","values":{"a":1,"^a":2}}')).toBe("OK");
    expect(await outcome(peer, { action: "GET", key: "a" })).toBe(2);
    expect(stat("keys")).toBe(1);
  });

  test("an answer is never longer than outbox_bytes", async () => {
    const most = 64 * 1024;
    const peer = await client({ max_line_bytes: 32 * 1024, outbox_bytes: most });
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
    const peer = await client(section);
    const watcher = await server.join();
    await ask(watcher, { action: "SUBSCRIBE", channel: "c" });
    await ask(watcher, { action: "SUBSCRIBE", keys: "a" });
    expect(bytes(fits)).toBeLessThanOrEqual(MOST / 2);
    expect(await outcome(peer, line(grown(fits)))).toBeOneOf(["OK", 1]);
    expect((await heard(watcher))["value"]).toHaveLength(fits);
    expect(await outcome(peer, line(grown(fits + 1)))).toBe("TOO_LARGE");
    expect(await outcome(peer, line(grown(800)))).toBe("TOO_LARGE");
    expect(stat("closed_slow")).toBe(0);
    expect(await outcome(watcher, { action: "PING" })).toBe("PONG");
  });

  test("is not read once outbox_bytes is too small for it", async () => {
    const peer = await client({ ...section, max_line_bytes: 2 * MOST, outbox_bytes: 4 * MOST });
    const value = "x".repeat(7000);
    await setAll(peer, ["a"], value);
    const get = '{"action":"GET","key":"a"}';
    const small = { ...section, max_line_bytes: 2048 };
    const answer = `{"result":"${value}"}`.length;
    expect(await outcome(peer, get)).toBe(value);
    expect(server.reload({ ...small, outbox_bytes: answer })).toEqual([]);
    expect(await outcome(peer, get)).toBe(value);
    expect(server.reload({ ...small, outbox_bytes: 4096 })).toEqual([]);
    expect(await outcome(peer, get)).toBe("TOO_LARGE");
    expect(await outcome(peer, { action: "GET", key: "a", meta: true })).toBe("TOO_LARGE");
    expect(await outcome(peer, { action: "EXISTS", key: "a" })).toBe(true);
  });

  test("is not sent back beyond outbox_bytes", async () => {
    const peer = await client(section);
    const line = (numbers: number) => `{"action":"ECHO","value":${grown(numbers)}}`;
    const most = Math.floor((MOST - '"result":'.length - 1) / 22);
    expect(await outcome(peer, line(most))).toHaveLength(most);
    expect(await outcome(peer, line(most + 1))).toBe("TOO_LARGE");
    expect(await outcome(peer, { action: "PING" })).toBe("PONG");
  });
});

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
    const peer = await client();
    // What such a key could be mistaken for.
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
    expect(stat("subscriptions")).toBe(0);
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
    const peer = await client();
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
    expect(await outcome(peer, { action: "SUBSCRIBE", keys: key })).toEqual({ subscribed: key });
    peer.send(`${JSON.stringify({ action: "DEL", key })}\n`);
    expect([await heard(peer), await heard(peer)]).toContainEqual({ event: "del", key });
    expect(await allKeys(peer)).toEqual([]);
  });

  test("has 32 parts at most, its namespace included", async () => {
    const peer = await client();
    const ns = Array(31).fill("a").join("^");
    expect(await outcome(peer, { action: "SET", ns, key: "b", value: 1 })).toBe("OK");
    expect(await outcome(peer, { action: "SET", ns, key: "b^c", value: 1 })).toBe("BAD_KEY");
    expect(await outcome(peer, { action: "ORDER", ns, key: "" })).toBe("b");
  });

  test("in a namespace does not begin with ^, which could mean two", async () => {
    const peer = await client();
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
    const peer = await client();
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
    expect(stat("keys")).toBe(1);
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
    const peer = await client();
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
    const peer = await client();
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
  }, 20_000);
});

describe("ORDER", () => {
  test("walks siblings, which hold a value or something below", async () => {
    const peer = await client();
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
    const peer = await client();
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
      const peer = await client();
      expect(await outcome(peer, { action: "ORDER", key })).toBe("BAD_KEY");
    },
  );
});

describe("KEYS and NAMESPACES", () => {
  const NAMES = ["1", "1^a", "1^b^c", "2^x", "10", "a", "a^1", "a^1^z", "b^1", "b^2", "ba", "é"];

  test("page by page show everything once and in order, at every limit", async () => {
    const peer = await client();
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
    const peer = await client();
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
    const peer = await client();
    await setAll(peer, NAMES);
    for (let limit = 1; limit < 4; limit++) {
      expect(await allKeys(peer, { ...request, limit })).toEqual(expected);
    }
  });

  test("a prefix finds numbers and texts that begin with it", async () => {
    const peer = await client();
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
    const peer = await client();
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
    const peer = await client();
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
    const peer = await client();
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
    const peer = await client();
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
    const length = MOST - left - stat("memory_bytes");
    const value = "x".repeat(length);
    expect(await outcome(peer, { action: "SET", key: "fill", value })).toBe("OK");
    expect(stat("memory_bytes")).toBe(MOST - left);
    return length;
  }

  test("is reached and not passed by SET", async () => {
    const peer = await client(section);
    const length = await fill(peer, 0);
    const set = (more: number) =>
      outcome(peer, { action: "SET", key: "fill", value: "x".repeat(length + more) });
    expect(await set(1)).toBe("MEMORY_FULL");
    expect(await outcome(peer, { action: "SET", key: "a", value: 1 })).toBe("MEMORY_FULL");
    expect(await outcome(peer, { action: "INCR", key: "a" })).toBe("MEMORY_FULL");
    expect(await outcome(peer, { action: "MSET", values: { a: 1 } })).toBe("MEMORY_FULL");
    expect(await outcome(peer, { action: "EXISTS", key: "a" })).toBe(false);
    expect(server.stats()).toMatchObject({ keys: 1, memory_bytes: MOST });
    expect(await set(0)).toBe("OK");
    expect(await set(-1)).toBe("OK");
    expect(await set(0)).toBe("OK");
    expect(await set(1)).toBe("MEMORY_FULL");
  });

  test("is reached and not passed by plain values of plain keys", async () => {
    const peer = await client(section);
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
    expect(stat("memory_bytes")).toBe(MOST);
  });

  test("a delete makes room, all of it", async () => {
    const peer = await client(section);
    await setAll(peer, ["room^a", "room^b"], "x".repeat(1000));
    const withRoom = stat("memory_bytes");
    await ask(peer, { action: "DEL", key: "room", tree: true });
    expect(stat("memory_bytes")).toBe(0);
    await setAll(peer, ["room^a", "room^b"], "x".repeat(1000));
    expect(stat("memory_bytes")).toBe(withRoom);
    await fill(peer, 0);
    const set = { action: "SET", key: "room^c", value: "x".repeat(1000) };
    expect(await outcome(peer, set)).toBe("MEMORY_FULL");
    expect(await outcome(peer, { action: "DEL", key: "room^a" })).toBe(1);
    expect(await outcome(peer, set)).toBe("OK");
    expect(stat("memory_bytes")).toBe(MOST);
    expect(await outcome(peer, { ...set, key: "room^d" })).toBe("MEMORY_FULL");
    expect(await outcome(peer, { action: "DEL", key: "fill" })).toBe(1);
    expect(await outcome(peer, { ...set, key: "room^d" })).toBe("OK");
  });

  test("counts what expires, and gives it back", async () => {
    const peer = await client(section);
    const set = { action: "SET", key: "a", value: 1, ttl_ms: 1000 };
    expect(await outcome(peer, set)).toBe("OK");
    await fill(peer, 0);
    expect(await outcome(peer, { action: "SET", key: "b", value: 1 })).toBe("MEMORY_FULL");
    server.clock.leap(1000);
    expect(await outcome(peer, { action: "EXISTS", key: "a" })).toBe(false);
    expect(await outcome(peer, { action: "SET", key: "b", value: 1 })).toBe("OK");
  });

  test("is counted the same for MSET as for SETs one by one", async () => {
    const peer = await client(section);
    const ns = Array(20).fill("deep").join("^");
    const values = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`k${i}`, i]));
    for (const [key, value] of Object.entries(values)) {
      expect(await outcome(peer, { action: "SET", ns, key, value })).toBe("OK");
    }
    const needed = stat("memory_bytes");
    await ask(peer, { action: "DEL", key: "deep", tree: true });
    server.clock.advance(1000);
    await fill(peer, needed - 1);
    // The first level has been paid for by what fills it; that much less is needed.
    const level = needed - (await neededBeside(peer, ns, values, needed));
    await fill(peer, needed - level);
    expect(await outcome(peer, { action: "MSET", ns, values })).toBe("OK");
    expect(stat("memory_bytes")).toBe(MOST);
    await ask(peer, { action: "DEL", key: "deep", tree: true });
    await fill(peer, needed - level - 1);
    expect(await outcome(peer, { action: "MSET", ns, values })).toBe("MEMORY_FULL");
    expect(stat("keys")).toBe(1);

    /** What the same values take beside another key. */
    async function neededBeside(
      peer: Peer,
      ns: string,
      values: Record<string, number>,
      room: number,
    ): Promise<number> {
      await fill(peer, room);
      const before = stat("memory_bytes");
      for (const [key, value] of Object.entries(values)) {
        expect(await outcome(peer, { action: "SET", ns, key, value })).toBe("OK");
      }
      const needed = stat("memory_bytes") - before;
      await ask(peer, { action: "DEL", key: "deep", tree: true });
      return needed;
    }
  }, 20_000);

  test("evicts nothing, and reading goes on", async () => {
    const peer = await client(section);
    let count = 0;
    const value = "x".repeat(10_000);
    while ((await outcome(peer, { action: "SET", key: `k${count}`, value })) === "OK") count++;
    expect(count).toBeGreaterThan(90);
    for (let i = 0; i < count; i++) {
      expect(await outcome(peer, { action: "GET", key: `k${i}` })).toBe(value);
    }
    expect(stat("memory_bytes")).toBeLessThanOrEqual(MOST);
  });
});

test("a journal that cannot be written refuses changes, and reading goes on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "summoner-full-"));
  const program = join(import.meta.dir, "..", "index.ts");
  await Bun.write(
    join(folder, "summoner.toml"),
    '[relay]\nenabled = false\n[store]\nenabled = true\nport = 0\npath = "data"\n',
  );
  // Files of at most two megabytes, as on a disk that is nearly full.
  const child = Bun.spawn(
    ["bash", "-c", 'trap "" XFSZ; ulimit -f 2048; exec "$0" "$1"', process.execPath, program],
    { cwd: folder, env: { ...process.env, NO_COLOR: "1" }, stdin: "ignore", stdout: "pipe" },
  );
  endings.push(async () => {
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
}, 20_000);

describe("^sys", () => {
  test("tells about the server and is kept apart", async () => {
    const peer = await client();
    await setAll(peer, ["a", "zz"]);
    server.clock.advance(1000);
    expect(await outcome(peer, { action: "GET", key: "^sys^version" })).toBe(programVersion);
    expect(await outcome(peer, { action: "GET", ns: "sys", key: "epoch" })).toBe(
      server.store.epoch,
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
    expect(stat("keys")).toBe(2);
  });

  test("can be watched", async () => {
    const peer = await client();
    await ask(peer, { action: "SUBSCRIBE", keys: "sys^stats^keys" });
    expect(await outcome(peer, { action: "GET", key: "sys^stats^keys" })).toBe(0);
    await setAll(peer, ["a"]);
    server.clock.advance(1000);
    expect(await heard(peer)).toMatchObject({ event: "set", key: "sys^stats^keys", value: 1 });
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
    const peer = await client();
    expect(await outcome(peer, request)).toBe("RESERVED");
    expect(await outcome(peer, { action: "GET", key: "sys^version" })).toBe(programVersion);
    expect(stat("keys")).toBe(0);
  });

  test("is not what only begins like it", async () => {
    const peer = await client();
    await setAll(peer, ["system", "sys1^a", "SYS"], 1);
    expect(await allKeys(peer)).toEqual(["SYS", "sys1^a", "system"]);
  });
});

describe("names that JavaScript knows", () => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", "then"];

  test("are actions that do not exist", async () => {
    const peer = await client();
    for (const action of names) {
      expect(await outcome(peer, { action })).toBe("UNKNOWN_ACTION");
    }
  });

  test("are fields that are not inherited", async () => {
    const peer = await client();
    const inherited = '{"action":"GET","__proto__":{"key":"a"}}';
    expect(await outcome(peer, inherited)).toBe("UNKNOWN_FIELD");
    peer.send(`${inherited}\n${inherited}\n{"__proto__":{"action":"PING"}}\n`);
    expect((await heard(peer))["error"].code).toBe("UNKNOWN_FIELD");
    expect((await heard(peer))["error"].code).toBe("UNKNOWN_FIELD");
    expect((await heard(peer))["error"].code).toBe("BAD_REQUEST");
  });

  test("are keys, channels and parts of values like any other", async () => {
    const peer = await client();
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
  const peer = await client();
  const random = new Random(2026);
  const held = new Map<string, { text: string; expiresAt: number }>();
  const names = Array.from({ length: 60 }, (_, i) =>
    [`k${i % 7}`, `${i % 5}`, `x${i}`].slice(0, 1 + (i % 3)).join("^"),
  );
  const pick = () => names[random.whole(0, names.length - 1)] as string;
  const now = () => server.clock.now();
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
        if (random.whole(0, 1) === 0) server.clock.advance(random.whole(0, 60));
        else server.clock.leap(random.whole(0, 60));
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
  server.clock.advance(1000);
  for (const name of names) live(name);
  expect(stat("keys")).toBe(held.size);
}, 60_000);

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
    const peer = await client();
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
    expect(server.stats()).toMatchObject({ requests: 3001, closed_bug: 0 });
    const { epoch } = server.store;
    await server.stop();
    return found.map((one) => one.replaceAll(epoch, "EPOCH"));
  }

  const alone = await answers(async (peer) => {
    for (const [i, one] of lines.entries()) {
      peer.send(Buffer.concat([one, newline]));
      await until(() => stat("requests") === i + 1);
    }
  });
  const together = await answers(async (peer) => peer.send(whole));
  const pieces = await answers(async (peer) => {
    for (let at = 0; at < whole.length;) {
      const end = at + random.whole(1, 3000);
      const before = stat("bytes_in");
      const piece = whole.subarray(at, end);
      peer.send(piece);
      await until(() => stat("bytes_in") === before + piece.length);
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
}, 60_000);
