import { afterAll, describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import * as grpc from "@grpc/grpc-js";
import { OTLPLogExporter as GrpcExporter } from "@opentelemetry/exporter-logs-otlp-grpc";
import { OTLPLogExporter as JsonExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPLogExporter as ProtobufExporter } from "@opentelemetry/exporter-logs-otlp-proto";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { MOST_LEVELS } from "../lib/services/collector/doors/otlp/logs.ts";
import { bytesField, Fields, varintField } from "../lib/services/collector/doors/proto/fields.ts";
import { MOST_VALUES } from "../lib/services/collector/doors/attributes.ts";
import { blocked, collecting, messageOf } from "./collector-suite.ts";
import { dial, type Peer, raw, until } from "./kit.ts";

type Server = Awaited<ReturnType<typeof collecting>>;

const JSON_TYPE = "application/json";
const PROTOBUF = "application/x-protobuf";
const EXPORT = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

const over = (own: object = {}) => collecting({ http: true, format: "json", ...own });

/** The records in the file, as objects. */
const records = (server: Pick<Server, "lines">) =>
  server.lines().map((line) => JSON.parse(line) as Record<string, any>);

/** Posts logs; an object goes as JSON. */
function post(
  server: Server,
  body: object | Uint8Array,
  headers: Record<string, string> = {},
  path = "/v1/logs",
): Promise<Response> {
  const isBytes = body instanceof Uint8Array;
  return fetch(`http://127.0.0.1:${server.portOf("http")}${path}`, {
    method: "POST",
    keepalive: false,
    headers: { "content-type": isBytes ? PROTOBUF : JSON_TYPE, ...headers },
    body: isBytes ? body : JSON.stringify(body),
  });
}

/** One request, answered. @returns its status and body */
async function answer(response: Promise<Response>): Promise<[number, any]> {
  const answered = await response;
  return [answered.status, await answered.json()];
}

const channels: grpc.Client[] = [];
afterAll(() => {
  for (const channel of channels) channel.close();
});

interface Called {
  readonly answer: Buffer | null;
  readonly status: string;
  readonly details: Buffer | null;
}

/** Calls `Export` over gRPC. */
function exported(server: Server, request: Buffer, gzip = false): Promise<Called> {
  const options = gzip ? { "grpc.default_compression_algorithm": 2 } : {};
  const channel = new grpc.Client(
    `127.0.0.1:${server.portOf("grpc")}`,
    grpc.credentials.createInsecure(),
    options,
  );
  channels.push(channel);
  const asItIs = (bytes: Buffer) => bytes;
  return new Promise((resolve) => {
    channel.makeUnaryRequest(EXPORT, asItIs, asItIs, request, (error, bytes) => {
      const [details = null] = error?.metadata.get("grpc-status-details-bin") ?? [];
      resolve({
        answer: bytes ?? null,
        status: error ? `${error.code} ${error.details}` : "0",
        details: details as Buffer | null,
      });
    });
  });
}

// --- the messages of OpenTelemetry, as bytes

function fixed64(number: number, value: bigint): Buffer {
  const bytes = Buffer.alloc(9, number * 8 + 1);
  bytes.writeBigUInt64LE(value, 1);
  return bytes;
}

function fixed32(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(5, number * 8 + 5);
  bytes.writeUInt32LE(value, 1);
  return bytes;
}

const textValue = (text: string) => bytesField(1, text);
const pair = (key: string, value: Buffer) =>
  Buffer.concat([bytesField(1, key), bytesField(2, value)]);
const bodyOf = (text: string) => bytesField(5, textValue(text));

/** A request of one scope. @param around other fields of the resource's logs */
function requestOf(logs: readonly Buffer[], around: Buffer = Buffer.alloc(0)): Buffer {
  const scopeLogs = Buffer.concat(logs.map((one) => bytesField(2, one)));
  return bytesField(1, Buffer.concat([bytesField(2, scopeLogs), around]));
}

const WHOLE = requestOf(
  [
    Buffer.concat([
      fixed64(1, 1_700_000_000_123_456_789n),
      varintField(2, 17),
      bytesField(3, "ERROR"),
      bodyOf("Processing failed"),
      bytesField(6, pair("code.function.name", textValue("process_data"))),
      bytesField(6, pair("code.function", textValue("old"))),
      bytesField(6, pair("code.file.path", textValue("/srv/app/main.py"))),
      bytesField(6, pair("code.line.number", varintField(3, 42))),
      bytesField(6, pair("thread.id", varintField(3, 7))),
      bytesField(6, pair("exception.stacktrace", textValue("at main\nat exit"))),
      bytesField(6, pair("order", varintField(3, 5))),
      bytesField(9, Buffer.from("5b8efff798038103d269b633813fc60c", "hex")),
      bytesField(10, Buffer.from("eee19b7ec3c1b174", "hex")),
      fixed32(8, 1),
      bytesField(12, "order.failed"),
      bytesField(99, "of a later version"),
    ]),
  ],
  // The resource may stand behind its records.
  bytesField(
    1,
    Buffer.concat([
      bytesField(1, pair("host.name", textValue("myhost"))),
      bytesField(1, pair("service.name", textValue("billing"))),
      bytesField(1, pair("process.pid", varintField(3, 4711))),
      bytesField(1, pair("service.version", textValue("1.2"))),
    ]),
  ),
);

const WHOLE_JSON = {
  resourceLogs: [
    {
      resource: {
        attributes: [
          { key: "host.name", value: { stringValue: "myhost" } },
          { key: "service.name", value: { stringValue: "billing" } },
          { key: "process.pid", value: { intValue: "4711" } },
          { key: "service.version", value: { stringValue: "1.2" } },
        ],
      },
      scopeLogs: [
        {
          logRecords: [
            {
              timeUnixNano: "1700000000123456789",
              severityNumber: 17,
              severityText: "ERROR",
              body: { stringValue: "Processing failed" },
              attributes: [
                { key: "code.function.name", value: { stringValue: "process_data" } },
                { key: "code.function", value: { stringValue: "old" } },
                { key: "code.file.path", value: { stringValue: "/srv/app/main.py" } },
                { key: "code.line.number", value: { intValue: 42 } },
                { key: "thread.id", value: { intValue: "7" } },
                { key: "exception.stacktrace", value: { stringValue: "at main\nat exit" } },
                { key: "order", value: { intValue: "5" } },
              ],
              traceId: "5B8EFFF798038103D269B633813FC60C",
              spanId: "EEE19B7EC3C1B174",
              flags: 1,
              eventName: "order.failed",
              ofALaterVersion: {},
            },
          ],
        },
      ],
    },
  ],
};

const ENTRY = {
  sequence: 0,
  level: "ERROR",
  timestamp: "2023-11-14T22:13:20.123456789Z",
  hostname: "myhost",
  functionName: "process_data",
  filename: "main.py",
  pathName: "/srv/app/main.py",
  lineNumber: "42",
  message: "Processing failed",
  processId: "4711",
  threadId: "7",
  serviceName: "billing",
  stackTrace: "at main\nat exit",
  attributes: {
    order: 5,
    "service.version": "1.2",
    trace_id: "5b8efff798038103d269b633813fc60c",
    span_id: "eee19b7ec3c1b174",
    trace_flags: 1,
    event_name: "order.failed",
  },
};

/** JSON with one record. */
const oneJson = (record: object) => ({ resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] });

describe("a record of OpenTelemetry", () => {
  const bodies: [string, object | Uint8Array, Record<string, string>][] = [
    ["as protobuf", WHOLE, {}],
    ["as protobuf, packed", gzipSync(WHOLE), { "content-encoding": "gzip" }],
    ["as JSON", WHOLE_JSON, {}],
    [
      "as JSON, packed",
      gzipSync(JSON.stringify(WHOLE_JSON)),
      { "content-type": `${JSON_TYPE}; charset=utf-8`, "content-encoding": "gzip" },
    ],
  ];
  for (const [how, body, headers] of bodies) {
    test(`is answered over HTTP once it is written: ${how}`, async () => {
      const server = await over();
      const answered = await post(server, body, headers);
      expect(records(server)).toEqual([ENTRY]);
      const isJson = answered.headers.get("content-type")?.startsWith(JSON_TYPE);
      expect([answered.status, await answered.text()]).toEqual([200, isJson ? "{}" : ""]);
      expect(server.stats()["records_http"]).toBe(1);
      await server.drain();
    });
  }

  for (const gzip of [false, true]) {
    test(`is answered over gRPC once it is written${gzip ? ", packed" : ""}`, async () => {
      const server = await over();
      const { answer: answered, status } = await exported(server, WHOLE, gzip);
      expect(records(server)).toEqual([ENTRY]);
      expect([status, answered]).toEqual(["0", Buffer.alloc(0)]);
      await server.drain();
    });
  }

  test("has the level of its number, or of the name that its program gave it", async () => {
    const server = await over();
    const told: [object, string, object | undefined][] = [
      [{ severityNumber: 1 }, "DEBUG", { severity_number: 1 }],
      [{ severityNumber: 5 }, "DEBUG", undefined],
      [{ severityNumber: "SEVERITY_NUMBER_INFO" }, "INFO", undefined],
      [{ severityNumber: "SEVERITY_NUMBER_INFO2" }, "INFO", { severity_number: 10 }],
      [{ severityNumber: 13, severityText: "warn" }, "WARNING", undefined],
      [{ severityNumber: 21, severityText: "FATAL" }, "CRITICAL", { severity_text: "FATAL" }],
      [{ severityNumber: 9, severityText: "LOGON" }, "LOGON", undefined],
      [{ severityNumber: 9, severityText: "odd" }, "INFO", { severity_text: "odd" }],
      [{ severityText: "error" }, "ERROR", undefined],
      [{ severityNumber: 25 }, "NOTSET", { severity_number: 25 }],
      [{ severityNumber: "SEVERITY_NUMBER_UNSPECIFIED" }, "NOTSET", undefined],
      [{}, "NOTSET", undefined],
    ];
    for (const [record] of told)
      expect(await answer(post(server, oneJson(record)))).toEqual([200, {}]);
    expect(records(server).map(({ level, attributes }) => [level, attributes])).toEqual(
      told.map(([, level, attributes]) => [level, attributes]),
    );
    await server.drain();
  });

  test("has a time of the precision that it came with, or that at which it was seen, else at which it came", async () => {
    const server = await over();
    const arrival = new Date(server.clock.wall()).toISOString();
    const times: [object, string][] = [
      [{ timeUnixNano: "1700000000000000000" }, "2023-11-14T22:13:20.000Z"],
      [{ timeUnixNano: "1700000000120000000" }, "2023-11-14T22:13:20.120Z"],
      [{ timeUnixNano: "1700000000123456000" }, "2023-11-14T22:13:20.123456Z"],
      [{ timeUnixNano: "1" }, "1970-01-01T00:00:00.000000001Z"],
      [{ timeUnixNano: "18446744073709551615" }, "2554-07-21T23:34:33.709551615Z"],
      [{ observedTimeUnixNano: "1700000000000000000" }, "2023-11-14T22:13:20.000Z"],
      [{ timeUnixNano: "0", observedTimeUnixNano: 0 }, arrival],
      [{}, arrival],
    ];
    for (const [record] of times) await post(server, oneJson(record));
    expect(records(server).map(({ timestamp }) => timestamp)).toEqual(
      times.map(([, time]) => time),
    );
    await server.drain();
  });

  test("has any value as its body, and whole numbers exactly", async () => {
    const server = await over();
    const int = (value: bigint) =>
      varintField(3, 0).subarray(0, 1).toString("hex") + varint64(value);
    const values: [Buffer, string][] = [
      [textValue("text"), "text"],
      [varintField(2, 1), "true"],
      [Buffer.from(int(-1n), "hex"), "-1"],
      [Buffer.from(int(2n ** 63n - 1n), "hex"), '"9223372036854775807"'],
      [Buffer.from(int(-(2n ** 63n)), "hex"), '"-9223372036854775808"'],
      [doubleField(1.5), "1.5"],
      [doubleField(NaN), "NaN"],
      [bytesField(7, Buffer.from([0, 255])), "AP8="],
      [
        bytesField(
          5,
          Buffer.concat([textValue("a"), varintField(3, 1)].map((one) => bytesField(1, one))),
        ),
        '["a",1]',
      ],
      [bytesField(6, bytesField(1, pair("__proto__", textValue("x")))), '{"__proto__":"x"}'],
    ];
    for (const [value] of values) await exported(server, requestOf([bytesField(5, value)]));
    const said = records(server).map(({ message }) => message);
    expect(said).toEqual(values.map(([, message]) => message.replace(/^"(-?\d+)"$/, "$1")));
    await server.drain();
  });

  test("keeps texts that are not UTF-8, and stays on its line", async () => {
    const server = await over({ format: "columns", extra_fields: true });
    const bad = Buffer.concat([Buffer.from("a\nb\u202e\u0000"), Buffer.from([0xff, 0xfe])]);
    const log = Buffer.concat([
      bytesField(5, bytesField(1, bad)),
      bytesField(6, pair("k\n", bytesField(1, bad))),
    ]);
    await exported(server, requestOf([log]));
    const [line = "", ...more] = server.lines();
    expect(more).toEqual([]);
    expect(messageOf(line)).toContain("a\\nb\\u202e\\x00\ufffd\ufffd");
    await server.drain();
  });

  test("is written with what is said of all records of its scope, in whatever order", async () => {
    const server = await over();
    const scope = Buffer.concat([
      bytesField(1, "app.db"),
      bytesField(3, pair("pool", varintField(3, 2))),
    ]);
    const two = [
      bodyOf("one"),
      Buffer.concat([bodyOf("two"), bytesField(6, pair("pool", varintField(3, 9)))]),
    ];
    const logs = Buffer.concat([...two.map((one) => bytesField(2, one)), bytesField(1, scope)]);
    await post(server, bytesField(1, bytesField(2, logs)));
    const timestamp = new Date(server.clock.wall()).toISOString();
    expect(records(server)).toEqual([
      {
        sequence: 0,
        level: "NOTSET",
        loggerName: "app.db",
        message: "one",
        timestamp,
        attributes: { pool: 2 },
      },
      {
        sequence: 1,
        level: "NOTSET",
        loggerName: "app.db",
        message: "two",
        timestamp,
        attributes: { pool: 9 },
      },
    ]);
    await server.drain();
  });
});

function varint64(value: bigint): string {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(bytes).toString("hex");
}

function doubleField(value: number): Buffer {
  const bytes = Buffer.alloc(9, 4 * 8 + 1);
  bytes.writeDoubleLE(value, 1);
  return bytes;
}

describe("an exporter of OpenTelemetry for JavaScript", () => {
  const exporters = {
    "over gRPC": (server: Server) =>
      new GrpcExporter({ url: `http://127.0.0.1:${server.portOf("grpc")}` }),
    "over HTTP as JSON": (server: Server) => new JsonExporter({ url: urlOf(server) }),
    "over HTTP as protobuf": (server: Server) => new ProtobufExporter({ url: urlOf(server) }),
    "over HTTP as protobuf, packed": (server: Server) =>
      new ProtobufExporter({ url: urlOf(server), compression: "gzip" as never }),
  };
  const urlOf = (server: Server) => `http://127.0.0.1:${server.portOf("http")}/v1/logs`;
  for (const [how, exporterFor] of Object.entries(exporters)) {
    test(`sends its logs unchanged: ${how}`, async () => {
      const server = await over();
      const exporter = exporterFor(server);
      const provider = new LoggerProvider({
        processors: [new BatchLogRecordProcessor({ exporter })],
      });
      const logger = provider.getLogger("app");
      for (let n = 0; n < 100; n++) {
        logger.emit({
          severityNumber: 9,
          severityText: "INFO",
          body: `m${n}`,
          timestamp: new Date(1_700_000_000_123),
          attributes: { n, "code.function.name": "main" },
        });
      }
      await provider.forceFlush();
      const all = records(server);
      expect(all.map(({ message }) => message)).toEqual([...Array(100).keys()].map((n) => `m${n}`));
      expect(all[99]).toMatchObject({
        level: "INFO",
        timestamp: "2023-11-14T22:13:20.123Z",
        loggerName: "app",
        functionName: "main",
        serviceName: expect.stringContaining("unknown_service"),
        attributes: { n: 99, "telemetry.sdk.language": "nodejs" },
      });
      await provider.shutdown();
      await server.drain();
    });
  }
});

/** The fields of a `google.rpc.Status`. */
function statusIn(bytes: Uint8Array): { code: number; message: string; retrySeconds?: number } {
  const found: { code: number; message: string; retrySeconds?: number } = { code: 0, message: "" };
  const fields = new Fields(Buffer.from(bytes));
  while (fields.next()) {
    if (fields.number === 1) found.code = fields.value;
    if (fields.number === 2) found.message = fields.text;
    if (fields.number === 3) {
      // Any { value = 2: RetryInfo { retry_delay = 1: Duration { seconds = 1 } } }
      let inner = fields.message;
      for (const number of [2, 1, 1]) {
        while (inner.next()) if (inner.number === number) break;
        if (inner.kind === 0) found.retrySeconds = inner.value;
        else inner = inner.message;
      }
    }
  }
  return found;
}

describe("a request that is none", () => {
  const deep = (levels: number) => {
    let value = textValue("x");
    for (let level = 1; level < levels; level++) value = bytesField(5, bytesField(1, value));
    return requestOf([bytesField(5, value)]);
  };
  const deepJson = (levels: number) => {
    let value: object = { stringValue: "x" };
    for (let level = 1; level < levels; level++) value = { arrayValue: { values: [value] } };
    return oneJson({ body: value });
  };
  const malformed: [string, object | Buffer, string][] = [
    ["cut short", WHOLE.subarray(0, 40), "a field is cut short"],
    ["of the wrong kinds", requestOf([bytesField(2, "x")]), "field 2 is of another kind"],
    ["whose time is no time", requestOf([varintField(1, 5)]), "field 1 is of another kind"],
    ["nested too deep", deep(MOST_LEVELS + 1), `a value is nested more than ${MOST_LEVELS} deep`],
    ["a list", [], "it is no object"],
    ["without lists", { resourceLogs: {} }, "resourceLogs is no list"],
    ["with a text for an object", { resourceLogs: ["x"] }, "resourceLogs is no object"],
    ["with a number for a text", oneJson({ severityText: 5 }), "severityText is no text"],
    ["with half a number", oneJson({ timeUnixNano: "1.5" }), "timeUnixNano is no whole number"],
    ["before 1970", oneJson({ timeUnixNano: "-1" }), "timeUnixNano is no time"],
    ["past 64 bits", oneJson({ timeUnixNano: "18446744073709551616" }), "timeUnixNano is no time"],
    [
      "with an id in base64",
      oneJson({ traceId: "W47/95gDgQPSabYzgT/GDA==" }),
      "traceId is not hexadecimal",
    ],
    [
      "of an odd severity",
      oneJson({ severityNumber: "INFO" }),
      "severityNumber is no whole number",
    ],
    [
      "nested too deep, as JSON",
      deepJson(MOST_LEVELS + 1),
      `a value is nested more than ${MOST_LEVELS} deep`,
    ],
  ];
  for (const [what, body, why] of malformed) {
    test(`is refused whole, with the reason: ${what}`, async () => {
      const server = await over();
      const message = `These are no logs: ${why}.`;
      const answered = await post(server, body);
      expect(answered.status).toBe(400);
      const status = Buffer.isBuffer(body)
        ? statusIn(await answered.bytes())
        : ((await answered.json()) as object);
      expect(status).toEqual({ code: 3, message });
      if (Buffer.isBuffer(body)) {
        expect((await exported(server, body)).status).toBe(`3 ${message}`);
      }
      expect(server.lines()).toEqual([]);
      expect(server.stats()["refused_http_malformed"]).toBe(1);
      expect(await answer(post(server, oneJson({})))).toEqual([200, {}]);
      await server.drain();
    });
  }

  test("is taken when it is nested as deep as it may be", async () => {
    const server = await over();
    expect((await exported(server, deep(MOST_LEVELS))).status).toBe("0");
    expect(await answer(post(server, deepJson(MOST_LEVELS)))).toEqual([200, {}]);
    expect(server.lines()).toHaveLength(2);
    await server.drain();
  });

  test("leaves none of its records, whichever is malformed", async () => {
    const server = await over();
    const logs = [...Array(1200).fill(bodyOf("good")), bytesField(2, "bad")] as Buffer[];
    expect((await post(server, requestOf(logs))).status).toBe(400);
    expect((await exported(server, requestOf(logs))).status).toStartWith("3 ");
    expect(server.lines()).toEqual([]);
    await server.drain();
  });

  test("of JSON that is none, or nested so deep that it hurts, costs nobody anything", async () => {
    const server = await over();
    const bodies = ["", "{", "nonsense", "[".repeat(1_000_000), '{"a":'.repeat(500_000)];
    for (const body of bodies) {
      const [status] = await answer(post(server, Buffer.from(body), { "content-type": JSON_TYPE }));
      expect(status).toBe(400);
    }
    expect(await answer(post(server, oneJson({})))).toEqual([200, {}]);
    await server.drain();
  });

  test("of JSON may have fields that nobody knows, but not more of them than a record has values", async () => {
    const server = await over();
    const keys = (count: number) => `{${[...Array(count).keys()].map((n) => `"k${n}" :1`).join()}}`;
    const json = { "content-type": JSON_TYPE };
    expect(await answer(post(server, Buffer.from(keys(MOST_VALUES)), json))).toEqual([200, {}]);
    const [status, said] = await answer(post(server, Buffer.from(keys(MOST_VALUES + 1)), json));
    expect([status, said.message]).toEqual([
      400,
      `These are no logs: it has more than ${MOST_VALUES} fields that nobody knows.`,
    ]);
    await server.drain();
  });

  test("of another type, coding, method or path is refused in the way of OpenTelemetry", async () => {
    const server = await over();
    const url = `http://127.0.0.1:${server.portOf("http")}`;
    const refused: [Promise<Response>, number, string][] = [
      [
        post(server, {}, { "content-type": "text/plain" }),
        415,
        "The type of the content is application/x-protobuf or application/json.",
      ],
      [
        post(server, {}, { "content-encoding": "br" }),
        415,
        "The content is encoded by gzip, or not at all.",
      ],
      [post(server, {}, { "content-encoding": "gzip" }), 400, "These are no logs: it is not gzip."],
      [
        post(server, {}, { origin: "https://example.org" }),
        403,
        "Pages of the web may not post here.",
      ],
      [post(server, {}, {}, "/v1/traces"), 404, "There is /v1/logs alone."],
      [fetch(`${url}/v1/logs`), 405, "Logs are posted."],
    ];
    for (const [response, status, message] of refused) {
      const [found, body] = await answer(response);
      expect([found, body.message]).toEqual([status, message]);
      expect(body.code).toBeGreaterThan(0);
    }
    expect((await fetch(`${url}/v1/logs`)).headers.get("allow")).toBe("POST");
    expect(server.lines()).toEqual([]);
    await server.drain();
  });
});

describe("a request that is too large", () => {
  const MOST = 65_536;
  /** A request of exactly so many bytes. */
  const sized = (bytes: number) => {
    const log = (length: number) => requestOf([bodyOf("x".repeat(length))]);
    return log(bytes - (log(bytes - 20).length - (bytes - 20)));
  };

  test("is refused, whatever length it announces, and one at the bound is taken", async () => {
    const server = await over({ max_request_bytes: MOST });
    expect(sized(MOST)).toHaveLength(MOST);
    expect((await post(server, sized(MOST))).status).toBe(200);
    const answered = await post(server, sized(MOST + 1));
    expect(answered.status).toBe(413);
    expect(statusIn(await answered.bytes())).toEqual({
      code: 3,
      message: `A request has ${MOST} bytes at most.`,
    });
    // In chunks, without a length.
    const chunked = (bytes: Buffer) =>
      fetch(`http://127.0.0.1:${server.portOf("http")}/v1/logs`, {
        method: "POST",
        headers: { "content-type": PROTOBUF },
        body: new ReadableStream({
          start(controller) {
            controller.enqueue(bytes.subarray(0, 1000));
            controller.enqueue(bytes.subarray(1000));
            controller.close();
          },
        }),
      });
    expect((await chunked(sized(MOST))).status).toBe(200);
    expect((await chunked(sized(MOST + 1))).status).toBe(413);
    expect(server.lines()).toHaveLength(2);
    expect(server.stats()["refused_http_oversized"]).toBe(2);
    await server.drain();
  });

  test("when it is unpacked is refused over HTTP, and one at the bound is taken", async () => {
    const server = await over({ max_request_bytes: MOST });
    const packed = (bytes: number) =>
      post(server, gzipSync(sized(bytes)), { "content-encoding": "gzip" });
    expect((await packed(MOST)).status).toBe(200);
    expect((await packed(MOST + 1)).status).toBe(413);
    const bomb = await post(server, gzipSync(Buffer.alloc(200 * 2 ** 20)).subarray(0, MOST), {
      "content-encoding": "gzip",
    });
    expect(bomb.status).toBe(413);
    expect(
      (await post(server, gzipSync(sized(MOST)).subarray(0, 30), { "content-encoding": "gzip" }))
        .status,
    ).toBe(400);
    expect(server.lines()).toHaveLength(1);
    await server.drain();
  });

  test("is refused over gRPC, packed or not, and one at the bound is taken", async () => {
    const server = await over({ max_request_bytes: MOST, max_message_bytes: MOST - 1024 });
    for (const gzip of [false, true]) {
      const at = requestOf(Array(64).fill(bodyOf("x".repeat(1000))) as Buffer[]);
      const filled = Buffer.concat([at, bytesField(99, "x".repeat(MOST - at.length - 4))]);
      expect(filled).toHaveLength(MOST);
      expect((await exported(server, filled, gzip)).status).toBe("0");
      expect(
        (await exported(server, Buffer.concat([filled, Buffer.from([0x78])]), gzip)).status,
      ).toStartWith("8 ");
    }
    expect(server.lines()).toHaveLength(128);
    expect((await exported(server, Buffer.alloc(100 * 2 ** 20), true)).status).toStartWith("8 ");
    expect((await exported(server, WHOLE)).status).toBe("0");
    await server.drain();
  });

  test("half sent is answered by nobody, and holds nobody up", async () => {
    const server = await over();
    const half = raw(
      server.portOf("http"),
      `POST /v1/logs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${PROTOBUF}\r\nContent-Length: 100\r\n\r\nxx`,
    );
    for (let n = 0; n < 3; n++) expect((await post(server, WHOLE)).status).toBe(200);
    server.clock.advance(61_000);
    expect(await half).toStartWith("HTTP/1.1 408");
    await server.drain();
  });

  test("by many who announce much and send little keeps nobody out", async () => {
    const server = await over({ max_request_bytes: MOST, buffer_bytes: 2 ** 20 });
    // Together they announce twice the bytes that may be in memory.
    const halves = Array.from({ length: 32 }, () =>
      raw(
        server.portOf("http"),
        `POST /v1/logs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${PROTOBUF}\r\nContent-Encoding: gzip\r\nContent-Length: ${MOST}\r\n\r\nxx`,
      ),
    );
    for (let n = 0; n < 40; n++) expect((await post(server, WHOLE)).status).toBe(200);
    server.clock.advance(61_000);
    for (const half of halves) expect(await half).toStartWith("HTTP/1.1 408");
    await server.drain();
  });
});

describe("requests that are under way", () => {
  test("hold as many bytes, of those that have come, as may wait for the disk; a further one is told to come again", async () => {
    const server = await over({ max_request_bytes: 65_536, buffer_bytes: 2 ** 20 });
    const head = `POST /v1/logs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${PROTOBUF}\r\n`;
    const halves: Peer[] = [];
    for (let n = 0; n < 16; n++) {
      const half = await dial(server.portOf("http"));
      half.send(`${head}Content-Length: 65536\r\n\r\n${"x".repeat(65_535)}`);
      halves.push(half);
    }
    let refused: Response;
    do refused = await post(server, WHOLE);
    while (refused.status === 200);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "5"]);
    expect(statusIn(await refused.bytes()).message).toBe("Too many requests are under way.");
    halves[0]?.end();
    do refused = await post(server, WHOLE);
    while (refused.status === 503);
    expect(refused.status).toBe(200);
    const slow = await dial(server.portOf("http"));
    slow.send(`${head}Content-Length: 65536\r\n\r\n${"x".repeat(65_535)}`);
    do refused = await post(server, WHOLE);
    while (refused.status === 200);
    // Those that are still coming after two seconds give way.
    server.clock.advance(2000);
    for (let n = 0; n < 40; n++) expect((await post(server, WHOLE)).status).toBe(200);
    await until(() => halves.slice(1).some(({ lines }) => lines[0]?.startsWith("HTTP/1.1 503")));
    expect(halves.slice(1).filter(({ lines }) => lines.length > 0)).toHaveLength(1);
    slow.end();
    for (const half of halves) half.end();
    await server.stop();
  });
});

describe("a record that is too large", () => {
  test("is refused by itself: the others are taken, and the answer tells how many are not", async () => {
    const server = await over({ max_message_bytes: 300 });
    const logs = [
      bodyOf("first"),
      bodyOf("x".repeat(301)),
      bodyOf("y".repeat(300)),
      bodyOf("last"),
    ];
    const { answer: bytes } = await exported(server, requestOf(logs));
    const partial = new Fields(bytes as Buffer);
    expect(partial.next()).toBe(true);
    const inner = partial.message;
    inner.next();
    expect([inner.number, inner.value]).toEqual([1, 1]);
    inner.next();
    expect(inner.text).toBe("a record has 301 bytes, and may have 300");
    expect(records(server).map(({ message }) => message)).toEqual([
      "first",
      "y".repeat(300),
      "last",
    ]);
    const big = { body: { stringValue: "x".repeat(301) } };
    expect(await answer(post(server, oneJson(big)))).toEqual([
      200,
      {
        partialSuccess: {
          rejectedLogRecords: "1",
          errorMessage: "a record has 301 bytes, and may have 300",
        },
      },
    ]);
    expect(server.stats()).toMatchObject({ refused_grpc_oversized: 1, refused_http_oversized: 1 });
    await server.drain();
  });

  test("by what is said of all of its resource does not fill the disk", async () => {
    const server = await over({ max_request_bytes: 65_536 });
    const resource = bytesField(1, bytesField(1, pair("k", textValue("x".repeat(30_000)))));
    const empty = Array(10_000).fill(Buffer.alloc(0)) as Buffer[];
    const [status, { partialSuccess }] = await answer(
      post(server, requestOf(empty, resource), { "content-type": PROTOBUF }).then(
        async (answered) =>
          Response.json(partialIn(await answered.bytes()), { status: answered.status }),
      ),
    );
    expect(status).toBe(200);
    expect(partialSuccess.errorMessage).toBe("its lines would have more than 1048576 bytes");
    expect(server.lines().length + partialSuccess.rejected).toBe(10_000);
    expect(server.stats()["written_bytes"]).toBeLessThan(1.1 * 2 ** 20);
    await server.drain();
  });
});

function partialIn(bytes: Uint8Array) {
  const fields = new Fields(Buffer.from(bytes));
  fields.next();
  const inner = fields.message;
  inner.next();
  const rejected = inner.value;
  inner.next();
  return { partialSuccess: { rejected, errorMessage: inner.text } };
}

describe("while the disk takes nothing", () => {
  test("a request waits, is refused with the time to come again, and nothing of it is written", async () => {
    const server = await blocked({ http: true });
    const first = exported(server, requestOf([bodyOf("first")]));
    await until(() => server.stats()["blocked"] === 1);
    const calls = [post(server, requestOf([bodyOf("second")])), post(server, oneJson({}))];
    const call = exported(server, requestOf([bodyOf("third")]));
    await until(() => server.stats()["records_grpc"] === 1);
    await until(() => {
      server.clock.advance(100);
      return (server.stats()["refused"] ?? 0) === 3;
    });
    const [asProtobuf, asJson] = (await Promise.all(calls)) as [Response, Response];
    expect([asProtobuf.status, asProtobuf.headers.get("retry-after")]).toEqual([503, "5"]);
    expect([asJson.status, asJson.headers.get("retry-after")]).toEqual([503, "5"]);
    expect(((await asJson.json()) as { code: number }).code).toBe(14);
    const { status, details } = await call;
    expect(status).toStartWith("14 The log cannot be written");
    expect(statusIn(details as Buffer)).toMatchObject({ code: 14, retrySeconds: 5 });
    expect(server.stats()).toMatchObject({ refused_http_full: 2, refused_grpc_full: 1 });
    await server.relieve();
    expect((await first).status).toBe("0");
    expect(server.lines().map(messageOf)).toEqual(["first"]);
    expect((await post(server, requestOf([bodyOf("again")]))).status).toBe(200);
    await server.drain();
  });

  test("a request that waits is taken as soon as there is room, and whole", async () => {
    const server = await blocked({ http: true });
    const first = post(server, requestOf([bodyOf("first")]));
    await until(() => server.stats()["blocked"] === 1);
    const second = post(server, requestOf([bodyOf("second"), bodyOf("third")]));
    await server.relieve();
    expect((await first).status).toBe(200);
    expect((await second).status).toBe(200);
    expect(server.lines().map(messageOf)).toEqual(["first", "second", "third"]);
    await server.drain();
  });
});
