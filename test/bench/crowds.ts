import { assemble, type Bench, type Contestant, dismiss, fault } from "./contest.ts";
import { residentBytes, settledBytes } from "./measure.ts";
import type { Measured } from "./report.ts";
import type { Kind } from "./servers.ts";

const SETTLE_MS = 4000;

/** Memory of a server with thousands of connected clients that say nothing. */
export async function idle(bench: Bench): Promise<void> {
  const clients = bench.smoke ? 200 : 10_000;
  bench.report.scenario(`idle: ${clients} connected clients`);
  const rows = new Map<string, Measured>();
  for (const kind of bench.kinds) {
    const memory = await withClients(bench, kind, clients);
    if (memory === null) continue;
    const { before, after } = memory;
    const perClient = before === null || after === null ? null : (after - before) / clients;
    rows.set(kind.name, { before, after, perClient });
  }
  const columns = ["before", "after", "perClient"] as const;
  bench.report.table([...columns], rows);
  bench.report.ratios(bench.kinds, rows, ["perClient"], []);
}

interface Memory {
  before: number | null;
  after: number | null;
}

async function withClients(
  bench: Bench,
  kind: Kind,
  clients: number,
): Promise<Memory | null> {
  let before: number | null = null;
  const remember = async (pid: number): Promise<void> => {
    before = await settledBytes(pid, SETTLE_MS);
  };
  const [one] = await assemble(bench, [kind], clients, true, remember);
  if (one === undefined) return null;
  try {
    const after = await settledBytes(one.server.process.pid, SETTLE_MS);
    // A message that reaches them all proves that they are clients, not a backlog.
    await one.generator.run({ kind: "once" });
    return { before, after };
  } catch (error) {
    fault(bench, kind, error);
    return null;
  } finally {
    await dismiss([one]);
  }
}

/** Clients that come and go by the thousand beside two that talk. */
export async function churn(bench: Bench): Promise<void> {
  const connections = bench.smoke ? 1000 : 100_000;
  bench.report.scenario(
    `churn: ${connections} connects and disconnects, 100 at a time, half of them by reset, beside 200 messages/s`,
  );
  const rows = new Map<string, Measured>();
  // One server after the other: each needs the machine's ephemeral ports.
  for (const kind of bench.kinds) {
    const [one] = await assemble(bench, [kind], 2, true);
    if (one === undefined) continue;
    try {
      rows.set(kind.name, await comeAndGo(one, connections));
    } catch (error) {
      fault(bench, kind, error);
    } finally {
      await dismiss([one]);
    }
  }
  bench.report.table(["connects", "before", "after", "cpuPerMillion"], rows);
}
