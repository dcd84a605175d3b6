import { afterAll, describe, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesField, Fields, varintField } from "../lib/services/collector/doors/proto/fields.ts";
import { collecting, messageOf, record } from "./collector-suite.ts";
import { until } from "./kit.ts";

const asItIs = (bytes: Buffer) => bytes;
const TAIL = "/summoner.logs.v1.LogCollector/Tail";
const opened: grpc.Client[] = [];
afterAll(() => {
  for (const client of opened) client.close();
});

/** A call that reads the log, with what it has heard. */
class Reader {
  readonly numbers: number[] = [];
  readonly lines: string[] = [];
  status: grpc.StatusObject | null = null;
  readonly call: grpc.ClientReadableStream<Buffer>;

  constructor(port: number, request: Buffer, metadata = new grpc.Metadata()) {
    const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
    opened.push(client);
    this.call = client.makeServerStreamRequest(TAIL, asItIs, asItIs, request, metadata);
    this.call.on("data", (message: Buffer) => {
      const fields = new Fields(message);
      while (fields.next()) {
        if (fields.number === 1) this.numbers.push(fields.value);
        else this.lines.push(fields.text);
      }
    });
    this.call.on("status", (status: grpc.StatusObject) => {
      this.status = status;
    });
    this.call.on("error", () => {});
  }
}

async function tailing(own: object = {}) {
  const server = await collecting({ grpc_port: 0, ...own });
  const [, { port }] = server.running().addresses as unknown as [object, { port: number }];
  const sender = server.sender();
  let sent = 0;
  return {
    ...server,
    port,
    read: (from: number) => new Reader(port, from === 0 ? Buffer.alloc(0) : varintField(1, from)),
    async write(count: number, text = ""): Promise<void> {
      const records = [...Array(count).keys()].map((n) =>
        record({ message: `${text}m${sent + n}` }),
      );
      sender.send(...records);
      sent += count;
      await until(() => server.stats()["written"] === sent);
    },
    /** Lets it look at the log. */
    look: () => server.clock.advance(200),
  };
}

const range = (from: number, to: number) => [...Array(to - from).keys()].map((n) => from + n);

describe("a call that reads the log", () => {
  test("of a damaged file ends, and however many there are our log tells it once", async () => {
    const server = await tailing();
    await server.write(1);
    writeFileSync(`${server.path}.0.zst`, "nothing that was compressed");
    const readers = range(0, 20).map(() => server.read(0));
    await until(() => readers.every(({ status }) => status !== null));
    expect(readers.map(({ status }) => [status?.code, status?.details])).toEqual(
      readers.map(() => [grpc.status.INTERNAL, "The log cannot be read."]),
    );
    const told = () =>
      server
        .printed()
        .split("\n")
        .filter((line) => /ERROR|read/.test(line));
    expect(told().map((line) => line.includes("cannot read"))).toEqual([true]);
    server.clock.advance(1000);
    expect(told()[1]).toContain("19 more times");
    await server.drain();
  });

  test("gets the lines from a number on, over all files, and those that follow, each once", async () => {
    const server = await tailing({ max_file_bytes: 4096, backup_count: 100, compress: "zstd" });
    await server.write(100);
    const [all, some, later] = [server.read(0), server.read(57), server.read(150)];
    await until(() => all.numbers.length === 100 && some.numbers.length === 43);
    server.clock.advance(5000);
    for (let round = 0; round < 10; round++) {
      await server.write(10);
      server.look();
    }
    await until(() => {
      server.look();
      return [all, some, later].every(({ numbers }) => numbers.at(-1) === 199);
    });
    expect(all.numbers).toEqual(range(0, 200));
    expect(some.numbers).toEqual(range(57, 200));
    expect(later.numbers).toEqual(range(150, 200));
    expect(all.lines.map(messageOf)).toEqual(range(0, 200).map((n) => `m${n}`));
    await server.drain();
    await until(() => all.status !== null);
    expect(all.status).toMatchObject({
      code: grpc.status.UNAVAILABLE,
      details: "The server is stopping.",
    });
  });

  test("that takes nothing keeps little waiting and nobody else, goes on when it can, and is closed after a minute", async () => {
    const server = await tailing({ max_file_bytes: 2 ** 20 });
    const text = "x".repeat(1000);
    await server.write(5000, text);
    const stalled = server.read(0);
    stalled.call.pause();
    const bystander = server.read(4900);
    await until(() => bystander.numbers.length === 100);
    const waiting = () =>
      server.clients().reduce((sum, { outboxBytes }) => Math.max(sum, outboxBytes), 0);
    await until(() => waiting() > 256 * 1024);
    expect(waiting()).toBeLessThan(512 * 1024);
    server.clock.advance(59_000);
    stalled.call.resume();
    await until(() => stalled.numbers.length === 5000);
    expect(stalled.numbers).toEqual(range(0, 5000));
    const again = server.read(0);
    again.call.pause();
    await until(() => waiting() > 256 * 1024);
    server.clock.advance(61_000);
    await until(() => server.stats()["closed_slow"] === 1);
    await server.stop();
  }, 120_000);

  test("is refused when it asks for nonsense", async () => {
    const server = await tailing();
    for (const [request, why] of [
      [bytesField(1, "7"), "This is no request: from_seq is no number."],
      [Buffer.from([8]), "This is no request: a number is cut short."],
    ] as const) {
      const reader = new Reader(server.port, request);
      await until(() => reader.status !== null);
      expect(reader.status).toMatchObject({ code: grpc.status.INVALID_ARGUMENT, details: why });
    }
    expect(server.stats()["refused"]).toBe(2);
    await server.drain();
  });

  test("has to show the token that those who write have to show", async () => {
    const token = "a-token-of-some-length";
    const first = await collecting();
    const file = join(first.folder, "token");
    writeFileSync(file, `${token}\n`);
    await first.drain();
    const server = await tailing({ token_file: file });
    const stranger = server.read(0);
    await until(() => stranger.status !== null);
    expect(stranger.status?.code).toBe(grpc.status.UNAUTHENTICATED);
    await server.write(3);
    const metadata = new grpc.Metadata();
    metadata.set("authorization", `Bearer ${token}`);
    const known = new Reader(server.port, Buffer.alloc(0), metadata);
    await until(() => known.numbers.length === 3);
    await server.drain();
  });

  test("leaves no file open when it ends", async () => {
    const server = await tailing();
    await server.write(3);
    const open = () =>
      [...new Bun.Glob("*").scanSync({ cwd: "/proc/self/fd", onlyFiles: false })].length;
    const before = open();
    for (let round = 0; round < 20; round++) {
      const reader = server.read(0);
      await until(() => reader.numbers.length === 3);
      reader.call.cancel();
      await until(() => server.clients().length === 1);
      opened.pop()?.close();
    }
    await until(() => open() <= before);
    await server.drain();
  });
});
