import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { settings } from "../lib/config/table.ts";
import { systemClock } from "../lib/host/clock.ts";
import { web } from "../lib/services/web/web.ts";
import { boot, type Booted, type Overrides, raw, turn, until } from "./kit.ts";

const running: Booted[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function served(web: Overrides = {}): Promise<Booted> {
  const server = await boot(["relay", "web"], { web });
  running.push(server);
  return server;
}

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), "summoner-site-"));
  folders.push(folder);
  return folder;
}

/** A module of a user's own. */
function module(code: string): string {
  const path = join(temporary(), "site.ts");
  writeFileSync(path, code);
  return path;
}

const ask = (server: Booted, what: string, rest = "") =>
  raw(
    server.port("web"),
    `${what} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${rest}\r\n`,
  );

describe("[web] ticker", () => {
  test("that is none refuses the start, in one line", async () => {
    const ticker = module("export default { tock() {} };");
    await expect(served({ ticker })).rejects.toThrow(
      new RegExp(`^web\\.ticker: ${ticker} is not a ticker: tick must be a function[^\n]*$`),
    );
  });

  test("does not tick where another service cannot start", async () => {
    const mark = join(temporary(), "ticked");
    const ticker = module(`
      await Bun.write(${JSON.stringify(mark)}, "");
      export default { tick() {} };`);
    // A Worker that is begun later has loaded its module.
    const late = async () => {
      const worker = new Worker(module('postMessage("loaded")'));
      await new Promise((resolve) => worker.addEventListener("message", resolve));
      worker.terminate();
      throw new Error("the last one fails");
    };
    const table = { settings, services: { web, store: late } };
    const started = boot(["web", "store"], { web: { ticker } }, { table, clock: systemClock });
    await expect(started).rejects.toThrow("the last one fails");
    expect(existsSync(mark)).toBe(false);
  });
});

describe("[web] handler", () => {
  test("answers what no built-in route takes, method by method", async () => {
    const handler = module(`
      export default class {
        #count = 0;
        GET(request) { return new Response("got " + new URL(request.url).pathname, { headers: { "x-of": "me" } }); }
        async POST(request) { this.#count++; return Response.json({ count: this.#count, body: await request.text() }); }
        DELETE() { return new Response(null, { status: 204 }); }
      }`);
    const server = await served({ handler });
    const got = await server.get("/any/where?x=1");
    expect([got.status, got.headers.get("x-of"), await got.text()]).toEqual([
      200,
      "me",
      "got /any/where",
    ]);
    const head = await server.get("/any", { method: "HEAD" });
    expect([head.status, head.headers.get("x-of"), await head.text()]).toEqual([200, "me", ""]);
    for (const count of [1, 2]) {
      const posted = await server.get("/any", { method: "POST", body: "hello" });
      expect(await posted.json()).toEqual({ count, body: "hello" });
    }
    expect((await server.get("/any", { method: "DELETE" })).status).toBe(204);
    for (const method of ["PUT", "PATCH", "TRACE"]) {
      const answer = await ask(server, `${method} /any`);
      expect(answer).toStartWith("HTTP/1.1 405 ");
      expect(answer.toLowerCase()).toContain("allow: get, head, post, delete, options\r\n");
    }
    expect((await server.get("/healthz")).headers.get("x-of")).toBeNull();
  });

  test("shares its state with a ticker that runs apart", async () => {
    const ticker = module(`
      let shared;
      export default {
        seconds: 0.02,
        start(given) { shared = given; },
        async tick() { await shared.update("ticks", (n = 0) => n + 1); },
      };`);
    const handler = module(
      `export default { GET: async (_, shared) => Response.json(await shared.get("ticks") ?? 0) };`,
    );
    const server = await served({ handler, ticker });
    const ticks = async () => (await (await server.get("/ticks")).json()) as number;
    while ((await ticks()) < 2) await turn();
    await until(() => (server.stats("web")["ticks"] as number) > 1);
  });

  test("that has a tick is ticked by the program's clock", async () => {
    const handler = module(`
      let ticks = 0;
      export default {
        seconds: 5,
        tick() { ticks++; if (ticks === 2) throw new Error("the second fails"); },
        GET: () => Response.json(ticks),
      };`);
    const server = await served({ handler });
    await until(() => server.stats("web")["ticks"] === 1);
    server.clock.advance(5000);
    await until(() => server.stats("web")["ticks"] === 2);
    server.clock.advance(5000);
    await until(() => server.stats("web")["ticks"] === 3);
    expect(await (await server.get("/x")).json()).toBe(3);
    expect(server.stats("web")["tick_errors"]).toBe(1);
    expect(server.printed()).toContain("the second fails");
    const { tickers } = (await (await server.get("/varz")).json()) as { tickers: object[] };
    expect(tickers).toMatchObject([{ state: "running", ticks: 3, errors: 1, mode: "FLEX" }]);
  });

  test.each([
    ["throws", "GET() { throw new Error('a secret of the house'); }", "a secret of the house"],
    [
      "rejects",
      "async GET() { throw new Error('a secret of the house'); }",
      "a secret of the house",
    ],
    ["throws no error", "GET() { throw 'a secret of the house'; }", "a secret of the house"],
    ["returns nothing", "GET() {}", "it returned undefined and not a Response"],
    ["resolves to nothing", "async GET() {}", "it returned undefined and not a Response"],
    ["returns a text", "GET: () => 'hello'", 'it returned "hello" and not a Response'],
  ])("that %s is 500 without detail, and logged with a stack", async (_, code, logged) => {
    const server = await served({ handler: module(`export default { ${code} };`) });
    const answer = await server.get("/x");
    expect([answer.status, await answer.text()]).toEqual([
      500,
      "The server failed to answer this request.\n",
    ]);
    expect(server.printed()).toContain("GET http://127.0.0.1");
    expect(server.printed()).toContain("the handler's GET failed");
    expect(server.printed()).toContain(logged);
    expect(server.stats("web")["failures"]).toBe(1);
    expect((await server.get("/healthz")).status).toBe(200);
  });

  test("that hangs is given up at the deadline, and nobody waits for it", async () => {
    const handler = module(
      "export default { GET: (r) => r.url.endsWith('/hang') ? new Promise(() => {}) : new Response('ok') };",
    );
    const server = await served({ handler, request_timeout_ms: 2000 });
    let answer: Response | null = null;
    const hanging = server.get("/hang").then((found) => {
      answer = found;
    });
    await until(() => server.stats("web")["in_flight"] === 1);
    expect(await (await server.get("/other")).text()).toBe("ok");
    server.clock.advance(1999);
    expect(answer).toBeNull();
    server.clock.advance(251);
    await hanging;
    expect((answer as unknown as Response).status).toBe(503);
    expect(server.stats("web")["timeouts"]).toBe(1);
    expect(server.printed()).toContain("/hang was given up after 2000 ms");
  });

  test("requests run concurrently", async () => {
    const handler = module(`
      const waiting = [];
      export default {
        GET: () => new Promise((resolve) => {
          waiting.push(resolve);
          if (waiting.length === 20) for (const one of waiting) one(new Response("all here"));
        }),
      };`);
    const server = await served({ handler });
    const answers = await Promise.all(Array.from({ length: 20 }, () => server.get("/x")));
    for (const answer of answers) expect(await answer.text()).toBe("all here");
  });

  test.each([
    ["./nowhere.ts", "web.handler: ./nowhere.ts cannot be loaded: "],
    ["export default 3;", "its default export will not do: not an object with methods"],
    ["export default {};", "its default export will not do: none of the methods GET, HEAD, "],
    ["export default { GET: 3 };", "its default export will not do: GET is not a function"],
    ["throw new Error('not today');", "cannot be loaded: not today"],
    ["export default class { constructor() { throw new Error('never'); } }", "never"],
    ["export default { GET() {}, tick() {}, seconds: -1 };", "seconds must be"],
  ])("%s does not start", async (code, why) => {
    const handler = code.startsWith("./") ? code : module(code);
    expect(served({ handler })).rejects.toThrow(why);
  });

  test("in flight when the drain begins it finishes; what is left at the deadline is cut", async () => {
    const handler = module(`
      const waiting = [];
      export default {
        GET: (request) => {
          if (request.url.endsWith("/go")) { waiting[0](new Response("finished")); return new Response("gone"); }
          return new Promise((resolve) => waiting.push(resolve));
        },
      };`);
    const server = await served({ handler });
    const finishing = server.get("/first");
    await until(() => server.stats("web")["in_flight"] === 1);
    const cut = server.get("/second").then(
      () => "answered",
      () => "cut",
    );
    await until(() => server.stats("web")["in_flight"] === 2);
    expect(await (await server.get("/go")).text()).toBe("gone");
    const drained = server.drain(3000);
    expect(await (await finishing).text()).toBe("finished");
    // The relay is drained first.
    await until(() => server.running("web").health().reason === "draining");
    server.clock.advance(2999);
    await turn();
    let done = false;
    void drained.then(() => {
      done = true;
    });
    await turn();
    expect(done).toBe(false);
    server.clock.advance(1);
    await drained;
    expect(await cut).toBe("cut");
    expect(server.printed()).toContain("web: cut 1 requests that were not answered in time");
  });
});

describe("[web] static", () => {
  function folder(): string {
    const root = temporary();
    mkdirSync(join(root, "public", "docs"), { recursive: true });
    const file = (path: string, text: string) => writeFileSync(join(root, path), text);
    file("secret.txt", "secret");
    file("public/a file.txt", "spaced");
    file("public/page.html", "<p>page");
    file("public/.hidden", "hidden");
    file("public/docs/index.html", "docs");
    symlinkSync(join(root, "secret.txt"), join(root, "public", "leak.txt"));
    symlinkSync(root, join(root, "public", "up"));
    symlinkSync(join(root, "public", "page.html"), join(root, "public", "link.html"));
    return join(root, "public");
  }

  test("serves files, and the index of a folder", async () => {
    const server = await served({ static: folder() });
    const page = await server.get("/page.html?x");
    expect([page.status, await page.text()]).toEqual([200, "<p>page"]);
    expect(page.headers.get("content-type")).toStartWith("text/html");
    expect(page.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await (await server.get("/a%20file.txt")).text()).toBe("spaced");
    expect(await (await server.get("/link.html")).text()).toBe("<p>page");
    for (const [path, to] of [
      ["/docs", "/docs/"],
      ["/docs?a=/b&c", "/docs/?a=/b&c"],
      ["//docs", "/docs/"],
    ] as const) {
      const moved = await server.get(path);
      expect([moved.status, moved.headers.get("location")]).toEqual([301, to]);
    }
    expect(await (await server.get("/docs/")).text()).toBe("docs");
    const head = await server.get("/page.html", { method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([
      200,
      "7",
      "",
    ]);
    const posted = await server.get("/page.html", { method: "POST" });
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD, OPTIONS"]);
    // Built-in routes come first.
    expect((await server.get("/")).headers.get("content-security-policy")).toBeString();
  });

  test("sends nothing that the client has", async () => {
    const server = await served({ static: folder() });
    const { headers } = await server.get("/page.html");
    const etag = headers.get("etag") as string;
    const modified = headers.get("last-modified") as string;
    const status = async (given: Record<string, string>) =>
      (await server.get("/page.html", { headers: given })).status;
    expect(await status({ "if-none-match": etag })).toBe(304);
    expect(await status({ "if-none-match": `"x", ${etag}` })).toBe(304);
    expect(await status({ "if-none-match": '"x"' })).toBe(200);
    expect(await status({ "if-modified-since": modified })).toBe(304);
    expect(await status({ "if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT" })).toBe(200);
    expect(await status({ "if-modified-since": "nonsense" })).toBe(200);
  });

  test.each([
    "/../secret.txt",
    "/docs/../../secret.txt",
    "/%2e%2e/secret.txt",
    "/docs/%2e%2e/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/docs/..%2f..%2fsecret.txt",
    "/%252e%252e/secret.txt",
    "/..%5csecret.txt",
    "/..\\secret.txt",
    "/leak.txt",
    "/up/secret.txt",
    "/.hidden",
    "/docs/%2ehidden",
    "/page.html%00.txt",
    "/page.html/",
    "/%zz",
    "/nothing",
    "//etc/passwd",
    `/${"a/".repeat(3000)}`,
    `/${"x".repeat(5000)}`,
  ])("%s is not served", async (path) => {
    const server = await served({ static: folder() });
    const answer = await ask(server, `GET ${path}`);
    expect(answer).toMatch(/^HTTP\/1\.1 (400|404) /);
    expect(answer).not.toContain("secret\r\n");
    expect(answer).not.toEndWith("secret");
    expect(answer).not.toContain("page");
  });

  test("lets the handler have what is no file", async () => {
    const handler = module("export default { GET: () => new Response('mine') };");
    const server = await served({ static: folder(), handler });
    expect(await (await server.get("/nothing")).text()).toBe("mine");
    expect(await (await server.get("/page.html")).text()).toBe("<p>page");
  });

  test("a folder that is none does not start", async () => {
    expect(served({ static: "/nowhere/at/all" })).rejects.toThrow(
      "web.static: cannot serve /nowhere/at/all: ",
    );
    const file = module("");
    expect(served({ static: file })).rejects.toThrow(`cannot serve ${file}: it is not a folder`);
  });
});

describe("requests that will not do", () => {
  const echo =
    "export default { POST: async (r) => new Response(String((await r.text()).length)) };";

  test("a body at the bound is taken, one past it is 413", async () => {
    const server = await served({ handler: module(echo), max_body_bytes: 1000 });
    const post = (bytes: number) =>
      ask(server, "POST /x", `Content-Length: ${bytes}\r\n\r\n${"x".repeat(bytes)}`);
    expect(await post(1000)).toEndWith("\r\n\r\n1000");
    expect(await post(1001)).toStartWith("HTTP/1.1 413 ");
    const chunked = (bytes: number) =>
      ask(
        server,
        "POST /x",
        `Transfer-Encoding: chunked\r\n\r\n${bytes.toString(16)}\r\n${"x".repeat(bytes)}\r\n0\r\n\r\n`,
      );
    expect(await chunked(1000)).toEndWith("\r\n\r\n1000");
    expect(await chunked(1001)).toMatch(/^HTTP\/1\.1 413 /);
    expect((await server.get("/healthz")).status).toBe(200);
  });

  test.each([
    ["a header that is too long", "GET / HTTP/1.1\r\nHost: x\r\n", `A: ${"y".repeat(20_000)}`, 431],
    ["too many headers", "GET / HTTP/1.1\r\nHost: x\r\n", "A: b\r\n".repeat(300), 431],
    ["no host", "GET / HTTP/1.1\r\n", "", 400],
    ["no HTTP at all", "\0\x01 what is this", "", 400],
    [
      "two lengths",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
      "",
      400,
    ],
    [
      "length and chunks",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
      "",
      400,
    ],
    ["a length that is none", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n", "", 400],
  ])("%s", async (_, start, rest, status) => {
    const server = await served();
    const answer = await raw(server.port("web"), `${start}${rest}\r\n\r\n`);
    expect(answer).toStartWith(`HTTP/1.1 ${status} `);
    expect((await server.get("/healthz")).status).toBe(200);
  });

  test("a body that does not come is given up at the deadline", async () => {
    const server = await served({ handler: module(echo), request_timeout_ms: 1000 });
    const slow = raw(
      server.port("web"),
      "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc",
    );
    await until(() => server.stats("web")["in_flight"] === 1);
    expect((await server.get("/healthz")).status).toBe(200);
    server.clock.advance(1250);
    expect(await slow).toStartWith("HTTP/1.1 408 ");
  });

  test("heads that do not come hold nobody up", async () => {
    const server = await served();
    const slow = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const socket = createConnection({ port: server.port("web"), host: "127.0.0.1" });
        socket.on("error", () => {});
        await new Promise((resolve) => socket.on("connect", resolve));
        socket.write("GET / HTTP/1.1\r\nHost: x\r\nA: ");
        return socket;
      }),
    );
    expect((await server.get("/healthz")).status).toBe(200);
    for (const socket of slow) socket.destroy();
  });
});

describe("[web] access_log", () => {
  test("logs each request; off by default", async () => {
    const quiet = await served();
    await quiet.get("/healthz");
    expect(quiet.printed()).not.toContain("/healthz");
    const server = await served({ access_log: true });
    await server.get("/healthz");
    await server.get("/nothing?x=1");
    await ask(server, "GET /a\x1b[31m\x9b");
    expect(server.printed()).toMatch(/INFO +web: local GET \/healthz 200 0 ms\n/);
    expect(server.printed()).toMatch(/\/nothing\?x=1 404 /);
    // oxlint-disable-next-line no-control-regex
    expect(server.printed()).not.toMatch(/[\x1b\x9b]/);
    // They are no events: the tail is for those.
    expect(server.log.tail().join("\n")).not.toContain("/healthz");
  });
});
