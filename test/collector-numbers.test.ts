import { describe, expect, onTestFinished, test } from "bun:test";
import { type Fields, record, Sender } from "./collector-suite.ts";
import { boot, type Booted, dial, type Overrides, until } from "./kit.ts";
import { TOKEN } from "./web-suite.ts";

// What an operator learns of a collector: /varz, /metrics, /connz, its clients.

const promtool = Bun.which("promtool");
/** All doors that need no more than a setting. */
const ALL = { http: true, syslog: true, lines: true };

async function served(own: Overrides = {}): Promise<Booted> {
  const collector = { durability: "always", ...own };
  const server = await boot(["collector", "web"], { collector }, { token: TOKEN });
  onTestFinished(() => server.stop());
  return server;
}

/** Sends records, and waits until they are kept. */
async function collect(server: Booted, ...all: Fields[]): Promise<Sender> {
  const wanted = (server.stats()["written"] as number) + all.length;
  const sender = new Sender(server.port());
  sender.send(...all.map(record));
  await until(() => server.stats()["written"] === wanted && server.stats()["pending"] === 0);
  return sender;
}

async function metrics(server: Booted): Promise<string[]> {
  return (await (await server.get("/metrics")).text()).split("\n");
}

describe("/metrics", () => {
  test.skipIf(promtool === null)(
    `passes promtool${promtool === null ? " (promtool is not installed)" : ""}`,
    async () => {
      const server = await served(ALL);
      await collect(server, { message: "a" });
      const text = await (await server.get("/metrics")).text();
      const check = Bun.spawnSync([promtool as string, "check", "metrics"], {
        stdin: Buffer.from(text),
      });
      expect(check.stdout.toString() + check.stderr.toString()).toBe("");
      expect(check.exitCode).toBe(0);
    },
  );

  test("tells how long writing and syncing took, each time", async () => {
    const server = await served();
    await collect(server, { message: "a" });
    await until(() => (server.stats()["syncs"] as number) > 0);
    const { syncs } = server.stats();
    const text = await metrics(server);
    const writes = text.find((one) => one.startsWith("summoner_collector_write_seconds_count "));
    expect(Number(writes?.split(" ")[1])).toBeGreaterThan(0);
    expect(text).toContain(`summoner_collector_sync_seconds_count ${syncs}`);
    expect(text).toContain(`summoner_collector_sync_seconds_bucket{le="+Inf"} ${syncs}`);
  });

  test("tells how long nothing was written", async () => {
    const server = await served();
    const text = await metrics(server);
    expect(text).toContain("summoner_collector_blocked 0");
    expect(text).toContain("summoner_collector_blocked_seconds_total 0");
    expect(text).toContain("summoner_collector_slow_sync_seconds 0");
  });
});

describe("/varz", () => {
  test("has a row for each door, the head of the chain, and each address once", async () => {
    const server = await served({ ...ALL, hash_chain: true });
    await collect(server, { message: "a" }, { message: "b" });
    await until(() => (server.stats()["syncs"] as number) > 0);
    const { services, health } = (await (await server.get("/varz")).json()) as any;
    const { tables, addresses } = services.collector;
    expect(tables[0].rows.map(([name, records]: [string, number]) => [name, records])).toEqual([
      ["tcp", 2],
      ["grpc", 0],
      ["http", 0],
      ["syslog", 0],
      ["lines", 0],
    ]);
    expect(tables[1]).toMatchObject({ name: "chain", rows: [[expect.any(String), 1]] });
    expect(new Set(addresses).size).toBe(addresses.length);
    expect(health.collector).toEqual({ ok: true, reason: "listening" });
  });
});

describe("/connz", () => {
  test("lists the clients of all doors, and each can be sent away", async () => {
    const server = await served(ALL);
    const lines = server.running().addresses.find(({ door }) => door === "lines")?.port as number;
    await collect(server, { message: "a" }, { message: "b" });
    const peer = await dial(lines);
    peer.send("c\n");
    await until(() => server.stats()["written"] === 3);
    const page = (await (
      await server.get("/connz?service=collector&sort=id&order=asc")
    ).json()) as any;
    expect(page.clients.map((one: any) => one.messages_in)).toEqual([2, 1]);
    const [, { id, address }] = page.clients;
    expect(address).toBe(peer.address);
    expect((await server.post("/admin/kick", { service: "collector", id })).status).toBe(200);
    await peer.closed;
    expect(server.stats()["closed_kicked"]).toBe(1);
  });
});
