import { join } from "node:path";
import { type Bench, compare, fault, medians } from "./contest.ts";
import { start, type Started } from "./processes.ts";
import type { Measured } from "./report.ts";
import { ROOT } from "./servers.ts";
import { blast, dismiss, fill } from "./store.ts";
import { store } from "./store-servers.ts";

const ALONE = { name: "alone", ours: true };
const BESIDE = { name: "with backup", ours: true };

/** GET and SET while backups are made one after the other, against the same server without them. */
export async function backup(bench: Bench): Promise<void> {
  const { report, smoke } = bench;
  const keys = { count: smoke ? 1000 : 1_000_000, valueBytes: 32 };
  const connections = smoke ? 5 : 50;
  report.scenario(
    `backup: 80% GET, 20% SET on ${connections} connections, pipeline 16, ${keys.count} keys of ${keys.valueBytes} bytes, while they are copied`,
  );
  const kind = store(bench.folder, "batch");
  const rounds = new Map([BESIDE, ALONE].map((one) => [one, [] as Measured[]]));
  const runner = { kind, server: await kind.start() };
  const traffic = {
    connections,
    pipeline: 16,
    gets: 0.8,
    warmUpSeconds: smoke ? 0.02 : 0.5,
    seconds: smoke ? 0.05 : 2,
  };
  try {
    await fill(runner, keys);
    for (let round = smoke ? 0 : -1; round < bench.rounds; round++) {
      for (const one of round % 2 === 0 ? [BESIDE, ALONE] : [ALONE, BESIDE]) {
        const copies = one === BESIDE ? new Copies(bench.folder, runner.server.port) : null;
        await copies?.begun();
        try {
          const measured = await blast(runner, keys, traffic);
          if (round >= 0) rounds.get(one)?.push(measured);
        } finally {
          await copies?.end();
        }
      }
    }
    const rows = new Map([...rounds].map(([{ name }, measured]) => [name, medians(measured)]));
    report.table(["requests", "cpuPerRequest", "serverShare", "generatorShare"], rows);
    const target = {
      against: ALONE.name,
      figure: "requests",
      sense: "at least",
      limit: 0.8,
    } as const;
    const plan = { kinds: [BESIDE, ALONE], compared: ["requests" as const], targets: [target] };
    compare(report, plan, rounds);
  } catch (error) {
    fault(bench, kind, error);
  }
  await dismiss([runner]);
}

/** Backups by the command, a new one whenever one is whole. */
class Copies {
  readonly #folder: string;
  readonly #port: number;
  readonly #file: string;
  #running: Started;
  #isOver = false;
  readonly #ended: Promise<void>;

  constructor(folder: string, port: number) {
    this.#folder = folder;
    this.#port = port;
    this.#file = join(folder, `${Bun.randomUUIDv7()}.backup`);
    this.#running = this.#next();
    this.#ended = this.#goOn();
  }

  /** Waits until the first one writes. */
  async begun(): Promise<void> {
    while (!this.#running.exited() && Bun.file(`${this.#file}.unfinished`).size === 0) {
      await Bun.sleep(5);
    }
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#running.stop();
    await this.#ended;
  }

  async #goOn(): Promise<void> {
    while (!this.#isOver) {
      if (this.#running.exited()) this.#running = this.#next();
      await Bun.sleep(20);
    }
  }

  #next(): Started {
    const cmd = [process.execPath, join(ROOT, "index.ts"), "store", "backup", this.#file];
    return start([...cmd, "--port", String(this.#port)], this.#folder, this.#folder);
  }
}
