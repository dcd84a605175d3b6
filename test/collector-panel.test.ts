import { describe, expect, onTestFinished, test } from "bun:test";
import * as fs from "node:fs";
import { zstdCompressSync } from "node:zlib";
import * as grpc from "@grpc/grpc-js";
import { type Fields, record, Sender } from "./collector-suite.ts";
import { CameBy, MOST_KNOWN } from "../lib/services/collector/came-by.ts";
import type { DoorName } from "../lib/services/collector/doors/door.ts";
import { bytesField } from "../lib/services/collector/doors/proto/fields.ts";
import { Finding } from "../lib/services/collector/find.ts";
import { TextSearch } from "../lib/services/collector/search.ts";
import { boot, type Booted, dial, type Overrides, turn, until } from "./kit.ts";
import { TOKEN } from "./web-suite.ts";

// The views of the panel, over HTTP, of a log that came over the wire.

async function start(own: Overrides = {}, more: Overrides = {}): Promise<Booted> {
  const server = await boot(["collector", "web"], { collector: own, ...more }, { token: TOKEN });
  onTestFinished(() => server.stop());
  return server;
}

/** Sends records on a connection, and waits until they are written. */
async function send(server: Booted, ...all: readonly Fields[]): Promise<void> {
  const before = server.stats()["written"] as number;
  const sender = new Sender(server.port());
  sender.send(...all.map(record));
  await until(() => server.stats()["written"] === before + all.length);
  sender.end();
}

const messages = (count: number, from = 0): Fields[] =>
  Array.from({ length: count }, (_, i) => ({ message: `m${from + i}`, level: (from + i) % 12 }));

async function view(server: Booted, path: string): Promise<{ status: number; body: any }> {
  // The same view is made a few times in a moment, and then answered as it was.
  server.clock.advance(1000);
  const answer = await server.get(`/panels/collector/${path}`);
  const text = await answer.text();
  return { status: answer.status, body: answer.status === 200 ? JSON.parse(text) : text.trim() };
}

async function found(server: Booted, query: Record<string, string | number> = {}): Promise<any> {
  const text = new URLSearchParams(query as Record<string, string>);
  const { status, body } = await view(server, `entries?${text}`);
  expect([status, body]).toEqual([200, expect.anything()]);
  return body;
}

const sequencesOf = ({ entries }: any) => entries.map((one: any) => one.sequence);
/** From a number down to another one. */
const down = (from: number, to: number) =>
  Array.from({ length: from - to + 1 }, (_, i) => from - i);

/** All that a search finds, page by page. */
async function all(server: Booted, query: Record<string, string | number> = {}): Promise<number[]> {
  const sequences: number[] = [];
  let told = await found(server, query);
  sequences.push(...sequencesOf(told));
  while (!told.is_whole) {
    const before = told.back_to;
    told = await found(server, { ...query, before });
    expect(told.back_to).toBeLessThan(before);
    sequences.push(...sequencesOf(told));
  }
  return sequences;
}

const pathOf = ({ config }: Booted) => config.collector.path;
/** Entries as lines of columns of the usual widths. */
const lineOf = (sequence: number, message: string, level = "INFO") =>
  `${sequence} ${"t".padEnd(33)} ${"h".padEnd(12)} ${"l".padEnd(15)} ${level.padEnd(8)} ${"f".padEnd(20)} ${"g".padEnd(25)} ${"1".padEnd(6)} ${message}\n`;

/** A server that goes on with these files: of what is written, then the rotated ones, the newest first. */
async function withFiles(files: Record<string, string | Buffer>, own: Overrides = {}) {
  const folder = fs.mkdtempSync(`${fs.realpathSync("/tmp")}/collector-panel-`);
  onTestFinished(() => fs.rmSync(folder, { recursive: true }));
  const path = `${folder}/_main.log`;
  for (const [ending, content] of Object.entries(files)) fs.writeFileSync(path + ending, content);
  return start({ path, backup_count: 10_000, ...own });
}

describe("the state", () => {
  test("tells of each door, of the files and of what waits", async () => {
    const server = await start({ http: true, max_file_bytes: 2000, hash_chain: true });
    await send(server, ...messages(20));
    const { body } = await view(server, "state");
    const [tcp, grpc, http] = server.running().addresses;
    expect(body).toMatchObject({
      path: pathOf(server),
      durability: "none",
      records: 20,
      pending: { entries: 0, bytes: 0 },
      room: { entries: 1024, bytes: 67_108_864 },
      is_full: false,
      slow_sync: null,
      blocked: null,
    });
    expect(body.doors.map((one: any) => [one.name, one.addresses, one.records])).toEqual([
      ["tcp", [`127.0.0.1:${tcp?.port}`], 20],
      ["grpc", [`127.0.0.1:${grpc?.port}`], 0],
      ["http", [`127.0.0.1:${http?.port}`], 0],
      ["syslog", [], 0],
      ["lines", [], 0],
    ]);
    const rotated = server.stats()["rotations"];
    expect(body.files).toEqual({
      current_bytes: fs.statSync(pathOf(server)).size,
      most_bytes: 2000,
      most_rotated: 10,
      rotated,
      rotated_bytes: (server.stats()["written_bytes"] as number) - body.files.current_bytes,
      compressed: 0,
      has_more: false,
      disk: { free_bytes: expect.any(Number), bytes: expect.any(Number) },
    });
    const last = fs.readFileSync(pathOf(server), "utf8").trimEnd();
    expect(body.chain).toEqual({ entry: 19, hash: last.slice(-16) });
  });

  test("tells what was refused, and why", async () => {
    const server = await start();
    new Sender(server.port()).send(Buffer.from([0, 0, 0, 3, 1, 2, 3]));
    new Sender(server.port()).send(Buffer.from([0xff, 0, 0, 0]));
    await until(() => server.stats()["refused"] === 2);
    const [tcp] = (await view(server, "state")).body.doors;
    expect(tcp).toMatchObject({
      refused: 2,
      reasons: [
        { name: "malformed", why: "they were not what the door speaks", count: 1 },
        { name: "oversized", why: "they were too long", count: 1 },
      ],
    });
  });

  test("counts compressed files, and follows other settings", async () => {
    const packed = zstdCompressSync(lineOf(0, "a"));
    const server = await withFiles({ "": lineOf(2, "c"), ".0": lineOf(1, "b"), ".1.zst": packed });
    const files = async () => (await view(server, "state")).body.files;
    expect(await files()).toMatchObject({ rotated: 2, compressed: 1, most_rotated: 10_000 });
    const own = { path: pathOf(server), backup_count: 7, buffer_size: 5 };
    server.reload({ collector: own });
    expect(await files()).toMatchObject({ most_rotated: 7 });
    expect((await view(server, "state")).body.room.entries).toBe(5);
  });

  test("changes when something has come, or somebody has", async () => {
    const server = await start();
    const changes = () => server.running().panel?.changes() as number;
    let last = changes();
    const grown = async () => {
      await until(() => changes() > last);
      last = changes();
    };
    const sender = new Sender(server.port());
    await grown();
    sender.send(record({ message: "a" }));
    await until(() => server.stats()["written"] === 1);
    await grown();
    sender.end();
    await grown();
    new Sender(server.port()).send(Buffer.from([0xff, 0, 0, 0]));
    await until(() => server.stats()["refused"] === 1);
    await grown();
  });
});

describe("entries", () => {
  test("are told field by field, the newest first", async () => {
    const server = await start();
    await send(
      server,
      { message: "older", level: 1 },
      {
        timestamp: "2026-01-02 03:04:05,678",
        hostname: "a-host-whose-name-is-long",
        loggerName: "pricing",
        level: 9,
        filename: "pricing.py",
        functionName: "compute",
        lineNumber: "88",
        message: "retry 2  of 5",
      },
    );
    expect(await found(server)).toEqual({
      entries: [
        {
          sequence: 1,
          door: "tcp",
          level: "WARNING",
          timestamp: "2026-01-02 03:04:05,678",
          host: "a-host-whose",
          logger: "pricing",
          where: "pricing.py:compute:88",
          message: "retry 2  of 5",
          more: [],
        },
        expect.objectContaining({ sequence: 0, level: "DEBUG", timestamp: "", message: "older" }),
      ],
      before: 2,
      back_to: 0,
      is_whole: true,
      doors_from: 0,
      left_out: null,
    });
  });

  test("are found by the door that they came by, since this start", async () => {
    const before = lineOf(0, "m0") + lineOf(1, "m1");
    const server = await withFiles({ "": before }, { lines: true });
    const linesPort = server.running().addresses.find(({ door }) => door === "lines")?.port ?? 0;
    // In turn by two doors, each in pieces of its own.
    const sent: Record<string, number[]> = { tcp: [], lines: [] };
    for (let next = 2, piece = 1; piece <= 6; piece++) {
      const name = piece % 2 === 0 ? "lines" : "tcp";
      const numbers = Array.from({ length: piece }, () => next++);
      sent[name]?.push(...numbers);
      if (name === "tcp") await send(server, ...messages(piece, numbers[0]));
      else {
        const peer = await dial(linesPort);
        peer.send(numbers.map((n) => `{"msg":"m${n}","level":"error"}\n`).join(""));
        await until(() => server.stats()["records"] === next - 2);
        await until(() => server.stats()["pending"] === 0);
        peer.end();
      }
    }
    for (const [door, numbers] of Object.entries(sent)) {
      const newestFirst = numbers.toReversed();
      const told = await found(server, { door });
      expect(sequencesOf(told)).toEqual(newestFirst);
      expect(told.entries.map((one: any) => [one.door, one.message])).toEqual(
        newestFirst.map((n) => [door, `m${n}`]),
      );
      // Of what was there before, no door is known.
      expect(told).toMatchObject({ back_to: 2, doors_from: 2, is_whole: true });
      expect(await all(server, { door, limit: 2 })).toEqual(newestFirst);
      const from = numbers[2] as number;
      expect(await found(server, { door, from })).toMatchObject({ back_to: from, is_whole: true });
    }
    const severe = (sent["tcp"] as number[]).filter((n) => n % 12 >= 10);
    expect(await all(server, { door: "tcp", level: "error" })).toEqual(severe.toReversed());
    expect(await all(server, { door: "lines", level: "critical" })).toEqual([]);
    expect(await all(server, { door: "grpc" })).toEqual([]);
    const told = await found(server);
    expect(sequencesOf(told)).toEqual(down(22, 0));
    expect(told.entries.slice(-2).map((one: any) => one.door)).toEqual(["", ""]);
    expect(await view(server, "entries?door=udp")).toEqual({
      status: 400,
      body: expect.stringContaining("door: allowed: "),
    });
  });

  test("have the name of their door, whichever it is", async () => {
    const server = await start({ http: true, syslog: true, lines: true });
    const port = (name: DoorName) =>
      server.running().addresses.find(({ door }) => door === name)?.port as number;
    const client = new grpc.Client(`127.0.0.1:${port("grpc")}`, grpc.credentials.createInsecure());
    const call = (path: string, message: Buffer) =>
      new Promise<void>((resolve, reject) => {
        const asItIs = (bytes: Buffer) => bytes;
        client.makeUnaryRequest(path, asItIs, asItIs, message, (error) =>
          error ? reject(error) : resolve(),
        );
      });
    const say = async (door: DoorName, text: string) => {
      const peer = await dial(port(door));
      peer.send(text);
      peer.end();
    };
    const logs = bytesField(1, bytesField(2, bytesField(2, bytesField(5, bytesField(1, "otlp")))));
    const sends: [DoorName, () => Promise<unknown>][] = [
      ["tcp", () => send(server, { message: "x" })],
      ["grpc", () => call("/LogService/LogMessage", bytesField(8, "x"))],
      ["grpc", () => call("/opentelemetry.proto.collector.logs.v1.LogsService/Export", logs)],
      [
        "http",
        () =>
          fetch(`http://127.0.0.1:${port("http")}/v1/logs`, {
            method: "POST",
            keepalive: false,
            headers: { "content-type": "application/x-protobuf" },
            body: logs,
          }),
      ],
      ["syslog", () => say("syslog", "<13>x\n")],
      ["lines", () => say("lines", "x\n")],
    ];
    for (const [i, [, by]] of sends.entries()) {
      await by();
      await until(() => server.stats()["written"] === i + 1);
    }
    client.close();
    const doors = (await found(server)).entries.map((one: any) => one.door);
    expect(doors.toReversed()).toEqual(sends.map(([door]) => door));
  });

  test("have doors that are known of the newest million, and of no more", () => {
    let next = 7;
    const doors = new CameBy(() => next);
    const take = (door: number) => doors.note(next++, door);
    take(4);
    for (let i = 1; i < MOST_KNOWN; i++) take(i % 4);
    expect([doors.from, doors.of(6), doors.of(7), doors.of(8)]).toEqual([7, null, 4, 1]);
    take(3);
    expect([doors.from, doors.of(7), doors.of(8)]).toEqual([8, null, 1]);
    expect([doors.of(next - 1), doors.of(next)]).toEqual([3, null]);
  });

  test.each([
    ["of lines of JSON", false],
    ["of lines of JSON with hashes", true],
  ])("%s have all their fields", async (_, chained) => {
    const server = await start({ format: "json", hash_chain: chained });
    const stackTrace = "Traceback:\n  one\n  two";
    await send(server, { message: 'say "hi"\n', level: 11, stackTrace, processId: "47" });
    const { entries } = await found(server, { text: 'SAY "hi"', level: "critical" });
    expect(entries).toEqual([
      {
        sequence: 0,
        door: "tcp",
        level: "CRITICAL",
        timestamp: "",
        host: "",
        logger: "",
        where: "",
        message: 'say "hi"\n',
        more: [
          ["processId", "47"],
          ["stackTrace", stackTrace],
        ],
      },
    ]);
  });

  test("of lines that end in a hash are told without it", async () => {
    const server = await start({ hash_chain: true });
    await send(server, { message: "a" });
    expect((await found(server)).entries[0].message).toBe("a");
  });

  test.each(["columns", "json"])("in %s are not found by their hash", async (format) => {
    for (const chained of [true, false]) {
      const server = await start({ format, hash_chain: chained });
      // Without a chain this is a message like any other.
      await send(server, { message: "é #0123456789abcdef" });
      const line = fs.readFileSync(pathOf(server), "utf8").trimEnd();
      const hash = /([0-9a-f]{16})(?:"\})?$/.exec(line)?.[1] ?? "0123456789abcdef";
      const numbers = async (text: string) => sequencesOf(await found(server, { text }));
      expect(await numbers(hash.toUpperCase())).toEqual(chained ? [] : [0]);
      expect(await numbers("é #0123456789abcdef")).toEqual([0]);
      expect(await numbers("0123456789abcdef")).toEqual([0]);
      if (chained) expect(await numbers(format === "json" ? '"hash"' : `f #${hash}`)).toEqual([]);
    }
  });

  test("are found by text in any case, in all that stands in the line", async () => {
    const server = await start();
    await send(server, { message: "One" }, { hostname: "ONE" }, { message: "two" });
    expect(sequencesOf(await found(server, { text: "oNe" }))).toEqual([1, 0]);
    expect(sequencesOf(await found(server, { text: "two" }))).toEqual([2]);
    expect(await found(server, { text: "three" })).toMatchObject({ entries: [], is_whole: true });
  });

  test("are found by text of other letters as it stands there, and by nothing like it", async () => {
    const server = await start();
    // In lower case the bytes of the first and of the last are alike, taken one by one.
    await send(server, { message: "é" }, { message: "caf\u00e9 A" }, { message: "\ue3a9\u3a69" });
    expect(sequencesOf(await found(server, { text: "é a" }))).toEqual([1]);
    expect(sequencesOf(await found(server, { text: "é" }))).toEqual([1, 0]);
  });

  test("are found by the least level", async () => {
    const server = await start();
    await send(server, ...messages(12), { message: "unknown", level: 1000 });
    expect(sequencesOf(await found(server, { level: "notset" }))).toEqual(down(12, 0));
    expect(sequencesOf(await found(server, { level: "warning" }))).toEqual(down(12, 9));
    expect(sequencesOf(await found(server, { level: "critical" }))).toEqual([12, 11]);
  });

  test("are found by number", async () => {
    const server = await start({ max_file_bytes: 1024 });
    await send(server, ...messages(50));
    const told = await found(server, { from: 10, before: 20 });
    expect(sequencesOf(told)).toEqual(down(19, 10));
    expect(told).toMatchObject({ before: 20, back_to: 10, is_whole: true });
    expect(sequencesOf(await found(server, { from: 50 }))).toEqual([]);
    expect(sequencesOf(await found(server, { from: 49, before: 1e15 - 1 }))).toEqual([49]);
    expect(await found(server, { before: 0 })).toMatchObject({ entries: [], is_whole: true });
  });

  test("come in pages, and each once, however many files they are in", async () => {
    const server = await start({ max_file_bytes: 1024, backup_count: 1000 });
    await send(server, ...messages(300));
    expect(server.stats()["rotations"]).toBeGreaterThan(40);
    expect(await all(server, { limit: 7 })).toEqual(down(299, 0));
    const warnings = down(299, 0).filter((one) => one % 12 >= 9);
    expect(await all(server, { level: "warning", limit: 7 })).toEqual(warnings);
    expect(sequencesOf(await found(server))).toHaveLength(100);
  });

  test("are found in compressed files too", async () => {
    const lines = (from: number, to: number) =>
      down(to, from)
        .toReversed()
        .map((one) => lineOf(one, `m${one}`, one % 2 ? "INFO" : "ERROR"))
        .join("");
    const server = await withFiles({
      "": lines(300, 399),
      ".0": lines(200, 299),
      ".1.zst": zstdCompressSync(lines(100, 199)),
      ".2.zst": zstdCompressSync(lines(0, 99)),
    });
    expect(await all(server, { limit: 30 })).toEqual(down(399, 0));
    expect(await all(server, { limit: 30, level: "error" })).toEqual(
      down(398, 0).filter((one) => one % 2 === 0),
    );
    expect(sequencesOf(await found(server, { from: 95, before: 105 }))).toEqual(down(104, 95));
  });

  test("stay in order and whole while files are rotated and compressed", async () => {
    const server = await start({ max_file_bytes: 4096, backup_count: 10_000, compress: "zstd" });
    let sent = 400;
    await send(server, ...messages(sent));
    const sender = new Sender(server.port());
    let told = await found(server, { limit: 20 });
    const sequences: number[] = sequencesOf(told);
    while (!told.is_whole) {
      sender.send(...messages(30, sent).map(record));
      sent += 30;
      const asked = [told.back_to, 0].map((before) =>
        found(server, { limit: 20, ...(before > 0 ? { before } : {}) }),
      );
      // Files are compressed meanwhile.
      server.clock.advance(5000);
      [told] = await Promise.all(asked);
      sequences.push(...sequencesOf(told));
    }
    expect(sequences).toEqual(down(399, 0));
    await until(() => server.stats()["written"] === sent);
    const { files } = (await view(server, "state")).body;
    expect(files.compressed).toBeGreaterThan(0);
    sender.end();
    expect(await all(server, { limit: 200 })).toEqual(down(sent - 1, 0));
  });

  test("have bounds: how many, and how many characters", async () => {
    const server = await start();
    await send(server, ...messages(250));
    expect((await found(server, { limit: 200 })).entries).toHaveLength(200);
    const long = { message: "x".repeat(4001) };
    await send(server, long, { message: "x".repeat(4000) });
    const [whole, cut] = (await found(server, { limit: 2 })).entries;
    expect(whole.message).toBe("x".repeat(4000));
    expect(cut.message).toBe(`${"x".repeat(4000)} ... and 1 more characters`);
    await send(server, ...Array.from({ length: 200 }, () => long));
    const told = await found(server, { limit: 200 });
    expect(told.entries.length).toBeLessThan(150);
    expect(JSON.stringify(told).length).toBeLessThan(520_000);
    expect(told.back_to).toBe(told.entries.at(-1).sequence);
  });

  test.each([
    "limit=0",
    "limit=201",
    "limit=x",
    "level=loud",
    "level=WARNING",
    "from=-1",
    "before=1.5",
    "before=1000000000000000",
    `text=${"x".repeat(201)}`,
    "door=udp",
  ])("are not told for %s", async (query) => {
    const server = await start();
    const { status, body } = await view(server, `entries?${query}`);
    expect(status).toBe(400);
    expect(body).toMatch(/^(limit|level|from|before|text|door): /);
  });

  test("are told for a text of 200 characters", async () => {
    const server = await start();
    const message = "x".repeat(200);
    await send(server, { message });
    expect(sequencesOf(await found(server, { text: message }))).toEqual([0]);
  });

  test("that look like others, or like more, are what they are", async () => {
    const server = await start({ max_file_bytes: 1024 });
    const hostile: Fields[] = [
      { message: `x\n${lineOf(99, "forged", "CRITICAL")}` },
      { message: "<img src=x onerror=alert(1)>\u202e\u0000" },
      { message: Buffer.from([0xff, 0xfe, 0x80]) },
      { timestamp: "t".repeat(60), hostname: " ERROR ", loggerName: " CRITICAL ", message: "a" },
      { timestamp: "é".repeat(33), hostname: "é".repeat(30), message: "b", level: 10 },
      { message: "" },
      { message: "{".repeat(500) },
    ];
    await send(server, ...hostile);
    const { entries } = await found(server);
    expect(entries.map((one: any) => one.sequence)).toEqual(down(6, 0));
    expect(entries.map((one: any) => one.level)).toEqual([
      "INFO",
      "INFO",
      "ERROR",
      "INFO",
      "INFO",
      "INFO",
      "INFO",
    ]);
    expect(entries[6].message).toStartWith("x\\n99 ");
    expect(entries[5].message).toBe("<img src=x onerror=alert(1)>\\u202e\\x00");
    expect(entries[4].message).toBe("\ufffd\ufffd\ufffd");
    expect(entries[2]).toMatchObject({ timestamp: "é".repeat(33), host: "é".repeat(12) });
    expect(await found(server, { level: "error" })).toMatchObject({ entries: [{ sequence: 4 }] });
  });

  test("are found among lines of something else", async () => {
    const strange = 'dear diary\n\n{}\nx{\n{"sequence":\n7\n';
    const files = {
      "": `${strange}${lineOf(5, "e")}${strange}${lineOf(6, "f")}`,
      ".0": lineOf(4, "d"),
      ".1": "dear diary\n",
    };
    const server = await withFiles(files);
    expect(sequencesOf(await found(server))).toEqual([6, 5, 4]);
    expect(sequencesOf(await found(server, { before: 5 }))).toEqual([4]);
  });

  test("of other columns are told as they stand there", async () => {
    const server = await withFiles({ "": "0 2026 ERROR a b c\n" });
    const [entry] = (await found(server)).entries;
    expect(entry).toMatchObject({ sequence: 0, level: "", message: "2026 ERROR a b c" });
  });

  test("stay found when the file was emptied in place, moved or removed", async () => {
    const server = await start({ backup_count: 10 });
    await send(server, ...messages(3));
    fs.truncateSync(pathOf(server));
    expect(await found(server)).toMatchObject({ entries: [], is_whole: true, back_to: 3 });
    await send(server, ...messages(2, 3));
    expect(sequencesOf(await found(server))).toEqual([4, 3]);
    fs.renameSync(pathOf(server), `${pathOf(server)}.0`);
    expect(sequencesOf(await found(server))).toEqual([4, 3]);
    fs.rmSync(`${pathOf(server)}.0`);
    expect(sequencesOf(await found(server))).toEqual([]);
  });

  test("cannot be told of a file that is damaged or may not be read", async () => {
    const packed = zstdCompressSync(lineOf(0, "a".repeat(100_000)));
    const server = await withFiles({
      "": lineOf(2, "c"),
      ".0": lineOf(1, "b"),
      ".1.zst": Buffer.concat([packed.subarray(0, 40), Buffer.alloc(40)]),
    });
    const { status, body } = await view(server, "entries");
    expect(status).toBe(409);
    expect(body).toStartWith("The log cannot be read: ");
    expect(server.printed()).not.toContain("CRITICAL");
    expect(sequencesOf(await found(server, { from: 1 }))).toEqual([2, 1]);
  });

  test("of a very long line are told by its beginning", async () => {
    const long = `${lineOf(1, "b").trimEnd()}${"y".repeat(3 * 2 ** 20)}end\n`;
    const server = await withFiles({ "": lineOf(0, "a") + long + lineOf(2, "c") });
    const { entries } = await found(server);
    expect(sequencesOf({ entries })).toEqual([2, 1, 0]);
    expect(entries[1].message).toStartWith("byyyy");
    expect(sequencesOf(await found(server, { text: "yyy" }))).toEqual([1]);
  });

  /** So many lines of 65 kB each. */
  const longLines = (first: number, count: number) =>
    Buffer.from(
      down(first + count - 1, first)
        .toReversed()
        .map((n) => lineOf(n, "x".repeat(65_000)))
        .join(""),
    );

  test("are looked for in 128 MiB at once, and then further back", async () => {
    const server = await withFiles({ "": longLines(1100, 1100), ".0": longLines(0, 1100) });
    const first = await found(server, { text: "nothing" });
    expect(first).toMatchObject({ entries: [], is_whole: false, before: 2200, left_out: null });
    // 128 MiB are 2,060 of such lines, and a piece more.
    expect(first.back_to).toBeLessThanOrEqual(140);
    expect(first.back_to).toBeGreaterThan(130);
    const second = await found(server, { text: "nothing", before: first.back_to });
    expect(second).toMatchObject({ entries: [], is_whole: true, back_to: 0 });
  });

  test("are looked for while others have their turns", async () => {
    const server = await withFiles({ "": longLines(500, 500), ".0": longLines(0, 500) });
    let turns = 0;
    let isOver = false;
    const counted = (async () => {
      for (; !isOver; turns++) await turn();
    })();
    expect(await found(server, { text: "nothing" })).toMatchObject({ is_whole: true });
    isOver = true;
    await counted;
    // 65 MB are 248 pieces, which could be read in one turn.
    expect(turns).toBeGreaterThan(50);
  });

  test("are looked for two seconds at most, and each time somewhat further back", async () => {
    const server = await withFiles({ "": longLines(100, 100), ".0": longLines(0, 100) });
    const search = new TextSearch("");
    let now = 0;
    let before = 200;
    const sequences: number[] = [];
    let questions = 0;
    for (let isWhole = false; !isWhole; questions++) {
      const finding = new Finding(
        pathOf(server),
        // Every look at the clock takes half a second.
        { now: () => (now += 500) },
        {
          from: 0,
          before,
          limit: 1000,
          lines: (block) => search.linesIn(block),
          wants: () => true,
          take: (_line, sequence) => sequences.push(sequence) > 0,
        },
      );
      const reached = await finding.run();
      expect(reached.backTo).toBeLessThan(before);
      before = reached.backTo;
      ({ isWhole } = reached);
    }
    expect(sequences).toEqual(down(199, 0));
    expect(questions).toBeGreaterThan(5);
  });

  test("in a compressed file that is too long are left out, and it is told", async () => {
    const filler = Buffer.from(lineOf(8, "x".repeat(2 ** 20 - 200)));
    const bomb = zstdCompressSync(
      Buffer.concat([
        Buffer.from(lineOf(1, "first")),
        ...Array.from({ length: 130 }, () => filler),
      ]),
    );
    const server = await withFiles({
      "": lineOf(10, "k"),
      ".0": lineOf(9, "j"),
      ".1.zst": bomb,
      ".2": lineOf(0, "a"),
    });
    const first = await found(server);
    expect(first).toMatchObject({ back_to: 9, is_whole: false, left_out: null });
    const second = await found(server, { before: 9 });
    expect(second).toMatchObject({
      entries: [],
      back_to: 1,
      is_whole: false,
      left_out: "_main.log.1.zst",
    });
    const third = await found(server, { before: 1 });
    expect(third).toMatchObject({ entries: [{ sequence: 0 }], is_whole: true });
  });

  test("in a file without an end of its line are left out, and it is told", async () => {
    const server = await withFiles({
      "": lineOf(10, "k"),
      ".0": lineOf(9, "j"),
      ".1": lineOf(1, "b"),
      ".2": lineOf(0, "a"),
    });
    fs.truncateSync(`${pathOf(server)}.1`, 200 * 2 ** 20);
    fs.appendFileSync(`${pathOf(server)}.1`, "\n");
    const first = await found(server, { before: 9 });
    expect(first).toMatchObject({ entries: [], back_to: 1, left_out: "_main.log.1" });
    expect(sequencesOf(await found(server, { before: 1 }))).toEqual([0]);
  });

  test("are looked for in turns, and not for more than eight at once", async () => {
    const server = await start();
    await send(server, ...messages(3));
    const asked = Array.from({ length: 20 }, (_, i) =>
      server.get(`/panels/collector/entries?text=m${i}`),
    );
    const statuses = (await Promise.all(asked)).map(({ status }) => status);
    const told = statuses.filter((one) => one === 200).length;
    expect(told).toBeGreaterThanOrEqual(8);
    expect(statuses.filter((one) => one === 409)).toHaveLength(20 - told);
    expect(sequencesOf(await found(server))).toEqual([2, 1, 0]);
  });

  test("are for those who may read /connz", async () => {
    const open = await start({}, { web: { host: "0.0.0.0" } });
    await send(open, { message: "private" });
    for (const path of ["entries", "state"]) {
      expect((await open.get(`/panels/collector/${path}`)).status).toBe(401);
    }
    expect((await open.get("/connz")).status).toBe(401);
    const authorization = `Bearer ${TOKEN}`;
    const answer = await open.get("/panels/collector/entries", { headers: { authorization } });
    expect(await answer.text()).toContain("private");
  });
});
