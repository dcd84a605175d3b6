import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesField, varintField } from "../lib/services/collector/doors/proto/fields.ts";
import { collecting, messageOf } from "./collector-suite.ts";
import { ended } from "./kit.ts";

// gRPC as others speak it: each program calls with the same bytes, packed and not, and says what it heard.

const NODE = Bun.which("node");
/** A Python that has grpcio. */
const PYTHON = ["python3", "/usr/bin/python3"].find((python) => {
  if (Bun.which(python) === null) return false;
  return Bun.spawnSync([python, "-c", "import grpc"], { stderr: "ignore" }).exitCode === 0;
});
const missing = (found: unknown, name: string) => (found ? "" : ` (${name} is not installed here)`);

const RECORD = bytesField(9, "a record");
const LOGS = bytesField(1, bytesField(2, bytesField(2, bytesField(5, bytesField(1, "a log")))));
const CALLS = [
  ["/logservice.LogService/LogMessage", RECORD],
  ["/opentelemetry.proto.collector.logs.v1.LogsService/Export", LOGS],
] as const;
/** One of each, packed and not; then records in a stream; then a call that is none. */
const HEARD = [
  "0801",
  "",
  "0801",
  "",
  "0803",
  "INVALID_ARGUMENT This is no record: field 9 is no text.",
];
const WRITTEN = ["a record", "a log", "a record", "a log", "a record", "a record", "a record"];

const STREAM = "/summoner.logs.v1.LogCollector/LogUpload";

const PYTHON_SCRIPT = `
import sys, grpc
channel = grpc.insecure_channel(sys.argv[1])
calls = [(path, bytes.fromhex(message)) for path, message in zip(sys.argv[2:6:2], sys.argv[3:6:2])]
for compression in (None, grpc.Compression.Gzip):
    for path, message in calls:
        print(channel.unary_unary(path)(message, compression=compression).hex())
upload = channel.stream_unary("${STREAM}")
print(upload(iter([calls[0][1]] * 3)).hex())
try:
    channel.unary_unary(calls[0][0])(bytes.fromhex(sys.argv[6]))
except grpc.RpcError as error:
    print(error.code().name, error.details())
`;

const NODE_SCRIPT = `
import { createRequire } from "node:module";
const grpc = createRequire(process.argv[2])("@grpc/grpc-js");
const [, , , address, ...given] = process.argv;
const calls = [given.slice(0, 2), given.slice(2, 4)].map(([path, hex]) => [path, Buffer.from(hex, "hex")]);
const asItIs = (bytes) => bytes;
const client = (options) => new grpc.Client(address, grpc.credentials.createInsecure(), options);
const said = (resolve) => (error, answer) =>
  resolve(error ? grpc.status[error.code] + " " + error.details : answer.toString("hex"));
const call = (on, path, message) =>
  new Promise((resolve) => on.makeUnaryRequest(path, asItIs, asItIs, message, said(resolve)));
for (const options of [{}, { "grpc.default_compression_algorithm": 2 }]) {
  for (const [path, message] of calls) console.log(await call(client(options), path, message));
}
console.log(await new Promise((resolve) => {
  const stream = client({}).makeClientStreamRequest("${STREAM}", asItIs, asItIs, said(resolve));
  for (let n = 0; n < 3; n++) stream.write(calls[0][1]);
  stream.end();
}));
console.log(await call(client({}), calls[0][0], Buffer.from(given[4], "hex")));
process.exit(0);
`;

/** Has a program call a collector. @returns the lines that it prints */
async function heard(run: readonly string[], script: string, name: string) {
  const server = await collecting();
  const file = join(server.folder, name);
  writeFileSync(file, script);
  const calls = CALLS.flatMap(([path, message]) => [path, message.toString("hex")]);
  const wrong = varintField(9, 1).toString("hex");
  const [program = "", ...before] = run;
  const address = `127.0.0.1:${server.portOf("grpc")}`;
  const child = Bun.spawn([program, file, ...before, address, ...calls, wrong], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const { out, err } = await ended(child);
  const written = server.lines().map(messageOf);
  await server.stop();
  return { lines: out.trimEnd().split("\n"), err, written };
}

describe.skipIf(!PYTHON)(`grpcio of Python${missing(PYTHON, "python3-grpcio")}`, () => {
  test("calls it, packed and not", async () => {
    const { lines, written } = await heard([PYTHON as string], PYTHON_SCRIPT, "calls.py");
    expect(lines).toEqual(HEARD);
    expect(written).toEqual(WRITTEN);
  });
});

describe.skipIf(!NODE)(`grpc-js on Node${missing(NODE, "node")}`, () => {
  test("calls it, packed and not", async () => {
    const run = [NODE as string, import.meta.path];
    const { lines, written } = await heard(run, NODE_SCRIPT, "calls.mjs");
    expect(lines).toEqual(HEARD);
    expect(written).toEqual(WRITTEN);
  });
});
