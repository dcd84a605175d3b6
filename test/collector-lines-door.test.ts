import { afterEach, describe, expect, test } from "bun:test";
import { MOST_VALUES } from "../lib/services/collector/doors/attributes.ts";
import { blocked, collecting } from "./collector-suite.ts";
import { dial, type Peer, until } from "./kit.ts";

type Server = Awaited<ReturnType<typeof collecting>>;

const over = (own: object = {}) => collecting({ lines: true, format: "json", ...own });

const records = (server: Pick<Server, "lines">) =>
  server.lines().map((line) => JSON.parse(line) as Record<string, any>);
const messages = (server: Pick<Server, "lines">) => records(server).map(({ message }) => message);

const peers: Peer[] = [];
afterEach(() => {
  for (const peer of peers.splice(0)) peer.end();
});

async function sender(server: Server): Promise<Peer> {
  const peer = await dial(server.portOf("lines"));
  peers.push(peer);
  return peer;
}

const HERE = { hostname: "127.0.0.1" };
/** What the clock of the test says. */
const ARRIVED = "2026-01-02T03:04:05.678Z";
const HERE_NOW = { ...HERE, timestamp: ARRIVED };

describe("a line", () => {
  const told: [string, string, object][] = [
    ["plain text", "hello", { level: "NOTSET", ...HERE_NOW, message: "hello" }],
    [
      "pino",
      '{"level":30,"time":1700000000123,"pid":42,"hostname":"h","name":"app","msg":"hello","req":{"id":1}}',
      {
        level: "INFO",
        timestamp: "2023-11-14T22:13:20.123Z",
        hostname: "h",
        loggerName: "app",
        message: "hello",
        processId: "42",
        attributes: { req: { id: 1 } },
      },
    ],
    [
      "pino with an error",
      '{"level":50,"time":1700000000120,"pid":42,"hostname":"h","err":{"type":"Error","message":"no","stack":"Error: no\\n    at x"},"msg":"no"}',
      {
        level: "ERROR",
        timestamp: "2023-11-14T22:13:20.120Z",
        hostname: "h",
        message: "no",
        processId: "42",
        stackTrace: "Error: no\n    at x",
        attributes: { err: { type: "Error", message: "no" } },
      },
    ],
    [
      "bunyan",
      '{"name":"app","hostname":"h","pid":42,"level":40,"msg":"hello","time":"2026-01-02T03:04:05.678Z","v":0}',
      {
        level: "WARNING",
        timestamp: "2026-01-02T03:04:05.678Z",
        hostname: "h",
        loggerName: "app",
        message: "hello",
        processId: "42",
        attributes: { v: 0 },
      },
    ],
    [
      "winston",
      '{"level":"warn","message":"hello","service":"billing","timestamp":"2026-01-02T03:04:05.678Z"}',
      {
        level: "WARNING",
        timestamp: "2026-01-02T03:04:05.678Z",
        ...HERE,
        message: "hello",
        serviceName: "billing",
      },
    ],
    [
      "zap",
      '{"level":"error","ts":1700000000.1234567,"logger":"app","caller":"main.go:42","msg":"hello","stacktrace":"main.main"}',
      {
        level: "ERROR",
        timestamp: "2023-11-14T22:13:20.1234567Z",
        ...HERE,
        loggerName: "app",
        message: "hello",
        stackTrace: "main.main",
        attributes: { caller: "main.go:42" },
      },
    ],
    ["an empty object", "{}", { level: "NOTSET", ...HERE_NOW }],
    [
      "keys of any name",
      '{"__proto__":1,"constructor":{"x":null},"msg":"m"}',
      {
        level: "NOTSET",
        ...HERE_NOW,
        message: "m",
        attributes: { ["__proto__"]: 1, constructor: { x: null } },
      },
    ],
    [
      "values that fit no field, which stay where they are",
      '{"msg":{"a":1},"message":"m","level":"odd","time":-1,"hostname":null,"pid":[1],"err":"x"}',
      {
        level: "NOTSET",
        ...HERE_NOW,
        message: "m",
        attributes: { msg: { a: 1 }, level: "odd", time: -1, hostname: null, pid: [1], err: "x" },
      },
    ],
    ["a list, which is plain text", '["a"]', { level: "NOTSET", ...HERE_NOW, message: '["a"]' }],
  ];
  for (const [what, line, entry] of told) {
    test(`becomes an entry: ${what}`, async () => {
      const server = await over();
      (await sender(server)).send(`${line}\n`);
      await server.wrote(1);
      const [{ sequence, ...found } = {}] = records(server);
      expect([sequence, found]).toEqual([0, entry]);
      expect(server.stats()["kept_whole"]).toBe(0);
      await server.drain();
    });
  }

  test("that begins as an object and is none is kept as it came, and counted", async () => {
    const server = await over();
    const odd = ["{", "{broken", '{"msg":"x"} y', '{"msg":"x",}', `{"a":${"[".repeat(200_000)}`];
    const deep = `{"a":${"[".repeat(63)}${"]".repeat(63)},"msg":"deep"}`;
    const deeper = `{"a":${"[".repeat(64)}${"]".repeat(64)},"msg":"deep"}`;
    (await sender(server)).send([...odd, deeper, deep, ""].join("\n"));
    await server.wrote(7);
    expect(messages(server)).toEqual([...odd, deeper, "deep"]);
    expect(server.stats()["kept_whole"]).toBe(6);
    await server.drain();
  });

  test("of more keys, lists and objects than anybody logs is kept as it came", async () => {
    const server = await over();
    // The object itself counts, too.
    const line = (keys: number) =>
      JSON.stringify(
        Object.fromEntries(
          ["msg", ..."x".repeat(keys - 1)].map((key, n) => [n === 0 ? key : `${n}`, "m"]),
        ),
      );
    const most = MOST_VALUES - 1;
    const objects = `{"msg":"m","a":[${"{},".repeat(MOST_VALUES - 5)}{}]}`;
    const lists = objects.replace("{},", "[],[],");
    (await sender(server)).send([line(most), line(most + 1), objects, lists, ""].join("\n"));
    await server.wrote(4);
    expect(messages(server)).toEqual(["m", line(most + 1), "m", lists]);
    expect(server.stats()["kept_whole"]).toBe(2);
    await server.drain();
  });

  test("has a level by its name or its number", async () => {
    const server = await over();
    const levels: [unknown, string][] = [
      [10, "DEBUG"],
      [20, "DEBUG"],
      [29, "DEBUG"],
      [30, "INFO"],
      [40, "WARNING"],
      [50, "ERROR"],
      [60, "CRITICAL"],
      [0, "CRITICAL"],
      [3, "ERROR"],
      [5, "REPORT"],
      [6, "INFO"],
      [7, "DEBUG"],
      [8, "DEBUG"],
      ["INFO", "INFO"],
      ["Warn", "WARNING"],
      ["fatal", "CRITICAL"],
      ["logon", "LOGON"],
      [-1, "NOTSET"],
      [1.5, "NOTSET"],
      [true, "NOTSET"],
    ];
    const peer = await sender(server);
    for (const [level] of levels) peer.send(`${JSON.stringify({ level })}\n`);
    await server.wrote(levels.length);
    expect(records(server).map(({ level }) => level)).toEqual(levels.map(([, level]) => level));
    await server.drain();
  });

  test("has a time by its size, seconds, milliseconds, microseconds or nanoseconds, else that of its arrival", async () => {
    const server = await over();
    const times: [string, string][] = [
      ["1700000000", "2023-11-14T22:13:20Z"],
      ["1700000000.5", "2023-11-14T22:13:20.5Z"],
      ["1700000000123", "2023-11-14T22:13:20.123Z"],
      ["1700000000123456", "2023-11-14T22:13:20.123456Z"],
      ["1700000000123456768", "2023-11-14T22:13:20.123456768Z"],
      ["99999999999", "5138-11-16T09:46:39Z"],
      ["100000000000", "1973-03-03T09:46:40.000Z"],
      ["1e30", ARRIVED],
      ["0", ARRIVED],
      ['"yesterday"', "yesterday"],
    ];
    const peer = await sender(server);
    for (const [time] of times) peer.send(`{"time":${time}}\n`);
    await server.wrote(times.length);
    expect(records(server).map(({ timestamp }) => timestamp)).toEqual(times.map(([, iso]) => iso));
    await server.drain();
  });

  test("has its fields under the keys of the settings, which a reload changes", async () => {
    const server = await over({ line_keys: { message: ["text"], level: ["meta.severity"] } });
    const line = '{"msg":"a","text":"b","meta":{"severity":"error","n":1}}\n';
    const peer = await sender(server);
    peer.send(line);
    await server.wrote(1);
    expect(records(server)[0]).toEqual({
      sequence: 0,
      level: "ERROR",
      ...HERE_NOW,
      message: "b",
      attributes: { msg: "a", meta: { n: 1 } },
    });
    expect(server.reload({ collector: { lines: true } })).toEqual([]);
    peer.send(line);
    await server.wrote(2);
    expect(records(server)[1]).toMatchObject({ level: "NOTSET", message: "a" });
    await server.drain();
  });

  test("of bytes that are no text stays on its line", async () => {
    const server = await over();
    const bytes = Buffer.concat([
      Buffer.from("a\u0000b\u001b[1mc\u0085d\u202ee\rf"),
      Buffer.from([0xff, 0xc3, 0x0a]),
      Buffer.from('{"msg":"x'),
      Buffer.from([0xff]),
      Buffer.from('","k\\n":"\\u0000\u202e"}\n'),
    ]);
    (await sender(server)).send(bytes);
    const lines = await server.wrote(2);
    for (const line of lines) expect(line).not.toMatch(/\p{Cc}|\p{Cf}/u);
    expect(messages(server)).toEqual([
      "a\u0000b\u001b[1mc\u0085d\u202ee\rf\ufffd\ufffd",
      "x\ufffd",
    ]);
    expect(records(server)[1]?.["attributes"]).toEqual({ "k\n": "\u0000\u202e" });
    await server.drain();
  });
});

describe("a stream of lines", () => {
  test("may end without a newline, or have returns and empty lines", async () => {
    const server = await over();
    const peer = await sender(server);
    peer.send("one\r\n\r\n\ntwo\nthree");
    peer.half();
    await server.wrote(3);
    expect(messages(server)).toEqual(["one", "two", "three"]);
    await server.drain();
  });

  test("has lines up to max_message_bytes; a longer one is skipped, and the next ones are served", async () => {
    const server = await over({ max_message_bytes: 256 });
    const [whole, parts, bystander] = [
      await sender(server),
      await sender(server),
      await sender(server),
    ];
    const at = "x".repeat(256);
    whole.send(`${at}\n${at}y\nend\n`);
    await server.wrote(2);
    expect(server.stats()["refused_lines_oversized"]).toBe(1);
    for (const part of [at, "\n", at, "y", `${at}\n`, "end\n"]) {
      const before = server.stats()["bytes_in"] as number;
      await parts.sent(part);
      await until(() => (server.stats()["bytes_in"] as number) > before);
    }
    await server.wrote(4);
    expect(messages(server)).toEqual([at, "end", at, "end"]);
    expect(server.stats()["refused_lines_oversized"]).toBe(2);
    bystander.send("served\n");
    await server.wrote(5);
    expect(whole.isClosed).toBe(false);
    await server.drain();
  });

  test("waits in the system while the disk takes nothing, and comes whole and in order", async () => {
    const server = await blocked({ lines: true, format: "json" });
    const [first, second] = [await sender(server), await sender(server)];
    first.send("0\n");
    await until(() => server.stats()["blocked"] === 1);
    second.send([...Array(99).keys()].map((n) => `${n + 1}\n`).join(""));
    await until(() => server.clients().filter(({ state }) => state === "paused").length === 2);
    expect(server.stats()["records"]).toBe(1);
    await server.relieve();
    await server.wrote(100);
    expect(messages(server)).toEqual([...Array(100).keys()].map(String));
    await server.drain();
  });
});
