import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../lib/host/clock.ts";
import { type Booted, boot, enveloped } from "./kit.ts";
import { PROGRAMS, RoomServer } from "./room-server.ts";

for (const program of PROGRAMS) {
  describe(program, () => {
    let server: RoomServer;
    let room = 0;

    beforeAll(async () => {
      server = await RoomServer.start(program);
    });
    afterAll(() => server.stop());

    /** Nodes of a new room. */
    async function nodes(...names: string[]): Promise<Booted[]> {
      room++;
      return Promise.all(
        names.map((node) =>
          boot(
            "relay",
            { cluster: { url: server.url, room: `room-${room}`, node } },
            { clock: systemClock },
          ),
        ),
      );
    }
    async function stop(all: readonly Booted[]) {
      await Promise.all(all.map((node) => node.stop()));
    }

    test("what a client sends goes to the clients of all nodes, in one order, and not to itself", async () => {
      const all = await nodes("a", "b", "c");
      const [a, b, c] = await Promise.all(all.map((node) => node.join()));
      a!.send("from a\n");
      expect(await b!.next()).toBe(enveloped(a!, "from a"));
      expect(await c!.next()).toBe(enveloped(a!, "from a"));
      b!.send("from b\n");
      expect(await a!.next()).toBe(enveloped(b!, "from b"));
      expect(await c!.next()).toBe(enveloped(b!, "from b"));
      await stop(all);
      expect(a!.lines).toEqual(["Warning: Server is shutting down."]);
    });
  });
}
