import { afterEach, describe, expect, test } from "bun:test";
import { systemClock } from "../lib/host/clock.ts";
import { boot, type Booted, enveloped, type Overrides, type Peer, dial, until } from "./kit.ts";

// The relay over several threads, on the wire.

let server: Booted;
const peers: Peer[] = [];
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.end();
  await server?.stop();
});

/** Starts a relay with threads, whose clock is the system's. */
async function start(threads: number, overrides: Overrides = {}): Promise<void> {
  const hyper = { worker_threads: threads, ...(overrides["hyper_parameters"] as object) };
  server = await boot("relay", { ...overrides, hyper_parameters: hyper }, { clock: systemClock });
}

/** The number of clients of each thread. */
const spread = () =>
  server
    .running()
    .tables?.()[0]
    ?.rows.map(([, clients]) => clients) ?? [];

const counted = (name: string) => server.stats()[name] as number;

/** Connects clients until each thread has some. */
async function crowd(least: number): Promise<Peer[]> {
  const all: Peer[] = [];
  while (all.length < least || spread().some((clients) => clients === 0)) {
    const peer = await dial(server.port());
    all.push(peer);
    peers.push(peer);
    await until(() => counted("clients") === all.length);
  }
  return all;
}

describe("two threads", () => {
  test("relay to each other in one order, and to no sender its own lines", async () => {
    await start(2, { hyper_parameters: { rate_limit_msgs_per_minute: 1_000_000 } });
    const all = await crowd(6);
    for (let i = 0; i < 100; i++) for (const [n, peer] of all.entries()) peer.send(`${n} ${i}\n`);
    const most = 100 * (all.length - 1);
    await until(() => all.every(({ lines }) => lines.length === most));
    for (const peer of all) {
      const own = peer.lines.filter((line) => line.includes(`"${peer.address}"`));
      expect(own).toEqual([]);
    }
    // What two of them both have heard, they have heard in one order.
    const [one, other] = [all[0] as Peer, all[1] as Peer];
    const not = (peer: Peer) => (line: string) => !line.includes(`"${peer.address}"`);
    expect(one.lines.filter(not(other))).toEqual(other.lines.filter(not(one)));
    expect(one.lines).toContain(enveloped(other, "1 99"));
  });

  test("drain with a notice for each client", async () => {
    await start(2);
    const all = await crowd(4);
    await server.drain(5000);
    await Promise.all(all.map(({ closed }) => closed));
    for (const peer of all) expect(peer.lines.at(-1)).toBe("Warning: Server is shutting down.");
    expect(counted("closed_shutdown")).toBe(all.length);
  });
});
