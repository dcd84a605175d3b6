import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Bench, contest } from "./contest.ts";
import { logEverything, relay } from "./servers.ts";
import { STAMP_MARK } from "./wire.ts";

/** Measures the cost of a log of every relayed line in rotating JSON files. */
export async function logging(bench: Bench): Promise<void> {
  const listeners = bench.smoke ? 10 : 100;
  const logs = join(bench.folder, "logs");
  mkdirSync(logs, { recursive: true });
  const logged = relay(bench.folder, "logging relay", logEverything(logs));
  const plain = relay(bench.folder);
  if (logged === null || plain === null) return;
  await contest(bench, {
    title: `logging: closed loop, ${listeners} listeners, JSON files of all traffic against none`,
    kinds: [logged, plain],
    listeners,
    publisher: true,
    load: { kind: "closed", seconds: bench.smoke ? 0.2 : 1 },
    warmUp: { kind: "closed", seconds: bench.smoke ? 0.1 : 0.5 },
    columns: ["rate", "cpuPerMillion", "peak"],
    compared: ["rate", "cpuPerMillion"],
    targets: [{ against: plain.name, figure: "rate", sense: "at least", limit: 0.5 }],
  });
  const lines = trafficLines(logs);
  if (lines === 0) bench.report.error("logging relay: its log holds no relayed line");
  else bench.report.note(`the rotated files still hold ${lines} relayed lines`);
}

function trafficLines(folder: string): number {
  let lines = 0;
  for (const file of readdirSync(folder)) {
    const text = readFileSync(join(folder, file), "utf8");
    lines += text.split("\n").filter((line) => line.includes(STAMP_MARK)).length;
  }
  return lines;
}
