import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Flood, TestRoom } from "./cluster-suite.ts";
import { ended, until } from "./kit.ts";
import { freePort } from "./ports.ts";
import { PROGRAMS, RoomServer } from "./room-server.ts";
import { join } from "node:path";

for (const program of PROGRAMS) {
  describe(`a node of a room on ${program} that stops`, () => {
    let server: RoomServer;
    let room: TestRoom;
    beforeAll(async () => {
      server = await RoomServer.start(program);
    });
    afterEach(() => room.close());
    afterAll(() => server.stop());

    test("sends all that it has accepted, says good-bye, and has lost nothing", async () => {
      room = new TestRoom(server);
      const [a, b] = [await room.node("a"), await room.node("b")];
      const [from, to] = [await room.join(a), await room.join(b)];
      const flood = new Flood([from], 20_000);
      await flood.to(1);
      expect(await a.drain(10_000)).toEqual([]);
      await flood.arrived([to]);
      expect(b.running().room!.nodes()[1]).toMatchObject({ name: "a" });
      await until(() => b.running().room!.nodes()[1]?.goneMs !== null);
      // Of the one that has left as well: by that a node that was cut off knows what it has missed.
      const heads = (await server.ask("HKEYS", room.key("heads"))) as string[];
      expect(heads.filter((name) => !["born", "bytes"].includes(name))).toHaveLength(2);
    }, 30_000);

    test("does so with threads too", async () => {
      room = new TestRoom(server);
      const threads = { hyper_parameters: { rate_limit_msgs_per_minute: 1e6, worker_threads: 2 } };
      const [a, b] = [await room.node("a", threads), await room.node("b")];
      const flood = new Flood([await room.join(a), await room.join(a), await room.join(a)], 5000);
      const to = await room.join(b);
      await flood.to(1);
      expect(await a.drain(10_000)).toEqual([]);
      await flood.arrived([to]);
      await until(() => b.running().room!.nodes()[1]?.goneMs !== null);
    }, 30_000);

    test("says what it could not send, because the server did not answer", async () => {
      room = new TestRoom(server);
      const a = await room.node("a");
      const from = await room.join(a);
      server.kill("SIGSTOP");
      from.send("x\n".repeat(7));
      await until(() => a.stats()["lines_relayed"] === 7);
      expect(await a.drain(100)).toEqual([
        "relay: 7 lines that were accepted are not known to have reached the room, and what came after that was not read",
      ]);
      server.kill("SIGCONT");
    }, 30_000);

    test.each([1, 2])(
      "takes what its clients have sent while the server was away, with %d threads",
      async (worker_threads) => {
        room = new TestRoom(server);
        const more = { hyper_parameters: { rate_limit_msgs_per_minute: 1e6, worker_threads } };
        const [a, b] = [await room.node("a", more), await room.node("b", more)];
        const c = await room.node("c");
        const [one, other, to] = [await room.join(a), await room.join(b), await room.join(c)];
        await server.stop("SIGKILL");
        await until(() => [a, b, c].every((node) => node.running().room?.trouble !== null));
        // Nobody reads them: their lines wait in the system's buffers.
        await Promise.all([one.sent("x\n".repeat(7)), other.sent("y\n".repeat(5))]);
        expect(await a.drain(500)).toEqual([
          "relay: 7 lines that were accepted are not known to have reached the room, and what came after that was not read",
        ]);
        const drained = b.drain(20_000);
        await server.start();
        expect(await drained).toEqual([]);
        await until(() => to.lines.length === 5);
      },
      30_000,
    );

    test.each([1, 2])(
      "says so of all that it has taken, by %d threads, after the server has gone too",
      async (worker_threads) => {
        room = new TestRoom(server);
        const little = 2 ** 16;
        const a = await room.node("a", {
          relay: { max_line_bytes: 4096, outbox_bytes: little, total_outbox_bytes: little },
          hyper_parameters: { rate_limit_msgs_per_minute: 1e6, worker_threads },
        });
        const from = await room.join(a);
        server.kill("SIGSTOP");
        // More than may be on its way: the rest of what was read waits until the end.
        from.send(`${"x".repeat(1000)}\n`.repeat(1000));
        await until(() => (a.stats()["lines_relayed"] as number) > 0);
        await until(() => a.running().room?.trouble !== null);
        const [lost] = await a.drain(500);
        server.kill("SIGCONT");
        const taken = a.stats()["lines_relayed"];
        // An envelope has fewer than 1,100 bytes, and each thread has its share of what may be on its way.
        expect(taken).toBeGreaterThan(little / worker_threads / 1100);
        expect(lost).toBe(
          `relay: ${taken} lines that were accepted are not known to have reached the room, and what came after that was not read`,
        );
      },
      30_000,
    );
  });
}

test("without a server, the program ends with one line and exit code 1", async () => {
  const port = await freePort();
  const program = join(import.meta.dir, "..", "index.ts");
  const sets = ["port=0", "web.port=0", `cluster.url=redis://:hidden@127.0.0.1:${port}`];
  const child = Bun.spawn([process.execPath, program, ...sets.flatMap((set) => ["--set", set])], {
    cwd: "/tmp",
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, NO_COLOR: "1" },
  });
  const { out, err, code } = await ended(child);
  expect(code).toBe(1);
  expect(err).toBe(
    `error: --set: cluster.url: redis://127.0.0.1:${port} cannot be used: the connection was refused\nNothing was started.\n`,
  );
  expect(out).not.toContain("hidden");
});
