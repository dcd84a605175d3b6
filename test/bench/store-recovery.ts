import { type Bench, compare, fault } from "./contest.ts";
import { cpuSeconds } from "./measure.ts";
import type { Measured } from "./report.ts";
import { dismiss, fill, startAll } from "./store.ts";

/** The start of a store that reads a million keys back. */
export async function recovery(bench: Bench): Promise<void> {
  const { report, smoke } = bench;
  const keys = { count: smoke ? 1000 : 1_000_000, valueBytes: 32 };
  report.scenario(`recovery: a start with ${keys.count} keys of ${keys.valueBytes} bytes`);
  const runners = (await startAll(bench, "batch")).filter(({ kind }) => kind.again !== undefined);
  const rows = new Map<string, Measured>();
  const rounds = new Map(runners.map(({ kind }) => [kind, [] as Measured[]]));
  for (const runner of runners) {
    const { kind } = runner;
    try {
      await fill(runner, keys);
      for (let round = 0; round < bench.rounds; round++) {
        await runner.server.process.stop();
        const begun = performance.now();
        runner.server = await (kind.again as () => Promise<typeof runner.server>)();
        const start = (performance.now() - begun) / 1000;
        const row = { start, startCpu: cpuSeconds(runner.server.process.pid) };
        rows.set(kind.name, row);
        rounds.get(kind)?.push(row);
      }
    } catch (error) {
      fault(bench, kind, error);
      rounds.delete(kind);
    }
  }
  await dismiss(runners);
  report.table(["start", "startCpu"], rows);
  const kinds = runners.map(({ kind }) => kind);
  compare(report, { kinds, compared: ["start", "startCpu"], targets: [] }, rounds);
}
