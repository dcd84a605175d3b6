import { type Bench, contest } from "./contest.ts";
import type { Load } from "./generator.ts";
import type { Target } from "./report.ts";
import { floor as floorKind, floorUring } from "./servers.ts";

type Single = Extract<Load, { kind: "paced" | "closed" }>;

/** The relay, with all it does, may cost this much of a bare writer. */
const LIMIT = 1.25;

/**
 * The server under test against bare C writers that pass the same bytes from the
 * same publisher to the same listeners: single messages, by one write call per
 * delivery or by io_uring, and then writes of up to 64 kB.
 */
export async function floor(bench: Bench): Promise<void> {
  const { report, smoke } = bench;
  const [subject] = bench.kinds;
  const bare = floorKind(bench.folder);
  if (bare === null) return report.note("skipped: floor, there is no C compiler");
  if (subject === undefined) return;
  const uring = floorUring(bench.folder);
  if (uring === null) report.note("skipped: the floor by io_uring, which cannot be had here");
  const bares = uring === null ? [bare] : [bare, uring];
  const against = (figure: "cpuPerMillion" | "cpuPerGb"): Target[] =>
    bares.map(({ name }) => ({ against: name, figure, sense: "at most", limit: LIMIT }));
  const listeners = smoke ? 10 : 500;
  const shared = {
    kinds: [subject, ...bares],
    listeners,
    publisher: true,
  };
  const singles: [string, Single][] = [
    ["200 messages/s", { kind: "paced", perSecond: 200, seconds: smoke ? 0.3 : 3 }],
    ["one message in flight", { kind: "closed", seconds: smoke ? 0.2 : 1 }],
  ];
  for (const [how, load] of singles) {
    await contest(bench, {
      ...shared,
      title: `floor: single messages to ${listeners} listeners, ${how}`,
      load,
      warmUp: { ...load, seconds: smoke ? 0.1 : 1 },
      columns: ["rate", "cpuPerMillion", "cpuPerGb"],
      compared: ["cpuPerMillion"],
      targets: against("cpuPerMillion"),
    });
  }
  const seconds = smoke ? 0.1 : 1;
  await contest(bench, {
    ...shared,
    title: `floor: pipelined to ${listeners} listeners`,
    load: { kind: "pipelined", seconds },
    warmUp: { kind: "pipelined", seconds },
    columns: ["rate", "cpuPerMillion", "cpuPerGb"],
    compared: ["cpuPerGb"],
    targets: against("cpuPerGb"),
  });
}
