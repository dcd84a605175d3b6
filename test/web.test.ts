import { describe, expect, spyOn, test } from "bun:test";
import { symlinkSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { connect } from "node:tls";
import { ACTIONS } from "../lib/services/web/admin.ts";
import { isTaken } from "../lib/services/web/routes.ts";
import { type Peer, openssl, raw, selfSigned, turn, until } from "./kit.ts";
import { bodyOf, BUILT_IN, head, MODULES, PAGE, served, temporary, TOKEN } from "./web-suite.ts";

describe("built-in routes", () => {
  test.each(BUILT_IN)("%s: status, type, caching and security", async (path, type, caching) => {
    const server = await served();
    for (const method of ["GET", "HEAD"]) {
      const answer = await server.get(path, { method });
      expect(answer.status).toBe(200);
      expect(answer.headers.get("content-type")).toBe(type);
      expect(answer.headers.get("cache-control")).toBe(caching);
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
      expect(answer.headers.get("x-frame-options")).toBe("DENY");
      expect(answer.headers.get("referrer-policy")).toBe("no-referrer");
      expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
      expect(answer.headers.get("cross-origin-resource-policy")).toBe("same-origin");
      expect(answer.headers.get("access-control-allow-origin")).toBeNull();
      if (method === "HEAD") expect(await answer.text()).toBe("");
      else await answer.body?.cancel();
    }
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "TRACE"]) {
      const answer = await head(server, `${method} ${path}`);
      expect(answer).toStartWith("HTTP/1.1 405 ");
      expect(answer.toLowerCase()).toContain("\r\nallow: get, head, options\r\n");
    }
  });

  test("what is not there is 404, POST routes refuse GET", async () => {
    const server = await served({}, { token: TOKEN });
    for (const path of ["/nothing", "/varz/", "/admin/", "/admin/nothing", "//varz", "/Varz"]) {
      expect(await head(server, `GET ${path}`)).toStartWith("HTTP/1.1 404 ");
    }
    const answer = await server.get("/admin/kick");
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, "POST, OPTIONS"]);
  });

  test("the page's files are not sent twice", async () => {
    const server = await served();
    for (const path of ["/", "/dashboard/page.css", ...MODULES]) {
      const etag = (await server.get(path)).headers.get("etag") as string;
      const again = await server.get(path, { headers: { "if-none-match": etag } });
      expect([again.status, await again.text()]).toEqual([304, ""]);
      const other = await server.get(path, { headers: { "if-none-match": '"other"' } });
      expect(other.status).toBe(200);
    }
  });

  test("the dashboard may live elsewhere", async () => {
    const server = await served({ web: { dashboard: "/ops" } });
    expect((await server.get("/ops")).headers.get("content-type")).toStartWith("text/html");
    expect((await server.get("/")).status).toBe(404);
  });

  test("the dashboard may be at no other built-in path", () => {
    const all = ["/healthz", "/metrics/", "/login", "/admin", "/admin/kick", "/dashboard/page.css"];
    expect(all.filter((path) => !isTaken(path))).toEqual([]);
    expect(["/", "/ops", "/dashboard", "/dashboard/", "/admins"].filter(isTaken)).toEqual([]);
  });

  test.each([
    ["/ops", "/ops/", "../ops"],
    ["/ops/", "/ops", "ops/"],
    ["/a/b", "/a/b/", "../b"],
  ])("at %s, %s leads to it", async (dashboard, other, location) => {
    const server = await served({ web: { dashboard } });
    const { status, headers } = await server.get(`${other}?x=1`);
    expect([status, headers.get("location")]).toEqual([302, `${location}?x=1`]);
    expect((await fetch(server.url(other))).url).toBe(server.url(dashboard));
    expect((await server.post(other)).status).toBe(405);
  });

  test("/varz tells of services, process, log and settings, and hides secrets", async () => {
    // The store does not run; its settings are shown all the same.
    const tls = { cert: "a", key: "b", passphrase: "open sesame" };
    const server = await served({ store: { tls }, name: "here" });
    const peer = await server.join();
    peer.send("one\ntwo\n");
    await until(() => server.stats()["lines_in"] === 2);
    server.clock.advance(5000);
    const text = await (await server.get("/varz")).text();
    const varz = JSON.parse(text);
    expect(varz).toMatchObject({
      name: "here",
      draining: false,
      pid: process.pid,
      log_level: "INFO",
      health: { relay: { ok: true }, web: { ok: true }, log: { ok: true } },
      process: { uptime_seconds: 5 },
      services: {
        relay: { addresses: [expect.any(String)], stats: { clients: 1, lines_in: 2 } },
        web: { stats: { requests: 1 } },
      },
      config: { version: "rust", store: { tls: { passphrase: "********" } } },
    });
    expect(varz.process.memory_bytes).toBeGreaterThan(1e6);
    expect(varz.process.cpu_seconds).toBeGreaterThan(0);
    expect(text).not.toContain("sesame");
    expect(varz.services.relay.stats).toEqual(server.stats());
  });
});

describe("a flood of requests", () => {
  test.each([
    ["/varz", "identity"],
    ["/metrics", "identity"],
    ["/metrics", "gzip"],
  ])("of %s by %s is answered with few texts, and others with new ones", async (path, coding) => {
    const server = await served();
    const ask = (last = "") =>
      `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: ${coding}\r\n${last}\r\n`;
    const told = async (requests: number) => {
      const all = ask().repeat(requests - 1) + ask("Connection: close\r\n");
      const answers = (await raw(server.port("web"), all)).split("HTTP/1.1 200 OK").slice(1);
      // Each text has the number of requests so far in it.
      return answers.map((answer) => answer.slice(answer.indexOf("\r\n\r\n")));
    };
    const one = await told(9);
    expect(new Set(one).size).toBe(9);
    const many = await told(300);
    expect(many).toHaveLength(300);
    expect(new Set(many).size).toBe(1);
    server.clock.advance(100);
    expect(new Set(await told(3)).size).toBe(3);
  });
});

describe("/connz", () => {
  test("tells of each client", async () => {
    const server = await served();
    const peer = await server.join();
    peer.send("hello\nyou\n");
    await until(() => server.stats()["lines_in"] === 2);
    server.clock.advance(61_000);
    const { clients, total } = await bodyOf(await server.get("/connz"));
    expect(total).toBe(1);
    expect(clients).toEqual([
      {
        service: "relay",
        id: expect.any(Number),
        address: peer.address,
        state: "open",
        age_seconds: 61,
        messages_in: 2,
        messages_per_second: 0,
        refused: 0,
        refused_per_second: 0,
        bytes_in: 10,
        bytes_out: 0,
        outbox_bytes: 0,
      },
    ]);
  });

  test("finds the one client of a number", async () => {
    const server = await served();
    const peers = [await server.join(), await server.join()];
    const [, second] = server.clients();
    const found = await bodyOf(await server.get(`/connz?service=relay&id=${second?.id}`));
    expect(found).toMatchObject({ total: 1, clients: [{ address: second?.address }] });
    expect(peers.map(({ address }) => address)).toContain(second?.address as string);
    expect(await bodyOf(await server.get("/connz?id=999999"))).toMatchObject({ clients: [] });
    expect(found).toMatchObject({ refusals: [], past: { at: [] } });
    expect(await (await server.get("/connz?id=x")).text()).toBe(
      "id: allowed: the number of a client\n",
    );
  });

  test("sorts by every column, both ways, and pages", async () => {
    const server = await served();
    const peers: Peer[] = [];
    for (let i = 0; i < 5; i++) {
      const peer = await server.join();
      peer.send("x\n".repeat(i + 1));
      peers.push(peer);
      server.clock.advance(1000);
    }
    await until(() => server.stats()["lines_in"] === 15);
    const ask = async (query: string) =>
      (await (await server.get(`/connz?${query}`)).json()) as {
        total: number;
        clients: Record<string, string | number>[];
      };
    const columns = Object.keys((await ask("limit=1")).clients[0] as object);
    expect(columns).toHaveLength(12);
    for (const sort of columns) {
      for (const order of ["asc", "desc"]) {
        const { clients } = await ask(`sort=${sort}&order=${order}`);
        const values = clients.map((client) => client[sort] as string | number);
        const sorted = values.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
        expect(values).toEqual(order === "asc" ? sorted : sorted.toReversed());
      }
    }
    const page = await ask("sort=messages_in&order=asc&limit=2&offset=2");
    expect(page.total).toBe(5);
    expect(page.clients.map((client) => client["messages_in"])).toEqual([3, 4]);
    expect((await ask("offset=5")).clients).toEqual([]);
    const port = peers[3]?.address.split(":")[1] as string;
    expect((await ask(`address=:${port}`)).total).toBe(1);
    expect((await ask("service=web")).total).toBe(0);
  });

  test.each([
    ["sort=nothing", "sort: found nothing; allowed: service, id, "],
    ["order=up", "order: found up; allowed: asc, desc"],
    ["limit=0", "limit: allowed: a whole number from 1 to 1000"],
    ["limit=1001", "limit: allowed: a whole number from 1 to 1000"],
    ["limit=1e3", "limit: allowed"],
    ["limit=", "limit: allowed"],
    ["offset=-1", "offset: allowed: a whole number from 0 to 1000000000"],
    ["offset=1000000001", "offset: allowed"],
    ["service=nothing", "service: found nothing; allowed: relay, web"],
    ["colour=red", "colour: unknown; known: service, id, address, "],
  ])("refuses ?%s", async (query, why) => {
    const server = await served();
    for (const path of ["/connz", "/events"]) {
      const answer = await server.get(`${path}?${query}`);
      expect(answer.status).toBe(400);
      expect(await answer.text()).toStartWith(why);
    }
  });

  test("takes its bounds", async () => {
    const server = await served();
    for (const query of ["limit=1", "limit=1000", "offset=0", "offset=1000000000"]) {
      expect((await server.get(`/connz?${query}`)).status).toBe(200);
    }
  });
});

describe("health", () => {
  test.skipIf(!openssl)(
    "a listener that cannot listen again is told of, and its recovery",
    async () => {
      const server = await served();
      const health = async () => {
        const [alive, ready] = await Promise.all([server.get("/healthz"), server.get("/readyz")]);
        return [alive.status, await bodyOf(alive), ready.status, await bodyOf(ready)] as const;
      };
      const well = [200, { status: "ok", why: {} }, 200, { ready: true, why: {} }];
      expect([...(await health())]).toEqual(well);
      const tls = selfSigned(temporary());
      const listen = spyOn(Bun, "listen").mockImplementation(((options: { port: number }) => {
        // The trial of the certificates, on a port of its own, goes well.
        if (options.port === 0) return { stop() {} };
        throw Object.assign(new Error("in use"), { code: "EADDRINUSE" });
      }) as never);
      try {
        server.reload({ relay: { tls } });
        const [alive, why, ready, whyNot] = await health();
        expect([alive, ready]).toEqual([503, 503]);
        expect(why).toEqual({
          status: "failing",
          why: { relay: expect.stringContaining("cannot listen on 127.0.0.1:") },
        });
        expect(whyNot).toEqual({ ready: false, why: why["why"] });
        const relisten = server.config.hyper_parameters.accept_error_backoff_ms;
        const attempts = listen.mock.calls.length;
        server.clock.advance(relisten - 1);
        expect(listen.mock.calls.length).toBe(attempts);
        server.clock.advance(1);
        expect(listen.mock.calls.length).toBe(attempts + 1);
      } finally {
        listen.mockRestore();
      }
      server.clock.advance(server.config.hyper_parameters.accept_error_backoff_ms);
      expect([...(await health())]).toEqual(well);
      expect(server.printed()).toContain("relay: listening again");
    },
  );

  test("a ticker that dies is told of, and its recovery", async () => {
    const folder = temporary();
    const module = join(folder, "ticker.ts");
    await Bun.write(module, "export default { seconds: 0.02, tick() { process.exit(3); } };");
    const server = await served({ web: { ticker: module } });
    const why = async () => bodyOf(await server.get("/healthz"));
    while ((await why())["status"] !== "failing") await turn();
    expect((await why())["why"]).toEqual({
      web: expect.stringMatching(/^ticker: died \(exit code 3\); starting again in \d s$/),
    });
    expect((await server.get("/readyz")).status).toBe(503);
    await Bun.write(module, "export default { seconds: 0.02, tick() {} };");
    server.clock.advance(1000);
    while ((await why())["status"] !== "ok") await turn();
    expect(server.stats("web")["ticker_restarts"]).toBe(1);
    while (server.stats("web")["ticks"] === 0) await turn();
  });

  test.skipIf(process.platform !== "linux")("a log that cannot be written is told of", async () => {
    const folder = temporary();
    const logger = { enable_file_log: true, log_file_path: folder, enable_console_log: false };
    // The log's own name leads to a device that is always full.
    symlinkSync("/dev/full", join(folder, "full.log"));
    const server = await served({ name: "full", logger });
    server.log.info("this does not fit");
    server.clock.advance(100);
    await until(() => server.log.stats().failing !== null);
    const alive = await server.get("/healthz");
    expect([alive.status, await bodyOf(alive)]).toEqual([
      503,
      { status: "failing", why: { log: expect.stringContaining("no space left") } },
    ]);
    // It still serves everybody.
    expect((await server.get("/readyz")).status).toBe(200);
  });

  test("long lines by the rate limit's hundreds all get into the log, cut, and it is well", async () => {
    const folder = temporary();
    const logger = { enable_file_log: true, log_file_path: folder, max_file_size: 100_000_000 };
    const server = await served({ name: "long", logger });
    const [sender] = [await server.join(), await server.join()];
    sender.send(`${"y".repeat(65_000)}\n`.repeat(300));
    await until(() => server.stats()["lines_in"] === 300);
    // Nothing has been written yet: all of it waits.
    const alive = await server.get("/healthz");
    expect([alive.status, await alive.text()]).toEqual([200, '{"status":"ok","why":{}}\n']);
    expect(server.log.stats()).toMatchObject({ failing: null, lines_lost: 0 });
    await server.stop();
    const written = await Bun.file(join(folder, "long.log")).text();
    const cut = `${"y".repeat(4096)} ... and 60904 more characters\n`;
    expect(written.split(cut)).toHaveLength(301);
  });

  test("a drain is told of for as long as it lasts", async () => {
    const server = await served();
    const peer = await server.join();
    expect((await server.get("/readyz")).status).toBe(200);
    // It does not see the end of its connection, so that the drain waits for it.
    peer.pause();
    const drained = server.drain(10_000);
    const ready = await server.get("/readyz");
    const why = { ready: false, why: { drain: "the server is stopping" } };
    expect([ready.status, await bodyOf(ready)]).toEqual([503, why]);
    const alive = await server.get("/healthz");
    expect([alive.status, await bodyOf(alive)]).toEqual([200, { status: "draining", why: {} }]);
    const site = await server.get("/mine");
    expect([site.status, await site.text()]).toEqual([503, "The server is stopping.\n"]);
    await server.stop();
    await drained;
    expect(server.get("/readyz")).rejects.toThrow();
  });
});

describe("limits of clients", () => {
  const LIMIT = "The server has too many clients. Please try again later.\n";
  const SHARE = "There are too many clients from your address.\n";

  /** A handler whose answers wait for `go`, and that counts how often it was called. */
  async function slowSite(): Promise<string> {
    const path = join(temporary(), "site.ts");
    await Bun.write(
      path,
      `const waiting = [];
      let calls = 0;
      export default {
        GET({ url }) {
          if (url.endsWith("/calls")) return Response.json(calls);
          calls++;
          return new Promise((resolve) => waiting.push(() => resolve(new Response("at last"))));
        },
        PUT() {
          for (const go of waiting.splice(0)) go();
          return new Response();
        },
      };`,
    );
    return path;
  }

  test("hold for answers that are awaited, and never for those that are there at once", async () => {
    const server = await served({ web: { max_clients: 2, handler: await slowSite() } });
    const calls = async () => (await server.get("/calls")).json();
    const slow = [server.get("/slow"), server.get("/slow")];
    while (server.stats("web")["in_flight"] !== 2) await turn();
    for (const path of ["/slow", "/connz", "/events"]) {
      const answer = await server.get(path);
      expect([answer.status, await answer.text()]).toEqual([503, LIMIT]);
    }
    for (const path of ["/healthz", "/readyz", "/varz", "/metrics", "/"]) {
      expect((await server.get(path)).status).toBe(200);
    }
    expect(server.stats("web")).toMatchObject({ limited: 3, denied: 0 });
    expect(server.printed()).toMatch(
      /web: turned away 127\.0\.0\.1:\d+: too many clients \(web\.max_clients\)\n$/,
    );
    // The site may answer late, so each of its requests needs a place, even for an answer at once.
    expect((await server.get("/calls")).status).toBe(503);
    server.reload({ web: { max_clients: 3 } });
    expect(await calls()).toBe(2);
    expect((await server.get("/x", { method: "PUT" })).status).toBe(200);
    for (const answer of slow) expect(await (await answer).text()).toBe("at last");
    server.clock.advance(60_000);
    expect(server.printed()).toContain(" web: turned away 3 clients in the last minute, the last");
    server.reload({ web: { max_clients: 1 } });
    expect((await server.get("/connz")).status).toBe(200);
  });

  test("hold for event streams, until they are gone or kicked", async () => {
    const server = await served({ web: { max_clients: 1 } }, { token: TOKEN });
    const open = async () => {
      const cut = new AbortController();
      const answer = await server.get("/events", { signal: cut.signal });
      return { status: answer.status, cut };
    };
    const first = await open();
    expect(first.status).toBe(200);
    expect((await open()).status).toBe(503);
    first.cut.abort();
    await until(() => server.stats("web")["streams"] === 0);
    expect((await open()).status).toBe(200);
    expect((await open()).status).toBe(503);
    // Whoever has the token may act nevertheless.
    const id = server.clients("web")[0]?.id;
    expect((await server.post("/admin/kick", { service: "web", id })).status).toBe(200);
    expect((await open()).status).toBe(200);
  });

  test("hold for each address", async () => {
    const server = await served({ web: { max_clients_per_address: 1 } });
    const port = server.port("web");
    const ask = (path: string, from: string) =>
      raw(port, `GET ${path} HTTP/1.0\r\nHost: localhost\r\n\r\n`, "127.0.0.1", from);
    const streams = () => server.stats("web")["streams"] as number;
    const sockets = [];
    for (const from of ["127.0.0.2", "127.0.0.3"]) {
      const before = streams();
      const socket = createConnection({ port, host: "127.0.0.1", localAddress: from });
      sockets.push(socket);
      socket.write("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
      await until(() => streams() > before);
    }
    expect(await ask("/connz", "127.0.0.2")).toEndWith(`\r\n\r\n${SHARE}`);
    expect(await ask("/connz", "127.0.0.4")).toStartWith("HTTP/1.1 200");
    expect(await ask("/healthz", "127.0.0.2")).toStartWith("HTTP/1.1 200");
    for (const socket of sockets) socket.destroy();
    await until(() => streams() === 0);
    expect(await ask("/connz", "127.0.0.2")).toStartWith("HTTP/1.1 200");
  });
});

describe.skipIf(!openssl)("HTTPS", () => {
  /** The name in the certificate that a server shows. */
  const shown = (port: number) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
      socket.on("error", reject);
    });

  test("serves with cert and key, and takes new ones with a reload", async () => {
    const folder = temporary();
    const first = selfSigned(folder, "first.example");
    const second = selfSigned(folder, "second.example");
    const server = await served({ web: { tls: first } }, { token: TOKEN });
    const tls = { rejectUnauthorized: false };
    expect(server.running("web").addresses[0]?.url).toBe(
      `https://127.0.0.1:${server.port("web")}/`,
    );
    expect((await server.get("/healthz", { tls })).status).toBe(200);
    expect(await shown(server.port("web"))).toBe("first.example");
    const answer = await server.get("/login", {
      method: "POST",
      headers: { ...PAGE, "content-type": "application/json" },
      body: JSON.stringify({ token: TOKEN }),
      tls,
    });
    expect(answer.headers.get("set-cookie")).toEndWith("; Secure");
    process.env["SUMMONER_TOKEN"] = TOKEN;
    try {
      expect(server.reload({ web: { tls: second } })).toEqual([]);
      expect(await shown(server.port("web"))).toBe("second.example");
      // A broken certificate never replaces one that works.
      await Bun.write(join(folder, "broken.crt"), "nonsense");
      const broken = { ...first, cert: join(folder, "broken.crt") };
      expect(server.reload({ web: { tls: broken } })).toHaveLength(1);
      expect(await shown(server.port("web"))).toBe("second.example");
      expect((await server.get("/healthz", { tls })).status).toBe(200);
    } finally {
      delete process.env["SUMMONER_TOKEN"];
    }
  });

  test("listens again when it could not at once", async () => {
    // This interval is for the relay alone.
    const server = await served({ hyper_parameters: { accept_error_backoff_ms: 9000 } });
    const serve = spyOn(Bun, "serve").mockImplementation((() => {
      throw Object.assign(new Error("in use"), { code: "EADDRINUSE" });
    }) as never);
    try {
      server.reload({ web: { tls: selfSigned(temporary()) } });
      // Another reload meanwhile takes the place of the attempt that is due, it adds none.
      server.reload({ web: { tls: selfSigned(temporary()) } });
      const attempts = serve.mock.calls.length;
      server.clock.advance(100);
      expect(serve.mock.calls.length).toBe(attempts + 1);
      expect(server.running("web").health()).toEqual({
        ok: false,
        reason: expect.stringContaining("web: cannot listen on 127.0.0.1:"),
      });
    } finally {
      serve.mockRestore();
    }
    server.clock.advance(100);
    expect(server.running("web").health().ok).toBe(true);
    expect(await shown(server.port("web"))).toBe("localhost");
  });
});

test("the page has every route and every action with its fields", async () => {
  const page = await Bun.file(join(import.meta.dir, "../lib/services/web/README.md")).text();
  for (const path of ["/healthz", "/readyz", "/varz", "/connz", "/metrics", "/events"]) {
    expect(page).toContain(`\n| \`${path}\` `);
  }
  for (const [name, { fields }] of Object.entries(ACTIONS)) {
    const row = page.split("\n").find((line) => line.startsWith(`| \`${name}\` `)) ?? "";
    const named = [...row.matchAll(/`([\w-]+)`/g)].map(([, word]) => word as string);
    expect(named).toEqual([name, ...Object.keys(fields)]);
  }
});
