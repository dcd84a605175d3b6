import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Flood, TestRoom } from "./cluster-suite.ts";
import { until } from "./kit.ts";
import { PROGRAMS, RoomServer } from "./room-server.ts";

const LINES = 1500;
const SLOW = 60_000;

for (const program of PROGRAMS) {
  let room: TestRoom;
  let server: RoomServer;
  describe(`in the middle of a flood over ${program}`, () => {
    beforeAll(async () => {
      // Otherwise it may answer before it writes, while the disk is slow: a kill would take that.
      const kept = ["--appendonly", "yes", "--appendfsync", "always"];
      server = await RoomServer.start(program, ...kept);
    });
    afterEach(() => room.close());
    afterAll(() => server.stop());

    /** Three nodes, with two senders at each of two, and a receiver at each. */
    async function flooded() {
      room = new TestRoom(server);
      const [a, b, c] = await Promise.all(["a", "b", "c"].map((name) => room.node(name)));
      const senders = [];
      for (const node of [a, a, b, b]) senders.push(await room.join(node!));
      const receivers = [];
      for (const node of [a, b, c]) receivers.push(await room.join(node!));
      return { a: a!, b: b!, c: c!, receivers, flood: new Flood(senders, LINES) };
    }

    test(
      "nothing happens",
      async () => {
        const { flood, receivers } = await flooded();
        await flood.to(1);
        await flood.arrived(receivers);
      },
      SLOW,
    );

    test(
      "all connections to the server are killed, again and again",
      async () => {
        const { flood, receivers, a, b, c } = await flooded();
        for (const part of [0.2, 0.4, 0.6, 0.8]) {
          await flood.to(part);
          await until(() => [a, b, c].every((node) => node.running().room?.trouble === null));
          const killed = (await server.ask("CLIENT", "KILL", "TYPE", "normal")) as number;
          expect(killed).toBeGreaterThanOrEqual(6);
        }
        await flood.to(1);
        await flood.arrived(receivers);
        expect(a.stats()["room_cuts"]).toBeGreaterThanOrEqual(1);
        expect(a.printed()).toContain("cut off");
        expect(a.printed()).toContain("is back, after");
      },
      SLOW,
    );

    test(
      "the server stops for longer than a node waits, and goes on",
      async () => {
        const { flood, receivers, a, b } = await flooded();
        await flood.to(0.3);
        server.kill("SIGSTOP");
        const sending = flood.to(1);
        await until(() => a.running().room?.trouble != null && b.running().room?.trouble != null);
        expect(a.running().room?.trouble?.reason).toContain(server.url);
        server.kill("SIGCONT");
        await sending;
        await flood.arrived(receivers);
        expect(a.running().room?.trouble).toBeNull();
        // All were silent, since nobody could be heard.
        for (const node of [a, b]) expect(node.printed()).not.toContain("is lost");
      },
      SLOW,
    );

    test(
      "the server is killed, and started again with what it kept",
      async () => {
        const { flood, receivers } = await flooded();
        await flood.to(0.3);
        await server.stop("SIGKILL");
        const sending = flood.to(1);
        await server.start();
        await sending;
        await flood.arrived(receivers);
      },
      SLOW,
    );

    test(
      "its scripts are flushed",
      async () => {
        const { flood, receivers, a } = await flooded();
        await flood.to(0.5);
        await server.ask("SCRIPT", "FLUSH");
        await flood.to(1);
        await flood.arrived(receivers);
        expect(a.stats()["room_cuts"]).toBe(0);
      },
      SLOW,
    );

    test(
      "a node is killed, and its clients see that",
      async () => {
        const { flood, receivers, a } = await flooded();
        const node = await room.process("d");
        const lost = await node.join();
        await until(() => a.running().room!.nodes().length === 4);
        await flood.to(0.5);
        node.child.kill("SIGKILL");
        await lost.closed;
        await flood.to(1);
        await flood.arrived(receivers);
        await until(() =>
          a
            .running()
            .room!.nodes()
            .some(({ name, isLost }) => name === "d" && isLost),
        );
        const said = (what: string) =>
          a.printed().includes(`room ${room.name}: the node d ${what}`);
        await until(() => said("is lost: no sign of it for 3 s"));
        expect(said("has come, at 127.0.0.1:")).toBe(true);
        const [problem] = a.running().problems?.() ?? [];
        expect(problem).toMatchObject({ key: "lost-node", severity: "warning" });
        expect(problem?.text).toMatch(
          /^There is no sign of the node d since a moment ago: it was killed, or is cut off\. /,
        );
      },
      SLOW,
    );

    test(
      "a node stops until the others take it for gone, and goes on: its clients miss nothing",
      async () => {
        const { flood, receivers, a } = await flooded();
        const node = await room.process("d");
        const far = await node.join();
        const shown = () =>
          a
            .running()
            .room!.nodes()
            .find(({ name }) => name === "d");
        await until(() => shown()?.goneMs === null);
        await flood.to(0.3);
        node.child.kill("SIGSTOP");
        await flood.to(0.6);
        await until(() => shown()?.goneMs !== null);
        node.child.kill("SIGCONT");
        await flood.to(1);
        await flood.arrived([...receivers, far]);
        await until(() => shown()?.goneMs === null);
      },
      SLOW,
    );

    test(
      "a node joins: from then on it has every line",
      async () => {
        const { flood, receivers } = await flooded();
        await flood.to(0.3);
        const later = await room.join(await room.node("e"));
        await flood.to(1);
        await flood.arrived(receivers);
        const { lines } = receivers[0]!;
        await until(() => later.lines.at(-1) === lines.at(-1));
        expect(later.lines.length).toBeGreaterThanOrEqual(flood.total * 0.7);
        expect(lines.slice(-later.lines.length)).toEqual(later.lines);
      },
      SLOW,
    );
  });
}
