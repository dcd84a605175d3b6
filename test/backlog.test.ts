import { afterEach, describe, expect, test } from "bun:test";
import { boot, type Booted, enveloped, type Peer, turn, until } from "./kit.ts";
import { overBothWays } from "./ways.ts";

let server: Booted;
afterEach(() => server.stop());

const MB = 2 ** 20;
const FREE = {
  hyper_parameters: { rate_limit_msgs_per_minute: 1_000_000, client_timeout_secs: 0 },
};
/** Bounds that a test's flood does not reach. */
const ROOMY = { outbox_bytes: 64 * MB, total_outbox_bytes: 64 * MB };
const stat = (key: string) => server.stats()[key] as number;

/** `count` numbered lines of about a kilobyte; the kernel takes some megabytes before a write is short. */
function flood(first: number, count: number): string {
  let text = "";
  for (let i = first; i < first + count; i++) text += `${i}:${"x".repeat(1000)}\n`;
  return text;
}

const numberOf = (line: string) => Number(JSON.parse(line).content.split(":")[0]);

/** Takes lines from a peer until it has had `count`; they must be all and in order. */
async function takes(peer: Peer, from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i++) expect(numberOf(await peer.next())).toBe(i);
}

overBothWays(() => {
  describe("a client that never reads", () => {
    test("is closed as slow and quarantined once its outbox is full; the others get every line and memory returns", async () => {
      server = await boot("relay", { ...FREE, relay: { outbox_bytes: MB } });
      const [a, b, stalled] = [await server.join(), await server.join(), await server.join()];
      stalled.pause();
      let sent = 0;
      while (stat("closed_slow") === 0) {
        // It has taken nothing for longer than stall_ms, so the sender is not held for it.
        server.clock.advance(600);
        a.send(flood(sent, 100));
        await takes(b, sent, 100);
        sent += 100;
      }
      expect(sent).toBeLessThan(30_000);
      a.send("after\n");
      expect(await b.next()).toBe(enveloped(a, "after"));
      expect(server.stats()).toMatchObject({
        clients: 2,
        pinned_bytes: 0,
        quarantined: 1,
        backlog_pauses: 0,
      });
      expect(server.printed()).toContain(`${stalled.address} does not take what it is sent`);
      stalled.resume();
      await stalled.closed;
    });

    test("is not quarantined by the plain backend", async () => {
      server = await boot("relay", { version: "python", relay: { outbox_bytes: MB } });
      const [a, b, stalled] = [await server.join(), await server.join(), await server.join()];
      stalled.pause();
      for (let sent = 0; stat("closed_slow") === 0; sent += 100) {
        server.clock.advance(600);
        a.send(flood(sent, 100));
        await takes(b, sent, 100);
      }
      expect(stat("quarantined")).toBe(0);
      stalled.end();
    });
  });

  describe("a flood", () => {
    test("loses nothing for a reader that is merely slower, since senders wait for it", async () => {
      server = await boot("relay", { ...FREE, relay: { outbox_bytes: MB } });
      const [a, slower] = [await server.join(), await server.join()];
      slower.pause();
      const total = 20_000;
      a.send(flood(0, total));
      // Time stands still: nobody is given up, and the sender must pause before the outbox is full.
      await until(() => stat("backlog_pauses") > 0);
      expect(stat("lines_in")).toBeLessThan(total);
      expect(stat("pinned_bytes")).toBeLessThan(2 * MB);
      slower.resume();
      await takes(slower, 0, total);
      expect(server.stats()).toMatchObject({
        closed_slow: 0,
        pinned_bytes: 0,
        lines_relayed: total,
      });
    });

    test("of tiny lines, which grow many times over in their envelopes, loses nothing either", async () => {
      server = await boot("relay", { ...FREE, relay: { outbox_bytes: MB } });
      const [a, slower] = [await server.join(), await server.join()];
      slower.pause();
      const total = 400_000;
      a.send(Array.from({ length: total }, (_, i) => `${i % 10}\n`).join(""));
      await until(() => stat("backlog_pauses") > 0);
      expect(stat("pinned_bytes")).toBeLessThan(2 * MB);
      slower.resume();
      await until(() => slower.lines.length === total);
      slower.lines.forEach((line, i) => {
        if (!line.endsWith(`"content":"${i % 10}"}`)) expect(line).toBe(`line ${i}`);
      });
      expect(stat("closed_slow")).toBe(0);
    });

    test("pauses senders when all outboxes together pass total_outbox_bytes, before one alone is full", async () => {
      server = await boot("relay", {
        ...FREE,
        relay: { outbox_bytes: MB, total_outbox_bytes: MB },
      });
      const [a, b, stalled] = [await server.join(), await server.join(), await server.join()];
      stalled.pause();
      const send = async (lines: number) => {
        server.clock.advance(600);
        const before = stat("lines_in");
        a.send(flood(0, lines));
        await until(() => stat("lines_in") === before + lines || stat("backlog_pauses") > 0);
      };
      // The buffer of which the kernel took only a part is counted whole.
      while (stat("pinned_bytes") === 0) await send(100);
      while (stat("backlog_pauses") === 0 && stat("closed_slow") === 0) await send(1);
      expect(server.stats()).toMatchObject({ backlog_pauses: 1, closed_slow: 0 });
      server.clock.advance(500);
      expect(stat("closed_slow")).toBe(1);
      a.send("after\n");
      for (let line = await b.next(); line !== enveloped(a, "after"); line = await b.next());
      stalled.end();
    });

    test("pauses senders above total_outbox_bytes; then the reader with the most waiting is closed at each stall_ms", async () => {
      server = await boot("relay", {
        ...FREE,
        relay: { outbox_bytes: 4 * MB, total_outbox_bytes: 4 * MB, stall_ms: 500 },
      });
      const a = await server.join();
      const stalled: Peer[] = [];
      for (let i = 0; i < 3; i++) {
        const peer = await server.join();
        peer.pause();
        stalled.push(peer);
      }
      const total = 20_000;
      a.send(flood(0, total));
      await until(() => stat("backlog_pauses") > 0);
      server.clock.advance(499);
      expect(stat("closed_slow")).toBe(0);
      server.clock.advance(1);
      expect(stat("closed_slow")).toBe(1);
      for (let looks = 0; stat("lines_relayed") < total; looks++) {
        expect(looks).toBeLessThan(20_000);
        server.clock.advance(500);
        await turn();
      }
      for (const peer of stalled) peer.end();
      await until(() => stat("clients") === 1);
      expect(stat("pinned_bytes")).toBe(0);
    });

    test("a reader that halves what waits for it is kept", async () => {
      server = await boot("relay", {
        ...FREE,
        relay: { outbox_bytes: 4 * MB, total_outbox_bytes: 4 * MB },
      });
      const [a, reader] = [await server.join(), await server.join()];
      reader.pause();
      a.send(flood(0, 20_000));
      await until(() => stat("backlog_pauses") > 0);
      const waiting = () => server.clients().at(1)?.outboxBytes ?? 0;
      const before = waiting();
      server.clock.advance(400);
      reader.resume();
      await until(() => waiting() < before / 2);
      reader.pause();
      server.clock.advance(100);
      expect(stat("closed_slow")).toBe(0);
      reader.resume();
      await takes(reader, 0, 20_000);
    });
  });

  describe("a stop", () => {
    test("sends what a slow client is owed before its notice", async () => {
      server = await boot("relay", { ...FREE, relay: ROOMY });
      const [a, slow] = [await server.join(), await server.join()];
      slow.pause();
      a.send(flood(0, 10_000));
      await until(() => stat("lines_relayed") === 10_000);
      expect(stat("pinned_bytes")).toBeGreaterThan(0);
      const drained = server.drain(10_000);
      slow.resume();
      await takes(slow, 0, 10_000);
      expect(await slow.next()).toBe("Warning: Server is shutting down.");
      await slow.closed;
      await drained;
    });

    test("cuts a client that takes nothing at the deadline", async () => {
      server = await boot("relay", { ...FREE, relay: ROOMY });
      const [a, stalled] = [await server.join(), await server.join()];
      stalled.pause();
      a.send(flood(0, 10_000));
      await until(() => stat("lines_relayed") === 10_000);
      let over = false;
      const drained = server.drain(5000).then(() => {
        over = true;
      });
      await a.closed;
      server.clock.advance(4999);
      await turn();
      expect(over).toBe(false);
      server.clock.advance(251);
      await drained;
      stalled.end();
    });
  });

  test("all receivers see all lines in one order, and each sender's in the order sent", async () => {
    server = await boot("relay", { version: "python" });
    const senders = await Promise.all(Array.from({ length: 10 }, () => server.join()));
    const [b, c] = [await server.join(), await server.join()];
    for (let i = 0; i < 200; i++) for (const sender of senders) sender.send(`${i}:\n`);
    const seen: string[] = [];
    for (let i = 0; i < 2000; i++) {
      const line = await b.next();
      expect(await c.next()).toBe(line);
      seen.push(line);
    }
    for (const sender of senders) {
      const own = seen.filter((line) => line.includes(`"${sender.address}"`)).map(numberOf);
      expect(own).toEqual(Array.from({ length: 200 }, (_, i) => i));
      // A sender gets the same order without its own lines.
      const others = seen.filter((line) => !line.includes(`"${sender.address}"`));
      await until(() => sender.lines.length === others.length);
      expect(sender.lines).toEqual(others);
    }
  });
});
