import { describe, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HandClock } from "../lib/host/clock.ts";
import { Log } from "../lib/host/log.ts";
import { MOST_VALUES } from "../lib/services/collector/doors/attributes.ts";
import { DoorCounts } from "../lib/services/collector/doors/door.ts";
import { OtlpLogs } from "../lib/services/collector/doors/otlp/export.ts";
import { jsonLogs } from "../lib/services/collector/doors/otlp/json.ts";
import type { Logs } from "../lib/services/collector/doors/otlp/logs.ts";
import { protobufLogs } from "../lib/services/collector/doors/otlp/protobuf.ts";
import { bytesField } from "../lib/services/collector/doors/proto/fields.ts";
import { CollectedLog } from "../lib/services/collector/file/collected-log.ts";
import { Intake } from "../lib/services/collector/intake.ts";
import { collecting } from "./collector-suite.ts";
import { configOf, dial, until } from "./kit.ts";

type Server = Awaited<ReturnType<typeof collecting>>;

const PROTOBUF = "application/x-protobuf";
const JSON_TYPE = "application/json";

function post(server: Server, body: Buffer | string, type = PROTOBUF): Promise<Response> {
  return fetch(`http://127.0.0.1:${server.portOf("http")}/v1/logs`, {
    method: "POST",
    keepalive: false,
    headers: { "content-type": type },
    body,
  });
}

/** The turns of the event loop, which the server shares, until something is done. */
async function turnsUntil(done: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isDone = false;
  void done.finally(() => (isDone = true));
  while (!isDone) {
    turns++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return turns;
}

const times = (count: number, bytes: Buffer) => Buffer.alloc(count * bytes.length, bytes);
const pair = (key: string, value: string) =>
  Buffer.concat([bytesField(1, key), bytesField(2, bytesField(1, value))]);
const EMPTY_SCOPE = Buffer.from([0x12, 0]);
const EMPTY_RESOURCE = Buffer.from([0x0a, 0]);
const LARGE_RESOURCE = bytesField(1, bytesField(1, pair("k", "x".repeat(100_000))));
const MANY = 200_000;

/** A resource or a scope of 500 attributes: fields 1 are those of the one, 3 of the other. */
const ATTRIBUTES = bytesField(
  1,
  Buffer.concat([times(500, bytesField(1, "")), times(500, bytesField(3, ""))]),
);
const JSON_ATTRIBUTES = `{"attributes":[${"{},".repeat(499)}{}]}`;

describe("a request of OpenTelemetry that is mostly structure", () => {
  const bodies: readonly (readonly [string, Buffer | string, string?])[] = [
    ["empty scopes", bytesField(1, times(MANY, EMPTY_SCOPE))],
    ["empty resources", times(MANY, EMPTY_RESOURCE)],
    [
      "scopes of a large resource",
      bytesField(1, Buffer.concat([LARGE_RESOURCE, times(MANY, EMPTY_SCOPE)])),
    ],
    ["empty resources of JSON", `{"resourceLogs":[${"{},".repeat(MANY)}{}]}`, JSON_TYPE],
    [
      "empty scopes of JSON",
      `{"resourceLogs":[{"scopeLogs":[${"{},".repeat(MANY)}{}]}]}`,
      JSON_TYPE,
    ],
  ];
  for (const [what, body, type] of bodies) {
    test(`leaves turns to others: ${what}`, async () => {
      const server = await collecting({ http: true });
      const answered = post(server, body, type);
      // Each is gone through twice.
      expect(await turnsUntil(answered)).toBeGreaterThan((2 * MANY) / 1000);
      expect((await answered).status).toBe(200);
      expect(server.lines()).toEqual([]);
      await server.drain();
    });
  }

  const values: readonly (readonly [string, Logs])[] = [
    ["values of resources", protobufLogs(times(400, bytesField(1, ATTRIBUTES)))],
    ["values of scopes", protobufLogs(bytesField(1, times(400, bytesField(2, ATTRIBUTES))))],
    [
      "values of resources of JSON",
      jsonLogs(
        Buffer.from(`{"resourceLogs":[${`{"resource":${JSON_ATTRIBUTES}},`.repeat(400)}{}]}`),
      ),
    ],
    [
      "values of scopes of JSON",
      jsonLogs(
        Buffer.from(
          `{"resourceLogs":[{"scopeLogs":[${`{"scope":${JSON_ATTRIBUTES}},`.repeat(400)}{}]}]}`,
        ),
      ),
    ],
  ];
  for (const [what, logs] of values) {
    test(`leaves turns to others: ${what}`, async () => {
      const path = join(mkdtempSync(join(tmpdir(), "collector-work-")), "_main.log");
      const config = configOf({ collector: { path } });
      const clock = new HandClock();
      const log = new Log(config.name, config.logger, clock, () => {});
      const collected = new CollectedLog(config, { clock, log });
      const most = { most: 2 ** 20, mostRequest: 2 ** 22 };
      const door = { name: "http", counts: new DoorCounts() } as const;
      const otlp = new OtlpLogs(new Intake(collected.writer), clock, door, most);
      // Without a socket whose waiting has turns of its own.
      expect(await turnsUntil(otlp.take(logs, 1))).toBeGreaterThan(400);
      await collected.close(0);
    });
  }

  test("is refused when one of its records has more values than may be, and taken at the bound", async () => {
    const server = await collecting({ http: true });
    // An attribute counts, and so does its value.
    const json = (values: number) => {
      const attributes = Array.from({ length: Math.floor(values / 2) }, (_, n) => ({
        key: `k${n}`,
        value: { boolValue: true },
      }));
      const body = values % 2 === 1 ? { body: { stringValue: "odd" } } : {};
      const logRecords = [{ attributes, ...body }];
      return JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] });
    };
    const protobuf = (values: number) => {
      const list = bytesField(5, times(values - 1, bytesField(1, "")));
      return bytesField(1, bytesField(2, bytesField(2, bytesField(5, list))));
    };
    expect((await post(server, json(MOST_VALUES), JSON_TYPE)).status).toBe(200);
    expect((await post(server, protobuf(MOST_VALUES))).status).toBe(200);
    const refused = await post(server, json(MOST_VALUES + 1), JSON_TYPE);
    expect([refused.status, await refused.json()]).toEqual([
      400,
      { code: 3, message: `These are no logs: something has more than ${MOST_VALUES} values.` },
    ]);
    expect((await post(server, protobuf(MOST_VALUES + 1))).status).toBe(400);
    await server.wrote(2);
    expect(server.lines()).toHaveLength(2);
    await server.drain();
  });

  test("is not written to be refused: what all its records share is too long", async () => {
    const server = await collecting({ http: true, max_message_bytes: 50_000 });
    const records = times(MANY, bytesField(2, bytesField(6, pair("a", "b"))));
    const answered = await post(
      server,
      bytesField(1, Buffer.concat([LARGE_RESOURCE, bytesField(2, records)])),
    );
    expect(answered.status).toBe(200);
    expect(await answered.text()).toContain("may have 50000");
    expect(server.stats()["http_refused_oversized"] ?? server.stats()["refused"]).toBe(MANY);
    await server.drain();
  });
});

describe("many small records that come together", () => {
  const doors = [
    ["lines", "{\n", MANY, { lines: true }],
    ["syslog", "1 <", MANY, { syslog: true }],
  ] as const;
  for (const [door, text, count, own] of doors) {
    test(`leave turns to others: ${door}`, async () => {
      const server = await collecting({ durability: "none", ...own });
      const peer = await dial(server.portOf(door));
      peer.send(text.repeat(count));
      const turns = await turnsUntil(until(() => server.stats()["written"] === count));
      // No turn takes many more than a thousand.
      expect(turns).toBeGreaterThan(count / 2000);
      expect(server.lines()).toHaveLength(count);
      peer.end();
      await server.drain();
    });
  }
});
