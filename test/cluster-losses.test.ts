import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { account, accounted, Flood, TestRoom } from "./cluster-suite.ts";
import { type Booted, enveloped, type Overrides, until } from "./kit.ts";
import { PROGRAMS, RoomServer } from "./room-server.ts";

const SLOW = 60_000;
/** A user of its own for a node that is to be shut out. */
const USER = ["--user", "b", "on", "nopass", "~*", "&*", "+@all"];

for (const program of PROGRAMS) {
  let room: TestRoom;
  let server: RoomServer;
  /** A node that sends, and one that is shut out: the first one has lines that the other one has not read. */
  async function behind(overrides: Overrides = {}) {
    room = new TestRoom(server);
    const a = await room.node("a", overrides);
    const url = `redis://b@127.0.0.1:${server.port}`;
    const b = await room.node("b", { ...overrides, cluster: { url } });
    const flood = new Flood([await room.join(a)], 20_000, 1200);
    const [near, far] = [await room.join(a), await room.join(b)];
    await flood.to(0.1);
    await until(() => far.lines.length === flood.total * 0.1);
    await server.ask("ACL", "SETUSER", "b", "off");
    await server.ask("CLIENT", "KILL", "USER", "b");
    await until(() => b.running().room?.trouble != null);
    await flood.to(0.9);
    await until(() => near.lines.length === flood.total * 0.9);
    const letIn = () => server.ask("ACL", "SETUSER", "b", "on");
    return { a, b, near, far, flood, letIn };
  }

  async function together(nodes: readonly Booted[]) {
    await until(() => nodes.every((node) => node.running().room?.trouble === null));
  }

  describe(`lines that ${program} has lost`, () => {
    beforeAll(async () => {
      server = await RoomServer.start(program, ...USER);
    });
    afterEach(() => room.close());
    afterAll(() => server.stop());

    test(
      "because it forgot everything when it was started again: their exact number is told",
      async () => {
        const { a, b, near, far, flood } = await behind();
        await server.stop("SIGKILL");
        await until(() => [a, b].every((node) => node.running().room?.trouble !== null));
        await server.start();
        await together([a, b]);
        await flood.to(1);
        await accounted([near, far], flood.total);
        const { lost } = account(far);
        expect(lost).toBeGreaterThan(0);
        expect(account(near).lost).toBe(0);
        expect(b.stats()["lost_lines"]).toBe(lost);
        expect(b.running().room?.lostLines).toBe(lost);
        expect(b.running().health()).toEqual({
          ok: false,
          reason: `${lost} lines of other nodes were lost within the last minute`,
          serves: true,
        });
        expect(b.printed()).toContain(`${lost} lines of others never came`);
        expect(a.running().health().ok).toBe(true);
      },
      SLOW,
    );

    test(
      "because the stream keeps no more: their exact number is told",
      async () => {
        const { b, near, far, flood, letIn } = await behind({
          cluster: { keep_bytes: 16 * 2 ** 20 },
        });
        await letIn();
        await flood.to(1);
        await accounted([near, far], flood.total);
        expect(account(far).lost).toBeGreaterThan(0);
        expect(account(near).lost).toBe(0);
        expect(b.stats()["room_cuts"]).toBe(1);
      },
      SLOW,
    );

    test(
      "those of a node that was killed as well: their exact number is told",
      async () => {
        const { near, far, flood, letIn } = await behind();
        const node = await room.process("c");
        const other = new Flood([await node.join()], 500);
        await other.to(1);
        await until(() => near.lines.length === flood.total * 0.9 + other.total);
        node.child.kill("SIGKILL");
        await node.child.exited;
        await server.ask("XTRIM", room.key("log"), "MAXLEN", "0");
        await letIn();
        await flood.to(1);
        await accounted([far], flood.total + other.total);
        expect(account(far).lost).toBeGreaterThan(other.total);
      },
      SLOW,
    );

    test(
      "because it was made anew, with a clock that is behind: none is waited for in vain",
      async () => {
        room = new TestRoom(server);
        const [a, b] = [await room.node("a"), await room.node("b")];
        const [from, to] = [await room.join(a), await room.join(b)];
        // Ids that are to come at some other time.
        await server.ask("XADD", room.key("log"), `${Date.now() + 1e9}-0`, "x", "y");
        await until(() => [a, b].every((node) => node.stats()["foreign_entries"] === 1));
        await server.ask("FLUSHALL");
        from.send("after\n");
        expect(await to.next()).toBe(enveloped(from, "after"));
        expect(a.stats()["lost_lines"]).toBe(0);
      },
      SLOW,
    );

    for (const [how, ...command] of [
      ["everything is flushed", "FLUSHALL"],
      ["the stream is deleted", "DEL", "log"],
      ["the stream is emptied", "XTRIM", "log", "MAXLEN", "0"],
      ["the numbers of the nodes are deleted", "DEL", "heads"],
    ] as [string, string, ...string[]][]) {
      test(
        `because ${how} in the middle of a flood: none comes twice, each is told`,
        async () => {
          room = new TestRoom(server);
          const [a, b] = [await room.node("a"), await room.node("b")];
          const flood = new Flood([await room.join(a), await room.join(b)], 5000);
          const receivers = [await room.join(a), await room.join(b)];
          const [name, ...args] = command as [string, ...string[]];
          for (const part of [0.2, 0.4, 0.6, 0.8, 1]) {
            const sending = flood.to(part);
            await server.ask(name, ...args.map((arg, i) => (i === 0 ? room.key(arg) : arg)));
            await sending;
          }
          await accounted(receivers, flood.total);
        },
        SLOW,
      );
    }

    test(
      "because it went back to an older state: none comes twice, each is told",
      async () => {
        room = new TestRoom(server);
        const [a, b] = [await room.node("a"), await room.node("b")];
        const flood = new Flood([await room.join(a), await room.join(b)], 5000);
        const receivers = [await room.join(a), await room.join(b)];
        await flood.to(0.3);
        await server.ask("SAVE");
        await flood.to(0.6);
        await until(() => receivers.every(({ lines }) => lines.length > flood.total * 0.4));
        await server.stop("SIGKILL");
        const sending = flood.to(1);
        await server.start();
        await sending;
        await accounted(receivers, flood.total);
      },
      SLOW,
    );
  });
}
