import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createLog,
  HandlerError,
  Server,
  ServerError,
  ServerShutdownError,
  ServerStartupError,
  type WebServerOptions,
} from "../index.ts";
import { HandClock } from "../lib/host/clock.ts";
import { turn, until } from "./kit.ts";

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

function recorder() {
  const lines: string[] = [];
  const add = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  return {
    lines,
    debug: add("DEBUG"),
    info: add("INFO"),
    warning: add("WARNING"),
    error: add("ERROR"),
    bug: (error: unknown, context: string) =>
      void lines.push(`BUG ${context}: ${Bun.inspect(error)}`),
  };
}

/** A server that runs, with a clock moved by hand. */
async function serve(options: Partial<WebServerOptions>) {
  const clock = new HandClock();
  const log = recorder();
  const handler = { GET: () => new Response("hello") };
  const server = new Server(log, { port: 0, handler, clock, ...options });
  const code = server.run();
  const { port, url } = await server.listening;
  endings.push(async () => {
    const stopped = server.stop().catch(() => {});
    clock.advance(60_000);
    await stopped;
  });
  const ask = (path = "/", init: BunFetchRequestInit = {}) =>
    fetch(`http://127.0.0.1:${port}${path}`, { keepalive: false, ...init });
  return { clock, log, server, code, port, url, ask };
}

function module(code: string): string {
  const folder = mkdtempSync(join(tmpdir(), "summoner-http-"));
  endings.push(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "ticker.ts");
  writeFileSync(path, code);
  return path;
}

describe("Server", () => {
  test("serves until it is stopped, and ends with 0", async () => {
    const { ask, server, code, log, url } = await serve({});
    expect(await (await ask()).text()).toBe("hello");
    expect(server.status()).toBeNull();
    await server.stop();
    expect(await code).toBe(0);
    expect(log.lines).toEqual([`INFO listening on ${url}`, "INFO stopped"]);
    expect(ask()).rejects.toThrow();
  });

  test("hands the request on, each method to its own", async () => {
    const handler = {
      GET: (request: Request) => new Response(new URL(request.url).search),
      HEAD: () => new Response(null, { headers: { "x-own": "yes" } }),
      POST: async (request: Request) => new Response(`posted ${await request.text()}`),
      PUT: async (request: Request) => new Response(`put ${await request.text()}`),
      PATCH: () => new Response("patched"),
      DELETE: () => new Response("deleted"),
    };
    const { ask } = await serve({ handler });
    expect(await (await ask("/?a=b")).text()).toBe("?a=b");
    expect((await ask("/", { method: "HEAD" })).headers.get("x-own")).toBe("yes");
    const said = async (method: string, body?: string) =>
      (await ask("/", { method, ...(body ? { body } : {}) })).text();
    expect(await said("POST", "x")).toBe("posted x");
    expect(await said("PUT", "y")).toBe("put y");
    expect(await said("PATCH")).toBe("patched");
    expect(await said("DELETE")).toBe("deleted");
    const options = await ask("/", { method: "OPTIONS" });
    expect([options.status, options.headers.get("allow")]).toEqual([
      204,
      "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    ]);
  });

  test("logMessage gets a line for each request", async () => {
    const lines: string[] = [];
    const { ask } = await serve({ logMessage: (line) => lines.push(line) });
    await ask("/x?y");
    await ask("/", { method: "POST" });
    expect(lines).toEqual([
      expect.stringMatching(/^local GET \/x\?y 200 0 ms$/),
      expect.stringMatching(/^local POST \/ 405 /),
    ]);
  });

  test("a handler that is a ticker is ticked in this process and shares its state", async () => {
    class Counting {
      seconds = 5;
      #shared!: { update<T>(key: string, change: (value: T | undefined) => T): Promise<T> };
      start(shared: never) {
        this.#shared = shared;
      }
      async tick() {
        await this.#shared.update<number>("ticks", (n = 0) => n + 1);
      }
      async GET(_request: Request, shared: { get(key: string): Promise<unknown> }) {
        return Response.json(await shared.get("ticks"));
      }
    }
    const { ask, clock, server, code } = await serve({ handler: new Counting() });
    await until(() => server.status()?.ticks === 1);
    clock.advance(5000);
    await until(() => server.status()?.ticks === 2);
    expect(await (await ask()).json()).toBe(2);
    expect(server.status()).toMatchObject({ state: "running", seconds: 5, mode: "FLEX" });
    await server.stop();
    expect(await code).toBe(0);
    expect(server.status()?.state).toBe("stopped");
  });

  test("a ticker of its own runs in a Worker and shares its state", async () => {
    const ticker = module(`
      let shared;
      export default {
        seconds: 0.02,
        start(given) { shared = given; },
        tick: () => shared.update("ticks", (n = 0) => n + 1),
        stop: () => shared.set("stopped", Bun.isMainThread ? "here" : "apart"),
      };`);
    const { ask, server, code } = await serve({
      ticker,
      handler: { GET: async (_, shared) => Response.json((await shared.get("ticks")) ?? 0) },
    });
    while (((await (await ask()).json()) as number) < 3) await turn();
    await server.stop();
    expect(await code).toBe(0);
    expect(await server.shared.get<string>("stopped")).toBe("apart");
  });

  test("a ticker object runs in this process with isolate: false", async () => {
    let ticks = 0;
    const { clock, server } = await serve({
      isolate: false,
      ticker: {
        seconds: 1,
        tick() {
          ticks++;
        },
      },
    });
    await until(() => server.status()?.ticks === 1);
    clock.advance(1000);
    await until(() => ticks === 2);
  });

  test("requests in flight finish; what is left at the deadline is cut and told of", async () => {
    const waiting: ((answer: Response) => void)[] = [];
    const handler = { GET: () => new Promise<Response>((resolve) => waiting.push(resolve)) };
    const { ask, clock, server, code, log } = await serve({ handler, drainMs: 3000 });
    const first = ask("/first");
    await until(() => waiting.length === 1);
    const second = ask("/second").then(
      () => "answered",
      () => "cut",
    );
    await until(() => waiting.length === 2);
    const stopped = server.stop();
    waiting[0]?.(new Response("in time"));
    expect(await (await first).text()).toBe("in time");
    clock.advance(3000);
    expect(stopped).rejects.toThrow(ServerShutdownError);
    expect(await second).toBe("cut");
    expect(await code).toBe(1);
    expect(log.lines.at(-1)).toBe("ERROR not stopped within 3000 ms: 1 requests were cut");
  });

  test("a ticker that does not stop in time makes 1 of the exit code", async () => {
    const ticker = { tick: () => new Promise<void>(() => {}) };
    const { clock, server, code } = await serve({ ticker, isolate: false, drainMs: 1000 });
    await until(() => server.status()?.tickingMs !== null);
    const stopped = server.stop();
    await turn();
    clock.advance(1000);
    expect(stopped).rejects.toThrow("the ticker did not stop");
    expect(await code).toBe(1);
  });

  test("a port in use is one clear ServerStartupError", async () => {
    const { port } = await serve({});
    const other = new Server(recorder(), { port, handler: { GET: () => new Response() } });
    const failed = other.run();
    expect(failed).rejects.toThrow(ServerStartupError);
    expect(failed).rejects.toThrow(
      `server: cannot listen on 127.0.0.1:${port}: the port is in use`,
    );
    expect(other.listening).rejects.toThrow(ServerStartupError);
    await failed.catch(() => {});
  });

  test("is run once", async () => {
    const { server } = await serve({});
    expect(server.run()).rejects.toThrow("a server is run once");
  });

  test.each([
    [{ port: 70_000 }, "port: found 70000; allowed: a whole number from 0 to 65535"],
    [{ port: -1 }, "port: found -1"],
    [{ port: "80" }, 'port: found "80"'],
    [{ port: undefined }, "port: found undefined"],
    [{ host: "" }, 'host: found ""'],
    [{ host: 3 }, "host: found 3"],
    [{ handler: undefined }, "handler: not an object with methods"],
    [{ handler: {} }, "handler: none of the methods GET, HEAD"],
    [{ handler: { POST: 3 } }, "handler: POST is not a function"],
    [{ handler: { GET() {}, tick() {}, seconds: 0 } }, "handler: seconds must be"],
    [{ ticker: 3 }, "ticker: "],
    [{ ticker: { tick() {} } }, "ticker: an object cannot move to a Worker; give the module"],
    [{ ticker: { tick: 3 }, isolate: false }, "ticker: tick must be"],
    [{ ticker: "./x.ts", isolate: false }, "ticker: a module runs in a Worker"],
    [{ isolate: "yes" }, 'isolate: found "yes"'],
    [{ logMessage: "x" }, "logMessage: not a function"],
    [{ drainMs: -1 }, "drainMs: found -1"],
    [
      { requestTimeoutMs: 0 },
      "requestTimeoutMs: found 0; allowed: a whole number from 1 to 240000",
    ],
    [{ requestTimeoutMs: 240_001 }, "requestTimeoutMs: found 240001"],
    [{ maxBodyBytes: 2 ** 30 + 1 }, "maxBodyBytes: found 1073741825"],
    [{ prot: 80 }, "prot: unknown; known: host, port, "],
  ])("refuses %p at construction", (wrong, why) => {
    const handler = { GET: () => new Response() };
    const options = { port: 0, handler, ...wrong } as never;
    expect(() => new Server(recorder(), options)).toThrow(why);
    expect(() => new Server(recorder(), options)).toThrow(ServerStartupError);
  });

  test("takes the bounds of its numbers", () => {
    const handler = { GET: () => new Response() };
    for (const given of [
      { port: 65_535 },
      { requestTimeoutMs: 1 },
      { requestTimeoutMs: 240_000 },
      { maxBodyBytes: 0 },
      { maxBodyBytes: 2 ** 30 },
      { drainMs: 0 },
    ]) {
      expect(new Server(recorder(), { port: 0, handler, ...given })).toBeInstanceOf(Server);
    }
    expect(() => new Server(null as never, { port: 0, handler })).toThrow("log: not a log");
  });

  test("its errors are one family", () => {
    for (const one of [ServerStartupError, ServerShutdownError, HandlerError]) {
      expect(new one("x")).toBeInstanceOf(ServerError);
    }
  });

  test("createLog makes a log for the console", () => {
    const log = createLog("mine", "WARNING");
    expect(log.level).toBe("WARNING");
    void log.close();
  });
});
