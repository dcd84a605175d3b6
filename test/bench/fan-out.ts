import { type Bench, contest } from "./contest.ts";
import type { Target } from "./report.ts";

const atLeast = (against: string, figure: "rate", limit: number): Target => ({
  against,
  figure,
  sense: "at least",
  limit,
});

const atMost = (against: string, figure: "cpuPerMillion" | "p99", limit: number): Target => ({
  against,
  figure,
  sense: "at most",
  limit,
});

/** One publisher sends as fast as the server takes it. */
export async function pipelined(bench: Bench): Promise<void> {
  for (const listeners of bench.smoke ? [10] : [100, 500]) {
    await contest(bench, {
      title: `pipelined: 1 publisher, ${listeners} listeners, texts of ${bench.payloadBytes} bytes`,
      kinds: bench.kinds,
      listeners,
      publisher: true,
      load: { kind: "pipelined", seconds: bench.smoke ? 0.1 : 1 },
      warmUp: { kind: "pipelined", seconds: bench.smoke ? 0.1 : 0.5 },
      columns: ["rate", "cpuPerMillion", "cpuPerGb", "peak"],
      compared: ["rate", "cpuPerMillion"],
      targets: [
        atLeast("redis", "rate", 1.5),
        atLeast("nats", "rate", 3),
        atMost("redis", "cpuPerMillion", 0.35),
      ],
    });
  }
}

/** One publisher sends at a steady rate far below what any server can do. */
export async function paced(bench: Bench): Promise<void> {
  const listeners = bench.smoke ? 10 : 500;
  const seconds = bench.smoke ? 0.3 : 4;
  const perSecond = 200;
  await contest(bench, {
    title: `paced: ${perSecond} messages/s to ${listeners} listeners for ${seconds} s`,
    kinds: bench.kinds,
    listeners,
    publisher: true,
    load: { kind: "paced", perSecond, seconds },
    warmUp: { kind: "paced", perSecond, seconds: seconds / 4 },
    columns: ["rate", "cpuPerMillion", "p50", "p99", "peak"],
    compared: ["cpuPerMillion", "p99"],
    targets: [atMost("redis", "cpuPerMillion", 0.55), atMost("redis", "p99", 0.75)],
  });
}

/** One message in flight: the publisher waits until every listener has it. */
export async function closed(bench: Bench): Promise<void> {
  const wanted = new Map([
    [10, [1, 1]],
    [100, [1, 0.75]],
    [500, [1.15, 0.62]],
  ]);
  for (const listeners of bench.smoke ? [10] : wanted.keys()) {
    const [rate, cpu] = wanted.get(listeners) as [number, number];
    await contest(bench, {
      title: `closed: one message in flight, ${listeners} listeners`,
      kinds: bench.kinds,
      listeners,
      publisher: true,
      load: { kind: "closed", seconds: bench.smoke ? 0.2 : 1 },
      warmUp: { kind: "closed", seconds: bench.smoke ? 0.1 : 0.5 },
      columns: ["rate", "cpuPerMillion", "peak"],
      compared: ["rate", "cpuPerMillion"],
      targets: [atLeast("redis", "rate", rate), atMost("redis", "cpuPerMillion", cpu)],
    });
  }
}

/** Every client publishes one message, and again once all have everything. */
export async function everybody(bench: Bench): Promise<void> {
  const listeners = bench.smoke ? 10 : 500;
  await contest(bench, {
    title: `everybody: ${listeners} clients publish and listen on one connection each (redis delivers to the sender too)`,
    kinds: bench.kinds,
    listeners,
    publisher: false,
    load: { kind: "everybody", seconds: bench.smoke ? 0.2 : 2 },
    warmUp: { kind: "everybody", seconds: bench.smoke ? 0.1 : 1 },
    columns: ["rate", "cpuPerMillion", "peak"],
    compared: ["rate", "cpuPerMillion"],
    targets: [],
  });
}
