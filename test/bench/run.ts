import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Bench } from "./contest.ts";
import { collectorFrames } from "./collector-frames.ts";
import { collectorBench, collectorCalls } from "./collector.ts";
import { churn, idle } from "./crowds.ts";
import { closed, everybody, paced, pipelined } from "./fan-out.ts";
import { floor } from "./floor.ts";
import { accessLog, dashboard, http } from "./http.ts";
import { logging } from "./logging.ts";
import { neuro } from "./neuro.ts";
import { longTasks, replay, told } from "./page.ts";
import { stopEverything, temporaryFolder } from "./processes.ts";
import { Report } from "./report.ts";
import { room } from "./room.ts";
import { sendStorm } from "./storm.ts";
import { nats, other, QUIET, redis, relay, WRITES } from "./servers.ts";
import { backup } from "./store-backup.ts";
import { memory } from "./store-memory.ts";
import { recovery } from "./store-recovery.ts";
import { parsing } from "./store-parsing.ts";
import { durable, kv } from "./store.ts";

interface Scenario {
  service: string;
  about: string;
  run(bench: Bench): Promise<void>;
}

/** Every scenario. Another service's benchmarks are more lines with its name. */
const scenarios: Record<string, Scenario> = {
  pipelined: { service: "relay", about: "as fast as it goes", run: pipelined },
  paced: { service: "relay", about: "CPU and latency at 200/s", run: paced },
  closed: { service: "relay", about: "one message in flight", run: closed },
  everybody: { service: "relay", about: "500 clients talk", run: everybody },
  idle: { service: "relay", about: "memory of 10,000 idle clients", run: idle },
  logging: {
    service: "relay",
    about: "all traffic to JSON files, against none",
    run: logging,
  },
  room: { service: "relay", about: "two threads or two nodes, against one relay", run: room },
  floor: { service: "relay", about: "CPU against bare C writers", run: floor },
  churn: {
    service: "relay",
    about: "100,000 connects and disconnects",
    run: churn,
  },
  storm: {
    service: "relay",
    about: "every byte checked while clients stall and vanish, both ways",
    run: sendStorm,
  },
  http: { service: "web", about: "requests, against bare servers", run: http },
  "access-log": { service: "web", about: "a line in a file per request", run: accessLog },
  dashboard: { service: "web", about: "what an open page costs the relay", run: dashboard },
  told: { service: "web", about: "bytes of a tick, whole and as differences", run: told },
  "long-tasks": {
    service: "web",
    about: "the page with 10,000 clients and 100,000 keys",
    run: longTasks,
  },
  replay: { service: "web", about: "a day of ticks: the memory of the page", run: replay },
  kv: { service: "store", about: "GET and SET, against redis-server", run: kv },
  durable: { service: "store", about: "SETs that are on the disk", run: durable },
  memory: { service: "store", about: "bytes per key of a million keys", run: memory },
  recovery: { service: "store", about: "a start that reads a million keys back", run: recovery },
  backup: { service: "store", about: "throughput while all keys are copied", run: backup },
  neuro: { service: "neuro", about: "1,000 games and their forces, against neuro_api", run: neuro },
  collector: {
    service: "collector",
    about: "records over TCP to a file, against rsyslog",
    run: collectorBench,
  },
  frames: { service: "collector", about: "2 million mutated frames", run: collectorFrames },
  calls: { service: "collector", about: "records by gRPC, idle clients", run: collectorCalls },
  parsing: { service: "store", about: "ways to parse requests, in process", run: parsing },
};

const USAGE = `bun run bench [SCENARIO or SERVICE ...] [--smoke] [--rounds N] [--servers A,B] [--peer COMMAND]
              [--before FOLDER] [--payload BYTES] [--json-text] [--json]

  --smoke          everything tiny: checks that it works, the numbers mean nothing
  --rounds N       measured rounds per server, interleaved (5)
  --servers A,B    only these of relay, writes, redis, nats, peer, before; the first is compared with the others;
                   writes is the relay with a system call for each send
  --peer COMMAND   one more server that speaks the relay's protocol; PORT in it becomes a free port
  --before FOLDER  one more server: this project from another checkout, to see what a change costs
  --payload BYTES  size of a published text (130)
  --json-text      publish typed JSON envelopes, whose quotes the relay has to escape
  --json           one JSON document on stdout, the text on stderr

Scenarios:
${Object.entries(scenarios)
  .map(([name, { service, about }]) => `  ${name.padEnd(11)} ${service}: ${about}`)
  .join("\n")}`;

function usageError(text: string): never {
  console.error(`${text}\n\n${USAGE}`);
  process.exit(2);
}

function wholeNumber(text: string, name: string, lowest: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= lowest) return value;
  return usageError(`--${name} must be a whole number of at least ${lowest}`);
}

function chosen(names: string[]): Scenario[] {
  if (names.length === 0) return Object.values(scenarios);
  return names.flatMap((name) => {
    const one = scenarios[name];
    if (one !== undefined) return [one];
    const some = Object.values(scenarios).filter(({ service }) => service === name);
    return some.length > 0 ? some : usageError(`no scenario or service "${name}"`);
  });
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        smoke: { type: "boolean", default: false },
        rounds: { type: "string" },
        servers: { type: "string", default: "relay,writes,redis,nats,peer,before" },
        peer: { type: "string" },
        before: { type: "string" },
        payload: { type: "string", default: "130" },
        "json-text": { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    return usageError(error instanceof Error ? error.message : String(error));
  }
}

/** The report of this run, once its arguments are read. */
let begun: Report | null = null;

async function main(): Promise<number> {
  const { values, positionals } = readArguments();
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const wanted = chosen(positionals);
  const report = new Report(values.json ? console.error : console.log);
  begun = report;
  const folder = temporaryFolder();
  const { peer } = values;
  const before = values.before === undefined ? null : resolve(values.before);
  const available = {
    relay: () => relay(folder),
    writes: () => relay(folder, "writes", QUIET + WRITES),
    redis: () => redis(folder),
    nats: () => nats(folder),
    peer: () => (peer === undefined ? null : other(folder, peer, "peer")),
    before: () => (before === null ? null : relay(folder, "before", QUIET, before)),
  };
  const kinds = values.servers.split(",").flatMap((name) => {
    if (!(name in available)) usageError(`no server "${name}"`);
    const kind = available[name as keyof typeof available]();
    if (kind === null && name === "relay") report.error("there is no index.ts to measure");
    else if (kind === null && name !== "peer" && name !== "before") {
      report.note(`skipped: ${name}-server not installed`);
    }
    return kind ?? [];
  });
  const rounds = wholeNumber(values.rounds ?? (values.smoke ? "1" : "5"), "rounds", 1);
  report.note(
    values.smoke
      ? "smoke: far too small for ratios to mean anything"
      : `${rounds} interleaved rounds; ratios are medians of the rounds' own (lowest to highest)`,
  );
  for (const kind of kinds) report.note(`${kind.name}: ${kind.terms}`);
  const bench: Bench = {
    report,
    folder,
    rounds,
    smoke: values.smoke,
    payloadBytes: wholeNumber(values.payload, "payload", values["json-text"] ? 100 : 20),
    json: values["json-text"],
    kinds,
    before,
  };
  for (const { run } of wanted) await run(bench);
  if (values.json) {
    const { entries, notes, errors } = report;
    console.log(JSON.stringify({ scenarios: entries, notes, errors }, null, 2));
  }
  return report.errors.length > 0 ? 1 : 0;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    begun?.cut(`cut short by ${signal}: what has no numbers above was not measured`);
    void stopEverything().then(() => process.exit(130));
  });
}
try {
  process.exitCode = await main();
} finally {
  await stopEverything();
}
