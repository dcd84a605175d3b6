import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { systemClock } from "../lib/host/clock.ts";
import { boot, type Booted, enveloped } from "./kit.ts";
import { call, configured, endings, TOKEN } from "./remote-suite.ts";
import { PROGRAMS, RoomServer } from "./room-server.ts";

const promtool = Bun.which("promtool");

async function told(node: Booted, path = "/clusterz"): Promise<Record<string, any>> {
  return (await (await node.get(path)).json()) as Record<string, any>;
}

const pause = () => new Promise((resolve) => systemClock.after(20, () => resolve(null)));

/** Asks again until the answer is as it must be. */
async function becomes<T>(ask: () => Promise<T>, wanted: T): Promise<void> {
  for (;;) {
    const found = await ask();
    if (Bun.deepEquals(found, wanted)) return;
    await pause();
  }
}

/** The names of the nodes that are there, and of those that have left. */
async function namesAt(node: Booted): Promise<string[]> {
  const { nodes } = await told(node);
  return nodes.map((one: Record<string, unknown>) =>
    one["left_at"] === null ? one["name"] : `${one["name"]} left`,
  );
}

for (const program of PROGRAMS) {
  describe(`what an operator sees of a room on ${program}`, () => {
    let server: RoomServer;
    let room = "";
    let rooms = 0;

    beforeAll(async () => {
      server = await RoomServer.start(program, "--appendonly", "yes");
    });
    beforeEach(() => {
      room = `room-${++rooms}`;
    });
    afterAll(() => server.stop());

    async function join(node: string, more: object = {}): Promise<Booted> {
      const made = await boot(
        ["relay", "web"],
        { name: node, cluster: { url: server.url, room, node, ...more } },
        { clock: systemClock, token: TOKEN },
      );
      endings.push(() => made.stop());
      return made;
    }

    test("each node tells of all, itself first, and of the clients in all", async () => {
      const a = await join("a");
      expect(await namesAt(a)).toEqual(["a"]);
      const b = await join("b");
      await becomes(() => namesAt(a), ["a", "b"]);
      await becomes(() => namesAt(b), ["b", "a"]);
      const [one, two] = [await a.join(), await b.join()];
      await a.join();
      for (const node of [a, b]) await becomes(async () => (await told(node))["clients"], 3);
      one.send("x\n");
      expect(await two.next()).toBe(enveloped(one, "x"));
      const { nodes, ...rest } = await told(a);
      expect(rest).toEqual({
        service: "relay",
        name: room,
        server: server.url,
        trouble: null,
        lost_lines: 0,
        lagging: null,
        clients: 3,
        more: 0,
      });
      const { version } = await told(a, "/varz");
      expect(nodes[0]).toMatchObject({ name: "a", clients: 2, is_self: true, version });
      expect(nodes[0].address).toBe(`127.0.0.1:${a.port()}`);
      expect(nodes[1]).toMatchObject({ name: "b", clients: 1, is_self: false, version });
      // It is measured when the sender's node hears the line too; the other one learns of it with the next sign of life.
      for (const [node, at] of [
        [a, 0],
        [b, 1],
      ] as const) {
        await becomes(async () => (await told(node))["nodes"][at].delay_p99_ms > 0, true);
      }
    });

    test("one that leaves is told as left", async () => {
      const [a, b] = [await join("a"), await join("b")];
      await becomes(() => namesAt(a), ["a", "b"]);
      await b.stop();
      await becomes(() => namesAt(a), ["a", "b left"]);
      await join("c");
      await becomes(() => namesAt(a), ["a", "c", "b left"]);
    });

    test("a client of another node is kicked by its number there", async () => {
      const [a, b] = [await join("a"), await join("b")];
      await becomes(() => namesAt(a), ["a", "b"]);
      const peer = await b.join();
      const id = b.clients()[0]?.id;
      const fields = { service: "relay", node: "b", id };
      const answer = await a.post("/admin/kick", fields);
      expect(await answer.json()).toEqual({
        ok: true,
        outcome: `closed client ${id} of relay on node b, ${peer.address}`,
      });
      expect(await peer.next()).toBe("Warning: You have been disconnected by an operator.");
      expect(await peer.closed).toBe("end");
      const again = await a.post("/admin/kick", fields);
      expect([again.status, await again.text()]).toEqual([
        404,
        `node b has no client ${id}; it may have left\n`,
      ]);
      const own = await a.join();
      const mine = { service: "relay", node: "a", id: a.clients()[0]?.id };
      expect((await a.post("/admin/kick", mine)).status).toBe(200);
      expect(await own.next()).toBe("Warning: You have been disconnected by an operator.");
    });

    test("while the server is away it is not ready, but alive, and says why and since when", async () => {
      const a = await join("a");
      const peer = await a.join();
      await server.stop("SIGKILL");
      const ready = async () => (await a.get("/readyz")).status;
      await becomes(ready, 503);
      const { why } = await told(a, "/readyz");
      expect(why.relay).toStartWith(`${server.url}: `);
      expect((await a.get("/healthz")).status).toBe(200);
      const { trouble } = await told(a);
      // It may have found out more meanwhile.
      expect(trouble.reason).toStartWith(`${server.url}: `);
      expect(Math.abs(Date.now() - trouble.since)).toBeLessThan(60_000);
      expect(await (await a.get("/metrics")).text()).toContain(
        "\nsummoner_relay_cut_off_rooms 1\n",
      );
      const { out, code } = await call(configured(a), ["status"]);
      expect(code).toBe(1);
      expect(out).toStartWith(`not ready: relay: ${server.url}: `);
      expect(out).toContain(`\nRoom ${room}: this is a, the only node, with 1 client in all, `);
      expect(out).toContain("; no lines pass for ");
      await server.start();
      await becomes(ready, 200);
      expect((await told(a))["trouble"]).toBe(null);
      expect(await (await a.get("/metrics")).text()).toContain(
        "\nsummoner_relay_cut_off_rooms 0\n",
      );
      expect(peer.isClosed).toBe(false);
    });

    test("while nothing can be heard of others, nobody counts as gone", async () => {
      const [a, b] = [await join("a"), await join("b")];
      await becomes(() => namesAt(a), ["a", "b"]);
      await b.join();
      await becomes(async () => (await told(a))["clients"], 1);
      server.kill("SIGSTOP");
      endings.push(() => server.kill("SIGCONT"));
      const seen = new Set<string>();
      for (;;) {
        const { nodes, clients, trouble } = await told(a);
        const left = nodes.filter((one: Record<string, unknown>) => one["left_at"] !== null);
        seen.add(`${left.length} left, ${clients} clients`);
        if (trouble !== null) break;
        await pause();
      }
      expect([...seen]).toEqual(["0 left, 1 clients"]);
      server.kill("SIGCONT");
      await becomes(async () => (await told(a))["trouble"], null);
      expect(await namesAt(a)).toEqual(["a", "b"]);
    });

    test("the numbers of the room are among the metrics, in names that Prometheus takes", async () => {
      const [a, b] = [await join("a"), await join("b")];
      const [one, two] = [await a.join(), await b.join()];
      await becomes(() => namesAt(a), ["a", "b"]);
      one.send("x\n");
      await two.next();
      await becomes(async () => a.stats()["room_batches"], 1);
      const text = await (await a.get("/metrics")).text();
      for (const line of [
        "summoner_relay_room_nodes 2",
        "summoner_relay_cut_off_rooms 0",
        "summoner_relay_lost_lines_total 0",
      ]) {
        expect(text).toContain(`\n${line}\n`);
      }
      expect(text).toMatch(/^summoner_relay_room_delay_seconds_count [1-9]/m);
      if (promtool === null) return;
      const check = Bun.spawnSync([promtool, "check", "metrics"], { stdin: Buffer.from(text) });
      expect(check.stdout.toString() + check.stderr.toString()).toBe("");
    });

    test("after lines were lost it is not healthy for a minute, but ready", async () => {
      const a = await join("a");
      expect([(await a.get("/healthz")).status, (await a.get("/readyz")).status]).toEqual([
        200, 200,
      ]);
      // A node of which 100 lines never came.
      const entry = { n: "stranger", i: "5", b: "100", c: "0", k: "here", l: "2", t: "{}" };
      await server.ask("XADD", `summoner:{${room}}:log`, "*", ...Object.entries(entry).flat());
      await becomes(async () => (await a.get("/healthz")).status, 503);
      expect((await a.get("/readyz")).status).toBe(200);
    });

    test("no secret of the server is told anywhere", async () => {
      const secret = "sesame";
      const guarded = await RoomServer.start(program, "--requirepass", secret);
      endings.push(() => guarded.stop());
      const a = await join("a", { url: guarded.url.replace("//", `//:${secret}@`) });
      await a.join();
      for (const path of ["/clusterz", "/varz", "/metrics", "/readyz", "/connz"]) {
        expect(await (await a.get(path)).text()).not.toContain(secret);
      }
      expect((await told(a))["server"]).toBe(guarded.url);
      for (const command of ["status", "top"]) {
        expect((await call(configured(a), [command])).out).not.toContain(secret);
      }
      await guarded.stop("SIGKILL");
      await becomes(async () => (await a.get("/readyz")).status, 503);
      expect(await (await a.get("/readyz")).text()).not.toContain(secret);
      expect(a.printed()).not.toContain(secret);
    });
  });
}
