import { describe, expect, test } from "bun:test";
import { heard, type Peer, turn, until } from "./kit.ts";
import { Random } from "./random.ts";
import {
  joined,
  message,
  nothingFor,
  publish,
  result,
  server,
  stat,
  subscribe,
  two,
  watch,
} from "./pubsub-suite.ts";
import { overBothWays } from "./ways.ts";

overBothWays(() => {
  describe("outbox_bytes", () => {
    const MOST = 8192;
    const section = { max_line_bytes: 4096, outbox_bytes: MOST, total_outbox_bytes: 100 * MOST };
    const sizeOf = (seq: number, length: number, channel = "c") =>
      JSON.stringify(message(channel, seq, "x".repeat(length))).length + 1;
    /** Publishes that a turn of the server serves together, one for each length. */
    const burst = (lengths: readonly number[], channel = "c") =>
      lengths
        .map(
          (length) =>
            `{"action":"PUBLISH","channel":"${channel}","value":"${"x".repeat(length)}"}\n`,
        )
        .join("");

    test("may wait for a subscriber and not a byte more", async () => {
      for (const more of [0, 1]) {
        const [from, to] = await two(section);
        await subscribe(to, "c");
        const lengths = [3000, 3000];
        const left = MOST - sizeOf(1, 3000) - sizeOf(2, 3000) - sizeOf(3, 0);
        from.send(burst([...lengths, left + more]));
        await until(() => from.lines.length === 3);
        if (more === 0) {
          for (let seq = 1; seq <= 3; seq++) expect((await heard(to))["seq"]).toBe(seq);
          await nothingFor(to);
          expect(stat("closed_slow")).toBe(0);
        } else {
          expect(await heard(to)).toEqual({
            event: "closed",
            reason: "slow",
            message: "you do not take what you are sent",
          });
          expect(await to.closed).toBe("end");
          expect(server.stats()).toMatchObject({ closed_slow: 1, clients: 1, subscriptions: 0 });
          expect(server.printed()).toMatch(
            new RegExp(
              `WARNING +store: ${to.address} does not take what it is sent: \\d+ bytes wait`,
            ),
          );
        }
        await server.stop();
      }
    });

    test("a slow subscriber is closed and the others lose nothing", async () => {
      const [from, slow, fast, other] = (await joined(4, {
        max_line_bytes: 65_536,
        outbox_bytes: 200_000,
      })) as [Peer, Peer, Peer, Peer];
      for (const peer of [slow, fast]) await subscribe(peer, "c");
      await subscribe(other, "*");
      slow.pause();
      const value = "x".repeat(50_000);
      let sent = 0;
      while (stat("closed_slow") === 0) {
        await publish(from, "c", value);
        sent++;
        await until(() => fast.lines.length === sent && other.lines.length === sent);
      }
      for (let i = 0; i < 20; i++) await publish(from, "c", ++sent);
      await until(() => fast.lines.length === sent && other.lines.length === sent);
      for (const peer of [fast, other]) {
        expect(peer.lines.map((line) => JSON.parse(line).seq)).toEqual(
          Array.from({ length: sent }, (_, i) => i + 1),
        );
      }
      expect(server.stats()).toMatchObject({ closed_slow: 1, clients: 3, subscriptions: 2 });
      await until(() => stat("pinned_bytes") === 0);
      // It got whole lines, in order, up to the cut.
      slow.resume();
      await slow.closed;
      const seqs = slow.lines
        .map((line) => JSON.parse(line).seq)
        .filter((seq) => seq !== undefined);
      expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, i) => i + 1));
      expect(seqs.length).toBeLessThan(sent);
    });

    test("of its own requests does not make a client slow", async () => {
      const [peer, from] = await two({ ...section, outbox_bytes: 16_384 });
      await subscribe(peer, "c");
      peer.pause();
      const echo = `{"action":"ECHO","value":"${"y".repeat(3000)}"}\n`;
      peer.send(echo.repeat(3000));
      await until(() => server.clients()[0]?.state === "paused");
      expect(await publish(from, "c", "event")).toBe(1);
      peer.resume();
      await until(() => peer.lines.length === 3001);
      expect(peer.lines.filter((line) => line.startsWith('{"event"'))).toHaveLength(1);
      expect(stat("closed_slow")).toBe(0);
    });
  });

  describe("total_outbox_bytes", () => {
    const TOTAL = 16_384;
    const section = { max_line_bytes: 4096, outbox_bytes: 12_000, total_outbox_bytes: TOTAL };

    test("closes the client with the most, and only beyond it", async () => {
      for (const more of [0, 1]) {
        const [from, ...others] = await joined(5, section);
        for (const [i, peer] of others.entries()) await subscribe(peer, `c${i}`);
        // Bytes of the events on each channel; the third client has the most.
        const sizes = [3000, 4000, 4100, 3500];
        const left = TOTAL - 3000 - 4000 - 4100 - 3500 + more;
        const event = (channel: string, bytes: number) => {
          const empty = JSON.stringify(message(channel, 1, "")).length + 1;
          return `{"action":"PUBLISH","channel":"${channel}","value":"${"x".repeat(bytes - empty)}"}\n`;
        };
        const lines = sizes.map((bytes, i) => event(`c${i}`, bytes)).join("") + event("c2", left);
        (from as Peer).send(lines);
        await until(() => (from as Peer).lines.length === 5);
        const closed = more === 1 ? [others[2]] : [];
        for (const peer of others) {
          const first = await heard(peer as Peer);
          if (closed.includes(peer)) expect(first["reason"]).toBe("slow");
          else expect(first["event"]).toBe("message");
        }
        expect(server.stats()).toMatchObject({ closed_slow: closed.length });
        await server.stop();
      }
    });

    test("an event for many is counted once", async () => {
      const [from, ...others] = await joined(31, section);
      for (const peer of others) await subscribe(peer, "c");
      await publish(from as Peer, "c", "x".repeat(3000));
      for (const peer of others) expect((await heard(peer))["seq"]).toBe(1);
      expect(stat("closed_slow")).toBe(0);
    });
  });

  test("replies and events never interleave within a line, each kind in order", async () => {
    const peers = await joined(6);
    const random = new Random(21);
    const channels = ["a", "a^b", "c"];
    for (const [i, peer] of peers.entries()) {
      await subscribe(peer, i % 2 === 0 ? "*" : (channels[i % 3] as string));
      await watch(peer, "k^*");
    }
    const rounds = 400;
    const seen = peers.map(() => ({ id: 0, seqs: new Map<string, number>(), events: 0 }));
    for (let round = 1; round <= rounds; round++) {
      for (const [i, peer] of peers.entries()) {
        const id = round;
        const text = String.fromCodePoint(0x1f600 + i).repeat(random.whole(0, 400));
        const channel = channels[random.whole(0, 2)];
        const request = [
          { action: "PUBLISH", channel, value: text },
          { action: "SET", key: `k^${i}`, value: text },
          { action: "ECHO", value: text },
          { action: "NONE" },
          { action: "GET", key: `k^${i}`, default: null },
        ][random.whole(0, 4)];
        const bytes = Buffer.from(`${JSON.stringify({ ...request, id })}\n`);
        const cut = random.whole(0, bytes.length);
        peer.send(bytes.subarray(0, cut));
        peer.send(bytes.subarray(cut));
      }
      if (round % 20 === 0) await turn();
    }
    const read = (i: number) => {
      const state = seen[i] as (typeof seen)[number];
      for (const line of (peers[i] as Peer).lines.splice(0)) {
        const { event, channel, seq, id } = JSON.parse(line);
        if (event === undefined) expect(id).toBe(++state.id);
        else state.events++;
        if (event !== "message") continue;
        const last = state.seqs.get(channel);
        if (last !== undefined) expect(seq).toBe(last + 1);
        state.seqs.set(channel, seq);
      }
    };
    await until(() => {
      peers.forEach((_, i) => read(i));
      return seen.every(({ id }) => id === rounds);
    });
    for (const peer of peers) await nothingButEvents(peer);
    expect(seen.every(({ events }) => events > 300)).toBe(true);
    expect(server.stats()).toMatchObject({ clients: 6, closed_slow: 0, closed_bug: 0 });

    async function nothingButEvents(peer: Peer): Promise<void> {
      peer.send('{"action":"PING"}\n');
      while ((await heard(peer))["result"] !== "PONG");
    }
  });

  describe("idle_secs", () => {
    test("spares clients with a subscription, and no others", async () => {
      const [listens, watches, left, idle] = (await joined(4, { idle_secs: 10 })) as [
        Peer,
        Peer,
        Peer,
        Peer,
      ];
      await subscribe(listens, "c");
      await watch(watches, "k^*");
      await subscribe(left, "c");
      await result(left, { action: "UNSUBSCRIBE" });
      server.clock.advance(10_000);
      expect((await heard(left))["reason"]).toBe("idle");
      expect((await heard(idle))["reason"]).toBe("idle");
      expect(server.stats()).toMatchObject({ clients: 2, closed_idle: 2, subscriptions: 2 });
      server.clock.advance(1_000_000);
      expect(stat("clients")).toBe(2);
      // Without its subscription it is idle from its last line on.
      await result(listens, { action: "UNSUBSCRIBE", channel: "c" });
      server.clock.advance(9000);
      expect(stat("clients")).toBe(2);
      server.clock.advance(1000);
      expect((await heard(listens))["reason"]).toBe("idle");
      expect(stat("clients")).toBe(1);
    });

    test("begins when a client has taken what it was owed", async () => {
      const [peer] = (await joined(1, {
        idle_secs: 10,
        max_line_bytes: 30_000_000,
        outbox_bytes: 64_000_000,
      })) as [Peer];
      peer.pause();
      peer.send(`{"action":"ECHO","value":"${"x".repeat(25_000_000)}"}\n`);
      // More than the sockets hold between the two.
      await until(() => (stat("bytes_out") ?? 0) > 0);
      for (let i = 0; i < 100; i++) await turn();
      expect(stat("pinned_bytes")).toBeGreaterThan(0);
      server.clock.advance(9000);
      peer.resume();
      await until(() => peer.lines.length === 1);
      server.clock.advance(9999);
      expect(stat("clients")).toBe(1);
      server.clock.advance(1);
      expect(stat("closed_idle")).toBe(1);
    });

    test("spares a client whose requests still wait", async () => {
      const [peer] = (await joined(1, { idle_secs: 10 })) as [Peer];
      peer.pause();
      const count = 3000;
      const echo = (i: number) => `{"action":"ECHO","value":"${"x".repeat(10_000)}","id":${i}}\n`;
      for (let i = 0; i < count; i++) peer.send(echo(i));
      await until(() => server.clients()[0]?.state === "paused");
      // It takes something every now and then.
      for (let taken = 0; peer.lines.length < count; taken = peer.bytes) {
        server.clock.advance(9000);
        peer.resume();
        await until(() => peer.bytes > taken);
      }
      expect(peer.lines.map((line) => JSON.parse(line).id)).toEqual(
        Array.from({ length: count }, (_, i) => i),
      );
      expect(stat("closed_idle")).toBe(0);
    });
  });
});
