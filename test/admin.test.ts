import { describe, expect, test } from "bun:test";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import type { Operator } from "../lib/host/service.ts";
import { type Booted, configOf, dial, raw, until } from "./kit.ts";
import { bodyOf, PAGE, served, type Services, temporary, TOKEN } from "./web-suite.ts";

const LONG = "x".repeat(50_000);

describe("admin", () => {
  const names = ["kick", "quarantine", "lift", "reload", "drain", "log-level"];

  test("without a token its actions do not exist", async () => {
    const server = await served();
    for (const action of names) {
      expect((await server.post(`/admin/${action}`)).status).toBe(404);
      expect((await server.get(`/admin/${action}`)).status).toBe(404);
    }
    expect((await server.post("/login", { token: "" }, PAGE)).status).toBe(404);
  });

  test("an action that there is not never gets to the site, and its token neither", async () => {
    const handler = join(temporary(), "site.ts");
    await Bun.write(
      handler,
      "const all = () => new Response(); export default { GET: all, POST: all };",
    );
    const server = await served({ web: { handler } }, { token: TOKEN });
    for (const path of ["/admin/nope", "/admin/", "/admin/kick/"]) {
      const answer = await server.post(path);
      expect([answer.status, await answer.text()]).toEqual([
        404,
        `There is no such action; there are ${names.join(", ")}.\n`,
      ]);
      expect((await server.post(path, {}, { authorization: "" })).status).toBe(401);
      expect((await server.get(path)).status).toBe(404);
    }
    expect((await server.get("/admin")).status).toBe(200);
  });

  test("needs the token", async () => {
    const server = await served({}, { token: TOKEN });
    for (const action of names) {
      const answer = await server.post(`/admin/${action}`, {}, { authorization: "" });
      expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([
        401,
        'Bearer realm="summoner"',
      ]);
    }
    for (const wrong of [`Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, `Basic ${TOKEN}`]) {
      const answer = await server.post("/admin/reload", {}, { authorization: wrong });
      expect(answer.status).toBe(401);
    }
    expect(server.program.running.size).toBe(2);
  });

  test("wrong tokens at speed are slowed down for their address alone, and the right one never", async () => {
    const server = await served({ web: { host: "0.0.0.0" } }, { token: TOKEN });
    const tries = async (token: string) => {
      const authorization = `Bearer ${token}`;
      const { status, headers } = await server.post("/admin/reload", {}, { authorization });
      return [status, headers.get("retry-after")];
    };
    const right = async () => (await server.post("/admin/lift")).status;
    for (let i = 0; i < 5; i++) expect(await tries(`wrong-${i}`)).toEqual([401, null]);
    expect(await tries("wrong")).toEqual([429, "5"]);
    // A proxy or a NAT has other people behind it.
    expect(await right()).toBe(400);
    const elsewhere = await raw(
      server.port("web"),
      "POST /admin/lift HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\nConnection: close\r\n\r\n",
      "127.0.0.1",
      "127.0.0.9",
    );
    expect(elsewhere).toStartWith("HTTP/1.1 401 ");
    server.clock.advance(1);
    expect(await tries("wrong")).toEqual([429, "5"]);
    server.clock.advance(1000);
    expect(await tries("wrong")).toEqual([429, "4"]);
    server.clock.advance(3998);
    expect(await tries("wrong")).toEqual([429, "1"]);
    server.clock.advance(1);
    // Tokens that were not tried do not count.
    expect(await tries("wrong")).toEqual([401, null]);
    expect(await tries("wrong")).toEqual([429, "5"]);
    expect(await right()).toBe(400);
    server.clock.advance(25_000);
    for (let i = 0; i < 5; i++) expect(await tries("wrong")).toEqual([401, null]);
    expect(await tries("wrong")).toEqual([429, "5"]);
  });

  test.each([
    ["127.0.0.1", 200],
    ["::1", 200],
    ["203.0.113.5", 20],
  ])("guesses at speed from %s are compared %d times a second", async (from, looks) => {
    const web = { host: "0.0.0.0", trusted_proxies: ["127.0.0.9"] };
    const server = await served({ web }, { token: TOKEN });
    const ask = (token: string, last = "") =>
      `GET /varz HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: ${from}\r\nAuthorization: Bearer ${token}\r\n${last}\r\n`;
    const answers = async (guesses: number) => {
      const wrong = Array.from({ length: guesses }, (_, i) => ask(`guess-${i}`)).join("");
      const all = wrong + ask(TOKEN, "Connection: close\r\n");
      const told = await raw(server.port("web"), all, "127.0.0.1", "127.0.0.9");
      return [...told.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
    };
    // 5 at once, and those that are compared while the address has to wait.
    expect((await answers(5 + looks - 1)).at(-1)).toBe("200");
    const refused = await answers(300);
    expect(refused).toEqual(Array(301).fill("429"));
    expect(server.printed()).not.toContain("guess");
    // Room for one look: the right token needs no more, and takes none.
    server.clock.advance(1000 / looks);
    expect(await answers(0)).toEqual(["200"]);
    expect(await answers(0)).toEqual(["200"]);
    expect(await answers(1)).toEqual(["429", "429"]);
    server.clock.advance(1000);
    expect((await answers(looks)).at(-1)).toBe("429");
  });

  test("wrong tokens are logged, in a line a second for each address", async () => {
    const server = await served({}, { token: TOKEN });
    const wrong = (from: string) =>
      raw(
        server.port("web"),
        "GET /varz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer my-guess\r\nConnection: close\r\n\r\n",
        "127.0.0.1",
        from,
      );
    for (let i = 0; i < 9; i++) await wrong("127.0.0.2");
    await wrong("127.0.0.3");
    await server.post("/login", { token: "another-guess" }, PAGE);
    const lines = () => server.printed().match(/ WARNING .*wrong token.*/g) ?? [];
    expect(lines().map((line) => line.replace(/:\d+ showed/, ":* showed"))).toEqual([
      " WARNING  web: 127.0.0.2:* showed a wrong token",
      " WARNING  web: 127.0.0.3:* showed a wrong token",
      " WARNING  web: 127.0.0.1:* showed a wrong token",
    ]);
    server.clock.advance(1000);
    expect(lines().slice(3)).toEqual([" WARNING  web: 8 more wrong tokens from 127.0.0.2"]);
    server.clock.advance(5000);
    await wrong("127.0.0.2");
    expect(lines()).toHaveLength(5);
    for (let i = 20; i < 50; i++) await wrong(`127.0.0.${i}`);
    expect(lines().length).toBeLessThan(26);
    server.clock.advance(2000);
    expect(lines().at(-1)).toMatch(/ web: \d+ more wrong tokens from other addresses$/);
    expect(server.printed()).not.toContain("guess");
  });

  test("kick closes a client with a notice", async () => {
    const server = await served({}, { token: TOKEN });
    const [peer, other] = [await server.join(), await server.join()];
    const { clients } = (await bodyOf(await server.get("/connz?sort=id&order=asc"))) as {
      clients: { id: number }[];
    };
    const id = clients[0]?.id as number;
    const answer = await server.post("/admin/kick", { service: "relay", id });
    expect([answer.status, await bodyOf(answer)]).toEqual([
      200,
      { ok: true, outcome: `closed client ${id} of relay, ${peer.address}` },
    ]);
    expect(await peer.next()).toBe("Warning: You have been disconnected by an operator.");
    expect(await peer.closed).toBe("end");
    expect(other.isClosed).toBe(false);
    expect(server.stats()["closed_kicked"]).toBe(1);
    const again = await server.post("/admin/kick", { service: "relay", id });
    expect([again.status, await again.text()]).toEqual([
      404,
      `relay has no client ${id}; it may have left\n`,
    ]);
    expect(server.printed()).toMatch(
      new RegExp(
        `WARNING +admin: 127\\.0\\.0\\.1:\\d+ \\(token\\): kick: closed client ${id} of relay`,
      ),
    );
  });

  test("quarantine bars an address and closes who is there; lift ends it", async () => {
    const server = await served({}, { token: TOKEN });
    const port = server.port();
    const [peer, other] = [await server.join("127.0.0.2"), await server.join()];
    const fields = { service: "relay", address: "127.0.0.2", seconds: 60 };
    const answer = await server.post("/admin/quarantine", fields);
    expect(await bodyOf(answer)).toEqual({
      ok: true,
      outcome: "127.0.0.2 is in quarantine for 60 s",
    });
    const notice = "Warning: You are in quarantine. Please come back in 60 seconds.";
    expect(await peer.next()).toBe(notice);
    expect(await peer.closed).toBe("end");
    const back = await dial(port, "127.0.0.2");
    expect(await back.next()).toBe(notice);
    other.send("x\n");
    await until(() => server.stats()["lines_in"] === 1);
    server.clock.advance(10_000);
    const { services } = (await bodyOf(await server.get("/varz"))) as { services: Services };
    const barred = { key: "127.0.0.2", seconds_left: 50, since_seconds: 10 };
    const why = "an operator put it there";
    expect(services["relay"]?.quarantine).toEqual([{ ...barred, why }]);
    const lifted = await server.post("/admin/lift", { service: "relay", key: "127.0.0.2" });
    expect((await bodyOf(lifted))["outcome"]).toBe("127.0.0.2 is no longer in quarantine");
    await server.join("127.0.0.2");
    const again = await server.post("/admin/lift", { service: "relay", key: "127.0.0.2" });
    expect(again.status).toBe(404);
    expect(server.printed()).toContain("quarantine: 127.0.0.2 is in quarantine for 60 s");
    expect(server.printed()).toContain("lift: 127.0.0.2 is no longer in quarantine");
  });

  test.each([
    ["::ffff:7f00:2", "127.0.0.2"],
    ["::FFFF:127.0.0.2", "127.0.0.2"],
    ["0:0:0:0:0:ffff:127.0.0.2", "127.0.0.2"],
    ["2001:DB8::1", "2001:db8::1"],
    ["2001:db8:0:0::1", "2001:db8::1"],
    ["::FFFF:10.0.0.9", "10.0.0.9"],
  ])("quarantine and lift know %s as %s", async (spelling, known) => {
    const server = await served({}, { token: TOKEN });
    const fields = { service: "relay", address: spelling, seconds: 60 };
    const { outcome } = await bodyOf(await server.post("/admin/quarantine", fields));
    expect(outcome).toBe(`${known} is in quarantine for 60 s`);
    if (known === "127.0.0.2") {
      const barred = await dial(server.port(), known);
      expect(await barred.next()).toStartWith("Warning: You are in quarantine.");
    }
    for (const by of ["address", "key"]) {
      await server.post("/admin/quarantine", fields);
      const lifted = await server.post("/admin/lift", { service: "relay", [by]: spelling });
      expect((await bodyOf(lifted))["outcome"]).toBe(`${known} is no longer in quarantine`);
    }
  });

  test.if(process.platform === "linux")(
    "an IPv6 client is barred however it is spelled",
    async () => {
      const server = await served({ host: "::1" }, { token: TOKEN });
      const fields = { service: "relay", address: "0:0:0:0::1", seconds: 60 };
      expect((await server.post("/admin/quarantine", fields)).status).toBe(200);
      const barred = await dial(server.port(), undefined, "::1");
      expect(await barred.next()).toStartWith("Warning: You are in quarantine.");
    },
  );

  test("reload and drain reach the program", async () => {
    const asked: string[] = [];
    let ok = true;
    const operator: Operator = {
      reload: () => ({ ok, outcome: ok ? "reloaded" : "port: found -1" }),
      drain: (why) => void asked.push(why),
    };
    const server = await served({}, { operator, token: TOKEN });
    const good = await server.post("/admin/reload");
    expect(await bodyOf(good)).toEqual({ ok: true, outcome: "reloaded" });
    ok = false;
    const bad = await server.post("/admin/reload");
    expect([bad.status, await bad.text()]).toEqual([409, "port: found -1\n"]);
    expect((await server.post("/admin/drain")).status).toBe(200);
    expect(asked).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+ \(token\)$/)]);
    for (const said of ["reload: reloaded", "reload: refused: port: found -1", "drain: draining"]) {
      expect(server.printed()).toMatch(new RegExp(`admin: 127\\S+ \\(token\\): ${said}`));
    }
  });

  test("log-level holds until the next reload, and is logged whatever it is", async () => {
    const server = await served({}, { token: TOKEN });
    const set = (level: string) => server.post("/admin/log-level", { level });
    expect((await bodyOf(await set("CRITICAL")))["outcome"]).toBe(
      "the log level was INFO and is CRITICAL",
    );
    server.log.error("not to be seen");
    expect(server.log.level).toBe("CRITICAL");
    await set("DEBUG");
    server.log.debug("to be seen");
    expect(server.printed()).not.toContain("not to be seen");
    expect(server.printed()).toContain("to be seen");
    expect(server.printed()).toContain("log-level: the log level was INFO and is CRITICAL");
    expect(server.printed()).toContain("log-level: the log level was CRITICAL and is DEBUG");
  });

  test.each([
    ["kick", {}, 400, "service: needs a text"],
    ["kick", { service: "relay" }, 400, "id: needs a whole number from 1 to"],
    ["kick", { service: "relay", id: "1" }, 400, "id: needs a whole number"],
    ["kick", { service: "relay", id: 0 }, 400, "id: needs a whole number"],
    ["kick", { service: "relay", id: 1.5 }, 400, "id: needs a whole number"],
    ["kick", { service: "nothing", id: 1 }, 404, "there is no service nothing"],
    [
      "kick",
      { service: "relay", id: 1, colour: "red" },
      400,
      "colour: unknown field; known: service, id",
    ],
    [
      "quarantine",
      { service: "web", address: "1.2.3.4", seconds: 1 },
      404,
      "there is no service web with",
    ],
    [
      "quarantine",
      { service: "relay", address: "x", seconds: 1 },
      400,
      "address: found x; allowed: an IP",
    ],
    [
      "quarantine",
      { service: "relay", address: "fe80::1%eth0", seconds: 1 },
      400,
      "address: found fe80::1%eth0; allowed: an IP address without a zone",
    ],
    [
      "quarantine",
      { service: "relay", address: "1.2.3.4", seconds: 0 },
      400,
      "seconds: needs a whole",
    ],
    [
      "quarantine",
      { service: "relay", address: "1.2.3.4", seconds: 31_536_001 },
      400,
      "seconds: needs",
    ],
    ["lift", { service: "relay" }, 400, "address: needs a text"],
    ["lift", { service: "relay", key: 1 }, 400, "key: needs a text"],
    ["lift", { service: "relay", address: "1.2.3" }, 400, "address: found 1.2.3; allowed: an IP"],
    [
      "lift",
      { service: "relay", address: "1.2.3.4", key: "1.2.3.4" },
      400,
      "key: not with address",
    ],
    ["lift", { service: "relay", address: "1.2.3.4" }, 404, "1.2.3.4 is not in quarantine"],
    ["lift", { service: "relay", key: "1.2.3.4" }, 404, "1.2.3.4 is not in quarantine"],
    [
      "log-level",
      { level: "LOUD" },
      400,
      "level: found LOUD; allowed: DEBUG, INFO, WARNING, ERROR",
    ],
    ["reload", { now: true }, 400, "now: unknown field; known: none"],
  ])("%s refuses %j", async (action, fields, status, why) => {
    const server = await served({}, { token: TOKEN });
    const answer = await server.post(`/admin/${action}`, fields);
    expect([answer.status, await answer.text()]).toEqual([status, expect.stringContaining(why)]);
  });

  test.each([
    ["kick", { service: LONG, id: 1 }],
    ["quarantine", { service: LONG, address: "1.2.3.4", seconds: 1 }],
    ["quarantine", { service: "relay", address: LONG, seconds: 1 }],
    ["lift", { service: "relay", key: LONG }],
    ["log-level", { level: LONG }],
  ])("%s shows the beginning of a long field alone", async (action, fields) => {
    const server = await served({}, { token: TOKEN });
    const answer = await (await server.post(`/admin/${action}`, fields)).text();
    expect(answer).toContain(`${"x".repeat(60)}…`);
    expect(answer.length).toBeLessThan(300);
    const audit = server.printed().match(/admin: .*: refused: .*/)?.[0];
    expect(audit).toContain(`${"x".repeat(60)}…`);
    expect(audit?.length).toBeLessThan(300);
  });

  test("of a long unknown field the beginning is told", async () => {
    const server = await served({}, { token: TOKEN });
    const answer = await server.post("/admin/reload", { [LONG]: 1 });
    expect(await answer.text()).toContain(`${"x".repeat(60)}…: unknown field; known: none`);
  });

  test("takes its bounds", async () => {
    const server = await served({}, { token: TOKEN });
    for (const seconds of [1, 31_536_000]) {
      const fields = { service: "relay", address: "10.0.0.1", seconds };
      expect((await server.post("/admin/quarantine", fields)).status).toBe(200);
    }
  });

  test("takes JSON objects alone", async () => {
    const server = await served({}, { token: TOKEN });
    const post = (body: string, type: string) =>
      server.get("/admin/log-level", {
        method: "POST",
        body,
        headers: { authorization: `Bearer ${TOKEN}`, "content-type": type },
      });
    expect((await post('{"level":"INFO"}', "application/json; charset=utf-8")).status).toBe(200);
    expect((await post('{"level":"INFO"}', "text/plain")).status).toBe(415);
    expect((await post("level=INFO", "application/x-www-form-urlencoded")).status).toBe(415);
    for (const body of ["{", "[]", "null", "3", '"x"']) {
      expect((await post(body, "application/json")).status).toBe(400);
    }
    expect((await post("x".repeat(2 ** 20 + 1), "application/json")).status).toBe(413);
  });
});

describe("signing in", () => {
  const login = (server: Booted, token: string, headers = PAGE) =>
    server.post("/login", { token }, { authorization: "", ...headers });
  const cookieOf = (answer: Response) =>
    (answer.headers.get("set-cookie") as string).split(";")[0] as string;

  test("trades the token for a cookie that scripts and other sites cannot use", async () => {
    const server = await served({}, { token: TOKEN });
    expect(await bodyOf(await server.get("/session"))).toEqual({ read: true, admin: "signed-out" });
    const answer = await login(server, TOKEN);
    expect(answer.status).toBe(204);
    const set = answer.headers.get("set-cookie") as string;
    expect(set).toMatch(
      /^summoner_session_\d+=[0-9a-f]{64}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=86400$/,
    );
    expect(set).not.toContain(TOKEN);
    const cookie = cookieOf(answer);
    expect(cookie).toStartWith(`summoner_session_${server.port("web")}=`);
    const session = await server.get("/session", { headers: { cookie: `a=b; ${cookie}; c=d` } });
    expect(await bodyOf(session)).toEqual({ read: true, admin: "signed-in" });
    const act = (headers: object) =>
      server.post("/admin/log-level", { level: "INFO" }, { authorization: "", cookie, ...headers });
    expect((await act({})).status).toBe(403);
    expect((await act(PAGE)).status).toBe(200);
    expect(server.printed()).toMatch(/admin: 127\S+ signed in/);
    expect(server.printed()).toMatch(/admin: 127\S+ \(dashboard\): log-level/);
    const out = await server.post("/logout", {}, { authorization: "", cookie, ...PAGE });
    expect(out.headers.get("set-cookie")).toContain("Max-Age=0");
    expect((await act(PAGE)).status).toBe(401);
  });

  test("needs the right token and the page's header", async () => {
    const server = await served({}, { token: TOKEN });
    expect((await login(server, TOKEN, {} as never)).status).toBe(403);
    expect((await login(server, "wrong")).status).toBe(401);
    expect((await server.post("/login", {}, PAGE)).status).toBe(400);
    for (let i = 0; i < 4; i++) expect((await login(server, "wrong")).status).toBe(401);
    const late = await login(server, "wrong");
    expect([late.status, late.headers.get("retry-after")]).toEqual([429, "5"]);
    expect((await login(server, TOKEN)).status).toBe(204);
  });

  test("ends a day after the page was last heard of, and with the token", async () => {
    const server = await served({}, { token: TOKEN });
    const cookie = cookieOf(await login(server, TOKEN));
    const admin = async () =>
      (await bodyOf(await server.get("/session", { headers: { cookie } })))["admin"];
    const day = 24 * 3600 * 1000;
    for (let i = 0; i < 3; i++) {
      server.clock.leap(day);
      expect(await admin()).toBe("signed-in");
    }
    server.clock.leap(day + 1);
    expect(await admin()).toBe("signed-out");
    const file = join(temporary(), "token");
    await Bun.write(file, "another-token-altogether\nand a second line\n");
    const later = cookieOf(await login(server, TOKEN));
    expect(server.reload({ web: { token_file: file } })).toEqual([]);
    const session = await server.get("/session", { headers: { cookie: later } });
    expect((await bodyOf(session))["admin"]).toBe("signed-out");
    expect((await login(server, TOKEN)).status).toBe(401);
    expect((await login(server, "another-token-altogether")).status).toBe(204);
  });

  test("a hundred sessions at most; the one that was idle longest makes room", async () => {
    const server = await served({}, { token: TOKEN });
    const cookies: string[] = [];
    for (let i = 0; i < 101; i++) cookies.push(cookieOf(await login(server, TOKEN)));
    const states = await Promise.all(
      [cookies[0], cookies[1], cookies[100]].map(async (cookie) => {
        const headers = { cookie: cookie as string };
        return (await bodyOf(await server.get("/session", { headers })))["admin"];
      }),
    );
    expect(states).toEqual(["signed-out", "signed-in", "signed-in"]);
  });
});

describe("who may read", () => {
  test("on loopback everybody, but not by another site's name", async () => {
    const server = await served();
    for (const host of [
      "localhost",
      `localhost:${server.port("web")}`,
      "127.0.0.1",
      "[::1]:1",
      "127.9.9.9:80",
    ]) {
      expect((await server.get("/varz", { headers: { host } })).status).toBe(200);
    }
    for (const host of [
      "evil.example",
      "localhost.evil.example",
      "127.0.0.1.evil.example",
      "10.0.0.1",
    ]) {
      for (const path of ["/varz", "/connz", "/metrics", "/events"]) {
        expect((await server.get(path, { headers: { host } })).status).toBe(403);
      }
      expect((await server.get("/healthz", { headers: { host } })).status).toBe(200);
    }
    const named = await served({}, { token: TOKEN });
    const headers = { host: "proxy.example" };
    expect((await named.get("/varz", { headers })).status).toBe(401);
    const authorization = `Bearer ${TOKEN}`;
    expect((await named.get("/varz", { headers: { ...headers, authorization } })).status).toBe(200);
  });

  test("elsewhere those with the token; health is for everybody, its reasons are not", async () => {
    const folder = temporary();
    symlinkSync("/dev/full", join(folder, "full.log"));
    const logger = { enable_file_log: true, log_file_path: folder, enable_console_log: false };
    const settings = { name: "full", logger, web: { host: "0.0.0.0" } };
    const server = await served(settings, { token: TOKEN });
    for (const path of ["/varz", "/connz", "/metrics", "/events"]) {
      expect((await server.get(path)).status).toBe(401);
      const authorization = `Bearer ${TOKEN}`;
      const answer = await server.get(path, { headers: { authorization } });
      expect(answer.status).toBe(200);
      await answer.body?.cancel();
    }
    const page = await server.get("/");
    expect([page.status, page.headers.get("content-type")]).toEqual([
      401,
      "text/html; charset=utf-8",
    ]);
    expect(await bodyOf(await server.get("/session"))).toEqual({
      read: false,
      admin: "signed-out",
    });
    server.log.info("this does not fit");
    server.clock.advance(100);
    await until(() => server.log.stats().failing !== null);
    const alive = await server.get("/healthz");
    expect([alive.status, await bodyOf(alive)]).toEqual([
      503,
      { status: "failing", why: { log: "failing" } },
    ]);
    expect((await server.get("/readyz")).status).toBe(200);
  });

  test("off loopback it does not start without a token", () => {
    const off = { web: { enabled: true, host: "0.0.0.0" } };
    expect(() => configOf(off)).toThrow(
      "web.host: 0.0.0.0 is not loopback, so a token is needed; set SUMMONER_TOKEN in the environment, or web.token_file",
    );
    for (const host of ["127.0.0.1", "127.1.2.3", "::1", "localhost"]) {
      expect(configOf({ web: { enabled: true, host } }).web.host).toBe(host);
    }
    expect(configOf({ web: { enabled: false, host: "0.0.0.0" } }).web.enabled).toBe(false);
    expect(configOf({ web: { ...off.web, token_file: "x" } }).web.token_file).toBe("x");
  });

  test("a token that is too short or cannot be read stops the start", async () => {
    const file = join(temporary(), "token");
    await Bun.write(file, "fifteen-letters\n");
    expect(served({ web: { token_file: file } })).rejects.toThrow(
      /^web\.token_file: .*: a token has at least 16 characters$/,
    );
    expect(served({ web: { token_file: `${file}-not` } })).rejects.toThrow(
      /^web\.token_file: cannot read .*: there is no such file$/,
    );
    expect(served({}, { token: "fifteen-letters" })).rejects.toThrow(
      "environment: SUMMONER_TOKEN: a token has at least 16 characters",
    );
    await Bun.write(file, "sixteen-letters!\r\n");
    const server = await served({ web: { token_file: file } });
    const headers = { authorization: "Bearer sixteen-letters!" };
    expect((await server.post("/admin/lift", {}, headers)).status).toBe(400);
  });
});
