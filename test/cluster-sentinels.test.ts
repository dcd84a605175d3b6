import { type AddressInfo, createServer } from "node:net";
import { afterEach, describe, expect, test } from "bun:test";
import { account, accounted, Flood, TestRoom } from "./cluster-suite.ts";
import { type Booted, until } from "./kit.ts";
import { freePort } from "./ports.ts";
import { PROGRAMS, RoomServer } from "./room-server.ts";
import { eventually, NAME, Sentinel } from "./sentinel.ts";

const SLOW = 120_000;

for (const program of PROGRAMS) {
  const endings: (() => unknown)[] = [];
  const ended = <T extends { stop(): unknown }>(one: T): T => {
    endings.unshift(() => one.stop());
    return one;
  };

  /** A server and its replica, which has all that the server has, and a sentinel that knows both. */
  async function watched() {
    const server = ended(await RoomServer.start(program, "--repl-diskless-sync-delay", "0"));
    const replica = ended(
      await RoomServer.start(program, "--replicaof", "127.0.0.1", `${server.port}`),
    );
    await eventually(async () =>
      `${await replica.ask("INFO", "replication")}`.includes("master_link_status:up"),
    );
    const sentinel = ended(await Sentinel.start(program, server));
    // Sentinels look every ten seconds otherwise.
    const periods = ["info-period", "publish-period"];
    await sentinel.ask("", "SENTINEL", "DEBUG", ...periods.flatMap((name) => [name, "200"]));
    await eventually(async () => {
      const replicas = await sentinel.ask("", "SENTINEL", "REPLICAS", NAME);
      return JSON.stringify(replicas).includes('"master-link-status":"ok"');
    });
    return { server, replica, sentinel };
  }

  async function flooded(server: RoomServer, sentinel: Sentinel) {
    const room = new TestRoom(server);
    endings.unshift(() => room.close());
    // The first one is away.
    const url = `redis-sentinel://127.0.0.1:${await freePort()},${sentinel.at}/${NAME}`;
    const nodes = [
      await room.node("a", { cluster: { url } }),
      await room.node("b", { cluster: { url } }),
    ] as [Booted, Booted];
    const flood = new Flood([await room.join(nodes[0]), await room.join(nodes[1])], 5000);
    const receivers = [await room.join(nodes[0]), await room.join(nodes[1])];
    return { room, nodes, flood, receivers, url };
  }

  const nodesOn = async (server: RoomServer) =>
    `${await server.ask("CLIENT", "LIST")}`.match(/cmd=(xread|evalsha|eval)\b/g)?.length ?? 0;

  describe(`a room whose ${program} is known to sentinels`, () => {
    afterEach(async () => {
      for (const end of endings.splice(0)) await end();
    });

    test(
      "goes on with the replica when the server is killed in the middle of a flood",
      async () => {
        const { server, replica, sentinel } = await watched();
        const { nodes, flood, receivers, url } = await flooded(server, sentinel);
        await flood.to(0.3);
        await server.stop("SIGKILL");
        const sending = flood.to(1);
        await until(() => nodes.every((node) => node.running().room?.trouble !== null));
        expect(nodes[0].running().room?.trouble?.reason).toStartWith(`${url}: `);
        await sending;
        await accounted(receivers, flood.total);
        expect(await nodesOn(replica)).toBeGreaterThanOrEqual(4);
        expect(nodes[0].printed()).toContain(`${url} (127.0.0.1:${replica.port}) is back, after`);
        expect(nodes[0].running().room?.server).toBe(`${url} (127.0.0.1:${replica.port})`);
      },
      SLOW,
    );

    test(
      "goes on with the replica when a sentinel is told to change over in the middle of a flood",
      async () => {
        const { server, replica, sentinel } = await watched();
        const { nodes, flood, receivers } = await flooded(server, sentinel);
        await flood.to(0.3);
        // Until it has heard from the replica, it refuses.
        await eventually(() => sentinel.ask("", "SENTINEL", "FAILOVER", NAME).then(Boolean));
        const sending = flood.to(0.7);
        await eventually(async () =>
          `${await server.ask("INFO", "replication")}`.includes("role:slave"),
        );
        await until(() => nodes.every((node) => node.running().room?.trouble === null));
        await sending;
        await flood.to(1);
        await accounted(receivers, flood.total);
        await eventually(async () => (await nodesOn(replica)) >= 4);
        for (const receiver of receivers) expect(account(receiver).came).toBeGreaterThan(0);
      },
      SLOW,
    );

    test(
      "leaves a server that still takes all once the sentinels name another one",
      async () => {
        const old = ended(await RoomServer.start(program));
        const next = ended(await RoomServer.start(program));
        const sentinel = ended(await Sentinel.start(program, old));
        const { nodes, flood, receivers } = await flooded(old, sentinel);
        await flood.to(0.5);
        await accounted(receivers, flood.total / 2);
        // For a while it knows neither, and the nodes stay where they are.
        await sentinel.ask("", "SENTINEL", "REMOVE", NAME);
        await sentinel.ask("", "SENTINEL", "MONITOR", NAME, "127.0.0.1", `${next.port}`, "1");
        await eventually(async () => (await nodesOn(next)) >= 4);
        await until(() => nodes.every((node) => node.running().room?.trouble === null));
        expect(await nodesOn(old)).toBe(0);
        expect(nodes[0].printed()).toContain("its sentinels name another server");
        await flood.to(1);
        await accounted(receivers, flood.total);
        for (const node of nodes) expect(node.stats()["lost_lines"]).toBe(0);
        const told = () =>
          nodes[0]
            .running()
            .problems?.()
            .map(({ key }) => key);
        expect(told()).toEqual([]);
        await sentinel.stop();
        await until(() => told()?.includes("sentinels") === true);
      },
      SLOW,
    );

    test(
      "asks sentinels with the password where they want one, and says what each has told",
      async () => {
        const secret = "sesame";
        const server = ended(await RoomServer.start(program, "--requirepass", secret));
        const closed = ended(await Sentinel.start(program, server, secret));
        const room = new TestRoom(server);
        endings.unshift(() => room.close());
        const start = (url: string) =>
          room.node("a", { cluster: { url } }).then(
            () => "it has started",
            (error) => error.message,
          );
        const { at } = closed;
        const away = `127.0.0.1:${await freePort()}`;
        const other = `127.0.0.1:${server.port}`;
        const refused = (where: string, why: string) =>
          `cluster.url: redis-sentinel://${where} cannot be used: ${why}`;
        const told = (...reasons: string[]) =>
          `no sentinel tells where it is (${reasons.join("; ")})`;
        for (const [login, where, why] of [
          ["", `${at}/${NAME}`, told(`${at}: it asks for a password`)],
          [":wrong@", `${at}/${NAME}`, told(`${at}: it does not know this user or password`)],
          [`:${secret}@`, `${at}/nobody`, told(`${at}: it knows no nobody`)],
          [
            `:${secret}@`,
            `${away},${other}/${NAME}`,
            told(`${away}: the connection was refused`, `${other}: it is no sentinel`),
          ],
        ] as const) {
          expect(await start(`redis-sentinel://${login}${where}`)).toBe(refused(where, why));
        }
        const open = ended(await Sentinel.start(program, server));
        for (const login of ["", ":wrong@"]) {
          const why =
            login === "" ? "it asks for a password" : "it does not know this user or password";
          expect(await start(`redis-sentinel://${login}${open.at}/${NAME}`)).toBe(
            refused(`${open.at}/${NAME}`, `${why} (${other})`),
          );
        }
        for (const where of [`${open.at}/${NAME}`, `${away},${at}/${NAME}/3`]) {
          expect(await start(`redis+sentinel://:${secret}@${where}`)).toBe("it has started");
          await room.close();
        }
      },
      SLOW,
    );

    test(
      "waits for no sentinel that answers byte by byte, and says of a few alone why they do not tell",
      async () => {
        const slow = createServer((socket) => {
          const timer = setInterval(() => socket.write("*"), 100);
          socket.on("error", () => {}).on("close", () => clearInterval(timer));
        });
        await new Promise<void>((resolve) => slow.listen(0, "127.0.0.1", () => resolve()));
        endings.unshift(() => void slow.close());
        const at = `127.0.0.1:${(slow.address() as AddressInfo).port}`;
        const away = `127.0.0.1:${await freePort()}`;
        const server = ended(await RoomServer.start(program));
        const url = `redis-sentinel://${at},${Array(2000).fill(away).join()}/${NAME}`;
        const start = new TestRoom(server).node("a", { cluster: { url } });
        const refused = `${away}: the connection was refused; `.repeat(4);
        expect(await start.catch((error) => error.message)).toEndWith(
          `no sentinel tells where it is (${at}: it does not answer; ${refused}and 1996 more)`,
        );
      },
      SLOW,
    );
  });
}
