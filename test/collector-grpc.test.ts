import { afterAll, describe, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { bytesField, varintField } from "../lib/services/collector/doors/proto/fields.ts";
import { collecting, messageOf, record } from "./collector-suite.ts";
import { until } from "./kit.ts";

const asItIs = (bytes: Buffer) => bytes;
const clients: grpc.Client[] = [];
afterAll(() => {
  for (const client of clients) client.close();
});

function connect(port: number): grpc.Client {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  clients.push(client);
  return client;
}

/** Makes a call of one message. @returns the answer, or the code and text of its status */
function call(client: grpc.Client, path: string, message: Buffer): Promise<Buffer | string> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, asItIs, asItIs, message, (error, answer) => {
      resolve(error ? `${error.code} ${error.details}` : (answer as Buffer));
    });
  });
}

const SHORT = Buffer.concat([
  bytesField(1, "2025-01-15T10:30:45.123Z"),
  bytesField(2, "myhost"),
  bytesField(3, "app_logger"),
  varintField(4, 3),
  bytesField(5, "main.py"),
  bytesField(6, "process_data"),
  bytesField(7, "42"),
  bytesField(8, "Processing started"),
]);
const LONG = Buffer.concat([
  bytesField(1, "2025-01-15T10:30:45.123Z"),
  bytesField(2, "myhost"),
  bytesField(3, "app_logger"),
  bytesField(4, "module"),
  varintField(5, 3),
  bytesField(6, "main.py"),
  bytesField(7, "process_data"),
  bytesField(8, "42"),
  bytesField(9, "Processing started"),
  bytesField(99, "of a later version"),
]);
const LINE =
  "2025-01-15T10:30:45.123Z          myhost       app_logger      INFO     main.py              process_data              42     Processing started";

const collectingByGrpc = async (own: object = {}) => {
  const server = await collecting({ grpc_port: 0, ...own });
  const [, { port }] = server.running().addresses as unknown as [object, { port: number }];
  return { ...server, client: connect(port) };
};

describe("a call of one record", () => {
  for (const [path, message] of [
    ["/LogService/LogMessage", SHORT],
    ["/logservice.LogService/LogMessage", LONG],
    ["/logservice.LogBridge/LogMessage", LONG],
  ] as const) {
    test(`is answered once it is written: ${path}`, async () => {
      const server = await collectingByGrpc();
      expect(await call(server.client, path, message)).toEqual(varintField(1, 1));
      expect(server.lines()).toEqual([`0 ${LINE}`]);
      await server.drain();
    });
  }

  test("that is no record is refused with the reason, and written nowhere", async () => {
    const server = await collectingByGrpc({ max_message_bytes: 256 });
    const path = "/logservice.LogService/LogMessage";
    const refused: [Buffer, string][] = [
      [varintField(5, 12), "3 This is no record: there is no level 12."],
      // As a negative number is sent: with its sign, in ten bytes.
      [
        Buffer.from([5 * 8, ...Array(9).fill(0xff), 1]),
        "3 This is no record: there is no level -1.",
      ],
      [varintField(9, 1), "3 This is no record: field 9 is no text."],
      [bytesField(9, "x").subarray(0, 2), "3 This is no record: a field is cut short."],
      [Buffer.from([0]), "3 This is no record: a field has the number 0."],
      [Buffer.alloc(11, 0xff), "3 This is no record: a number has more than ten bytes."],
      [bytesField(9, "x".repeat(254)), "3 This is no record: it has more than 256 bytes."],
    ];
    for (const [message, why] of refused)
      expect(await call(server.client, path, message)).toBe(why);
    expect(await call(server.client, path, bytesField(9, "x".repeat(253)))).toBeInstanceOf(Buffer);
    expect(server.lines()).toHaveLength(1);
    expect(server.stats()["refused"]).toBe(refused.length);
    await server.drain();
  });

  test("of the standard health service says that it serves", async () => {
    const server = await collectingByGrpc();
    const answer = await call(server.client, "/grpc.health.v1.Health/Check", Buffer.alloc(0));
    expect(answer).toEqual(varintField(1, 1));
    await server.drain();
  });
});

test("a record without a time has none in its line, however it came", async () => {
  const server = await collectingByGrpc({ format: "json" });
  await call(server.client, "/LogService/LogMessage", bytesField(8, "short"));
  await call(server.client, "/logservice.LogService/LogMessage", bytesField(9, "long"));
  server.sender().send(record({ message: "tcp" }));
  const lines = (await server.wrote(3)).map((line) => JSON.parse(line));
  expect(lines.map(({ message, timestamp = "" }) => [message, timestamp])).toEqual([
    ["short", ""],
    ["long", ""],
    ["tcp", ""],
  ]);
  await server.drain();
});

describe("a stream of records", () => {
  test("is a client, and a call of one record is none", async () => {
    const server = await collectingByGrpc();
    const path = "/summoner.logs.v1.LogCollector/LogStream";
    const count = (clients: number, closed_eof: number) =>
      expect(server.stats()).toMatchObject({ clients, accepted: clients + closed_eof, closed_eof });
    await call(server.client, "/logservice.LogService/LogMessage", LONG);
    count(0, 0);
    const streams = [1, 2].map(() => server.client.makeBidiStreamRequest(path, asItIs, asItIs));
    for (const stream of streams) stream.on("data", () => {}).write(LONG);
    await server.wrote(3);
    count(2, 0);
    streams[0]?.end();
    await until(() => server.stats()["clients"] === 1);
    count(1, 1);
    streams[1]?.end();
    await until(() => server.stats()["clients"] === 0);
    count(0, 2);
    await server.drain();
  });

  test("is acknowledged as it goes, with the sum", async () => {
    const server = await collectingByGrpc();
    const path = "/summoner.logs.v1.LogCollector/LogStream";
    const stream = server.client.makeBidiStreamRequest(path, asItIs, asItIs);
    const acks: Buffer[] = [];
    let status: grpc.StatusObject | null = null;
    stream.on("data", (ack: Buffer) => acks.push(ack));
    stream.on("status", (one: grpc.StatusObject) => {
      status = one;
    });
    stream.on("error", () => {});
    for (let n = 0; n < 3; n++) stream.write(bytesField(9, `m${n}`));
    await until(() => acks.at(-1)?.equals(varintField(1, 3)) ?? false);
    stream.write(bytesField(9, "m3"));
    stream.end();
    await until(() => status !== null);
    expect((status as unknown as grpc.StatusObject).code).toBe(0);
    expect(acks.at(-1)).toEqual(varintField(1, 4));
    expect(server.lines().map(messageOf)).toEqual(["m0", "m1", "m2", "m3"]);
    await server.drain();
  });

  test("that is only sent is acknowledged when the server stops, too, for what has come by then", async () => {
    const server = await collectingByGrpc();
    const path = "/summoner.logs.v1.LogCollector/LogUpload";
    const { promise, resolve } = Promise.withResolvers<unknown[]>();
    const stream = server.client.makeClientStreamRequest(path, asItIs, asItIs, (error, ack) =>
      resolve([error, ack]),
    );
    stream.on("error", () => {});
    for (let n = 0; n < 5; n++) stream.write(bytesField(9, `m${n}`));
    await server.wrote(5);
    await server.drain();
    expect(await promise).toEqual([null, varintField(1, 5)]);
    expect(server.lines()).toHaveLength(5);
  });

  test("that is only sent is acknowledged once, at its end", async () => {
    const server = await collectingByGrpc();
    const path = "/summoner.logs.v1.LogCollector/LogUpload";
    const answer = await new Promise<Buffer | undefined>((resolve) => {
      const stream = server.client.makeClientStreamRequest(path, asItIs, asItIs, (_error, ack) =>
        resolve(ack as Buffer | undefined),
      );
      for (let n = 0; n < 1000; n++) stream.write(bytesField(9, `m${n}`));
      stream.end();
    });
    expect(answer).toEqual(varintField(1, 1000));
    expect(server.lines()).toHaveLength(1000);
    await server.drain();
  });
});
