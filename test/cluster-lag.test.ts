import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HandClock } from "../lib/host/clock.ts";
import { PATIENCE_MS, SILENCE_MS } from "../lib/services/relay/order/redis/script.ts";
import { TestRoom } from "./cluster-suite.ts";
import { type Booted, enveloped, until } from "./kit.ts";
import { PROGRAMS, RoomServer } from "./room-server.ts";

const BEAT_MS = 1000;
const page = await Bun.file("lib/services/relay/order/README.md").text();

for (const program of PROGRAMS) {
  describe(`a node that lags without end, on ${program}`, () => {
    let server: RoomServer;
    let room: TestRoom;
    beforeAll(async () => {
      server = await RoomServer.start(program);
    });
    afterEach(() => room.close());
    afterAll(() => server.stop());

    /** The fields of a sign of life of a node that nobody knows. */
    function invented(behind: boolean, clients: number): string[] {
      const info = { address: "x", version: "1", clients, lines: 0, up: 0, behind };
      const text = JSON.stringify({ name: "ghost", info });
      const fields = {
        n: "ghost",
        i: "0",
        b: "0",
        c: "0",
        k: "here",
        l: `${text.length}`,
        t: text,
      };
      return [room.key("log"), "*", ...Object.entries(fields).flat()];
    }

    let beats = 0;

    /** A sign of life of that node, which all of these then have heard. */
    async function beat(nodes: readonly Booted[], behind = true): Promise<void> {
      const clients = ++beats;
      await server.ask("XADD", ...invented(behind, clients));
      await until(() => nodes.every((node) => node.stats()["room_clients"] === clients));
    }

    const waitsFor = (node: Booted) => node.running().room!.lagging;

    async function held() {
      room = new TestRoom(server);
      const clock = new HandClock();
      const a = await room.node("a", {}, clock);
      const [from, to] = [await room.join(a), await room.join(a)];
      await beat([a]);
      expect(waitsFor(a)).toBe("ghost");
      clock.advance(20);
      await until(() => a.clients().every(({ state }) => state === "paused"));
      from.send("held\n");
      return { a, clock, from, to };
    }

    test("and is never heard of again is waited for until it counts as gone", async () => {
      const { a, clock, from, to } = await held();
      for (let ms = 0; ms < SILENCE_MS; ms += BEAT_MS / 2) {
        expect(waitsFor(a)).toBe("ghost");
        clock.advance(BEAT_MS / 2);
        await server.ask("PING");
      }
      // From its next sign of life on.
      for (let i = 0; waitsFor(a) !== null; i++) {
        expect(i).toBeLessThan(3);
        clock.advance(BEAT_MS / 2);
        await server.ask("PING");
      }
      clock.advance(20);
      expect(await to.next()).toBe(enveloped(from, "held"));
      expect(a.printed()).not.toContain("wait");
    });

    test("and says so for ever is named, and waited for no longer than is bearable", async () => {
      const { a, clock, from, to } = await held();
      const problem = (key: string) => a.running().problems!().find((one) => one.key === key);
      for (let ms = 20 + BEAT_MS; ms < PATIENCE_MS; ms += BEAT_MS) {
        clock.advance(BEAT_MS);
        await beat([a]);
        expect(waitsFor(a)).toBe("ghost");
      }
      expect(a.printed().match(/all senders wait for the node ghost/g)).toHaveLength(1);
      expect(problem("lag")?.text).toContain("ghost");
      expect(to.lines).toEqual([]);
      clock.advance(BEAT_MS);
      await beat([a]);
      clock.advance(20);
      expect(await to.next()).toBe(enveloped(from, "held"));
      expect(waitsFor(a)).toBeNull();
      expect(problem("lag")).toBeUndefined();
      expect(problem("left-behind")?.text).toContain("ghost");
      expect(a.printed().match(/ghost has lagged behind for 30 s/g)).toHaveLength(1);
      // Once it has caught up it is a node like others again.
      await beat([a], false);
      expect(problem("left-behind")).toBeUndefined();
      await beat([a]);
      expect(waitsFor(a)).toBe("ghost");
    });

    test("because somebody who knows the password invents it: another password ends that, and no relay is restarted", async () => {
      room = new TestRoom(server);
      const [first, second] = /^ACL SETUSER summoner resetpass .*\n.*$/m.exec(page)![0].split("\n");
      const words = (line: string) => line.replace("NEWPASSWORD", "new").split(" ");
      await server.ask("ACL", "SETUSER", "summoner", "on", ">old", "~*", "&*", "+@all");
      const file = join(mkdtempSync(join(tmpdir(), "room-")), "password");
      writeFileSync(file, "old\n");
      const url = `redis://summoner@127.0.0.1:${server.port}`;
      const as = { cluster: { url, password_file: file } };
      const [a, b] = [await room.node("a", as), await room.node("b", as)];
      const [from, to] = [await room.join(a), await room.join(b)];
      const forger = new Bun.RedisClient(`redis://summoner:old@127.0.0.1:${server.port}`, {
        autoReconnect: false,
      });
      let isOut = false;
      forger.onclose = () => (isOut = true);
      await forger.send("XADD", invented(true, 1));
      await until(() => [a, b].every((node) => waitsFor(node) === "ghost"));
      from.send("held\n");
      // As the page says: first the file of each relay, then the server.
      writeFileSync(file, "new\n");
      for (const line of [first!, second!]) {
        const [command, ...args] = words(line) as [string, ...string[]];
        await server.ask(command, ...args);
      }
      await until(() => isOut);
      await until(() => [a, b].every((node) => (node.stats()["room_cuts"] as number) > 0));
      expect(await to.next()).toBe(enveloped(from, "held"));
      const again = new Bun.RedisClient(`redis://summoner:old@127.0.0.1:${server.port}`, {
        autoReconnect: false,
      });
      again.onclose = () => {};
      expect(
        await again.send("XADD", invented(true, 2)).then(
          () => "in",
          () => "out",
        ),
      ).toBe("out");
    }, 60_000);
  });
}
