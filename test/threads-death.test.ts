import { describe, expect, test } from "bun:test";
import { dial, enveloped, type Peer, until } from "./kit.ts";
import { next, threaded, type ThreadedRelay, threadsHere, withThreads } from "./threads-suite.ts";

// A thread of the relay dies, and nobody else notices.

withThreads();

const LINES = 20_000;

/** The numbers of the lines that a client has heard of a sender. */
const heardOf = (peer: Peer, sender: Peer) =>
  peer.lines.flatMap((line) => {
    const { remote_addr, content } = JSON.parse(line) as { remote_addr: string; content: string };
    return remote_addr === sender.address ? Number(content) : [];
  });

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Sends numbered lines, many at a time. */
async function flood(peer: Peer): Promise<void> {
  for (let i = 0; i < LINES; i += 100) {
    await peer.sent(
      upTo(100)
        .map((n) => `${i + n}\n`)
        .join(""),
    );
  }
}

/** Sends numbered lines for as long as it is connected, each time that a listener has heard more. */
async function trickle(peer: Peer, listener: Peer): Promise<void> {
  for (let i = 0; !peer.isClosed; i++) {
    const heard = listener.lines.length;
    peer.send(`${i}\n`);
    await until(() => listener.lines.length > heard || peer.isClosed);
  }
}

const healthy = (relay: ThreadedRelay) => relay.server.running().health().ok;

describe.skipIf(!threadsHere)("a thread that ends in the middle of a flood", () => {
  test("takes its clients with it, and nobody else loses a line or hears one twice", async () => {
    const relay = await threaded(3);
    const [ones, dying, threes] = (await relay.fill(2)) as [Peer[], Peer[], Peer[]];
    const [sender, listener, doomed, other] = [ones[0], threes[0], dying[0], threes[1]] as [
      Peer,
      Peer,
      Peer,
      Peer,
    ];
    void trickle(doomed, listener);
    await until(() => listener.lines.length > 50);
    const floods = [flood(sender), flood(other)];
    await until(() => listener.lines.some((line) => line.includes(`"${other.address}"`)));
    relay.worker(1).terminate();
    await Promise.all(dying.map(({ closed }) => closed));
    await Promise.all(floods);
    await until(() => relay.count("closed_bug") === dying.length);
    // What each survivor hears of the others is whole; of the dead thread's, the beginning.
    const last = (peer: Peer) =>
      JSON.stringify({ remote_addr: peer.address, content: `${LINES - 1}` });
    await until(
      () => listener.lines.includes(last(sender)) && listener.lines.includes(last(other)),
    );
    await until(() => ones[1]!.lines.length === listener.lines.length);
    for (const peer of [listener, ones[1] as Peer]) {
      expect(heardOf(peer, sender)).toEqual(upTo(LINES));
      expect(heardOf(peer, other)).toEqual(upTo(LINES));
      const heard = heardOf(peer, doomed);
      expect(heard).toEqual(upTo(heard.length));
    }
    // All in one order.
    expect(listener.lines).toEqual((ones[1] as Peer).lines);
    await until(() => relay.count("clients") === ones.length + threes.length);
  }, 60_000);

  test("is told in the health and in the log, and started again", async () => {
    const relay = await threaded(2);
    const [ones, twos] = (await relay.fill(1)) as [Peer[], Peer[]];
    relay.worker(0).terminate();
    await until(() => !healthy(relay));
    const { reason } = relay.server.running().health();
    expect(reason).toMatch(/^thread 1 died \(exit code \d+\); starting again in 1 s$/);
    await Promise.all(ones.map(({ closed }) => closed));
    const clients = ones.length === 1 ? "its client" : `its ${ones.length} clients`;
    expect(relay.server.printed()).toMatch(
      new RegExp(`ERROR +relay: thread 1 died \\(exit code \\d+\\), and ${clients} with it`),
    );
    // Those of the other thread talk on meanwhile, and newcomers with them.
    const { peer } = await relay.enter();
    peer.send("still here\n");
    expect(await twos[0]?.next()).toBe(enveloped(peer, "still here"));
    await until(() => healthy(relay));
    expect(relay.server.printed()).toContain("relay: thread 1 is started again");
    // The new one is of the room.
    const [news] = (await relay.fill(1)) as [Peer[], Peer[]];
    news[0]?.send("new here\n");
    await until(() => peer.lines.length === 1);
    expect(peer.lines).toEqual([enveloped(news[0] as Peer, "new here")]);
  }, 30_000);

  test("knows the quarantines when it is back", async () => {
    const relay = await threaded(2);
    relay.server.running().quarantine?.impose("127.0.0.2", 600);
    for (const thread of [0, 1]) {
      relay.worker(thread).terminate();
      await until(() => !healthy(relay));
      await until(() => healthy(relay));
    }
    for (let i = 0; i < 12; i++) {
      const peer = await dial(relay.server.port(), "127.0.0.2");
      expect(await peer.next()).toStartWith("Warning: You are in quarantine.");
      peer.end();
    }
  }, 30_000);
});

describe.skipIf(!threadsHere)("a thread with a fault", () => {
  const faults = new BroadcastChannel("faults of a thread");
  /** A relay whose first thread has faults. */
  const faulty = () => {
    next.module = new URL("./fixtures/threads/faulty.ts", import.meta.url);
    return threaded(2);
  };

  test.each([
    ["throws", /thread 1 died \(uncaught error: a fault of the thread\)/i],
    ["rejects", /thread 1 died \(uncaught error: a fault nobody waits for\)/i],
    ["exits", /thread 1 died \(exit code 7\)/],
    ["hangs", /thread 1 died \(no sign of life for 10 s\)/],
  ])(
    "that %s is ended and started again, and its clients are closed",
    async (fault, told) => {
      const relay = await faulty();
      const [ones, twos] = (await relay.fill(1)) as [Peer[], Peer[]];
      faults.postMessage(fault);
      await Promise.all(ones.map(({ closed }) => closed));
      await until(() => told.test(relay.server.printed()));
      expect(relay.server.running().health().reason).toMatch(told);
      await until(() => healthy(relay));
      const [news] = (await relay.fill(1)) as [Peer[], Peer[]];
      news[0]?.send("back\n");
      await until(() => (twos[0]?.lines.length ?? 0) > 0);
      expect(twos[0]?.lines).toEqual([enveloped(news[0] as Peer, "back")]);
    },
    60_000,
  );

  test("that hangs ends no drain", async () => {
    const relay = await faulty();
    const [ones, twos] = (await relay.fill(1)) as [Peer[], Peer[]];
    faults.postMessage("hangs");
    await relay.server.drain(500);
    await Promise.all([...ones, ...twos].map(({ closed }) => closed));
    expect(twos[0]?.lines).toEqual(["Warning: Server is shutting down."]);
  }, 60_000);
});
