import { afterEach, describe, expect, test } from "bun:test";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { accounted, Flood, TestRoom } from "./cluster-suite.ts";
import { type Booted, type Peer, until } from "./kit.ts";
import { PROGRAMS, RoomServer } from "./room-server.ts";

const SLOW = 60_000;

/** An address that leads to one server, and then to another. */
class Moved {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #port: number | null;

  private constructor(port: number) {
    this.#port = port;
    this.#server = createServer((near) => {
      if (this.#port === null) return near.destroy();
      const far = createConnection(this.#port, "127.0.0.1");
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one);
        one.pipe(other);
        one.on("error", () => {});
        one.on("close", () => {
          other.destroy();
          this.#sockets.delete(one);
        });
      }
    });
  }

  static async to(port: number): Promise<Moved> {
    const moved = new Moved(port);
    await new Promise<void>((resolve) => moved.#server.listen(0, "127.0.0.1", resolve));
    return moved;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Cuts every connection; new ones lead there. */
  move(port: number | null): void {
    this.#port = port;
    for (const socket of this.#sockets) socket.destroy();
  }

  end(): void {
    this.move(null);
    this.#server.close();
  }
}

for (const program of PROGRAMS) {
  describe(`a failover of ${program}`, () => {
    let room: TestRoom;
    const endings: (() => unknown)[] = [];
    afterEach(async () => {
      await room.close();
      for (const end of endings.splice(0)) await end();
    });

    /** Two servers, one of which copies the other over a way of its own, and nodes that come to the first one by an address. */
    async function copied() {
      const [master, replica] = [await RoomServer.start(program), await RoomServer.start(program)];
      const [way, moved] = [await Moved.to(master.port), await Moved.to(master.port)];
      endings.push(
        () => moved.end(),
        () => way.end(),
        () => master.stop("SIGKILL"),
        () => replica.stop("SIGKILL"),
      );
      await master.ask("CONFIG", "SET", "repl-diskless-sync-delay", "0");
      await replica.ask("REPLICAOF", "127.0.0.1", `${way.port}`);
      while ((await replication(replica))["master_link_status"] !== "up");
      room = new TestRoom(master);
      const node = (name: string, at = moved) => room.node(name, { cluster: { url: at.url } });
      return { master, replica, way, moved, node };
    }

    /** Waits until the copy has all. */
    async function alike(master: RoomServer, replica: RoomServer) {
      const { master_repl_offset: offset } = await replication(master);
      while (Number((await replication(replica))["slave_repl_offset"]) < Number(offset));
    }

    const cutOff = (nodes: readonly Booted[]) =>
      until(() => nodes.every((node) => node.running().room?.trouble != null));

    test(
      "to a copy that has all, in the middle of a flood: nothing is lost, nothing comes twice",
      async () => {
        const { master, replica, moved, node } = await copied();
        const nodes = [await node("a"), await node("b"), await node("c")] as const;
        const senders = [await room.join(nodes[0]), await room.join(nodes[1])];
        const peers = [];
        for (const one of nodes) peers.push(await room.join(one));
        const flood = new Flood(senders, 3000);
        await flood.to(0.4);
        // As an orderly change does: writers wait until the copy has all.
        await master.ask("CLIENT", "PAUSE", "60000", "WRITE");
        const sending = flood.to(1);
        await alike(master, replica);
        await replica.ask("REPLICAOF", "NO", "ONE");
        moved.move(replica.port);
        await sending;
        await flood.arrived(peers);
        expect(nodes.map((one) => one.stats()["lost_lines"])).toEqual([0, 0, 0]);
      },
      SLOW,
    );

    test(
      "to a copy that lacks the last entries: each line comes once, or is told to those who have not read it",
      async () => {
        const { master, replica, way, moved, node } = await copied();
        // The last one comes by an address of its own, so that it can be behind.
        const apart = await Moved.to(master.port);
        endings.push(() => apart.end());
        const left = await node("left");
        const nodes = [await node("a"), await node("b"), await node("c", apart)] as const;
        const senders = [await room.join(nodes[0]), await room.join(nodes[1])];
        const gone = await room.join(left);
        const peers: Peer[] = [];
        for (const one of nodes) peers.push(await room.join(one));
        gone.send("left 0\n".repeat(10));
        await until(() => peers.every(({ lines }) => lines.length === 10));
        for (const { lines } of peers) lines.splice(0);
        await left.stop();
        const flood = new Flood(senders, 4000);
        await flood.to(0.2);
        await until(() => peers.every(({ lines }) => lines.length === flood.total * 0.2));
        const late = await room.join(await node("late"));
        await alike(master, replica);
        way.move(null);
        await flood.to(0.4);
        await until(() => peers.every(({ lines }) => lines.length === flood.total * 0.4));
        apart.move(null);
        await flood.to(0.6);
        await until(() =>
          peers.slice(0, 2).every(({ lines }) => lines.length === flood.total * 0.6),
        );
        const sending = flood.to(0.8);
        moved.move(null);
        await cutOff(nodes);
        await replica.ask("REPLICAOF", "NO", "ONE");
        for (const one of [moved, apart]) one.move(replica.port);
        await sending;
        await flood.to(1);
        const lost = await accounted(peers, flood.total);
        // Of the others each may have read some that the other one had not.
        expect(lost[2]).toBeGreaterThanOrEqual(flood.total * 0.2);
        expect(nodes.map((one) => one.stats()["lost_lines"])).toEqual(lost);
        // Who has joined later has nothing of before.
        await accounted([late], flood.total * 0.8);
      },
      SLOW,
    );

    test(
      "to a copy that has given an id to another entry than its master: what stands there is read",
      async () => {
        const { master, replica, way, moved, node } = await copied();
        const [a, b] = [await node("a"), await node("b")];
        const [from, to] = [await room.join(a), await room.join(b)];
        await alike(master, replica);
        way.move(null);
        from.send("0 0\n");
        expect(JSON.parse(await to.next()).content).toBe("0 0");
        moved.move(null);
        await cutOff([a, b]);
        await replica.ask("REPLICAOF", "NO", "ONE");
        const last = ["+", "-", "COUNT", "1"];
        const log = room.key("log");
        const [[id]] = (await master.ask("XREVRANGE", log, ...last)) as [[string]];
        const [[before]] = (await replica.ask("XREVRANGE", log, ...last)) as [[string]];
        const [time, count] = before.split("-");
        for (const [number, at] of [`${time}-${Number(count) + 1}`, id].entries()) {
          const text = `{"remote_addr":"x","content":"1 ${number}"}\n`;
          const fields = {
            n: "c",
            i: number + 1,
            b: number,
            c: 1,
            k: "lines",
            l: text.length,
            t: text,
          };
          await replica.ask("XADD", log, at, ...Object.entries(fields).flat().map(String));
        }
        moved.move(replica.port);
        for (const number of [0, 1]) {
          expect(JSON.parse(await to.next()).content).toBe(`1 ${number}`);
        }
        expect(b.stats()["lost_lines"]).toBe(0);
      },
      SLOW,
    );
  });
}

async function replication(server: RoomServer): Promise<Record<string, string>> {
  const text = `${await server.ask("INFO", "replication")}`;
  return Object.fromEntries(text.split("\r\n").map((line) => line.split(":") as [string, string]));
}
