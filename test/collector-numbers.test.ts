import { describe, expect, onTestFinished, test } from "bun:test";
import { type Fields, record, Sender } from "./collector-suite.ts";
import { boot, type Booted, type Overrides, until } from "./kit.ts";

// What an operator learns of a collector: /varz, /metrics, /connz, its clients.

const promtool = Bun.which("promtool");
/** All doors that need no more than a setting. */
const ALL = { http: true, syslog: true, lines: true };

async function served(own: Overrides = {}): Promise<Booted> {
  const collector = { durability: "always", ...own };
  const server = await boot(["collector", "web"], { collector });
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
