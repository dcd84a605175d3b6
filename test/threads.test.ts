import { describe, expect, test } from "bun:test";
import { enveloped, type Peer, until } from "./kit.ts";
import { heardBut, threaded, threadsHere, withThreads } from "./threads-suite.ts";

// The relay over several threads, on the wire.

withThreads();

/** Everybody sends so many lines, in turns, and hears all of the others. */
async function everybodyTalks(all: readonly Peer[], lines: number): Promise<void> {
  for (let i = 0; i < lines; i++) for (const [n, peer] of all.entries()) peer.send(`${n} ${i}\n`);
  const most = lines * (all.length - 1);
  await until(() => all.every((peer) => peer.lines.length >= most));
}

describe.skipIf(!threadsHere).each([2, 3])("%d threads", (threads) => {
  test("relay to each other in one order, to each all lines but its own", async () => {
    const relay = await threaded(threads);
    const all = (await relay.fill(2)).flat();
    await everybodyTalks(all, 200);
    for (const peer of all) {
      expect(heardBut(peer, ...all)).toEqual([]);
      expect(peer.lines).toHaveLength(200 * (all.length - 1));
      expect(peer.lines.filter((line) => line.includes(`"${peer.address}"`))).toEqual([]);
    }
    const [first, ...others] = all as [Peer, ...Peer[]];
    for (const other of others) expect(heardBut(first, other)).toEqual(heardBut(other, first));
    const second = others[0] as Peer;
    const sent = Array.from({ length: 200 }, (_, i) => enveloped(second, `1 ${i}`));
    expect(first.lines.filter((line) => line.includes(`"${second.address}"`))).toEqual(sent);
  });

  test("drain with a notice for each client, once all that was sent has been relayed", async () => {
    const relay = await threaded(threads);
    const all = (await relay.fill(2)).flat();
    await Promise.all(all.map((peer, n) => peer.sent(`${n} said\n`.repeat(500))));
    await relay.server.drain(20_000);
    await Promise.all(all.map(({ closed }) => closed));
    // Whose lines came to whom, and what else.
    const linesOf = ({ address }: Peer, { lines }: Peer) =>
      lines.filter((line) => line.includes(`"${address}"`)).length;
    expect(all.map((to) => all.map((from) => linesOf(from, to)))).toEqual(
      all.map((to) => all.map((from) => (from === to ? 0 : 500))),
    );
    for (const peer of all) {
      expect(heardBut(peer, ...all)).toEqual(["Warning: Server is shutting down."]);
      expect(peer.lines.at(-1)).toBe("Warning: Server is shutting down.");
    }
    expect(relay.count("closed_shutdown")).toBe(all.length);
    expect(relay.count("clients")).toBe(0);
  });
});

describe.skipIf(!threadsHere)("over two threads", () => {
  test("numbers are sums, and each thread has a row of its own", async () => {
    const relay = await threaded(2);
    const all = (await relay.fill(1)).flat();
    expect(relay.count("clients")).toBe(all.length);
    expect(relay.count("accepted")).toBe(all.length);
    await everybodyTalks(all, 10);
    await until(() => relay.count("lines_relayed") === 10 * all.length);
    const deliveries = 10 * all.length * (all.length - 1);
    await until(() => relay.count("deliveries") === deliveries);
    const [table] = relay.server.running().tables?.() ?? [];
    expect(table?.rows.map(([name]) => name)).toEqual(["thread 1", "thread 2"]);
    expect(Object.keys(relay.server.stats()).toSorted()).toEqual(
      Object.keys(relay.server.running().declared).toSorted(),
    );
    all[0]?.end();
    await until(() => relay.count("clients") === all.length - 1);
    await until(() => relay.count("closed_eof") + relay.count("closed_reset") === 1);
  });

  test("clients are listed in one order, page by page, whichever thread has them", async () => {
    const relay = await threaded(2);
    const all = (await relay.fill(2)).flat();
    const service = relay.server.running();
    const ask = (more: object) =>
      service.clients({ address: "", sort: "id", order: "asc", limit: 100, offset: 0, ...more });
    const whole = await ask({});
    expect(whole.total).toBe(all.length);
    const ids = whole.clients.map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => a - b));
    const pages = await Promise.all(ids.map((_, offset) => ask({ offset, limit: 1 })));
    expect(pages.flatMap(({ clients }) => clients.map(({ id }) => id))).toEqual(ids);
    const one = await ask({ address: (all[1] as Peer).address });
    expect([one.total, one.clients[0]?.address]).toEqual([1, (all[1] as Peer).address]);
    const more = await Promise.all(ids.map((id) => service.client?.(id)));
    expect(more.every((found) => found !== null)).toBe(true);
    expect(await service.client?.(1_000_000)).toBeNull();
  });

  test("anybody can be kicked, and put in quarantine everywhere", async () => {
    const relay = await threaded(2);
    const [ofOne, ofTwo] = (await relay.fill(1)) as [Peer[], Peer[]];
    const service = relay.server.running();
    const { clients } = await service.clients({
      address: "",
      sort: "id",
      order: "asc",
      limit: 100,
      offset: 0,
    });
    for (const peer of [ofOne[0] as Peer, ofTwo[0] as Peer]) {
      const { id } = clients.find(({ address }) => address === peer.address) as { id: number };
      expect(await service.kick(id)).toBe(peer.address);
      await peer.closed;
      expect(peer.lines).toEqual(["Warning: You have been disconnected by an operator."]);
      expect(await service.kick(id)).toBeNull();
    }
    await until(() => relay.count("closed_kicked") === 2);
    const others = (await relay.fill(2)).flat();
    expect(service.quarantine?.impose("127.0.0.1", 60)).toBe("127.0.0.1");
    await Promise.all(others.map(({ closed }) => closed));
    expect(relay.count("quarantined")).toBe(1);
    // Whichever thread takes a connection, it turns it away.
    await until(() => relay.count("clients") === 0);
  });
});
