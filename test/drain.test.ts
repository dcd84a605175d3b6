import { afterEach, describe, expect, test } from "bun:test";
import { type Answer, boot, type Booted, dial, enveloped, type Peer, until } from "./kit.ts";
import { overBothWays } from "./ways.ts";

let server: Booted;
afterEach(() => server.stop());

const MB = 2 ** 20;
const SHUTDOWN = "Warning: Server is shutting down.";
const stat = (key: string) => server.stats()[key] as number;

const numbered = (count: number, bytes = 100) =>
  Array.from({ length: count }, (_, i) => `${i} ${"x".repeat(bytes)}`);

/** Takes everything a peer is sent until its connection ends. */
async function rest(peer: Peer): Promise<readonly string[]> {
  expect(await peer.closed).toBe("end");
  return peer.lines;
}

overBothWays(() => {
  describe("a drain of the relay first relays what had come", () => {
    const FREE = { rate_limit_msgs_per_minute: 1_000_000, client_timeout_secs: 0 };

    test("from many clients at once, and from one that has only just connected", async () => {
      server = await boot("relay", { hyper_parameters: FREE });
      const [listener, ...senders] = [await server.join()] as [Peer, ...Peer[]];
      for (let i = 0; i < 20; i++) senders.push(await server.join());
      const lines = numbered(200);
      for (const sender of senders) sender.send(`${lines.join("\n")}\n`);
      const late = await dial(server.port());
      late.send("just in time\n");
      const drained = server.drain();
      const heard = await rest(listener);
      expect(heard.at(-1)).toBe(SHUTDOWN);
      const expected = senders.flatMap((sender) => lines.map((line) => enveloped(sender, line)));
      expected.push(enveloped(late, "just in time"));
      expect(heard.slice(0, -1).toSorted()).toEqual(expected.toSorted());
      for (const sender of senders) expect((await rest(sender)).at(-1)).toBe(SHUTDOWN);
      await drained;
      expect(await dial(server.port()).catch((error) => error.code)).toBe("ECONNREFUSED");
    });

    test("from one whose reading was paused by the policy", async () => {
      server = await boot("relay", {
        hyper_parameters: {
          ...FREE,
          flow_control_delay_ms: 60_000,
          backpressure_policy: {
            enable_throttle: false,
            flow_control_threshold: 1,
            enable_disconnect: false,
          },
        },
      });
      const [sender, listener] = [await server.join(), await server.join()];
      sender.send("first\n");
      expect(await listener.next()).toBe(enveloped(sender, "first"));
      server.clock.advance(100);
      const lines = numbered(1000);
      sender.send(`${lines.join("\n")}\n`);
      const drained = server.drain();
      expect(await rest(listener)).toEqual([
        ...lines.map((line) => enveloped(sender, line)),
        SHUTDOWN,
      ]);
      await drained;
    });

    test("while readers lag, whom it does not close for it", async () => {
      server = await boot("relay", {
        hyper_parameters: FREE,
        relay: { outbox_bytes: 4 * MB, total_outbox_bytes: 8 * MB },
      });
      const [sender, listener] = [await server.join(), await server.join()];
      listener.pause();
      const lines = numbered(20_000, 1000);
      for (let i = 0; i < 20; i++)
        sender.send(`${lines.slice(1000 * i, 1000 * (i + 1)).join("\n")}\n`);
      await until(() => stat("backlog_pauses") > 0);
      const drained = server.drain(60_000);
      listener.resume();
      // All of it is sent within a turn of this test's own, as the relay takes it.
      let over = false;
      void listener.closed.then(() => (over = true));
      while (!over) {
        server.clock.advance(1);
        await new Promise(setImmediate);
      }
      const numbers = listener.lines.slice(0, -1).map((line) => JSON.parse(line).content);
      expect(numbers).toEqual(lines.slice(0, numbers.length));
      expect(listener.lines.at(-1)).toBe(SHUTDOWN);
      expect(numbers).toHaveLength(lines.length);
      await drained;
      expect(stat("closed_slow")).toBe(0);
    });

    test("but not for ever: a flood that does not end is cut after a quarter of the time", async () => {
      server = await boot("relay", { hyper_parameters: FREE });
      const [sender, listener] = [await server.join(), await server.join()];
      const drained = server.drain(400);
      let turns = 0;
      while (!listener.isClosed) {
        sender.send("again\n");
        // Lines after the notice have no effect.
        if (!sender.isClosed) turns++;
        server.clock.advance(1);
        await new Promise(setImmediate);
      }
      expect(turns).toBeWithin(90, 130);
      expect(listener.lines.at(-1)).toBe(SHUTDOWN);
      await drained;
    });
  });

  test.each(["store", "json"])(
    "a drain of the store in mode %s first answers what had come",
    async (mode) => {
      server = await boot("store", { store: { mode } });
      const peers: Peer[] = [];
      for (let i = 0; i < 20; i++) peers.push(await server.join());
      const count = 500;
      for (const peer of peers) {
        let requests = "";
        for (let id = 0; id < count; id++) requests += `{"action":"PING","id":${id}}\n`;
        peer.send(requests);
      }
      const late = await dial(server.port());
      late.send('{"action":"PING","id":"late"}\n');
      const drained = server.drain();
      for (const peer of peers) {
        const answers = (await rest(peer)).map((line) => JSON.parse(line) as Answer);
        expect(answers.pop()?.["reason"]).toBe("shutdown");
        expect(answers.map(({ id }) => id)).toEqual(Array.from({ length: count }, (_, id) => id));
      }
      expect(JSON.parse((await rest(late))[0] as string)["id"]).toBe("late");
      await drained;
    },
  );

  test("a drain of the store's echo mode sends back what had come", async () => {
    server = await boot("store", { store: { mode: "echo" } });
    const peer = await server.join();
    const lines = numbered(1000);
    peer.send(`${lines.join("\n")}\n`);
    const drained = server.drain();
    expect(await rest(peer)).toEqual(lines);
    await drained;
  });
});
