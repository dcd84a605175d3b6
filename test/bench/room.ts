import { type Bench, contest } from "./contest.ts";
import { alone, apart, nodes, threads } from "./room-servers.ts";

/**
 * The same room served by one relay, by one with two threads, and by two nodes
 * over a redis-server; and two relays that are no room, as the floor of those.
 */
export async function room(bench: Bench): Promise<void> {
  const kinds = [threads(bench.folder), nodes(bench.folder), alone(bench.folder)];
  if (kinds.includes(null)) bench.report.note("skipped: redis-server not installed");
  const there = kinds.filter((kind) => kind !== null);
  const listeners = bench.smoke ? 10 : 1000;
  const one = there.at(-1) as (typeof there)[number];
  const floor = apart(bench.folder);
  for (const subject of there.slice(0, -1)) {
    await contest(bench, {
      title: `room: one message in flight, ${listeners} listeners, ${subject.name} against one relay`,
      kinds: [subject, one, floor],
      listeners,
      publisher: true,
      load: { kind: "closed", seconds: bench.smoke ? 0.2 : 2 },
      warmUp: { kind: "closed", seconds: bench.smoke ? 0.1 : 0.5 },
      columns: ["rate", "cpuPerMillion", "orderCpu", "generatorShare", "peak"],
      compared: ["rate", "cpuPerMillion"],
      targets: [{ against: "relay", figure: "cpuPerMillion", sense: "at most", limit: 1.15 }],
    });
  }
  await contest(bench, {
    title: `room: one message in flight, ${listeners} listeners of which all but a few read seldom, one relay against two threads`,
    kinds: [threads(bench.folder), one],
    listeners,
    publisher: true,
    load: { kind: "seldom", seconds: bench.smoke ? 0.2 : 2, every: 64 },
    warmUp: { kind: "seldom", seconds: bench.smoke ? 0.1 : 0.5, every: 64 },
    columns: ["rate", "cpuPerMillion", "generatorShare"],
    compared: ["rate", "cpuPerMillion"],
    targets: [{ against: "relay", figure: "rate", sense: "at least", limit: 1.8 }],
  });
  const few = 10;
  await contest(bench, {
    title: `room: the delay of the order, 200 messages/s to ${few} listeners`,
    kinds: there,
    listeners: few,
    publisher: true,
    load: { kind: "paced", perSecond: 200, seconds: bench.smoke ? 0.3 : 4 },
    warmUp: { kind: "paced", perSecond: 200, seconds: bench.smoke ? 0.1 : 1 },
    columns: ["p50", "p99", "cpuPerMillion", "orderCpu"],
    compared: [],
    targets: [],
  });
}
