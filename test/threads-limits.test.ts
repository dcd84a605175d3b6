import { describe, expect, test } from "bun:test";
import { doorMemory, InsideThreads } from "../lib/net/admission/inside-threads.ts";
import { dial, type Peer, until } from "./kit.ts";
import { threaded, type ThreadedRelay, threadsHere, withThreads } from "./threads-suite.ts";

// Limits hold over all threads together.

withThreads();

const FULL = "Warning: The server has too many clients. Please try again later.";
const CROWD = "Warning: There are too many clients from your address.";

/** Connects so many clients at once, and waits until each is in or turned away. */
async function storm(relay: ThreadedRelay, count: number, from?: string): Promise<Peer[]> {
  const port = relay.server.port();
  // Of those who are turned away, few get a notice: the others are cut.
  const all = await Promise.allSettled(Array.from({ length: count }, () => dial(port, from)));
  await until(() => relay.count("clients") + relay.count("closed_limit") === count);
  return all.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
}

describe.skipIf(!threadsHere)("over three threads", () => {
  test("max_clients get in, however many come at once, and not one more", async () => {
    const relay = await threaded(3, { relay: { max_clients: 7 } });
    const all = await storm(relay, 60);
    const clients = relay.count("clients");
    // Those who come in one moment may all be taken for one too many.
    expect(clients).toBeLessThanOrEqual(7);
    // One after the other, they fill it to the last place.
    const rest: Peer[] = [];
    for (let i = clients; i < 7; i++) rest.push((await relay.enter()).peer);
    const late = await dial(relay.server.port());
    expect(await late.next()).toBe(FULL);
    await until(() => relay.count("clients") === 7);
    const [someone] = [...rest, ...all.filter(({ isClosed }) => !isClosed)];
    someone?.end();
    await until(() => relay.count("clients") === 6);
    await relay.enter();
    expect(await (await dial(relay.server.port())).next()).toBe(FULL);
  }, 30_000);

  test("max_clients_per_address get in from one address, whoever else is in", async () => {
    const relay = await threaded(3, { relay: { max_clients_per_address: 3 } });
    const from = "127.0.0.2";
    await storm(relay, 30, from);
    const clients = relay.count("clients");
    expect(clients).toBeLessThanOrEqual(3);
    for (let i = clients; i < 3; i++) await relay.enter(from);
    expect(await (await dial(relay.server.port(), from)).next()).toBe(CROWD);
    await relay.enter("127.0.0.3");
  }, 30_000);

  test("clients behind a proxy are known and counted by their own addresses", async () => {
    const relay = await threaded(3, {
      relay: { trusted_proxies: ["127.0.0.7"], max_clients_per_address: 2 },
    });
    const listener = await dial(relay.server.port());
    await until(() => relay.count("clients") === 1);
    const pass = async (port: number) => {
      const peer = await dial(relay.server.port(), "127.0.0.7");
      peer.send(`PROXY TCP4 203.0.113.5 10.0.0.1 ${port} 8888\r\n`);
      return peer;
    };
    const first = await pass(1);
    first.send("one\n");
    expect(JSON.parse(await listener.next())).toEqual({
      remote_addr: "203.0.113.5:1",
      content: "one",
    });
    await pass(2);
    await until(() => relay.count("clients") === 3);
    const third = await pass(3);
    expect(await third.next()).toBe("Warning: There are too many clients from your address.");
    const wrong = await dial(relay.server.port(), "127.0.0.7");
    wrong.send("hello\n");
    await wrong.closed;
    await until(() => relay.count("closed_malformed") === 1);
    listener.end();
  });

  test("the places of a thread that died are free", async () => {
    const relay = await threaded(2, { relay: { max_clients: 4 } });
    const all: Peer[][] = [[], []];
    while (all.flat().length < 4) {
      const { peer, thread } = await relay.enter();
      all[thread]?.push(peer);
    }
    const thread = (all[0] as Peer[]).length > 0 ? 0 : 1;
    const died = all[thread] as Peer[];
    relay.worker(thread).terminate();
    await Promise.all(died.map(({ closed }) => closed));
    await until(() => relay.server.running().health().ok === false);
    await until(() => relay.server.running().health().ok);
    for (let i = 0; i < died.length; i++) await relay.enter();
    expect(await (await dial(relay.server.port())).next()).toBe(FULL);
  }, 30_000);

  test("those who were turned away are told together", async () => {
    const relay = await threaded(2, { relay: { max_clients: 1 } });
    await relay.enter();
    for (let i = 0; i < 12; i++) {
      const peer = await dial(relay.server.port());
      expect(await peer.next()).toBe(FULL);
      peer.end();
    }
    const told = () =>
      Array.from(relay.server.printed().matchAll(/turned away (?:(\d+) clients)?/g), ([, count]) =>
        Number(count ?? 1),
      );
    await until(() => told().length > 0);
    await relay.server.stop();
    expect(told().reduce((sum, count) => sum + count, 0)).toBe(12);
    expect(told()).toHaveLength(2);
  });
});

describe("what threads count together", () => {
  const memory = doorMemory(3);
  const [one, two, three] = [0, 1, 2].map((thread) => new InsideThreads(memory, thread)) as [
    InsideThreads,
    InsideThreads,
    InsideThreads,
  ];

  test("is the same for all of them", () => {
    one.enter("10.0.0.1");
    two.enter("10.0.0.1");
    two.enter("10.0.0.2");
    three.wait(1);
    for (const inside of [one, two, three]) {
      expect([inside.size, inside.from("10.0.0.1"), inside.from("10.0.0.2")]).toEqual([4, 2, 1]);
      expect(inside.from("10.0.0.3")).toBe(0);
    }
    expect([one.elsewhere, two.elsewhere, three.elsewhere]).toEqual([2, 1, 3]);
  });

  test("loses what one of them had counted, and nothing else", () => {
    two.clear();
    expect([one.size, one.from("10.0.0.1"), one.from("10.0.0.2")]).toEqual([2, 1, 0]);
    three.wait(-1);
    one.leave("10.0.0.1");
    expect([one.size, three.size, one.from("10.0.0.1")]).toEqual([0, 0, 0]);
  });

  test("takes few addresses for others: of 20,000 inside, one in a hundred at most", () => {
    const address = (i: number) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
    for (let i = 0; i < 20_000; i++) one.enter(address(i));
    let wrong = 0;
    for (let i = 0; i < 20_000; i++) if (two.from(address(i)) > 1) wrong++;
    expect(wrong).toBeLessThan(200);
  });
});
