import { describe, expect, test } from "bun:test";
import { ask, computedMs, heard, type Peer, turn, until } from "./kit.ts";
import { Random } from "./random.ts";
import { nested, outcome, setAll, StoreSuite } from "./store-suite.ts";

const suite = new StoreSuite();

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
    const peer = await suite.client();
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
    expect(suite.server.stats()).toMatchObject({ requests: 9, refused: 5, closed_bug: 0 });
    expect(peer.lines).toEqual([]);
  });

  test("that is empty is a heartbeat: not answered, not counted", async () => {
    const peer = await suite.client();
    peer.send('\n\r\n  \n\t\n{"action":"PING"}\n\n\n{"action":"PING","id":2}\n\n');
    expect(await heard(peer)).toEqual({ result: "PONG" });
    expect(await heard(peer)).toEqual({ result: "PONG", id: 2 });
    peer.send("\n");
    expect(await outcome(peer, { action: "PING" })).toBe("PONG");
    expect(suite.stat("requests")).toBe(3);
  });

  test("may end with a carriage return and a newline", async () => {
    const peer = await suite.client();
    peer.send('{"action":"SET","key":"a","value":1}\r\n{"action":"GET","key":"a"}\r\n');
    expect(await heard(peer)).toEqual({ result: "OK" });
    expect(await peer.next()).toBe('{"result":1}');
  });

  test("may be parted by newlines only: a value over two lines is two bad lines", async () => {
    const peer = await suite.client();
    peer.send('{"action":\n"PING"}\n{"action":"PING"}{"action":"PING"}\n{"action":"PING"}\n');
    for (const expected of ["MALFORMED", "MALFORMED", "MALFORMED", undefined]) {
      expect((await heard(peer))["error"]?.code).toBe(expected as string);
    }
  });

  test("may be chunked at every byte", async () => {
    const peer = await suite.client();
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
      const before = suite.stat("bytes_in");
      peer.send(bytes.subarray(0, cut));
      await until(() => suite.stat("bytes_in") === before + cut);
      peer.send(bytes.subarray(cut));
      for (const answer of expected) expect(await heard(peer)).toEqual(answer);
    }
    for (const byte of bytes) {
      const before = suite.stat("bytes_in");
      peer.send(Buffer.from([byte]));
      await until(() => suite.stat("bytes_in") > before);
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
      const peer = await suite.client({ max_line_bytes: MOST });
      for (const [length, expected] of [
        [MOST, "x".repeat(MOST - 28)],
        [MOST + 1, "TOO_LONG"],
        [10 * MOST, "TOO_LONG"],
      ] as const) {
        const line = `${echo(length)}\n`;
        const before = suite.stat("bytes_in");
        if (cut > 0) {
          peer.send(line.slice(0, cut));
          await until(() => suite.stat("bytes_in") === before + cut);
        }
        peer.send(line.slice(cut));
        const answer = await heard(peer);
        expect(answer["result"] ?? answer["error"].code).toBe(expected);
      }
      expect(await outcome(peer, { action: "PING" })).toBe("PONG");
    });

    test("counts bytes, a carriage return among them", async () => {
      const peer = await suite.client({ max_line_bytes: MOST });
      expect(await outcome(peer, echo(MOST, "\r"))).toBe("x".repeat(MOST - 29));
      expect(await outcome(peer, echo(MOST + 1, "\r"))).toBe("TOO_LONG");
      const wide = `{"action":"ECHO","value":"${"é".repeat(115)}"}`;
      expect(wide.length).toBeLessThan(MOST);
      expect(await outcome(peer, wide)).toBe("TOO_LONG");
    });

    test("is refused in its place among others", async () => {
      const peer = await suite.client({ max_line_bytes: MOST });
      const ping = (id: number) => `{"action":"PING","id":${id}}\n`;
      const long = `${echo(MOST + 1)}\n`;
      const fits = `${echo(MOST)}\n`;
      const block = [ping(1), long, ping(2), fits, long, long, ping(3)];
      for (let cut = 0; cut < block.join("").length; cut += 97) {
        const before = suite.stat("bytes_in");
        peer.send(block.join("").slice(0, cut));
        await until(() => suite.stat("bytes_in") === before + cut);
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
      const peer = await suite.client({ max_line_bytes: MOST });
      const piece = "x".repeat(100_000);
      for (let i = 0; i < 100; i++) peer.send(piece);
      await until(() => suite.stat("bytes_in") === 10_000_000);
      expect((await heard(peer))["error"].code).toBe("TOO_LONG");
      peer.send("\n");
      expect(await outcome(peer, { action: "PING" })).toBe("PONG");
      expect(suite.stat("refused")).toBe(1);
    });
  });

  test("mixed with bad ones in one write is answered in order", async () => {
    const peer = await suite.client({ max_line_bytes: 1000 });
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
    const peer = await suite.client();
    peer.pause();
    const count = 200_000;
    const value = "v".repeat(100);
    const lines: string[] = [];
    for (let i = 0; i < count; i++) lines.push(`{"action":"ECHO","value":"${value}","id":${i}}\n`);
    const bytes = lines.join("");
    peer.send(bytes);
    const one = () => suite.server.clients()[0];
    await until(() => one()?.state === "paused");
    // Bytes that this process has under way still come, and no more.
    for (let i = 0; i < 100; i++) await turn();
    const before = suite.stat("bytes_in");
    expect(before).toBeLessThan(bytes.length / 2);
    for (let i = 0; i < 100; i++) await turn();
    expect(suite.stat("bytes_in")).toBe(before);
    expect(suite.stat("pinned_bytes")).toBeLessThan(2_000_000);
    peer.resume();
    for (let i = 0; i < count; i++) {
      const line = await peer.next();
      if (line !== `{"result":"${value}","id":${i}}`) expect(line).toBe(`the answer to ${i}`);
    }
    expect(peer.lines).toEqual([]);
    expect(suite.server.stats()).toMatchObject({ requests: count, clients: 1, closed_slow: 0 });
  });

  test("of plain GETs and SETs is answered just so", async () => {
    const peer = await suite.client();
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
    await until(() => suite.server.clients()[0]?.state === "paused");
    peer.resume();
    for (let i = 0; i < count; i++) {
      const line = await peer.next();
      const expected = i % 2 === 0 ? '{"result":"OK"}' : `{"result":"${"v".repeat(100)}${i - 1}"}`;
      if (line !== expected) expect(line).toBe(expected);
    }
    expect(suite.stat("requests")).toBe(count + 10);

    async function setAllPaused(peer: Peer): Promise<void> {
      for (let i = 0; i < 10; i++) peer.send(`{"action":"SET","key":"k${i}","value":"first"}\n`);
      await until(() => suite.stat("keys") === 10);
      peer.resume();
      for (let i = 0; i < 10; i++) await peer.next();
      peer.pause();
    }
  });

  test.each([
    ["with a last newline", "\n"],
    ["without one", ""],
  ])("is answered to its end when its client ends its side at once, %s", async (_, end) => {
    const peer = await suite.client();
    const lines = Array.from({ length: 50_000 }, (_, i) => `{"action":"ECHO","value":${i}}`);
    peer.pause();
    peer.send(lines.join("\n") + end);
    peer.half();
    await until(() => suite.stat("requests") > 1000);
    peer.resume();
    for (let i = 0; i < lines.length; i++) expect(await peer.next()).toBe(`{"result":${i}}`);
    expect(await peer.closed).toBe("end");
    expect(peer.lines).toEqual([]);
    await until(() => suite.stat("clients") === 0);
    expect(suite.stat("closed_eof")).toBe(1);
  });

  test.each([
    ["a good line", '{"action":"PING"}', ["PONG"]],
    ["a bad one", "garbage", ["MALFORMED"]],
    ["one that is too long", `"${"x".repeat(300)}`, ["TOO_LONG"]],
    ["half a character", Buffer.from([0xc3]), ["MALFORMED"]],
    ["blanks", "  ", []],
    ["nothing", "", []],
  ])("that ends without a newline is answered: %s", async (_, last, expected) => {
    const peer = await suite.client({ max_line_bytes: 256 });
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
    const peer = await suite.client();
    const other = await suite.server.join();
    const values = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, 0]));
    expect(await outcome(peer, { action: "MSET", values })).toBe("OK");
    const line = '{"action":"KEYS","prefix":"nothing"}\n{"action":"KEYS","limit":10000}\n';
    peer.send(line.repeat(50));
    await until(() => suite.stat("requests_keys") > 0);
    expect(await outcome(other, { action: "PING" })).toBe("PONG");
    expect(suite.stat("requests_keys")).toBeLessThan(50);
    // Every second request is a whole share, in every turn.
    for (let before = suite.stat("requests_keys"); peer.lines.length < 100;) {
      await turn();
      const served = suite.stat("requests_keys");
      expect(served - before).toBeLessThan(6);
      before = served;
    }
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
    const peer = await suite.client();
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
    ["NUMBER_RANGE", "-0"],
    ["NUMBER_RANGE", "[1,[5.00000000000000000001]]"],
    ["TOO_DEEP", nested(129)],
    ["TOO_DEEP", `[9007199254740992,${nested(200)}]`],
    ["TOO_DEEP", `[1e400,${nested(200_000)}]`],
  ])("that cannot come back as it was is refused and left out: %s", async (code, id) => {
    const peer = await suite.client();
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
    "1e309",
    "1e-400",
    "100000000000000000000000000000001",
    "-0",
    "-0.0",
    "-0e5",
    "9007199254740993.0",
    "9007199254740993e0",
    "9007199254740993E+00",
    "90071992547409930e-1",
    "9.007199254740993e15",
    // A double holds it, but its shortest form is 1152921504606847000.
    "1152921504606846976",
    "1.00000000000000000001",
    "0.99999999999999999",
    "4503599627370496.3",
    "9007199254740991.4",
    "3.14159265358979323846",
    "0.1000000000000000055511151231257827",
    "0.10000000000000002e-320",
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
    "-0.5",
    "5e-324",
    "1E3",
    "1e005",
    "0.0",
    "0e999",
    "1.0",
    "1.000000000000000000000",
    "100e-2",
    "9007199254740992.0",
    "1152921504606847000",
    "1.7976931348623157e308",
    // A fraction has up to 17 digits.
    "0.10000000000000001",
    "3.1415926535897931",
    "4.9406564584124654e-324",
    `0.${"0".repeat(500)}1e500`,
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
    const peer = await suite.client();
    for (const number of altered) {
      expect(await outcome(peer, line(number))).toBe("NUMBER_RANGE");
    }
    expect(suite.stat("keys")).toBe(0);
    peer.send(`${altered.map(line).join("\n")}\n`);
    for (const _ of altered) expect((await heard(peer))["error"].code).toBe("NUMBER_RANGE");
  });

  test("that a double alters is found behind millions of bytes of text, in little time", async () => {
    const peer = await suite.client({ max_line_bytes: 6 * 2 ** 20 });
    for (const text of ["x".repeat(4_000_000), "\\n".repeat(2_000_000)]) {
      const line = `{"action":"ECHO","value":["${text}",${2 ** 53}1]}`;
      const since = computedMs();
      expect(await outcome(peer, line)).toBe("NUMBER_RANGE");
      expect(computedMs() - since).toBeLessThan(1000);
    }
  });

  test.each(places)("that a double keeps is taken: %s", async (_, line) => {
    const peer = await suite.client();
    for (const number of kept) expect(await ask(peer, line(number))).not.toHaveProperty("error");
  });

  test("comes back as it was", async () => {
    const peer = await suite.client();
    for (const number of [...kept, "0", "-1", "123456789012345", "1234567890123456"]) {
      await ask(peer, `{"action":"SET","key":"n","value":${number}}`);
      expect(await outcome(peer, { action: "GET", key: "n" })).toBe(Number(number) + 0);
      // A second time, over a value that is there.
      await ask(peer, `{"action":"SET","key":"n","value":${number}}`);
      expect(await outcome(peer, { action: "GET", key: "n" })).toBe(Number(number) + 0);
    }
  });

  test("that a double alters does not take the place of a value either", async () => {
    const peer = await suite.client();
    await setAll(peer, ["a"], "before");
    for (const number of altered) {
      expect(await outcome(peer, `{"action":"SET","key":"a","value":${number}}`)).toBe(
        "NUMBER_RANGE",
      );
    }
    expect(await outcome(peer, { action: "GET", key: "a" })).toBe("before");
  });

  test("is the same number for those who read more digits than a double has", async () => {
    const peer = await suite.client();
    const decimals = kept.filter((number) => Number.isInteger(Number(number)));
    for (const number of decimals) {
      const [, shown = ""] = /^{"result":(.*)}$/.exec(await said(peer, number)) ?? [];
      expect(scaled(shown)).toBe(scaled(number));
    }

    async function said(from: Peer, number: string): Promise<string> {
      from.send(`{"action":"ECHO","value":${number}}\n`);
      return from.next();
    }

    /** The number times ten to the power of 600. */
    function scaled(number: string): bigint {
      const [mantissa = "", power = "0"] = number.toLowerCase().split("e");
      const [whole = "", fraction = ""] = mantissa.split(".");
      return BigInt(whole + fraction) * 10n ** BigInt(1100 + Number(power) - fraction.length);
    }
  });

  test("of any field is refused when it would be altered", async () => {
    const peer = await suite.client();
    for (const line of [
      '{"action":"INCR","key":"n","by":1.00000000000000000001}',
      '{"action":"INCR","key":"n","by":-0}',
      '{"action":"INCR","key":"n","by":9007199254740991.4}',
      '{"action":"SET","key":"n","value":"","ttl_ms":1000.00000000000000001}',
      '{"action":"KEYS","limit":0.99999999999999999}',
    ]) {
      expect(await outcome(peer, line)).toBe("NUMBER_RANGE");
    }
    expect(suite.stat("keys")).toBe(0);
  });

  test("that is altered beside an id leaves the id as it was", async () => {
    const peer = await suite.client();
    for (const id of [0, 5, -1.5, [1, { a: 2 }]]) {
      const answer = await ask(peer, `{"action":"ECHO","id":${JSON.stringify(id)},"value":1e400}`);
      expect(answer).toEqual({ error: expect.objectContaining({ code: "NUMBER_RANGE" }), id });
    }
  });

  test("in a text is text", async () => {
    const peer = await suite.client();
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
    const peer = await suite.client();
    const object = (levels: number) => `${'{"a":'.repeat(levels - 1)}{}${"}".repeat(levels - 1)}`;
    for (const make of [nested, object]) {
      expect(await ask(peer, line(make(128)))).not.toHaveProperty("error");
      expect(await outcome(peer, line(make(129)))).toBe("TOO_DEEP");
    }
    // A shallow value before it must not hide it.
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
    const peer = await suite.client();
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
    expect(suite.stat("closed_bug")).toBe(0);
  });

  test("in MSET is that of each value", async () => {
    const peer = await suite.client();
    const line = (levels: number) => `{"action":"MSET","values":{"a":0,"b":${nested(levels)}}}`;
    // The object of values is a level of its own.
    expect(await outcome(peer, line(127))).toBe("OK");
    expect(await outcome(peer, line(129))).toBe("TOO_DEEP");
  });
});

/** A request of each action that is carried out, with every field it knows. */
