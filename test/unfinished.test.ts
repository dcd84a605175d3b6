import { afterEach, describe, expect, test } from "bun:test";
import { boot, type Booted, type Peer, until } from "./kit.ts";

/*
 * All clients of a service together may have so much unfinished here: then it is
 * the one that takes the most who goes, of the address that takes the most.
 */

const MOST = 64 * 2 ** 20;
const LINE = 2 ** 20;
const FILLERS = MOST / LINE;

let server: Booted;
afterEach(() => server.stop());

/** Clients of an address, with as much of a line each as the service keeps. */
async function fill(count: number, from: string, bytes = LINE): Promise<Peer[]> {
  const before = bytesIn();
  const peers: Peer[] = [];
  for (let i = 0; i < count; i++) {
    const peer = await server.join(from);
    peers.push(peer);
    await peer.sent("x".repeat(bytes));
  }
  await until(() => bytesIn() >= before + count * bytes);
  return peers;
}

const bytesIn = () => server.stats()["bytes_in"] as number;
const closed = () => server.stats()["closed_unfinished"] as number;

describe.each([
  ["store", '{"event":"closed","reason":"unfinished",', { store: { max_line_bytes: LINE } }],
  [
    "relay",
    "Warning: You have been disconnected because of your unfinished lines.",
    { relay: { max_line_bytes: LINE } },
  ],
] as const)("unfinished lines at the %s", (service, notice, overrides) => {
  test("have a bound in all, and beyond it the one with the most is told and closed", async () => {
    server = await boot(service, overrides);
    const fillers = await fill(FILLERS, "127.0.0.1");
    expect(closed()).toBe(0);
    const last = await server.join();
    last.send("x");
    await until(() => closed() > 0);
    expect(closed()).toBe(1);
    await until(() => fillers.some(({ isClosed }) => isClosed));
    const gone = fillers.filter(({ isClosed }) => isClosed);
    expect(gone.map(({ lines }) => lines.at(-1))).toEqual([expect.stringContaining(notice)]);
    expect(last.isClosed).toBe(false);
    // Its room is free again: as much may come once more, and no more than that.
    await fill(1, "127.0.0.1", LINE / 4);
    expect(closed()).toBe(1);
    await fill(1, "127.0.0.1");
    expect(closed()).toBe(2);
  });

  test("close the clients of the address that has the most, and nobody else", async () => {
    server = await boot(service, overrides);
    const bystander = await server.join("127.0.0.2");
    await bystander.sent("x".repeat(LINE - 100));
    const other = await server.join("127.0.0.3");
    await other.sent("x");
    // Each has less than the bystander, and there are more of them.
    const fillers = await fill(3 * FILLERS, "127.0.0.4", LINE / 2 - 1);
    await until(() => closed() > 0);
    await until(() => fillers.filter(({ isClosed }) => isClosed).length === closed());
    expect(closed()).toBeGreaterThan(FILLERS - 3);
    expect([bystander.isClosed, other.isClosed]).toEqual([false, false]);
    const before = server.stats()[service === "store" ? "requests" : "lines_in"] as number;
    bystander.send("\n");
    await until(() => server.stats()[service === "store" ? "requests" : "lines_in"] === before + 1);
  });

  test("do not count any more once they end, or their clients do", async () => {
    server = await boot(service, overrides);
    for (let round = 0; round < 2; round++) {
      const peers = await fill(FILLERS, "127.0.0.1");
      for (const [i, peer] of peers.entries()) {
        if (i % 2 === 0) peer.send("\n");
        else peer.reset();
      }
      await until(() => (server.stats()["clients"] as number) === ((round + 1) * FILLERS) / 2);
      if (service === "store")
        await until(() => server.stats()["requests"] === ((round + 1) * FILLERS) / 2);
      else await until(() => (server.stats()["lines_in"] as number) >= ((round + 1) * FILLERS) / 2);
    }
    expect(closed()).toBe(0);
  });
});
