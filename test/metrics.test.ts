import { describe, expect, onTestFinished, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type Booted, boot, dial, raw, until } from "./kit.ts";
import { served, temporary, TOKEN } from "./web-suite.ts";

const promtool = Bun.which("promtool");

/** Every sample by its name and labels. */
async function samples(server: Booted): Promise<Map<string, number>> {
  const text = await (await server.get("/metrics")).text();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

/** A server of every service. */
async function all(): Promise<Booted> {
  const server = await boot(["relay", "web", "store"]);
  onTestFinished(() => server.stop());
  return server;
}

describe("/metrics", () => {
  test.skipIf(promtool === null)(
    `passes promtool${promtool === null ? " (promtool is not installed)" : ""}`,
    async () => {
      const server = await all();
      for (const path of ["/", "/nothing", "/metrics"]) await server.get(path);
      server.clock.advance(1000);
      const text = await (await server.get("/metrics")).text();
      const check = Bun.spawnSync([promtool as string, "check", "metrics"], {
        stdin: Buffer.from(text),
      });
      expect(check.stdout.toString() + check.stderr.toString()).toBe("");
      expect(check.exitCode).toBe(0);
    },
  );

  test("has every number of every service, with its unit", async () => {
    const server = await served();
    const peer = await server.join();
    peer.send("one\n\n");
    await until(() => server.stats()["lines_in"] === 2);
    const values = await samples(server);
    expect(values.get("summoner_relay_clients")).toBe(1);
    expect(values.get("summoner_relay_in_lines_total")).toBe(2);
    expect(values.get("summoner_relay_blank_lines_total")).toBe(1);
    expect(values.get("summoner_relay_in_bytes_total")).toBe(5);
    expect(values.get('summoner_relay_closed_clients_total{reason="eof"}')).toBe(0);
    expect(values.get('summoner_service_healthy{service="relay"}')).toBe(1);
    let declared = 0;
    for (const service of server.program.running.values()) {
      const stats = service.stats();
      expect(Object.keys(service.declared).toSorted()).toEqual(Object.keys(stats).toSorted());
      for (const { unit, kind } of Object.values(service.declared)) {
        declared++;
        const ending = kind === "counter" ? `_${unit}_total` : `_${unit}`;
        expect([...values.keys()].some((key) => key.replace(/\{.*/, "").endsWith(ending))).toBe(
          true,
        );
      }
    }
    // Besides: 6 of the process, 4 of the log, the build and the health of three parts.
    const single = [...values.keys()].filter((key) => !/_(bucket|sum|count)\b/.test(key));
    expect(single.length).toBe(declared + 14);
  });

  test("names no unit twice, nor another beside it", async () => {
    const server = await all();
    await server.get("/nothing");
    const text = await (await server.get("/metrics")).text();
    const names = [...text.matchAll(/^# TYPE (\S+) counter$/gm)].map(([, name]) => name as string);
    expect(names.length).toBeGreaterThan(30);
    for (const name of names) {
      const [total, unit, ...rest] = name.split("_").toReversed();
      expect([name, total]).toEqual([name, "total"]);
      // The unit stands last before `total`, in the plural; no other word of a number's name is plural.
      expect([name, unit?.endsWith("s")]).toEqual([name, true]);
      const others = rest.slice(0, -2).filter((word) => /[^s]s$/.test(word));
      expect([name, ...others]).toEqual([name]);
    }
  });

  test.skipIf(process.platform !== "linux")("counts the files that are open", async () => {
    const server = await served();
    const open = async () => (await samples(server)).get("summoner_process_open_files") as number;
    const before = await open();
    expect(Math.abs(before - readdirSync("/proc/self/fd").length)).toBeLessThan(8);
    const peers = await Promise.all(Array.from({ length: 40 }, () => dial(server.port())));
    expect(await open()).toBeGreaterThan(before + 70);
    for (const peer of peers) peer.end();
    expect((await samples(server)).get("summoner_process_max_files")).toBeGreaterThan(before + 80);
  });

  test("tells how long the event loop stood still, each second", async () => {
    const server = await served();
    for (let second = 1; second <= 3; second++) {
      server.clock.advance(1000);
      const values = await samples(server);
      const name = "summoner_process_event_loop_stall_seconds";
      expect(values.get(`${name}_count`)).toBe(second);
      expect(values.get(`${name}_bucket{le="+Inf"}`)).toBe(second);
    }
  });
});

describe("answers", () => {
  const count = (values: Map<string, number>) =>
    ["2xx", "3xx", "4xx", "5xx"].map((one) =>
      values.get(`summoner_web_answers_total{class="${one}"}`),
    );

  test("are counted by the class of their status, whoever gave them", async () => {
    const path = join(temporary(), "site.ts");
    const code = `export default {
      GET: ({ url }) => url.endsWith("/bad") ? nothing.bad() : new Response(null, { status: 302 }),
      POST: async (request) => new Response(await request.json()),
    };`;
    await Bun.write(path, code);
    const server = await served({ web: { handler: path, request_timeout_ms: 1000 } });
    expect(count(await samples(server))).toEqual([0, 0, 0, 0]);
    await server.get("/healthz");
    await server.get("/moved");
    await server.get("/bad");
    await server.post("/json", {});
    await server.get("/json", { method: "POST", body: "{" });
    await raw(server.port("web"), "GET /healthz HTTP/1.0\r\nHost: a b\r\n\r\n");
    await raw(server.port("web"), "HEAD /healthz HTTP/1.0\r\n\r\n");
    // 200 is /metrics, /healthz twice and the JSON; 400 the other JSON and the host.
    expect(count(await samples(server))).toEqual([4, 1, 2, 1]);
    const stalled = raw(
      server.port("web"),
      "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n",
    );
    await until(() => server.stats("web")["in_flight"] === 1);
    server.clock.advance(1250);
    await stalled;
    expect(count(await samples(server))).toEqual([5, 1, 3, 1]);
  });

  test("tell how long they took, by route", async () => {
    const path = join(temporary(), "site.ts");
    const code = `const waiting = [];
    export default {
      GET: () => new Promise((resolve) => waiting.push(() => resolve(new Response()))),
      PUT: () => { for (const go of waiting.splice(0)) go(); return new Response(); },
    };`;
    await Bun.write(path, code);
    const server = await served({ web: { handler: path } });
    await server.get("/healthz?x=1");
    const slow = [server.get("/slow"), server.get("/slower?x")];
    await until(() => server.stats("web")["in_flight"] === 2);
    server.clock.advance(300);
    await server.get("/go", { method: "PUT" });
    for (const answer of slow) await answer;
    const values = await samples(server);
    const of = (route: string, what: string, bound?: string) => {
      const le = bound === undefined ? "" : `,le="${bound}"`;
      return values.get(`summoner_web_answer_seconds_${what}{route="${route}"${le}}`);
    };
    expect(of("/healthz", "count")).toBe(1);
    expect(of("/healthz", "bucket", "0.001")).toBe(1);
    expect(of("site", "count")).toBe(3);
    expect(of("site", "bucket", "0.25")).toBe(1);
    expect(of("site", "bucket", "0.5")).toBe(3);
    expect(of("site", "bucket", "60")).toBe(3);
    expect(of("site", "bucket", "+Inf")).toBe(3);
    expect(of("site", "sum")).toBeCloseTo(0.6);
    expect(of("/metrics", "count")).toBeUndefined();
  });

  test("are told apart by few routes, whatever clients ask for", async () => {
    const server = await served({}, { token: TOKEN });
    const paths = ["/", "/healthz", "/dashboard/page.js", "/dashboard/page.css", "/admin/kick"];
    for (const path of paths) await server.get(path);
    for (let i = 0; i < 100; i++) await server.get(`/${i}/healthz`);
    await raw(server.port("web"), "CONNECT a:1 HTTP/1.0\r\n\r\n");
    await raw(server.port("web"), 'GET /{}"\\ HTTP/1.0\r\n\r\n');
    const values = await samples(server);
    const routes = [...values.keys()].flatMap(
      (key) => /_answer_seconds_count\{route="(.*)"\}$/.exec(key)?.[1] ?? [],
    );
    expect(routes.toSorted()).toEqual(
      ["/", "/admin/kick", "/dashboard/*", "/healthz", "site"].toSorted(),
    );
    expect(values.get('summoner_web_answer_seconds_count{route="site"}')).toBe(102);
  });
});
