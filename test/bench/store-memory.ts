import { type Bench, compare, fault } from "./contest.ts";
import { residentBytes, settledBytes } from "./measure.ts";
import type { Measured } from "./report.ts";
import { dismiss, fill, startAll } from "./store.ts";

/** Memory of a million small keys, against redis-server. */
export async function memory(bench: Bench): Promise<void> {
  const { report, smoke } = bench;
  const keys = { count: smoke ? 10_000 : 1_000_000, valueBytes: 16 };
  report.scenario(`memory: ${keys.count} keys of ${keys.valueBytes} bytes, measured once`);
  const runners = await startAll(bench, "none");
  const rows = new Map<string, Measured>();
  const rounds = new Map(runners.map(({ kind }) => [kind, [] as Measured[]]));
  for (const runner of runners) {
    const { pid } = runner.server.process;
    try {
      const before = await settledBytes(pid, smoke ? 100 : 4000);
      await fill(runner, keys);
      const after = await leastBytes(pid, smoke ? 100 : 5000, smoke ? 200 : 30_000);
      const perKey = before === null || after === null ? null : (after - before) / keys.count;
      const row = { before, after, perKey };
      rows.set(runner.kind.name, row);
      rounds.get(runner.kind)?.push(row);
    } catch (error) {
      fault(bench, runner.kind, error);
      rounds.delete(runner.kind);
    }
  }
  await dismiss(runners);
  report.table(["before", "after", "perKey"], rows);
  const kinds = runners.map(({ kind }) => kind);
  compare(report, { kinds, compared: ["perKey"], targets: [] }, rounds);
}

/**
 * Resident bytes when they have not shrunk by one percent for `quietMs`, or after
 * `limitMs`: a server collects its garbage when it is idle, and not at once.
 */
async function leastBytes(pid: number, quietMs: number, limitMs: number): Promise<number | null> {
  const end = performance.now() + limitMs;
  let least = residentBytes(pid);
  let since = performance.now();
  while (least !== null && performance.now() < Math.min(end, since + quietMs)) {
    await Bun.sleep(50);
    const now = residentBytes(pid);
    if (now === null || now > least * 0.99) continue;
    least = now;
    since = performance.now();
  }
  return least;
}
