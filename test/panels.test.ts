import { describe, expect, onTestFinished, test } from "bun:test";
import { join } from "node:path";
import { services } from "../index.ts";
import { flag } from "../lib/config/option.ts";
import { section } from "../lib/config/section.ts";
import { settings } from "../lib/config/table.ts";
import { type Panel, Refused } from "../lib/host/service/panel.ts";
import type { Service } from "../lib/host/service.ts";
import { boot, type Booted, type BootOptions, type Overrides, turn, until } from "./kit.ts";
import { bodyOf, head, PAGE, temporary, TOKEN } from "./web-suite.ts";

// A service of which the program knows nothing has a panel; all of it is served.

/** What the panel of a test sees and says. */
class Board {
  reads = 0;
  did: unknown[] = [];
  changes = 0;
  answer: () => unknown = () => ({ reads: ++this.reads });

  readonly panel: Panel = {
    title: "Board",
    files: { "panel.js": `export const mount = 1; // ${"x".repeat(5000)}`, "board.css": "b {}" },
    tables: ["largest"],
    groups: ["heard"],
    views: {
      list: { about: "All.", parameters: { of: "x" }, read: (query) => this.answer() ?? query },
    },
    acts: {
      wipe: {
        about: "Wipes.",
        fields: { what: "x" },
        run: (fields) => {
          if (fields["what"] === "none") throw new Refused(409, "Not now.", { problems: [1] });
          if (fields["what"] === "bug") throw new TypeError("oh");
          this.did.push(fields);
          return { outcome: "wiped it", more: { id: 7, ok: 1 } };
        },
      },
    },
    changes: () => this.changes,
  };

  readonly service: Service<any> = () => ({
    addresses: [],
    declared: {},
    stats: () => ({}),
    health: () => ({ ok: true, reason: "listening" }),
    clients: () => ({ total: 0, clients: [] }),
    kick: () => null,
    panel: this.panel,
    drain: () => Promise.resolve(),
  });
}

async function served(overrides: Overrides = {}, options: BootOptions = {}) {
  const board = new Board();
  const entries = { ...settings, board: section("A board.", { enabled: flag(false, "Whether.") }) };
  const table = { services: { ...services, board: board.service }, settings: entries };
  const server = await boot(["web", "board"], overrides, { token: TOKEN, ...options, table });
  onTestFinished(() => server.stop());
  return { server, board };
}

const VIEW = "/panels/board/list";
const ACT = "/admin/board/wipe";

describe("files", () => {
  test("are served with their type, a tag and compressed, to whoever may sign in", async () => {
    const { server } = await served({ web: { host: "0.0.0.0" } });
    const script = await server.get("/dashboard/panels/board/panel.js", {
      headers: { "accept-encoding": "gzip" },
    });
    expect(script.status).toBe(200);
    expect(script.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    expect(script.headers.get("content-encoding")).toBe("gzip");
    expect(script.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(await script.text()).toStartWith("export const mount");
    const etag = script.headers.get("etag") as string;
    const again = await server.get("/dashboard/panels/board/panel.js", {
      headers: { "accept-encoding": "gzip", "if-none-match": etag },
    });
    expect(again.status).toBe(304);
    const style = await server.get("/dashboard/panels/board/board.css");
    expect(style.headers.get("content-type")).toBe("text/css; charset=utf-8");
    const posted = await server.post("/dashboard/panels/board/board.css");
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD, OPTIONS"]);
  });

  test.each(["nope.js", "constructor", "__proto__", "..%2fpage.js", "panel.js/"])(
    "there is no %s",
    async (name) => {
      const { server } = await served();
      expect((await server.get(`/dashboard/panels/board/${name}`)).status).toBe(404);
    },
  );
});

describe("a view", () => {
  test("answers with JSON that no cache keeps and no site reads, and 304 to who has it", async () => {
    const { server, board } = await served();
    board.answer = () => ({ a: "\u202e</script>" });
    const first = await server.get(VIEW);
    expect(first.status).toBe(200);
    expect(Object.fromEntries(first.headers)).toMatchObject({
      "content-type": "application/json; charset=utf-8",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "cross-origin-resource-policy": "same-origin",
    });
    expect(await bodyOf(first)).toEqual({ a: "\u202e</script>" });
    const headers = { "if-none-match": first.headers.get("etag") as string };
    const same = await server.get(VIEW, { headers });
    expect([same.status, await same.text()]).toEqual([304, ""]);
    board.answer = () => ({ a: "other" });
    expect((await server.get(VIEW, { headers })).status).toBe(200);
    expect((await server.get(VIEW, { method: "HEAD" })).status).toBe(200);
  });

  test("is compressed where it is long, but not for another site", async () => {
    const { server, board } = await served();
    board.answer = () => "x".repeat(5000);
    const headers = { "accept-encoding": "gzip" };
    const coding = (answer: Response) => answer.headers.get("content-encoding");
    expect(coding(await server.get(VIEW, { headers }))).toBe("gzip");
    const other = { ...headers, "sec-fetch-site": "cross-site" };
    expect(coding(await server.get(VIEW, { headers: other }))).toBeNull();
  });

  test("is for those who may read the state of the program", async () => {
    const { server } = await served();
    const foreign = await head(server, `GET ${VIEW}`);
    expect(foreign).toStartWith("HTTP/1.1 200");
    const { port } = new URL(server.url("/"));
    const asked = (headers: Record<string, string>) => server.get(VIEW, { headers });
    expect((await asked({ host: `evil.example:${port}` })).status).toBe(401);
    const { server: open } = await served({ web: { host: "0.0.0.0" } });
    expect((await open.get(VIEW)).status).toBe(401);
    const authorization = `Bearer ${TOKEN}`;
    expect((await open.get(VIEW, { headers: { authorization } })).status).toBe(200);
    const wrong = { authorization: "Bearer wrong-wrong-wrong" };
    for (let i = 0; i < 5; i++) expect((await open.get(VIEW, { headers: wrong })).status).toBe(401);
    expect((await open.get(VIEW, { headers: wrong })).status).toBe(429);
  });

  test.each(["nope", "constructor", "__proto__", "toString", "list%20"])(
    "there is no %s, and it is told which there are",
    async (name) => {
      const { server } = await served();
      const answer = await server.get(`/panels/board/${name}`);
      expect([answer.status, await answer.text()]).toEqual([
        404,
        "There is no such view; there are list.\n",
      ]);
    },
  );

  test("paths of services without a panel, and others, are the site's", async () => {
    const handler = join(temporary(), "site.ts");
    await Bun.write(handler, 'export default { GET: () => new Response("site") };');
    const { server } = await served({ web: { handler } });
    for (const path of ["/panels", "/panels/", "/panels/x/y", `${VIEW}/z`]) {
      expect([path, await (await server.get(path)).text()]).toEqual([path, "site"]);
    }
  });

  test("takes the parameters it has, the first of each, and no other", async () => {
    const { server, board } = await served();
    board.answer = () => undefined;
    expect(await bodyOf(await server.get(`${VIEW}?of=1%202&of=3`))).toEqual({ of: "1 2" });
    for (const name of ["x", "constructor", "__proto__", "%00"]) {
      const answer = await server.get(`${VIEW}?${name}=1`);
      expect(answer.status).toBe(400);
      expect(await answer.text()).toEndWith(": unknown parameter; known: of\n");
    }
    const room = 12_000 - "?of=".length;
    expect((await server.get(`${VIEW}?of=${"x".repeat(room)}`)).status).toBe(200);
    expect((await server.get(`${VIEW}?of=${"x".repeat(room + 1)}`)).status).toBe(400);
  });

  test("has no other methods", async () => {
    const { server } = await served();
    const posted = await server.post(VIEW);
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD, OPTIONS"]);
    expect((await server.get(VIEW, { method: "OPTIONS" })).status).toBe(204);
    expect((await server.get(VIEW, { method: "PROPFIND" })).status).toBe(501);
  });

  test("may refuse; one that fails is a 500 and a bug of ours", async () => {
    const { server, board } = await served();
    board.answer = () => {
      throw new Refused(404, "It has gone.");
    };
    const answer = await server.get(VIEW);
    expect([answer.status, await answer.text()]).toEqual([404, "It has gone.\n"]);
    expect(server.printed()).not.toContain("CRITICAL");
    board.answer = async () => {
      await turn();
      throw new TypeError("a fault");
    };
    const failed = await server.get(VIEW);
    expect(await failed.text()).not.toContain("a fault");
    expect(failed.status).toBe(500);
    expect(server.printed()).toContain("TypeError: a fault");
  });

  test("is made ten times in 100 ms at most, for each query apart", async () => {
    const { server, board } = await served();
    const asks = (path: string) => Promise.all(Array.from({ length: 30 }, () => server.get(path)));
    await asks(VIEW);
    expect(board.reads).toBe(10);
    await asks(`${VIEW}?of=1`);
    expect(board.reads).toBe(20);
    server.clock.advance(100);
    expect(await bodyOf(await server.get(VIEW))).toEqual({ reads: 21 });
  });

  test("is kept for 64 queries, those that were asked last", async () => {
    const { server, board } = await served();
    for (let i = 0; i < 11; i++) await server.get(`${VIEW}?of=first`);
    for (let i = 0; i < 63; i++) await server.get(`${VIEW}?of=${i}`);
    await server.get(`${VIEW}?of=first`);
    expect(board.reads).toBe(10 + 63);
    for (let i = 0; i < 64; i++) await server.get(`${VIEW}?of=${i}`);
    await server.get(`${VIEW}?of=first`);
    expect(board.reads).toBe(10 + 63 + 64 + 1);
  });

  test("takes a place among the answers that take their time, an act none", async () => {
    const { server, board } = await served({ web: { max_clients: 1 } });
    const held = Promise.withResolvers<object>();
    board.answer = () => held.promise;
    const first = server.get(VIEW);
    await until(() => server.stats("web")["in_flight"] === 1);
    expect((await server.get(`${VIEW}?of=1`)).status).toBe(503);
    expect((await server.post(ACT)).status).toBe(200);
    held.resolve({});
    expect((await first).status).toBe(200);
    expect((await server.get(`${VIEW}?of=1`)).status).toBe(200);
  });

  test("its times are kept by its name", async () => {
    const { server } = await served();
    for (const path of [VIEW, "/panels/board/x", "/panels/x/y"]) await server.get(path);
    await server.get("/dashboard/panels/board/panel.js");
    await server.post(ACT);
    await server.post("/admin/board/x");
    const text = await (await server.get("/metrics")).text();
    const routes = [...text.matchAll(/answer_seconds_count\{route="([^"]+)"\}/g)];
    expect(routes.map(([, route]) => route).toSorted()).toEqual(
      [VIEW, ACT, "/admin/*", "/dashboard/*", "site"].toSorted(),
    );
  });
});

describe("an act", () => {
  test("is done for operators, logged, and answers with its outcome", async () => {
    const { server, board } = await served();
    const answer = await server.post(ACT, { what: "all" });
    expect(answer.status).toBe(200);
    expect(await bodyOf(answer)).toEqual({ ok: true, outcome: "wiped it", id: 7 });
    expect(board.did).toEqual([{ what: "all" }]);
    expect(server.printed()).toMatch(/admin: 127\.0\.0\.1:\d+ \(token\): board\/wipe: wiped it/);
  });

  test("without a token it does not exist", async () => {
    const { server, board } = await served({}, { token: undefined as never });
    expect((await server.post(ACT)).status).toBe(404);
    expect(board.did).toEqual([]);
  });

  test("needs the token, and wrong ones have to wait", async () => {
    const { server, board } = await served();
    expect((await server.post(ACT, {}, { authorization: "" })).status).toBe(401);
    const wrong = { authorization: "Bearer 0123456789abcdeX" };
    for (let i = 0; i < 5; i++) expect((await server.post(ACT, {}, wrong)).status).toBe(401);
    const late = await server.post(ACT, {}, wrong);
    expect([late.status, late.headers.get("retry-after")]).toEqual([429, "5"]);
    expect(board.did).toEqual([]);
    expect((await server.post(ACT)).status).toBe(200);
  });

  test("by a session needs the page's own header", async () => {
    const { server, board } = await served();
    const signed = await server.post("/login", { token: TOKEN }, { authorization: "", ...PAGE });
    const cookie = (signed.headers.get("set-cookie") as string).split(";")[0] as string;
    const by = { authorization: "", cookie };
    expect((await server.post(ACT, {}, by)).status).toBe(403);
    expect(board.did).toEqual([]);
    expect((await server.post(ACT, {}, { ...by, ...PAGE })).status).toBe(200);
    expect(server.printed()).toContain("(dashboard): board/wipe");
  });

  test("its body is a JSON object with the fields it has", async () => {
    const { server, board } = await served();
    const authorization = `Bearer ${TOKEN}`;
    const send = (body: string, type = "application/json") =>
      server.get(ACT, { method: "POST", body, headers: { authorization, "content-type": type } });
    expect((await send("{}", "text/plain")).status).toBe(415);
    for (const body of ["[]", "1", "{", "null", '"x"', "[".repeat(200_000)]) {
      expect([body.slice(0, 9), (await send(body)).status]).toEqual([body.slice(0, 9), 400]);
    }
    const unknown = await send('{"what":"all","__proto__":1}');
    expect([unknown.status, await bodyOf(unknown)]).toEqual([
      400,
      { ok: false, outcome: "__proto__: unknown field; known: what" },
    ]);
    expect(board.did).toEqual([]);
    expect((await send("")).status).toBe(200);
  });

  test("its body has max_body_bytes at most", async () => {
    const { server, board } = await served({ web: { max_body_bytes: 1000 } });
    const room = 1000 - JSON.stringify({ what: "" }).length;
    expect((await server.post(ACT, { what: "x".repeat(room) })).status).toBe(200);
    expect((await server.post(ACT, { what: "x".repeat(room + 1) })).status).toBe(413);
    expect(board.did).toHaveLength(1);
  });

  test("may refuse, with more than a sentence; one that fails is a bug of ours", async () => {
    const { server, board } = await served();
    const refused = await server.post(ACT, { what: "none" });
    expect([refused.status, await bodyOf(refused)]).toEqual([
      409,
      { ok: false, outcome: "Not now.", problems: [1] },
    ]);
    expect(server.printed()).toContain("board/wipe: refused: Not now.");
    const failed = await server.post(ACT, { what: "bug" });
    expect(await failed.text()).not.toContain("oh");
    expect(failed.status).toBe(500);
    expect(server.printed()).toContain("TypeError: oh");
    expect(board.did).toEqual([]);
  });

  test("there is no other, and it has no other method", async () => {
    const { server } = await served();
    for (const name of ["nope", "constructor", "__proto__"]) {
      const answer = await server.post(`/admin/board/${name}`);
      expect([answer.status, await answer.text()]).toEqual([
        404,
        "There is no such action; there are wipe.\n",
      ]);
      const outside = await server.post(`/admin/board/${name}`, {}, { authorization: "" });
      expect(outside.status).toBe(401);
    }
    const got = await server.get(ACT);
    expect([got.status, got.headers.get("allow")]).toEqual([405, "POST, OPTIONS"]);
  });
});

describe("the event stream", () => {
  /** The events of a stream, as they come. */
  async function events(server: Booted) {
    const answer = await server.get("/events", { headers: { "accept-encoding": "identity" } });
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    const told: [name: string, data: any][] = [];
    let text = "";
    void (async () => {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        const parts = (text + Buffer.from(value).toString()).split("\n\n");
        text = parts.pop() as string;
        for (const one of parts) {
          const [, name = "", data = ""] = /event: (\w+)\ndata: (.*)$/.exec(one) ?? [];
          told.push([name, JSON.parse(data)]);
        }
      }
    })();
    onTestFinished(() => reader.cancel());
    return told;
  }

  test("says which panels there are, and which have changed, four times a second at most", async () => {
    const { server, board } = await served();
    board.changes = 5;
    server.clock.advance(250);
    const told = await events(server);
    await until(() => told.length === 2);
    const panels = told[0]?.[1].panels as Record<string, unknown>[];
    expect(panels.find((one) => one["service"] === "board")).toEqual({
      service: "board",
      title: "Board",
      styles: ["board.css"],
      tables: ["largest"],
      groups: ["heard"],
      changes: 5,
    });
    const changed = () => told.filter(([name]) => name === "changed").map(([, data]) => data);
    for (let i = 0; i < 1000; i++) {
      board.changes++;
      server.clock.advance(1);
    }
    await until(() => told.filter(([name]) => name === "tick").length === 2);
    await until(() => changed().length === 4);
    server.clock.advance(1000);
    await until(() => told.filter(([name]) => name === "tick").length === 3);
    expect(changed().map((one) => one.board)).toEqual([255, 505, 755, 1005]);
  });
});

test("the dashboard's page may not be where panels are", async () => {
  const { isTaken } = await import("../lib/services/web/routes.ts");
  expect(["/panels", "/panels/board/list"].map(isTaken)).toEqual([true, true]);
});
