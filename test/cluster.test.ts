import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Flood, TestRoom } from "./cluster-suite.ts";
import { enveloped, type Peer, until } from "./kit.ts";
import { PROGRAMS, RoomServer } from "./room-server.ts";

const THREADED = {
  hyper_parameters: { rate_limit_msgs_per_minute: 1_000_000, worker_threads: 2 },
};

for (const program of PROGRAMS) {
  describe(`a room on ${program}`, () => {
    let server: RoomServer;
    let room: TestRoom;
    beforeAll(async () => {
      server = await RoomServer.start(program);
      room = new TestRoom(server);
    });
    afterEach(async () => {
      await room.close();
      room = new TestRoom(server);
    });
    afterAll(() => server.stop());

    test("what a client sends goes to the clients of all nodes, and not to itself", async () => {
      const all = await Promise.all(["a", "b", "c"].map((name) => room.node(name)));
      const [a, b, c] = await Promise.all(all.map((node) => room.join(node)));
      a!.send("from a\n");
      expect(await b!.next()).toBe(enveloped(a!, "from a"));
      expect(await c!.next()).toBe(enveloped(a!, "from a"));
      b!.send("from b\n");
      expect(await a!.next()).toBe(enveloped(b!, "from b"));
      expect(await c!.next()).toBe(enveloped(b!, "from b"));
      await Promise.all(all.map((node) => node.stop()));
      expect(a!.lines).toEqual(["Warning: Server is shutting down."]);
    });

    test("a line of any text comes as it was sent", async () => {
      const [a, b] = [await room.node("a"), await room.node("b")];
      const [from, to] = [await room.join(a), await room.join(b)];
      const texts = [
        "\u0000 \u2028 \u202e",
        "😀 \ufffd",
        '"\\',
        "x".repeat(60_000),
        "é".repeat(20_000),
      ];
      for (const text of texts) {
        from.send(`${text}\n`);
        expect(await to.next()).toBe(enveloped(from, text));
      }
      expect(b.stats()["foreign_entries"]).toBe(0);
    });

    for (const threads of ["one thread", "two threads"]) {
      test(`a node of ${threads} whose clients lag and may have little waiting closes none of them, and loses nothing`, async () => {
        const little = {
          max_line_bytes: 2048,
          outbox_bytes: 4096,
          total_outbox_bytes: 8192,
          stall_ms: 1_000_000_000,
        };
        const a = await room.node("a");
        const b = await room.node("b", {
          ...(threads === "one thread" ? {} : THREADED),
          relay: little,
        });
        const from = await room.join(a);
        const flood = new Flood([from], 40_000, 1000);
        const [near, far] = [await room.join(a), await room.join(b)];
        far.pause();
        const sending = flood.to(1);
        await until(() => (b.stats()["backlog_pauses"] as number) > 0);
        await until(() => (a.stats()["room_pauses"] as number) > 0);
        await until(() => a.clients().every(({ state }) => state === "paused"));
        const lag = () =>
          a
            .running()
            .problems?.()
            .find(({ key }) => key === "lag");
        await until(() => lag() !== undefined);
        expect(lag()?.text).toMatch(
          /^All senders of the room are paused until the node [ab] has caught up\.$/,
        );
        far.resume();
        await sending;
        await flood.arrived([near, far]);
        await until(() => lag() === undefined);
        expect(b.stats()["lost_lines"]).toBe(0);
      }, 60_000);
    }

    test("twelve senders and twelve receivers at three nodes, two of which have two threads: one order for all", async () => {
      const threads = {
        hyper_parameters: { rate_limit_msgs_per_minute: 1_000_000, worker_threads: 2 },
      };
      const all = [
        await room.node("a"),
        await room.node("b", threads),
        await room.node("c", threads),
      ];
      const [senders, receivers] = [[], []] as [Peer[], Peer[]];
      for (let i = 0; i < 12; i++) {
        senders.push(await room.join(all[i % 3]!));
        receivers.push(await room.join(all[i % 3]!));
      }
      const flood = new Flood(senders, 1000);
      await flood.to(1);
      await flood.arrived(receivers);
      await until(() => senders.every(({ lines }) => lines.length === flood.total - 1000));
    }, 60_000);
  });
}
