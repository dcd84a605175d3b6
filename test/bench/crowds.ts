import { assemble, type Bench, type Contestant, dismiss, fault } from "./contest.ts";
import { cpuSeconds, peakBytes, settledBytes } from "./measure.ts";
import type { Measured } from "./report.ts";
import type { Kind, Server } from "./servers.ts";

const CONCURRENCY = 100;
/** Some servers keep a greeting's buffers for two seconds of silence. */
const REST_MS = 3000;

const settled = (bench: Bench, pid: number): Promise<number | null> =>
  settledBytes(pid, bench.smoke ? 100 : 4000);

function share(before: number | null, after: number | null, of: number): number | null {
  return before === null || after === null ? null : (after - before) / of;
}

/** Memory of a server with thousands of connected clients that say nothing. */
export async function idle(bench: Bench): Promise<void> {
  const clients = bench.smoke ? 200 : 10_000;
  bench.report.scenario(`idle: ${clients} connected clients`);
  const empty = new Map<Kind, number | null>();
  const look = async (kind: Kind, server: Server): Promise<void> => {
    empty.set(kind, await settled(bench, server.process.pid));
  };
  const rows = await eachInTurn(
    bench,
    clients,
    bench.smoke ? 0 : REST_MS,
    look,
    async ({ kind, server, generator }) => {
      const before = empty.get(kind) ?? null;
      const after = await settled(bench, server.process.pid);
      // A message that reaches them all proves that they are clients, not a backlog.
      await generator.run({ kind: "once" });
      return { before, after, perClient: share(before, after, clients) };
    },
  );
  bench.report.table(["before", "after", "perClient"], rows);
}

/** Clients that come and go by the thousand beside a pair that talks. */
export async function churn(bench: Bench): Promise<void> {
  const connections = bench.smoke ? 1000 : 100_000;
  bench.report.scenario(
    `churn: ${connections} connects and disconnects, ${CONCURRENCY} at a time, half of them by reset, beside a pair that exchanges 200 messages/s`,
  );
  const rows = await eachInTurn(
    bench,
    1,
    0,
    async () => {},
    (one) => comeAndGo(bench, one, connections),
  );
  bench.report.table(["connects", "cpuPerConnect", "before", "after", "peak"], rows);
}

/** Starts and connects all servers together, but measures one after the other, after a rest. */
async function eachInTurn(
  bench: Bench,
  listeners: number,
  restMs: number,
  started: (kind: Kind, server: Server) => Promise<void>,
  measure: (one: Contestant) => Promise<Measured>,
): Promise<Map<string, Measured>> {
  const rows = new Map<string, Measured>();
  const all = await assemble(bench, bench.kinds, listeners, true, started);
  await Bun.sleep(restMs);
  for (const one of all) {
    try {
      rows.set(one.kind.name, await measure(one));
    } catch (error) {
      fault(bench, one.kind, error);
    }
  }
  await dismiss(all);
  return rows;
}

async function comeAndGo(bench: Bench, one: Contestant, connections: number): Promise<Measured> {
  const { pid } = one.server.process;
  // A tenth first, so that what a server keeps for later is not taken for a leak.
  await visits(one, connections / 10);
  const before = await settled(bench, pid);
  const cpuBefore = cpuSeconds(pid);
  const seconds = await visits(one, connections);
  const cpuAfter = cpuSeconds(pid);
  const after = await settled(bench, pid);
  await one.generator.run({ kind: "once" });
  return {
    connects: connections / seconds,
    cpuPerConnect: share(cpuBefore, cpuAfter, connections),
    before,
    after,
    peak: peakBytes(pid),
  };
}

async function visits(one: Contestant, connections: number): Promise<number> {
  const load = {
    kind: "churn",
    connections,
    concurrency: CONCURRENCY,
  } as const;
  return (await one.generator.run(load)).seconds;
}
