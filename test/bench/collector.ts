import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { bytesField, varintField } from "../../lib/services/collector/doors/proto/fields.ts";
import { packedRecord } from "../../lib/services/collector/doors/capnp/write.ts";
import { Level } from "../../lib/services/collector/levels.ts";
import { frame, hello } from "../collector-suite.ts";
import { FrameSplitter } from "../../lib/net/frames.ts";
import { type Bench, compare, fault, medians } from "./contest.ts";
import { cpuSeconds, residentBytes } from "./measure.ts";
import { accepts, freePort, start, type Started, until } from "./processes.ts";
import type { Measured, Target } from "./report.ts";
import { QUIET, ROOT } from "./servers.ts";

const NEWLINE = 10;
/** The text of each record. */
const TEXT = "Processing of the order has started, and is expected to end within its usual time";
/** Bytes handed to the system at a time. */
const CHUNK = 256 * 1024;
/** Milliseconds that a round may take. */
const PATIENCE_MS = 240_000;

/** A server that writes what it is sent to a file. */
interface Kind {
  readonly name: string;
  readonly terms: string;
  readonly ours: boolean;
  readonly file: string;
  /** One record as it is sent. */
  readonly record: Buffer;
  /** Bytes that come before the first record. */
  readonly first: Buffer;
  /** It tells each connection how many of its records are on disk. */
  readonly acknowledges: boolean;
  start(port: number): Started;
}

function settings(folder: string, file: string, port: number, more: string): string {
  const config = join(folder, `${Bun.randomUUIDv7()}.toml`);
  writeFileSync(
    config,
    `${QUIET}drain_ms = 100\n[relay]\nenabled = false\n[web]\nenabled = false\n[collector]\nenabled = true\nport = ${port}\npath = ${JSON.stringify(file)}\nmax_file_bytes = 17179869184\n${more}\n`.replace(
      /^(\[logger\][^[]*)drain_ms = 100\n/,
      "drain_ms = 100\n$1",
    ),
  );
  return config;
}

function collector(folder: string, durability: string): Kind {
  const own = join(folder, `collector-${durability}-${Bun.randomUUIDv7()}`);
  mkdirSync(own);
  const file = join(own, "_main.log");
  return {
    name: "collector",
    terms: `durability = "${durability}", with acknowledgements`,
    ours: true,
    file,
    record: frame(
      packedRecord(Level.INFO, {
        timestamp: "2026-01-15T10:30:45.123Z",
        hostname: "myhost",
        loggerName: "app",
        message: TEXT,
      }),
    ),
    first: frame(hello({ acks: true })),
    acknowledges: true,
    start(port) {
      const more = `tcp_only = true\ndurability = "${durability}"`;
      const config = settings(folder, file, port, more);
      return start([process.execPath, join(ROOT, "index.ts"), "--config", config], folder);
    },
  };
}

const RSYSLOGD = ["/usr/sbin/rsyslogd", Bun.which("rsyslogd") ?? ""].find((path) =>
  existsSync(path),
);

function rsyslog(folder: string, sync: boolean): Kind {
  const own = join(folder, `rsyslog-${sync}-${Bun.randomUUIDv7()}`);
  mkdirSync(own);
  const file = join(own, "main.log");
  return {
    name: "rsyslog",
    terms: sync ? 'omfile with sync="on"' : "imtcp to omfile, as it comes",
    ours: false,
    file,
    record: Buffer.from(`<134>1 2026-01-15T10:30:45.123Z myhost app 1 - - ${TEXT}\n`),
    first: Buffer.alloc(0),
    acknowledges: false,
    start(port) {
      const config = join(own, "rsyslog.conf");
      writeFileSync(
        config,
        `global(workDirectory="${own}")
module(load="imtcp")
input(type="imtcp" port="${port}" address="127.0.0.1")
action(type="omfile" file="${file}"${sync ? ' sync="on"' : ""})
`,
      );
      const cmd = [RSYSLOGD as string, "-n", "-f", config, "-i", join(own, "pid")];
      return start(cmd, folder);
    },
  };
}

/** A server that runs, with its rounds so far. */
interface Contestant {
  readonly kind: Kind;
  readonly process: Started;
  readonly port: number;
  /** Lines in its file. */
  lines: number;
  /** Bytes of its file that were counted. */
  counted: number;
  readonly rounds: Measured[];
}

/** Counts the lines that were added to a file since. */
function countOn(one: Contestant): void {
  if (!existsSync(one.kind.file)) return;
  const fd = openSync(one.kind.file, "r");
  const piece = Buffer.allocUnsafe(1 << 20);
  for (;;) {
    const read = readSync(fd, piece, 0, piece.length, one.counted);
    if (read === 0) break;
    one.counted += read;
    const bytes = piece.subarray(0, read);
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) one.lines++;
  }
  closeSync(fd);
}

/** Sends records over some connections, and waits until all of them are lines and, where it says so, acknowledged. */
async function load(one: Contestant, records: number, connections: number): Promise<Measured> {
  const each = Math.floor(records / connections);
  const perChunk = Math.max(1, Math.min(each, Math.floor(CHUNK / one.kind.record.length)));
  const chunk = Buffer.concat(Array.from({ length: perChunk }, () => one.kind.record));
  const cpu = cpuSeconds(one.process.pid);
  const began = Date.now();
  const sent = Array.from({ length: connections }, () => send(one, each, chunk, perChunk));
  await untilLines(one, one.lines + each * connections, began + PATIENCE_MS);
  const acknowledged = await Promise.all(sent);
  const ended = Math.max(statSync(one.kind.file).mtimeMs, ...acknowledged);
  const used = cpuSeconds(one.process.pid);
  return {
    records: (each * connections) / ((ended - began) / 1000),
    cpuPerMillion:
      cpu === null || used === null ? null : ((used - cpu) / (each * connections)) * 1e6,
  };
}

/** Waits until its file has so many lines. They are counted once it grows no more: counting takes CPU from the servers. */
async function untilLines(one: Contestant, wanted: number, by: number): Promise<void> {
  let size = -1;
  for (;;) {
    if (one.process.exited()) throw new Error(`it ended: ${one.process.output().slice(-600)}`);
    await Bun.sleep(20);
    const now = existsSync(one.kind.file) ? statSync(one.kind.file).size : 0;
    if (now === size) {
      countOn(one);
      if (one.lines >= wanted) return;
    }
    if (Date.now() > by) throw new Error(`${wanted - one.lines} records are missing`);
    size = now;
  }
}

/** Sends so many records over a connection of its own. @returns when the last one was acknowledged, or else sent, in milliseconds since 1970 */
async function send(
  { kind, port }: Contestant,
  count: number,
  chunk: Buffer,
  perChunk: number,
): Promise<number> {
  let left = count;
  let waiting = Buffer.from(kind.first);
  const { promise, resolve } = Promise.withResolvers<number>();
  const fill = (socket: Bun.Socket) => {
    for (;;) {
      if (waiting.length === 0) {
        if (left === 0) break;
        const now = Math.min(left, perChunk);
        waiting = chunk.subarray(0, now * kind.record.length) as Buffer<ArrayBuffer>;
        left -= now;
      }
      const taken = socket.write(waiting);
      waiting = waiting.subarray(Math.max(0, taken)) as Buffer<ArrayBuffer>;
      if (waiting.length > 0) return;
    }
    if (!kind.acknowledges) resolve(Date.now());
  };
  const acknowledgements = new FrameSplitter();
  const acknowledged = {
    reading: true,
    frame: (_: unknown, bytes: Buffer, start: number, end: number) => {
      // A shorter one is a heartbeat.
      if (end - start < 8) return;
      if (bytes.readBigUInt64BE(start) === BigInt(count)) resolve(Date.now());
    },
    oversize: () => {},
  };
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data: (_, bytes) => {
        acknowledgements.feed(acknowledged, bytes, 8, acknowledged);
      },
      open: fill,
      drain: fill,
      error() {},
    },
  });
  const ended = await promise;
  socket.end();
  return ended;
}

/**
 * Records over TCP to a file: as fast as it goes, and durable. Both servers get
 * the same texts, in the bytes that their own clients would send: 151 a record
 * as the reference implementation of Cap'n Proto packs it, 134 of syslog. Each
 * writes the lines that it writes by default: 226 bytes here, 121 there. A round
 * ends with the last write to the file and, here, with the last acknowledgement:
 * the records are on disk then, while the other's last ones may not be. All
 * settings are those that come with the servers, except that nothing rotates.
 *
 * Earlier figures were unfair to both: each word of a record was packed on its
 * own, which no library does (191 bytes), lines were counted while the servers
 * ran, on the same cores, and the durable rounds began before the code was
 * compiled, and ended before the last acknowledgement.
 */
export async function collectorBench(bench: Bench): Promise<void> {
  const { folder, smoke } = bench;
  const many = smoke ? 20_000 : 1_000_000;
  const few = smoke ? 200 : 400_000;
  const plain = [collector(folder, "batch"), ...(RSYSLOGD ? [rsyslog(folder, false)] : [])];
  await contest(bench, plain, many, 1, 1);
  await contest(bench, plain, many, 8, 1);
  const durable = [collector(folder, "always"), ...(RSYSLOGD ? [rsyslog(folder, true)] : [])];
  await contest(bench, durable, few, 8, 10);
}

async function contest(
  bench: Bench,
  kinds: Kind[],
  records: number,
  connections: number,
  wanted: number,
): Promise<void> {
  const { report, smoke } = bench;
  report.scenario(`collector: ${records} records over TCP to a file, ${connections} connections`);
  for (const { name, terms } of kinds) report.note(`${name}: ${terms}`);
  if (!RSYSLOGD) report.note("skipped: rsyslogd not installed");
  let running: Contestant[] = [];
  for (const kind of kinds) {
    try {
      const port = freePort();
      const process = kind.start(port);
      await until(process, kind.name, () => accepts(port));
      const one: Contestant = { kind, process, port, lines: 0, counted: 0, rounds: [] };
      countOn(one);
      running.push(one);
    } catch (error) {
      fault(bench, kind, error);
    }
  }
  const everyone = [...running];
  for (let round = -1; round < (smoke ? 1 : bench.rounds); round++) {
    const turn = Math.max(0, round) % Math.max(1, running.length);
    for (const one of [...running.slice(turn), ...running.slice(0, turn)]) {
      try {
        const warmUp = Math.min(records, smoke ? 200 : 200_000);
        const measured = await load(one, round < 0 ? warmUp : records, connections);
        if (round >= 0) one.rounds.push(measured);
      } catch (error) {
        fault(bench, one.kind, error);
        running = running.filter((other) => other !== one);
      }
    }
  }
  await Promise.all(everyone.map(({ process }) => process.stop()));
  const rows = new Map(running.map((one) => [one.kind.name, medians(one.rounds)]));
  report.table(["records", "cpuPerMillion"], rows);
  const targets: Target[] = [
    { against: "rsyslog", figure: "records", sense: "at least", limit: wanted },
  ];
  const plan = { kinds, compared: ["records", "cpuPerMillion"] as const, targets };
  compare(
    report,
    { ...plan, compared: [...plan.compared] },
    new Map(running.map((one) => [one.kind, one.rounds])),
  );
}

const asItIs = (bytes: Buffer) => bytes;

/** Records by gRPC, in streams against calls of one; OpenTelemetry's batches; the memory of idle clients. */
export async function collectorCalls(bench: Bench): Promise<void> {
  const { report, folder, smoke } = bench;
  const [calls, streamed, batches, idle] = smoke ? [100, 1000, 5, 20] : [5000, 100_000, 400, 1000];
  report.scenario(
    `collector: ${streamed} records in streams, ${calls} calls, ${batches} batches of 512`,
  );
  const [port, grpcPort] = [freePort(), freePort()];
  const own = join(folder, `calls-${Bun.randomUUIDv7()}`);
  mkdirSync(own);
  const more = `grpc_port = ${grpcPort}\ndurability = "batch"`;
  const config = settings(folder, join(own, "_main.log"), port, more);
  const server = start([process.execPath, join(ROOT, "index.ts"), "--config", config], folder);
  try {
    await until(server, "the collector", () => accepts(grpcPort));
    const client = new grpc.Client(`127.0.0.1:${grpcPort}`, grpc.credentials.createInsecure());
    const record = Buffer.concat([bytesField(2, "myhost"), varintField(5, 3), bytesField(9, TEXT)]);
    await unary(client, record, Math.ceil(calls / 10));
    const byCall = calls / (await seconds(() => unary(client, record, calls)));
    await stream(client, record, Math.ceil(streamed / 10));
    const byStream = streamed / (await seconds(() => stream(client, record, streamed)));
    const request = exportRequest(512);
    await exported(client, request, 2);
    const byBatch = (512 * batches) / (await seconds(() => exported(client, request, batches)));
    client.close();
    report.note(`calls of one record: ${byCall.toFixed(0)} records/s`);
    report.note(`streams: ${byStream.toFixed(0)} records/s`);
    report.note(`OpenTelemetry, batches of 512: ${byBatch.toFixed(0)} records/s`);
    const ratio = byStream / byCall;
    report.note(
      `streams / calls: ${ratio.toFixed(1)}, wanted at least 8: ${ratio >= 8 ? "ok" : "missed"}`,
    );
    const before = residentBytes(server.pid);
    const sockets = await Promise.all(
      Array.from({ length: idle }, () =>
        Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {}, error() {} } }),
      ),
    );
    await Bun.sleep(smoke ? 100 : 2000);
    const after = residentBytes(server.pid);
    for (const socket of sockets) socket.terminate();
    if (before !== null && after !== null) {
      report.note(
        `${idle} idle connections: ${((after - before) / idle / 1000).toFixed(1)} kB each`,
      );
    }
  } catch (error) {
    fault(bench, { name: "collector", ours: true }, error);
  } finally {
    await server.stop();
  }
}

async function seconds(run: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await run();
  return (performance.now() - began) / 1000;
}

/** Makes calls of one record, fifty at once. */
async function unary(client: grpc.Client, record: Buffer, count: number): Promise<void> {
  let left = count;
  const one = async () => {
    while (left-- > 0) await called(client, "/logservice.LogService/LogMessage", record);
  };
  await Promise.all(Array.from({ length: 50 }, one));
}

function called(client: grpc.Client, path: string, message: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, asItIs, asItIs, message, (error) =>
      error ? reject(error) : resolve(),
    );
  });
}

/** Sends records in one stream, and waits until all of them are acknowledged. */
function stream(client: grpc.Client, record: Buffer, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const path = "/summoner.logs.v1.LogCollector/LogUpload";
    const call = client.makeClientStreamRequest(path, asItIs, asItIs, (error) => {
      if (error) reject(error);
      else resolve();
    });
    let left = count;
    const fill = () => {
      while (left-- > 0) if (!call.write(record)) return void call.once("drain", fill);
      call.end();
    };
    fill();
  });
}

/** An export request of OpenTelemetry with so many records. */
function exportRequest(records: number): Buffer {
  const attribute = (key: string, value: string) =>
    Buffer.concat([bytesField(1, key), bytesField(2, bytesField(1, value))]);
  const record = Buffer.concat([
    varintField(2, 9),
    bytesField(5, bytesField(1, TEXT)),
    bytesField(6, attribute("order", "17")),
  ]);
  const scope = Buffer.concat([
    bytesField(1, bytesField(1, "app")),
    ...Array.from({ length: records }, () => bytesField(2, record)),
  ]);
  const resource = bytesField(1, bytesField(1, attribute("host.name", "myhost")));
  return bytesField(1, Buffer.concat([resource, bytesField(2, scope)]));
}

/** Exports batches, eight at once. */
async function exported(client: grpc.Client, request: Buffer, count: number): Promise<void> {
  const path = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
  let left = count;
  const one = async () => {
    while (left-- > 0) await called(client, path, request);
  };
  await Promise.all(Array.from({ length: 8 }, one));
}
