import { describe, expect, test } from "bun:test";
import { type Peer, until } from "./kit.ts";
import { threaded, threadsHere, withThreads } from "./threads-suite.ts";

// Readers that lag hold up the senders of all threads, and nothing is lost.

withThreads();

const LINE = "x".repeat(1000);
const LINES = 60_000;

describe.skipIf(!threadsHere)("a reader that lags", () => {
  test("holds up the senders of the other thread, which lose nothing", async () => {
    const relay = await threaded(2, {
      logger: { log_level: "WARNING" },
      relay: { stall_ms: 600_000, outbox_bytes: 8 * 2 ** 20, total_outbox_bytes: 8 * 2 ** 20 },
    });
    const [ones, twos] = (await relay.fill(2)) as [Peer[], Peer[]];
    const [sender, listener] = ones as [Peer, Peer];
    const [slow, quick] = twos as [Peer, Peer];
    slow.pause();
    let isSent = false;
    const sent = (async () => {
      for (let i = 0; i < LINES; i += 100) {
        await sender.sent(Array.from({ length: 100 }, (_, n) => `${i + n} ${LINE}\n`).join(""));
      }
      isSent = true;
    })();
    const clients = async () => {
      const query = { address: "", sort: "id", order: "asc", limit: 99, offset: 0 } as const;
      return (await relay.server.running().clients(query)).clients;
    };
    const paused = async () => (await clients()).filter(({ state }) => state === "paused");
    await until(() => relay.count("backlog_pauses") > 0);
    // The sender of the other thread waits in the end, and stays where it is.
    while (!(await paused()).some(({ address }) => address === sender.address)) {}
    expect(relay.server.running().problems?.()).toContainEqual(
      expect.objectContaining({ key: "backlog", setting: "relay.total_outbox_bytes" }),
    );
    const before = relay.count("lines_in");
    for (let i = 0; i < 20; i++) await clients();
    expect(relay.count("lines_in")).toBe(before);
    expect(isSent).toBe(false);
    expect(listener.lines.length).toBeLessThan(LINES);
    slow.resume();
    await sent;
    await until(() => [listener, slow, quick].every(({ lines }) => lines.length === LINES));
    const number = (line: string) => Number(/"content":"(\d+) /.exec(line)?.[1]);
    for (const { lines } of [listener, slow, quick]) {
      expect(lines.every((line, i) => number(line) === i)).toBe(true);
    }
  }, 120_000);

  test("that takes nothing at all is closed, and the room goes on", async () => {
    const relay = await threaded(2, {
      logger: { log_level: "WARNING" },
      relay: { stall_ms: 50, outbox_bytes: 8 * 2 ** 20, total_outbox_bytes: 8 * 2 ** 20 },
    });
    const [ones, twos] = (await relay.fill(2)) as [Peer[], Peer[]];
    const [sender, listener] = ones as [Peer, Peer];
    twos[0]?.pause();
    const lines = 30_000;
    for (let i = 0; i < lines; i += 100) {
      await sender.sent(Array.from({ length: 100 }, (_, n) => `${i + n} ${LINE}\n`).join(""));
    }
    await until(() => listener.lines.length === lines);
    await until(() => relay.count("closed_slow") === 1);
    expect(relay.count("quarantined")).toBe(1);
  }, 120_000);
});
