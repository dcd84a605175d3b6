import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { StartError } from "../lib/host/errors.ts";
import type { Room } from "../lib/host/service/room.ts";
import { TestRoom } from "./cluster-suite.ts";
import { type Booted, boot, enveloped, until } from "./kit.ts";
import { freePort } from "./ports.ts";
import { PROGRAMS, RoomServer } from "./room-server.ts";
import { eventually } from "./sentinel.ts";

const roomOf = (node: Booted) => node.running().room as Room;

/** The message of a start that fails. */
async function refusal(start: Promise<unknown>): Promise<string> {
  const found = await start.then(
    () => null,
    (error: StartError) => error.message,
  );
  if (found === null) throw new Error("it has started");
  return found;
}

for (const program of PROGRAMS) {
  describe(`the nodes of a room on ${program}`, () => {
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

    test("each knows of the others, of their clients, and who has left", async () => {
      const [a, b] = [await room.node("a"), await room.node("b")];
      await room.join(b);
      const last = await room.join(b);
      await until(() => roomOf(a).nodes()[1]?.clients === 2);
      const { version } = await import("../package.json");
      const port = (node: Booted) => `127.0.0.1:${node.port()}`;
      expect(roomOf(a).nodes()).toMatchObject([
        { name: "a", address: port(a), clients: 0, version, isSelf: true, goneMs: null },
        { name: "b", address: port(b), clients: 2, version, isSelf: false, goneMs: null },
      ]);
      expect(roomOf(a)).toMatchObject({
        name: room.name,
        server: server.url,
        trouble: null,
        lostLines: 0,
      });
      expect(a.stats()).toMatchObject({ room_nodes: 2, room_clients: 2 });
      last.end();
      await until(() => a.stats()["room_clients"] === 1);
      const c = await room.node("c");
      // It knows at once who is there.
      expect(
        roomOf(c)
          .nodes()
          .map(({ name }) => name),
      ).toEqual(["c", "a", "b"]);
      await b.stop();
      await until(() => roomOf(a).nodes().at(-1)?.goneMs !== null);
      expect(
        roomOf(a)
          .nodes()
          .map(({ name }) => name),
      ).toEqual(["a", "c", "b"]);
      expect(roomOf(a).nodes().at(-1)?.isLost).toBe(false);
      expect(a.stats()).toMatchObject({ room_nodes: 2, room_clients: 0 });
      await until(() => a.printed().includes(`room ${room.name}: the node b has left\n`));
      expect(a.printed()).toContain(`room ${room.name}: the node c has come, at 127.0.0.1:`);
    });

    test("the delay of lines is told, and how many come a second", async () => {
      const [a, b] = [await room.node("a"), await room.node("b")];
      const from = await room.join(a);
      expect(roomOf(b).nodes()[1]).toMatchObject({ delayP50Ms: null, delayP99Ms: null });
      from.send("x\n".repeat(500));
      await until(() => (roomOf(b).nodes()[1]?.linesPerSecond ?? 0) > 0);
      const { delayP50Ms, delayP99Ms } = roomOf(b).nodes()[1]!;
      expect(delayP50Ms).toBeGreaterThan(0);
      expect(delayP99Ms).toBeGreaterThanOrEqual(delayP50Ms!);
      expect(a.stats()["room_batches"]).toBeGreaterThan(0);
      const [delay] = a.running().distributions ?? [];
      expect(delay?.histograms.get("")?.sum).toBeGreaterThan(0);
    });

    test("two of one name: the second one does not start", async () => {
      const a = await room.node("a");
      expect(await refusal(room.node("a"))).toBe(
        `cluster.node: there is a node a in the room ${room.name} already, at 127.0.0.1:${a.port()}; each needs a name of its own`,
      );
      // A name is free again once its node has left.
      await a.stop();
      await room.node("a");
      // Another room has names of its own.
      const other = new TestRoom(server);
      await other.node("a");
      await other.close();
    });

    test("one that was killed gives its name free", async () => {
      const killed = await room.process("a");
      killed.child.kill("SIGKILL");
      await killed.child.exited;
      const a = await room.node("a");
      expect(
        roomOf(a)
          .nodes()
          .map(({ name }) => name),
      ).toEqual(["a"]);
    }, 30_000);

    test("one that was killed before the server's clock was set back keeps no name", async () => {
      const told = JSON.stringify({ address: "x", version: "1", clients: 0, lines: 0, up: 0 });
      const later = Date.now() + 3_600_000;
      await server.ask("HSET", room.key("nodes"), "a", `${later} another ${told}`);
      const a = await room.node("a");
      expect(roomOf(a).nodes()[0]?.name).toBe("a");
    });

    test("two of one name that meet later are told apart", async () => {
      const port = await freePort();
      const [a, b] = await Promise.all(
        ["a", "a"].map((name) =>
          room.node(name, { cluster: { url: `redis://127.0.0.1:${port}`, wait: true } }),
        ),
      );
      const late = await RoomServer.start(program, "--port", `${port}`);
      await until(() => [a!, b!].every((node) => node.stats()["room_nodes"] === 2));
      const names = roomOf(a!)
        .nodes()
        .map(({ name }) => name)
        .toSorted();
      expect(names[0]).toBe("a");
      expect(names[1]).toMatch(/^a~[\w-]{4}$/);
      const problems = [a!, b!].flatMap((node) => node.running().problems?.() ?? []);
      expect(problems).toMatchObject([
        { key: "node", severity: "warning", setting: "cluster.node" },
      ]);
      await room.close();
      await late.stop();
    }, 30_000);

    test("without a name, one is called after its machine and port", async () => {
      const node = await room.node("");
      const { hostname } = await import("node:os");
      expect(roomOf(node).nodes()[0]?.name).toBe(`${hostname()}:${node.port()}`);
    });

    test("a client of any of them is kicked by its node and id", async () => {
      const [a, b] = [await room.node("a"), await room.node("b")];
      const [near, far] = [await room.join(a), await room.join(b)];
      const { id } = b.clients()[0]!;
      expect(await roomOf(a).kick("b", id)).toBe(far.address);
      expect(await far.next()).toBe("Warning: You have been disconnected by an operator.");
      expect(b.stats()["closed_kicked"]).toBe(1);
      const closed = `closed client ${id}, ${far.address}, as an operator asked at a`;
      expect(b.printed()).toContain(closed);
      expect(await roomOf(a).kick("b", id)).toBeNull();
      expect(await roomOf(a).kick("c", id)).toBeNull();
      expect(await roomOf(a).kick("a", a.clients()[0]!.id)).toBe(near.address);
    });

    test("a quarantine holds at all of them, at those that join later too, until it is lifted anywhere", async () => {
      const [a, b] = [await room.node("a"), await room.node("b")];
      const near = await a.join("127.0.0.9");
      const far = await b.join("127.0.0.9");
      a.running().quarantine!.impose("127.0.0.9", 300);
      expect(await near.next()).toMatch(/^Warning: You are in quarantine/);
      expect(await far.next()).toMatch(/^Warning: You are in quarantine/);
      expect([...b.running().quarantine!.entries()]).toMatchObject([
        { key: "127.0.0.9", why: "an operator put it there" },
      ]);
      expect(b.printed()).toContain(
        "127.0.0.9 is in quarantine for 300 s (an operator put it there), imposed at a\n",
      );
      const c = await room.node("c");
      const [entry] = [...c.running().quarantine!.entries()];
      expect(entry).toMatchObject({ key: "127.0.0.9", why: "an operator put it there" });
      expect(entry!.leftMs).toBeLessThanOrEqual(300_000);
      expect(entry!.leftMs).toBeGreaterThan(200_000);
      c.running().quarantine!.lift("127.0.0.9");
      const none = (node: Booted) => [...node.running().quarantine!.entries()].length === 0;
      await until(() => none(a) && none(b));
      const d = await room.node("d");
      expect(none(d)).toBe(true);
      const back = await room.join(a);
      back.send("back\n");
    });

    test("a quarantine holds though the server loses its data, until it ends or is lifted", async () => {
      const [a, b] = [await room.node("a"), await room.node("b")];
      for (const ip of ["10.0.0.1", "10.0.0.2"]) a.running().quarantine!.impose(ip, 300);
      const keys = (node: Booted) =>
        [...node.running().quarantine!.entries()].map(({ key }) => key).toSorted();
      await until(() => keys(b).length === 2);
      await server.ask("FLUSHALL");
      // The server knows them again, from the node that has imposed them.
      await eventually(async () => (await server.ask("HLEN", room.key("bars"))) === 2);
      expect([keys(a), keys(b)]).toEqual([
        ["10.0.0.1", "10.0.0.2"],
        ["10.0.0.1", "10.0.0.2"],
      ]);
      const c = await room.node("c");
      expect(keys(c)).toEqual(["10.0.0.1", "10.0.0.2"]);
      c.running().quarantine!.lift("10.0.0.1");
      await until(() => keys(a).length === 1 && keys(b).length === 1);
      await server.ask("FLUSHALL");
      await eventually(async () => (await server.ask("HLEN", room.key("bars"))) === 1);
      expect([keys(a), keys(b), keys(c)]).toEqual([["10.0.0.2"], ["10.0.0.2"], ["10.0.0.2"]]);
    }, 30_000);

    test("what is imposed and lifted while the server is away holds everywhere once it is back", async () => {
      const [a, b] = [await room.node("a"), await room.node("b")];
      a.running().quarantine!.impose("10.0.0.1", 300);
      await until(() => [...b.running().quarantine!.entries()].length === 1);
      await server.stop("SIGKILL");
      await until(() => [a, b].every((node) => roomOf(node).trouble !== null));
      a.running().quarantine!.impose("10.0.0.2", 300);
      a.running().quarantine!.lift("10.0.0.1");
      await server.start();
      await until(() => {
        const keys = [...b.running().quarantine!.entries()].map(({ key }) => key);
        return keys.join() === "10.0.0.2";
      });
    }, 30_000);

    test("clients of other nodes count where a line is weighed", async () => {
      const policy = {
        throttle_threshold: 2,
        enable_flow_control: false,
        enable_disconnect: false,
      };
      const a = await room.node("a", { hyper_parameters: { backpressure_policy: policy } });
      const b = await room.node("b");
      const from = await room.join(a);
      await room.join(b);
      await room.join(b);
      await until(() => a.stats()["room_clients"] === 2);
      from.send("x\n");
      await until(() => a.stats()["throttles"] === 1);
    });
  });

  describe(`a start without ${program}`, () => {
    let room: TestRoom;
    let server: RoomServer;
    beforeAll(async () => {
      server = await RoomServer.start(program);
    });
    afterEach(() => room.close());
    afterAll(() => server.stop());

    test("fails, and names the server without its secrets", async () => {
      room = new TestRoom(server);
      const port = await freePort();
      const url = `redis://me:hidden@127.0.0.1:${port}`;
      expect(await refusal(room.node("a", { cluster: { url } }))).toBe(
        `cluster.url: redis://127.0.0.1:${port} cannot be used: the connection was refused`,
      );
      expect(
        await refusal(room.node("a", { cluster: { url: "redis://nowhere.invalid" } })),
      ).toMatch(/^cluster\.url: redis:\/\/nowhere\.invalid cannot be used: /);
    });

    test("waits where it may: clients connect, and their lines come once the server is there", async () => {
      room = new TestRoom(server);
      const port = await freePort();
      const wait = { cluster: { url: `redis://127.0.0.1:${port}`, wait: true } };
      const a = await room.node("a", wait);
      const [from, to] = [await room.join(a), await room.join(a)];
      from.send("early\n");
      expect(roomOf(a).trouble?.reason).toBe(
        `redis://127.0.0.1:${port}: the connection was refused`,
      );
      expect(a.running().health().ok).toBe(true);
      expect(a.running().problems?.()).toMatchObject([{ key: "room", severity: "failing" }]);
      await until(() => a.clients()[0]?.state === "paused");
      const late = await RoomServer.start(program, "--port", `${port}`);
      expect(await to.next()).toBe(enveloped(from, "early"));
      expect(roomOf(a).trouble).toBeNull();
      expect(a.printed()).toContain(": this is the node a, ordered at ");
      await room.close();
      await late.stop();
    }, 30_000);

    test("is not looked for where no url is set", async () => {
      room = new TestRoom(server);
      const alone = await boot("relay", { cluster: { room: "x" } });
      expect(alone.running().room).toBeUndefined();
      expect(Object.keys(alone.stats())).not.toContain("lost_lines");
      await alone.stop();
    });
  });
}
