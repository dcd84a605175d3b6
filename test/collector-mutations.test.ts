import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { JsonLines } from "../lib/services/collector/columns.ts";
import type { Entry } from "../lib/services/collector/entry.ts";
import { LineReader } from "../lib/services/collector/doors/lines/fields.ts";
import { OtlpEntry } from "../lib/services/collector/doors/otlp/entry.ts";
import { jsonLogs } from "../lib/services/collector/doors/otlp/json.ts";
import type { Logs } from "../lib/services/collector/doors/otlp/logs.ts";
import { protobufLogs } from "../lib/services/collector/doors/otlp/protobuf.ts";
import {
  BadMessage,
  bytesField,
  varintField,
} from "../lib/services/collector/doors/proto/fields.ts";
import { SyslogSplitter } from "../lib/services/collector/doors/syslog/framing.ts";
import { SyslogReader } from "../lib/services/collector/doors/syslog/message.ts";
import { collecting } from "./collector-suite.ts";
import { configOf, dial, until } from "./kit.ts";
import { Random } from "./random.ts";

// What is nearly right, in every way that chance finds: each has an answer, and none an error of ours.

const ROUNDS = 10_000;

/** Bytes with up to four changes: others, fewer, more, or a part twice. */
function mutated(bytes: Buffer, random: Random): Buffer {
  let result = Buffer.from(bytes);
  for (let changes = random.whole(1, 4); changes > 0; changes--) {
    const at = random.whole(0, result.length);
    const to = random.whole(at, Math.min(result.length, at + 20));
    const [before, part, after] = [
      result.subarray(0, at),
      result.subarray(at, to),
      result.subarray(to),
    ];
    const kinds = [
      [before, random.bytes(part.length), after],
      [before, after],
      [before, random.bytes(random.whole(1, 8)), part, after],
      [before, part, part, after],
      [before],
      [
        before,
        Buffer.from([
          [0, 0x7f, 0x80, 0xff, 10, 32, 60, 91, 93, 34, 92][random.whole(0, 10)] as number,
        ]),
        after,
      ],
    ];
    result = Buffer.concat(kinds[random.whole(0, kinds.length - 1)] as Buffer[]);
  }
  return result;
}

const form = new JsonLines();

/** Expects an entry to become one line of JSON. */
function expectLine(entry: Entry): void {
  const out = Buffer.alloc(form.most(entry));
  const line = out.toString("utf8", 0, form.write(entry, 0, out, 0));
  expect(line).not.toMatch(/\p{Cc}.|\p{Zl}|\p{Zp}/su);
  JSON.parse(line);
}

const pair = (key: string, value: Buffer) =>
  Buffer.concat([bytesField(1, key), bytesField(2, value)]);
const text = (value: string) => bytesField(1, value);
const LOG = Buffer.concat([
  Buffer.concat([Buffer.from([9]), Buffer.alloc(8, 0x11)]),
  varintField(2, 17),
  bytesField(3, "ERROR"),
  bytesField(5, bytesField(6, bytesField(1, pair("a", bytesField(5, bytesField(1, text("b"))))))),
  bytesField(6, pair("code.file.path", text("/a/b.ts"))),
  bytesField(9, Buffer.alloc(16, 0xab)),
]);
const PROTOBUF = bytesField(
  1,
  Buffer.concat([
    bytesField(1, bytesField(1, pair("host.name", text("h")))),
    bytesField(
      2,
      Buffer.concat([bytesField(1, text("scope")), bytesField(2, LOG), bytesField(2, LOG)]),
    ),
  ]),
);
const JSON_LOGS = Buffer.from(
  JSON.stringify({
    resourceLogs: [
      {
        resource: { attributes: [{ key: "host.name", value: { stringValue: "h" } }] },
        scopeLogs: [
          {
            scope: { name: "s" },
            logRecords: [
              {
                timeUnixNano: "1700000000123456789",
                severityNumber: 9,
                body: {
                  kvlistValue: {
                    values: [
                      { key: "a", value: { arrayValue: { values: [{ doubleValue: 1.5 }] } } },
                    ],
                  },
                },
                traceId: "5b8efff798038103d269b633813fc60c",
              },
            ],
          },
        ],
      },
    ],
  }),
);

describe("OpenTelemetry", () => {
  for (const [what, bytes, logsOf] of [
    ["protobuf", PROTOBUF, protobufLogs],
    ["JSON", JSON_LOGS, jsonLogs],
  ] as const) {
    test(`as ${what}, with changes, is refused or is logs`, () => {
      const random = new Random(41);
      const writing = new OtlpEntry();
      let refused = 0;
      for (let round = 0; round < ROUNDS; round++) {
        try {
          const logs: Logs = logsOf(mutated(bytes, random));
          for (const scope of logs) {
            writing.begin(scope);
            for (const record of scope.records) expectLine(writing.write(record));
          }
        } catch (error) {
          if (!(error instanceof BadMessage)) throw error;
          refused++;
        }
      }
      expect([refused > ROUNDS / 10, refused < ROUNDS]).toEqual([true, true]);
    });
  }
});

describe("syslog", () => {
  const MESSAGES = [
    '<165>1 2003-10-11T22:14:15.003Z h app 7 ID47 [a@1 x="q\\"b" y="1"][b@1 z="2"] \ufeffAn event ü',
    "<34>Oct 11 22:14:15 mymachine su[12]: 'su root' failed",
    "<30>2026-01-02T03:04:05.678901+01:00 h app: x",
  ].map((message) => Buffer.from(message));

  test("with changes is a message", () => {
    const random = new Random(42);
    const reader = new SyslogReader();
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = mutated(MESSAGES[round % MESSAGES.length] as Buffer, random);
      // In the middle of others, which must not be read.
      const around = Buffer.concat([Buffer.from(']]" '), bytes, Buffer.from(' ]"-[')]);
      reader.read(around, 4, 4 + bytes.length, "127.0.0.1", 0);
      expectLine(reader.entry);
      expect(reader.entry.size).toBeLessThan(6 * bytes.length + 200);
    }
  });

  test("in a stream is the same messages, however it is cut", () => {
    const random = new Random(43);
    for (let round = 0; round < 500; round++) {
      const stream = Buffer.concat(
        MESSAGES.flatMap((one) => [mutated(one, random), Buffer.from("\n12 <13>x y z w.\n")]),
      );
      const cut = (size: () => number): string[] => {
        const found: string[] = [];
        const sink = {
          message: (_: unknown, bytes: Buffer, start: number, end: number) =>
            void found.push(bytes.toString("latin1", start, end)),
          oversize: () => void found.push("oversize"),
          broken: () => void found.push("broken"),
        };
        const splitter = new SyslogSplitter();
        for (let at = 0; at < stream.length;) {
          const end = Math.min(stream.length, at + size());
          splitter.feed({ reading: true }, Buffer.from(stream.subarray(at, end)), 100, sink);
          at = end;
        }
        splitter.end(null, sink);
        return found;
      };
      const whole = cut(() => stream.length);
      expect(cut(() => 1)).toEqual(whole);
      expect(cut(() => random.whole(1, 30))).toEqual(whole);
    }
  });
});

test("lines with changes are entries", () => {
  const random = new Random(44);
  const reader = new LineReader(configOf().collector.line_keys);
  const line = Buffer.from(
    '{"level":30,"time":1700000000123,"pid":42,"hostname":"h","msg":"x","err":{"stack":"a\\nb"},"a":[1,{"b":null}]}',
  );
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = mutated(line, random);
    reader.read(bytes, 0, bytes.length, "127.0.0.1", 0);
    expectLine(reader.entry);
  }
});

test("on the wire nothing of it is an error of ours, and bystanders are served", async () => {
  const server = await collecting({ http: true, syslog: true, lines: true, format: "json" });
  const random = new Random(45);
  const url = `http://127.0.0.1:${server.portOf("http")}/v1/logs`;
  const headers = { "content-type": "application/x-protobuf" };
  const statuses = new Set<number>();
  for (let round = 0; round < 100; round++) {
    const packed = { ...headers, "content-encoding": "gzip" };
    const isPacked = round % 2 === 1;
    const body = isPacked ? mutated(gzipSync(PROTOBUF), random) : mutated(PROTOBUF, random);
    const { status } = await fetch(url, {
      method: "POST",
      headers: isPacked ? packed : headers,
      body,
    });
    statuses.add(status);
  }
  expect([...statuses].toSorted()).toEqual([200, 400]);
  for (const door of ["syslog", "lines"] as const) {
    const [bad, bystander] = [await dial(server.portOf(door)), await dial(server.portOf(door))];
    for (let round = 0; round < 100; round++) bad.send(mutated(PROTOBUF, random));
    bad.half();
    await bad.closed;
    const before = server.stats()["records"] as number;
    bystander.send("<13>served\n");
    await until(() => (server.stats()["records"] as number) > before);
    bystander.end();
  }
  expect(server.stats()["closed_bug"]).toBe(0);
  expect(server.printed()).not.toContain("ERROR");
  expect(server.printed()).not.toContain("    at ");
  for (const line of await server.wrote(server.stats()["records"] as number)) JSON.parse(line);
  await server.stop();
});
