import { type Bench, compare, fault, medians } from "./contest.ts";
import type { FigureName, Measured, Target } from "./report.ts";
import { ROOT, type Server, WRITES } from "./servers.ts";
import { runJob, type Traffic } from "./store-jobs.ts";
import { type Durability, redisStore, store, type StoreKind } from "./store-servers.ts";
import type { Keys } from "./store-wire.ts";

/** A generator that works this much of the time may be what limits the server. */
const SATURATED = 0.9;
const CONNECTIONS = 50;
const MIXES: [name: string, gets: number][] = [
  ["GET", 1],
  ["SET", 0],
  ["80% GET, 20% SET", 0.8],
];

/** A server that runs, and holds all keys. */
interface Runner {
  kind: StoreKind;
  server: Server;
}

/** GET and SET without persistence, against redis-server. */
export async function kv(bench: Bench): Promise<void> {
  const keys = { count: bench.smoke ? 1000 : 100_000, valueBytes: 32 };
  const connections = bench.smoke ? 5 : CONNECTIONS;
  const runners = await filled(bench, "none", keys);
  for (const pipeline of [1, 16, 64]) {
    for (const [name, gets] of MIXES) {
      const target: Target = {
        against: "redis",
        figure: "requests",
        sense: "at least",
        limit: pipeline === 1 ? 1.1 : 0.8,
      };
      const wanted = pipeline !== 16 && (gets === 0 || gets === 1);
      await race(bench, runners, keys, {
        title: `kv: ${name} on ${connections} connections, pipeline ${pipeline}, ${keys.count} keys of ${keys.valueBytes} bytes`,
        traffic: { connections, pipeline, gets },
        targets: wanted ? [target] : [],
      });
    }
  }
  await dismiss(runners);
}

/** SETs that are on the disk before, or soon after, they are answered. */
export async function durable(bench: Bench): Promise<void> {
  const keys = { count: bench.smoke ? 1000 : 100_000, valueBytes: 32 };
  const always = await filled(bench, "always", keys);
  for (const waiters of bench.smoke ? [2, 20] : [50, 500, 2000]) {
    await race(bench, always, keys, {
      title: `durable: each SET synced before its reply (redis: always), ${waiters} connections that wait`,
      traffic: { connections: waiters, pipeline: 1, gets: 0 },
      targets: [],
    });
  }
  await dismiss(always);
  const connections = bench.smoke ? 5 : CONNECTIONS;
  const batch = await filled(bench, "batch", keys);
  await race(bench, batch, keys, {
    title: `durable: SETs synced soon (redis: everysec), ${connections} connections, pipeline 16`,
    traffic: { connections, pipeline: 16, gets: 0 },
    targets: [],
  });
  await dismiss(batch);
}

/** Starts the store, and redis-server where it is installed; one that fails is reported and left out. */
export async function startAll(bench: Bench, durability: Durability): Promise<Runner[]> {
  const kinds = [store(bench.folder, durability), redisStore(bench.folder, durability)];
  kinds.splice(1, 0, store(bench.folder, durability, "writes", ROOT, WRITES));
  const { before } = bench;
  if (before !== null) kinds.push(store(bench.folder, durability, "before", before));
  const runners: Runner[] = [];
  for (const kind of kinds) {
    if (kind === null) {
      bench.report.note("skipped: redis-server is not installed");
      continue;
    }
    try {
      runners.push({ kind, server: await kind.start() });
    } catch (error) {
      fault(bench, kind, error);
    }
  }
  return runners;
}

/** Ends all that were started. */
export async function dismiss(runners: Runner[]): Promise<void> {
  await Promise.all(runners.map(({ server }) => server.process.stop()));
}

/** Sets every key on a server. */
export async function fill({ kind, server }: Runner, keys: Keys): Promise<void> {
  const { port, process } = server;
  await runJob({ kind: "fill", wire: kind.wire, port, pid: process.pid, keys });
}

async function filled(bench: Bench, durability: Durability, keys: Keys): Promise<Runner[]> {
  const runners: Runner[] = [];
  for (const runner of await startAll(bench, durability)) {
    try {
      await fill(runner, keys);
      runners.push(runner);
    } catch (error) {
      fault(bench, runner.kind, error);
      await runner.server.process.stop();
    }
  }
  return runners;
}

/** The same requests to every server, in turns. */
async function race(
  bench: Bench,
  runners: Runner[],
  keys: Keys,
  plan: {
    title: string;
    traffic: Pick<Traffic, "connections" | "pipeline" | "gets">;
    targets: Target[];
  },
): Promise<void> {
  const { report } = bench;
  report.scenario(plan.title);
  const traffic = {
    ...plan.traffic,
    warmUpSeconds: bench.smoke ? 0.02 : 0.3,
    seconds: bench.smoke ? 0.05 : 1.5,
  };
  const rounds = new Map(runners.map(({ kind }) => [kind, [] as Measured[]]));
  // A smoke run has no use for the round that is thrown away.
  for (let round = bench.smoke ? 0 : -1; round < bench.rounds; round++) {
    const turn = Math.max(0, round) % Math.max(1, runners.length);
    for (const runner of [...runners.slice(turn), ...runners.slice(0, turn)]) {
      if (!rounds.has(runner.kind)) continue;
      try {
        const measured = await blast(runner, keys, traffic);
        if (round >= 0) rounds.get(runner.kind)?.push(measured);
      } catch (error) {
        fault(bench, runner.kind, error);
        rounds.delete(runner.kind);
      }
    }
  }
  const rows = new Map([...rounds].map(([kind, measured]) => [kind.name, medians(measured)]));
  const latencies: FigureName[] = plan.traffic.pipeline === 1 ? ["p50", "p99"] : [];
  report.table(["requests", "cpuPerRequest", "serverShare", "generatorShare", ...latencies], rows);
  for (const [name, { generatorShare }] of rows) {
    if ((generatorShare ?? 0) <= SATURATED) continue;
    report.note(`${name}: the generator had no time left, so that the server may be faster yet`);
  }
  const kinds = runners.map(({ kind }) => kind);
  compare(
    report,
    { kinds, compared: ["requests", "cpuPerRequest"], targets: plan.targets },
    rounds,
  );
}

/** One round of traffic, measured. */
export async function blast(
  { kind, server }: Runner,
  keys: Keys,
  traffic: Traffic,
): Promise<Measured> {
  const { port, process } = server;
  const place = { wire: kind.wire, port, pid: process.pid };
  const outcome = await runJob({ kind: "traffic", ...place, keys, ...traffic });
  const { requests, seconds, serverCpu, generatorCpu, latencies } = outcome;
  return {
    requests: requests / seconds,
    cpuPerRequest: serverCpu === null ? null : serverCpu / requests,
    serverShare: serverCpu === null ? null : serverCpu / seconds,
    generatorShare: generatorCpu / seconds,
    ...latencies,
  };
}
