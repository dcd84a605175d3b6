import { Generator, type Load, type Outcome, type Setup } from "./generator.ts";
import { cpuSeconds, median, peakBytes, percentile } from "./measure.ts";
import type { FigureName, Measured, Report, Target } from "./report.ts";
import type { Kind, Server } from "./servers.ts";

/** The argument of every scenario. */
export interface Bench {
  report: Report;
  folder: string;
  /** Measured rounds per server, 1 or more; one more comes first and is thrown away. */
  rounds: number;
  smoke: boolean;
  /** Size of published texts in bytes, and whether they are JSON. */
  payloadBytes: number;
  json: boolean;
  /** Servers to compare, the one under test first. */
  kinds: Kind[];
  /** Folder of another checkout of this project to compare with, or null. */
  before: string | null;
}

/** One comparison: the same load on every server, in turns. */
export interface Contest {
  title: string;
  kinds: Kind[];
  listeners: number;
  /** True if a connection that only publishes joins the listeners. */
  publisher: boolean;
  load: Load;
  warmUp: Load;
  columns: FigureName[];
  /** Figures whose ratio to each other server is printed. */
  compared: FigureName[];
  targets: Target[];
}

/** A server with the generator that is connected to it. */
export interface Contestant {
  kind: Kind;
  server: Server;
  generator: Generator;
}

/**
 * Starts servers and connects a generator to each, all at once; `started` runs
 * in between. Servers that fail are reported and left out.
 */
export async function assemble(
  bench: Bench,
  kinds: Kind[],
  listeners: number,
  publisher: boolean,
  started: (kind: Kind, server: Server) => Promise<void> = async () => {},
): Promise<Contestant[]> {
  const one = async (kind: Kind): Promise<Contestant | null> => {
    const generator = new Generator();
    let server: Server | null = null;
    try {
      server = await kind.start(listeners);
      await started(kind, server);
      const { port, more = [], gathers = false, apart = false } = server;
      const { payloadBytes, json } = bench;
      const setup: Setup = {
        wire: kind.wire,
        ports: [port, ...more.map((other) => other.port)],
        gathers,
        apart,
        listeners,
        publisher,
        payloadBytes,
        json,
      };
      await generator.setup(setup);
      return { kind, server, generator };
    } catch (error) {
      fault(bench, kind, error);
      await generator.stop();
      if (server !== null) await stopServer(server);
      return null;
    }
  };
  const all = await Promise.all(kinds.map(one));
  return all.filter((contestant) => contestant !== null);
}

/** Ends generators first, so that no server sees a crowd leave it while it drains. */
export async function dismiss(contestants: Contestant[]): Promise<void> {
  await Promise.all(contestants.map(({ generator }) => generator.stop()));
  await Promise.all(contestants.map(({ server }) => stopServer(server)));
}

/** The engine of the order goes last, so that nobody misses it while draining. */
async function stopServer({ process, more = [], order }: Server): Promise<void> {
  await Promise.all([process, ...more.map((other) => other.process)].map((one) => one.stop()));
  await order?.stop();
}

/** Reports what went wrong with a server; only one of ours fails the run. */
export function fault(bench: Bench, kind: Pick<Kind, "name" | "ours">, error: unknown): void {
  const text = `${kind.name}: ${error instanceof Error ? error.message : String(error)}`;
  if (kind.ours) bench.report.error(text);
  else bench.report.note(`FAILED and left out: ${text}`);
}

/** Runs a comparison and prints its table, ratios and targets. */
export async function contest(bench: Bench, plan: Contest): Promise<void> {
  const { report } = bench;
  report.scenario(plan.title);
  let running = await assemble(bench, plan.kinds, plan.listeners, plan.publisher);
  const everyone = [...running];
  const rounds = new Map<Kind, Measured[]>(running.map(({ kind }) => [kind, []]));
  for (let round = -1; round < bench.rounds; round++) {
    // Another server begins each round, so that none always follows the same one.
    const turn = Math.max(0, round) % Math.max(1, running.length);
    for (const contestant of [...running.slice(turn), ...running.slice(0, turn)]) {
      try {
        const load = round < 0 ? plan.warmUp : plan.load;
        const measured = await measure(contestant, load);
        if (round >= 0) rounds.get(contestant.kind)?.push(measured);
      } catch (error) {
        fault(bench, contestant.kind, error);
        rounds.delete(contestant.kind);
        running = running.filter((other) => other !== contestant);
      }
    }
  }
  const rows = new Map<string, Measured>();
  for (const { kind, server } of running) {
    const row = medians(rounds.get(kind) ?? []);
    row.peak = peakBytes(server.process.pid);
    rows.set(kind.name, row);
  }
  await dismiss(everyone);
  report.table(plan.columns, rows);
  compare(report, plan, rounds);
}

async function measure({ server, generator }: Contestant, load: Load): Promise<Measured> {
  const pids = [server.process.pid, ...(server.more ?? []).map(({ process }) => process.pid)];
  const orderPids = server.order ? [server.order.pid] : [];
  const before = [cpuOf(pids), cpuOf(orderPids), cpuOf([generator.pid])];
  const outcome = await generator.run(load);
  const after = [cpuOf(pids), cpuOf(orderPids), cpuOf([generator.pid])];
  const [own = NaN, order = NaN, generated = NaN] = after.map((cpu, i) => cpu - (before[i] ?? NaN));
  const row = measured(outcome, Number.isNaN(own) ? null : own);
  if (server.order) row.orderCpu = (order / outcome.deliveries) * 1e6;
  row.generatorShare = generated / outcome.seconds;
  return row;
}

/** CPU seconds of processes together; NaN where the system does not tell. */
function cpuOf(pids: number[]): number {
  return pids.reduce((sum, pid) => sum + (cpuSeconds(pid) ?? NaN), 0);
}

function measured(outcome: Outcome, cpu: number | null): Measured {
  const { deliveries, bytes, seconds, latencies } = outcome;
  const row: Measured = {
    rate: deliveries / seconds,
    cpuPerMillion: cpu === null ? null : (cpu / deliveries) * 1e6,
    cpuPerGb: cpu === null ? null : (cpu / bytes) * 1e9,
  };
  if (latencies.length > 0) {
    row.p50 = percentile(latencies, 0.5);
    row.p99 = percentile(latencies, 0.99);
  }
  return row;
}

/** Every figure's median over the rounds. */
export function medians(rounds: Measured[]): Measured {
  const row: Measured = {};
  for (const figure of Object.keys(rounds[0] ?? {}) as FigureName[]) {
    const values = rounds.map((round) => round[figure] ?? NaN);
    row[figure] = values.some(Number.isNaN) ? null : median(values);
  }
  return row;
}

/**
 * Ratios are taken round by round, where both sides met the same weather on
 * the machine, and their median is what counts.
 */
export function compare<K extends { name: string }>(
  report: Report,
  plan: { kinds: K[]; compared: FigureName[]; targets: Target[] },
  rounds: Map<K, Measured[]>,
): void {
  const [subject, ...peers] = plan.kinds;
  const own = subject && rounds.get(subject);
  if (!own) return;
  for (const peer of peers) {
    const theirs = rounds.get(peer);
    if (!theirs) continue;
    for (const figure of plan.compared) {
      const ratios = own.map((row, i) => (row[figure] ?? NaN) / (theirs[i]?.[figure] ?? NaN));
      if (ratios.some((ratio) => !Number.isFinite(ratio))) continue;
      const span: [number, number, number] = [
        median(ratios),
        Math.min(...ratios),
        Math.max(...ratios),
      ];
      const wanted = plan.targets.find(
        (target) => target.against === peer.name && target.figure === figure,
      );
      report.ratio(subject.name, peer.name, figure, span, wanted ?? null);
    }
  }
}
