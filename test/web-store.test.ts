import { afterAll, afterEach, describe, expect, spyOn, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Answer, ask, boot, heard, until } from "./kit.ts";
import { mounted, unmount } from "./small-disk.ts";

const TOKEN = "the-token-of-this-test";
const root = fs.mkdtempSync(join(tmpdir(), "web-store-"));
const small = join(root, "small-disk");
const endings: (() => Promise<void>)[] = [];

/** A disk of 4 MiB, which a test can fill. */
const hasSmallDisk = mounted(small, "size=4m");

afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});
afterAll(() => {
  if (hasSmallDisk) unmount(small);
  fs.rmSync(root, { recursive: true });
});

/** A store and the web service on free ports, with a clock that moves by hand. */
async function served(section: object = {}) {
  const server = await boot(["store", "web"], { store: section }, { token: TOKEN });
  endings.push(() => server.stop());
  return {
    ...server,
    json: async (path: string) => (await (await server.get(path)).json()) as Answer,
    metric: async (name: string) =>
      (await (await server.get("/metrics")).text())
        .split("\n")
        .find((line) => line.startsWith(`${name} `)),
  };
}

type Served = Awaited<ReturnType<typeof served>>;

/** A table of the store as `/varz` tells of it. */
async function table(server: Served, name: string): Promise<Answer> {
  const { services } = await server.json("/varz");
  return services.store.tables.find((one: Answer) => one["name"] === name);
}

/** A request that sets so many keys of each namespace. */
const fill = (counts: Record<string, number>) => {
  const values: Record<string, number> = {};
  for (const [name, count] of Object.entries(counts)) {
    for (let i = 0; i < count; i++) values[`${name}^${i}`] = i;
  }
  return { action: "MSET", values };
};

describe("the tables of the store", () => {
  test("are for nobody where clients need a token to learn of names: who reads needs none", async () => {
    const file = join(root, "token");
    await Bun.write(file, "a-token-of-the-store");
    const server = await served({ token_file: file });
    const peer = await server.join();
    await ask(peer, { action: "AUTH", token: "a-token-of-the-store" });
    await ask(peer, fill({ unmistakable: 2 }));
    await ask(peer, { action: "SUBSCRIBE", channel: "unmistakable" });
    const text = await (await server.get("/varz")).text();
    expect(JSON.parse(text).services.store.tables).toEqual([]);
    expect(text).not.toContain("unmistakable");
  });

  test("are empty at first, and tell what they are of", async () => {
    const server = await served();
    const { services } = await server.json("/varz");
    expect(services.store.tables).toEqual([
      {
        name: "namespaces",
        about: expect.any(String),
        columns: [{ name: "keys", unit: "keys" }],
        rows: [],
        more: 0,
        partial: false,
      },
      {
        name: "channels",
        about: expect.any(String),
        columns: [
          { name: "subscribers", unit: "clients" },
          { name: "messages", unit: "messages" },
        ],
        rows: [],
        more: 0,
        partial: false,
      },
    ]);
    expect(services.web).not.toHaveProperty("tables");
  });

  test("namespaces: the largest first, keys counted at any depth, the server's own left out", async () => {
    const server = await served();
    const peer = await server.join();
    await ask(peer, fill({ few: 1, many: 3, "deep^below": 2, alone: 0 }));
    await ask(peer, { action: "SET", key: "in-no-namespace", value: 1 });
    await ask(peer, { action: "SET", key: "many", value: "also a key" });
    expect((await table(server, "namespaces"))["rows"]).toEqual([
      ["many", 3],
      ["deep", 2],
      ["few", 1],
    ]);
    await ask(peer, { action: "DEL", key: "many", tree: true });
    await ask(peer, { action: "EXPIRE", key: "few^0", ttl_ms: 100 });
    server.clock.advance(200);
    expect((await table(server, "namespaces"))["rows"]).toEqual([["deep", 2]]);
  });

  test("names that would turn a page around are escaped", async () => {
    const server = await served();
    await ask(await server.join(), fill({ "a\u202eb": 1 }));
    expect((await table(server, "namespaces"))["rows"]).toEqual([["a\\u202eb", 1]]);
  });

  test("channels: the most subscribers first, then the most messages, patterns beside them", async () => {
    const server = await served();
    const [a, b] = [await server.join(), await server.join()];
    await ask(a, { action: "SUBSCRIBE", channel: "quiet" });
    await ask(a, { action: "SUBSCRIBE", channel: "news^eu" });
    await ask(b, { action: "SUBSCRIBE", channel: "news^eu" });
    await ask(b, { action: "SUBSCRIBE", channel: "news^*" });
    await ask(b, { action: "SUBSCRIBE", channel: "*" });
    const c = await server.join();
    for (const channel of ["news^eu", "news^eu", "news^us", "quiet", "unheard", "unheard"]) {
      await ask(c, { action: "PUBLISH", channel, value: 1 });
    }
    expect((await table(server, "channels"))["rows"]).toEqual([
      ["news^eu", 2, 2],
      ["quiet", 1, 1],
      ["*", 1, 0],
      ["news^*", 1, 0],
      ["unheard", 0, 2],
      ["news^us", 0, 1],
    ]);
    a.end();
    b.end();
    await until(() => server.stats()["clients"] === 1);
    expect((await table(server, "channels"))["rows"]).toEqual([
      ["news^eu", 0, 2],
      ["unheard", 0, 2],
      ["news^us", 0, 1],
      ["quiet", 0, 1],
    ]);
  });

  test("have 20 rows, of the first 1,000 that there are", async () => {
    const server = await served();
    const peer = await server.join();
    const name = (i: number) => `n${String(i).padStart(5, "0")}`;
    const counts = (from: number, to: number) =>
      Object.fromEntries(Array.from({ length: to - from }, (_, i) => [name(from + i), 1]));
    await ask(peer, fill(counts(0, 20)));
    expect(await table(server, "namespaces")).toMatchObject({ more: 0, partial: false });
    await ask(peer, fill({ ...counts(20, 1000), [name(999)]: 2 }));
    const full = await table(server, "namespaces");
    expect(full).toMatchObject({ more: 980, partial: false });
    expect(full["rows"]).toHaveLength(20);
    expect(full["rows"].slice(0, 2)).toEqual([
      [name(999), 2],
      [name(0), 1],
    ]);
    await ask(peer, fill({ [name(1000)]: 3 }));
    expect(await table(server, "namespaces")).toMatchObject({ more: 980, partial: true });
    for (let i = 0; i < 1000; i++) {
      const line = JSON.stringify({ action: "PUBLISH", channel: `c^${name(i)}`, value: 1 });
      peer.send(`${line}\n`);
    }
    for (let i = 0; i < 1000; i++) await heard(peer);
    expect(await table(server, "channels")).toMatchObject({ more: 980, partial: false });
    await ask(peer, { action: "PUBLISH", channel: "d", value: 1 });
    expect(await table(server, "channels")).toMatchObject({ more: 980, partial: true });
  });

  test("keep names as they are, but for their length", async () => {
    const server = await served();
    const peer = await server.join();
    const hostile = `<img src=x onerror="alert(1)">\\ '`;
    const long = "x".repeat(256);
    for (const channel of [hostile, long, `${long}^y`, `${"x".repeat(255)}^😀`]) {
      const answer = await ask(peer, { action: "PUBLISH", channel, value: 1 });
      expect(answer).toEqual({ result: 0 });
    }
    const { rows } = await table(server, "channels");
    expect(rows.map(([name]: [string]) => name)).toEqual([
      hostile,
      `${"x".repeat(255)}^…`,
      long,
      `${long}…`,
    ]);
  });

  test("are asked for only while somebody looks", async () => {
    const server = await served();
    const tables = spyOn(server.running(), "tables");
    server.clock.advance(5000);
    for (const path of ["/", "/healthz", "/readyz", "/metrics", "/connz"]) {
      expect((await server.get(path)).status).toBe(200);
    }
    expect(tables).toHaveBeenCalledTimes(0);
    await server.get("/varz");
    expect(tables).toHaveBeenCalledTimes(1);
    const stream = (await server.get("/events")).body?.getReader();
    await stream?.read();
    expect(tables).toHaveBeenCalledTimes(2);
    server.clock.advance(3000);
    expect(tables).toHaveBeenCalledTimes(5);
    await stream?.cancel();
    const service = server.running("web");
    await until(() => service.stats()["streams"] === 0);
    server.clock.advance(5000);
    expect(tables).toHaveBeenCalledTimes(5);
  });

  test("are in the event stream", async () => {
    const server = await served();
    await ask(await server.join(), fill({ users: 2 }));
    const stream = (await server.get("/events")).body?.getReader();
    let said = "";
    while (!said.includes("event: tick") || !said.endsWith("\n\n")) {
      said += Buffer.from((await stream?.read())?.value as Uint8Array).toString();
    }
    const [, tick] = /^event: tick\ndata: (.*)$/m.exec(said) as unknown as [string, string];
    const [namespaces] = JSON.parse(tick).services.store.tables;
    expect(namespaces).toMatchObject({ name: "namespaces", rows: [["users", 2]] });
    await stream?.cancel();
  });

  test("there are none where no keys are kept", async () => {
    const server = await served({ mode: "echo" });
    expect((await server.json("/varz"))["services"].store.tables).toEqual([]);
  });
});

describe("the store among the services", () => {
  const promtool = Bun.which("promtool");

  test.skipIf(promtool === null)(
    `/metrics passes promtool${promtool === null ? " (promtool is not installed)" : ""}`,
    async () => {
      const server = await served();
      await ask(await server.join(), fill({ users: 2 }));
      const text = await (await server.get("/metrics")).text();
      const check = Bun.spawnSync([promtool as string, "check", "metrics"], {
        stdin: Buffer.from(text),
      });
      expect(check.stdout.toString() + check.stderr.toString()).toBe("");
      expect(check.exitCode).toBe(0);
    },
  );

  test("/metrics has each of its numbers, commands by action, and no name that a client chose", async () => {
    const server = await served();
    const peer = await server.join();
    await ask(peer, fill({ unmistakable: 2 }));
    await ask(peer, { action: "PUBLISH", channel: "unmistakable", value: 1 });
    await ask(peer, { action: "GET", key: "nothing" });
    await ask(peer, { action: "GET", key: "unmistakable^0" });
    await ask(peer, { action: "GET" });
    peer.end();
    await until(() => server.stats()["clients"] === 0);
    const text = await (await server.get("/metrics")).text();
    expect(text.split("\n")).toContainValues([
      "summoner_store_keys 2",
      "summoner_store_requests_total 5",
      "summoner_store_refused_requests_total 1",
      "summoner_store_misses_total 1",
      "summoner_store_hits_total 1",
      'summoner_store_errors_total{code="NOT_FOUND"} 1',
      'summoner_store_errors_total{code="MISSING_FIELD"} 1',
      'summoner_store_errors_total{code="TOO_LONG"} 0',
      'summoner_store_commands_total{action="MSET"} 1',
      'summoner_store_commands_total{action="GET"} 3',
      'summoner_store_closed_clients_total{reason="eof"} 1',
      'summoner_service_healthy{service="store"} 1',
    ]);
    expect(text).not.toContain("unmistakable");
    const samples = text.split("\n").filter((line) => line.startsWith("summoner_store_"));
    expect(samples).toHaveLength(Object.keys(server.running().declared).length);
    const stats = Object.keys(server.stats()).toSorted();
    expect(stats).toEqual(Object.keys(server.running().declared).toSorted());
  });

  test("/connz has its clients, and an operator may kick one", async () => {
    const server = await served();
    const [peer, other] = [await server.join(), await server.join()];
    await ask(peer, { action: "PING" });
    server.clock.advance(2000);
    const { clients } = await server.json("/connz?service=store&sort=id&order=asc");
    expect(clients).toHaveLength(2);
    const line = '{"action":"PING"}\n';
    expect(clients[0]).toMatchObject({
      service: "store",
      address: peer.address,
      state: "open",
      age_seconds: 2,
      messages_in: 1,
      bytes_in: line.length,
      bytes_out: peer.bytes,
      outbox_bytes: 0,
    });
    const { id } = clients[0];
    const answer = await server.post("/admin/kick", { service: "store", id });
    expect([answer.status, await answer.json()]).toEqual([
      200,
      { ok: true, outcome: `closed client ${id} of store, ${peer.address}` },
    ]);
    expect(await heard(peer)).toEqual({
      event: "closed",
      reason: "kicked",
      message: "an operator closed the connection",
    });
    await peer.closed;
    expect(await server.metric('summoner_store_closed_clients_total{reason="kicked"}')).toEndWith(
      " 1",
    );
    expect((await server.json("/connz?service=store"))["total"]).toBe(1);
    expect((await ask(other, { action: "PING" }))["error"]).toBeUndefined();
    expect((await server.post("/admin/kick", { service: "store", id })).status).toBe(404);
  });

  test("/readyz and /healthz tell of a drain for as long as it lasts", async () => {
    const server = await served();
    expect((await server.get("/readyz")).status).toBe(200);
    const peer = await server.join();
    // It does not see the end of its connection, so that the drain waits for it.
    peer.pause();
    const drained = server.drain();
    const ready = await server.get("/readyz");
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { ready: false, why: { drain: "the server is stopping" } },
    ]);
    expect(await server.json("/healthz")).toEqual({ status: "draining", why: {} });
    expect((await table(server, "namespaces"))["rows"]).toEqual([]);
    await server.stop();
    await drained;
    expect(server.get("/readyz")).rejects.toThrow();
  });

  test.skipIf(!hasSmallDisk)(
    `/healthz tells of a journal that cannot be written, and of its recovery${hasSmallDisk ? "" : " (mounting a tmpfs is not permitted here)"}`,
    async () => {
      const server = await served({ durability: "batch", path: join(small, "store") });
      const peer = await server.join();
      const set = (n: number) =>
        ask(peer, { action: "SET", key: `big^${n}`, value: "x".repeat(100_000) });
      expect(await server.json("/healthz")).toEqual({ status: "ok", why: {} });
      fs.writeFileSync(join(small, "ballast"), Buffer.alloc(3 * 2 ** 20));
      let written = 0;
      while ((await set(written))["error"] === undefined) written++;
      const why = {
        store: `changes are refused: cannot write: no space left on device; make room on the disk of ${join(small, "store")}, or remove keys: DEL is taken`,
      };
      const alive = await server.get("/healthz");
      expect([alive.status, await alive.json()]).toEqual([503, { status: "failing", why }]);
      const ready = await server.get("/readyz");
      expect([ready.status, await ready.json()]).toEqual([503, { ready: false, why }]);
      expect(await server.metric("summoner_store_journal_failing_state")).toEndWith(" 1");
      expect(await server.metric('summoner_service_healthy{service="store"}')).toEndWith(" 0");
      // The accepted values are still served and counted.
      expect((await table(server, "namespaces"))["rows"]).toEqual([["big", written]]);
      fs.unlinkSync(join(small, "ballast"));
      server.clock.advance(250);
      expect(await server.json("/healthz")).toEqual({ status: "ok", why: {} });
      expect((await set(written))["error"]).toBeUndefined();
    },
  );
});
