import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Columns } from "../../lib/services/collector/columns.ts";
import {
  isHello,
  readHello,
  readLoggerMsg,
} from "../../lib/services/collector/doors/capnp/logger-msg.ts";
import { Malformed, Message } from "../../lib/services/collector/doors/capnp/message.ts";
import { Entry } from "../../lib/services/collector/entry.ts";
import { Mutants } from "../capnp-mutants.ts";
import { frame, Sender, record } from "../collector-suite.ts";
import { Random } from "../random.ts";
import { type Bench, fault } from "./contest.ts";
import { residentBytes } from "./measure.ts";
import { accepts, freePort, start, until } from "./processes.ts";
import { QUIET, ROOT } from "./servers.ts";

const NEWLINE = 10;
const MOST_BYTES = 2 ** 20;
/** Connections at once. */
const TOGETHER = 100;
const WIDTHS = {
  timestamp: 33,
  hostname: 12,
  logger: 15,
  level: 8,
  filename: 20,
  function: 25,
  line: 6,
};

/** Frames that are nearly messages: none is worth more than its refusal, and nobody else notices. */
export async function collectorFrames(bench: Bench): Promise<void> {
  const { report, smoke } = bench;
  const [read, sent] = smoke ? [20_000, 500] : [2_000_000, 100_000];
  report.scenario(`collector: ${read} mutated frames read, ${sent} on the wire`);
  try {
    readAll(bench, read);
    await sendAll(bench, sent);
  } catch (error) {
    fault(bench, { name: "collector", ours: true }, error);
  }
}

/** Reads frames as the door does; what is no message is refused, and all else becomes one line. */
function readAll({ report }: Bench, count: number): void {
  const mutants = new Mutants(new Random(2_000_000));
  const message = new Message(MOST_BYTES);
  const entry = new Entry();
  const form = new Columns(WIDTHS, true);
  const utf8 = new TextDecoder("utf-8", { fatal: true });
  const began = performance.now();
  let [refused, longest] = [0, 0];
  const take = (bytes: Buffer, n: number): boolean => {
    try {
      if (isHello(bytes, 0, bytes.length)) readHello(message, bytes, 0, bytes.length);
      else {
        readLoggerMsg(message, bytes, 0, bytes.length, entry);
        const out = Buffer.allocUnsafe(form.most(entry));
        const end = form.write(entry, n, out, 0);
        utf8.decode(out.subarray(0, end));
        if (out.indexOf(NEWLINE) !== end - 1) throw new Error(`frame ${n} is not one line`);
      }
      return true;
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      return false;
    }
  };
  const timed = (bytes: Buffer, n: number): number => {
    const at = performance.now();
    if (!take(bytes, n)) refused++;
    return performance.now() - at;
  };
  for (let n = 0; n < count; n++) {
    const bytes = mutants.next();
    let ms = timed(bytes, n);
    // Once more, since the machine may have done something else.
    if (ms > longest) {
      const before = refused;
      ms = Math.min(ms, timed(bytes, n));
      refused = before;
    }
    longest = Math.max(longest, ms);
  }
  const seconds = (performance.now() - began) / 1000;
  report.note(
    `${count} read in ${seconds.toFixed(1)} s, ${refused} refused, the slowest took ${longest.toFixed(1)} ms; the buffer has ${message.bytes.length / 1024} kB`,
  );
}

/** Sends frames to a server, each over a connection of its own, while a bystander goes on. */
async function sendAll({ report, folder }: Bench, count: number): Promise<void> {
  const port = freePort();
  const own = join(folder, `frames-${Bun.randomUUIDv7()}`);
  mkdirSync(own);
  const path = join(own, "_main.log");
  const config = join(own, "summoner.toml");
  const section = `[collector]\nenabled = true\nport = ${port}\ntcp_only = true\npath = ${JSON.stringify(path)}\n`;
  writeFileSync(config, `${QUIET}[relay]\nenabled = false\n[web]\nenabled = false\n${section}`);
  const server = start([process.execPath, join(ROOT, "index.ts"), "--config", config], folder);
  try {
    await until(server, "the collector", () => accepts(port));
    const mutants = new Mutants(new Random(1));
    const bystander = new Sender(port);
    const before = residentBytes(server.pid);
    let told = 0;
    for (let n = 0; n < count; n += TOGETHER) {
      bystander.send(record({ message: `bystander ${told++}` }));
      await Promise.all(Array.from({ length: TOGETHER }, () => once(port, mutants.next())));
    }
    const after = residentBytes(server.pid);
    const last = `bystander ${told - 1}\n`;
    await until(server, "the bystander", () =>
      readFileSync(path, "utf8").includes(last) ? true : null,
    );
    bystander.end();
    if (server.exited()) throw new Error(`it ended: ${server.output().slice(-600)}`);
    const heard = readFileSync(path, "utf8").split("bystander ").length - 1;
    if (heard !== told)
      throw new Error(`${told - heard} of ${told} records of a bystander are missing`);
    const mb = (bytes: number | null) => (bytes === null ? "?" : (bytes / 1e6).toFixed(0));
    report.note(
      `${count} sent; the bystander's ${told} records are there; memory ${mb(before)} MB before, ${mb(after)} MB after`,
    );
  } finally {
    await server.stop();
  }
}

/** Sends one frame, and waits until the server has ended the connection. */
function once(port: number, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const sender = new Sender(port);
    sender.socket.once("close", () => resolve());
    sender.send(frame(bytes));
    sender.socket.end();
  });
}
