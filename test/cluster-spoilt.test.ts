import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { TestRoom } from "./cluster-suite.ts";
import { enveloped, type Peer, until } from "./kit.ts";
import { PROGRAMS, RoomServer } from "./room-server.ts";

const SLOW = 60_000;
const [PLACES, KEEP_BYTES] = [2n ** 64n - 1n, 16 * 2 ** 20];

for (const program of PROGRAMS) {
  describe(`a room's keys on ${program} that somebody else has spoilt`, () => {
    let server: RoomServer;
    let room: TestRoom;
    beforeAll(async () => {
      server = await RoomServer.start(program);
    });
    beforeEach(() => {
      room = new TestRoom(server);
    });
    afterEach(() => room.close());
    afterAll(() => server.stop());

    async function two() {
      const [a, b] = [await room.node("a"), await room.node("b")];
      return { a, b, from: await room.join(a), to: await room.join(b) };
    }

    async function passes(from: Peer, to: Peer, ...lines: readonly string[]) {
      for (const line of lines) {
        from.send(`${line}\n`);
        expect(await to.next()).toBe(enveloped(from, line));
      }
    }

    test.each(["log", "heads", "marks", "nodes", "bars", "bar-ends"])(
      "something else in the place of %s does not silence the room",
      async (name) => {
        const { a, b, from, to } = await two();
        const key = room.key(name);
        await server.ask("DEL", key);
        await server.ask("SET", key, "x");
        await server.ask("CLIENT", "KILL", "TYPE", "normal");
        await passes(from, to, "one", "two");
        a.running().quarantine!.impose("10.0.0.7", 60);
        await until(() => [...b.running().quarantine!.entries()].length === 1);
        // Whoever joins later finds all in order.
        const late = await room.join(await room.node("c"));
        await passes(from, late, "three");
      },
      SLOW,
    );

    test.each([true, false])(
      "an entry with the last id that there is does not silence the room (still there: %p)",
      async (isThere) => {
        const { from, to } = await two();
        const id = `${PLACES}-${PLACES}`;
        await server.ask("XADD", room.key("log"), id, "a", "b");
        if (!isThere) await server.ask("XDEL", room.key("log"), id);
        await passes(from, to, "one", "two");
        const late = await room.join(await room.node("c"));
        await passes(from, late, "three");
      },
      SLOW,
    );

    test("whoever joins a room whose ids are used up begins it anew", async () => {
      await server.ask("XADD", room.key("log"), `${PLACES}-${PLACES}`, "a", "b");
      const { from, to } = await two();
      await passes(from, to, "one");
    });

    test("the stream is trimmed, whatever its bytes are said to be", async () => {
      const a = await room.node("a", { cluster: { keep_bytes: KEEP_BYTES } });
      const [from, to] = [await room.join(a), await room.join(a)];
      await server.ask("HSET", room.key("heads"), "bytes", "1".padEnd(30, "0"));
      for (let i = 0; i < 500; i++) await from.sent(`${"x".repeat(50_000)}\n`);
      await until(() => to.lines.length === 500);
      const found = (await server.ask("XRANGE", room.key("log"), "-", "+")) as [string, string[]][];
      const bytes = found.reduce((sum, [, given]) => sum + given.join().length, 0);
      expect(bytes).toBeLessThan(1.2 * KEEP_BYTES);
    });
  });
}
