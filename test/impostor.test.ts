import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ended, until } from "./kit.ts";

/** Something else holds the port of the web service, and answers as it likes. */

const program = join(import.meta.dir, "..", "index.ts");
const env = { ...process.env, SUMMONER_TOKEN: "0123456789abcdef" };
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

interface Impostor {
  readonly folder: string;
  /** `127.0.0.1:PORT does not answer as a Summoner server`, with a line's end. */
  readonly said: string;
  readonly port: number;
  /** The headers in which it was shown a token. */
  readonly shown: string[];
}

/** An impostor: the answers to paths, and of `/varz` one that passes for the server's own. */
function impostor(answer: (path: string) => Response | undefined): Impostor {
  const folder = mkdtempSync(join(tmpdir(), "summoner-impostor-"));
  const file = join(folder, "summoner.toml");
  const shown: string[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const header = request.headers.get("authorization");
      if (header !== null) shown.push(header);
      const path = new URL(request.url).pathname;
      return answer(path) ?? Response.json(path === "/varz" ? varz(realpathSync(file)) : {});
    },
  });
  endings.push(
    () => rmSync(folder, { recursive: true }),
    () => server.stop(true),
  );
  const port = server.port as number;
  writeFileSync(file, `web.port = ${port}\n`);
  return { folder, port, shown, said: `127.0.0.1:${port} does not answer as a Summoner server\n` };
}

function varz(config_file: string): object {
  return { name: "a", version: "1", config_file, process: { uptime_seconds: 1 }, services: {} };
}

/** A body that never ends, in chunks of 64 kB; `taken` gets their number. */
function endless(first: string, taken: (chunks: number) => void): ReadableStream {
  let chunks = 0;
  return new ReadableStream({
    start: (to) => to.enqueue(Buffer.from(first)),
    pull(to) {
      taken(++chunks);
      to.enqueue(Buffer.alloc(65_536, "x"));
    },
  });
}

const stream = (body: string | ReadableStream) =>
  new Response(body, { headers: { "content-type": "text/event-stream" } });

function call({ folder }: Impostor, ...args: string[]) {
  const child = Bun.spawn([process.execPath, program, ...args], {
    cwd: folder,
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  return ended(child);
}

describe("the token", () => {
  test("is not shown for a 401, which no server on loopback answers", async () => {
    const other = impostor((path) =>
      path === "/varz" ? new Response("no", { status: 401 }) : undefined,
    );
    const said = `127.0.0.1:${other.port} asks for the token, as no Summoner server on loopback does; it was not shown\n`;
    expect(await call(other, "status")).toEqual({ out: `down: ${said}`, err: "", code: 1 });
    expect((await call(other, "top")).err).toBe(`error: ${said}`);
    expect(other.shown).toEqual([]);
  });

  test("nor to one that passes for the server, as long as it is only asked", async () => {
    const other = impostor(() => undefined);
    await call(other, "status");
    await call(other, "top");
    expect(other.shown).toEqual([]);
  });

  test("and no redirect is followed", async () => {
    const paths: string[] = [];
    const other = impostor((path) => {
      paths.push(path);
      return Response.redirect("/elsewhere", 302);
    });
    expect((await call(other, "status")).out).toBe(`down: ${other.said}`);
    expect(paths).toEqual(["/varz"]);
  });
});

describe("an answer without end", () => {
  test.each(["/varz", "/healthz"])("of %s is read in part", async (endlessPath) => {
    let chunks = 0;
    const other = impostor((path) =>
      path === endlessPath ? new Response(endless("", (n) => (chunks = n))) : undefined,
    );
    expect(await call(other, "status")).toEqual({ out: `down: ${other.said}`, err: "", code: 1 });
    expect(chunks).toBeLessThan(2048);
  });

  test("of events too, though its lines come in many pieces", async () => {
    let chunks = 0;
    const other = impostor((path) =>
      path === "/events" ? stream(endless("data: ", (n) => (chunks = n))) : undefined,
    );
    expect(await call(other, "top")).toEqual({ out: "", err: `error: ${other.said}`, code: 1 });
    expect(chunks).toBeLessThan(2048);
  });
});

describe("an odd answer", () => {
  const odd = [
    "null",
    "{}",
    "[]",
    "7",
    '{"at":1}',
    '{"at":1,"process":null}',
    "[".repeat(100_000),
  ].map((json) => [json.slice(0, 30), json] as const);

  test.each(odd)("%s is no server's state", async (_, json) => {
    const other = impostor((path) => (path === "/varz" ? undefined : new Response(json)));
    expect(await call(other, "status")).toEqual({ out: `down: ${other.said}`, err: "", code: 1 });
  });

  test.each(odd)("%s is no server's event", async (_, json) => {
    const hello =
      'event: hello\ndata: {"name":"a","version":"1","started_at":1,"declared":{},"history":[],"stream":{"id":1,"address":""}}\n\n';
    const other = impostor((path) =>
      path === "/events" ? stream(`${hello}event: tick\ndata: ${json}\n\n`) : undefined,
    );
    const failed = { out: "", err: `error: ${other.said}`, code: 1 };
    expect(await call(other, "top")).toEqual(failed);
    const odder = impostor((path) =>
      path === "/events" ? stream(`event: hello\ndata: ${json}\n\n`) : undefined,
    );
    expect((await call(odder, "top")).err).toBe(`error: ${odder.said}`);
  });

  test.skipIf(process.platform === "win32")(
    "is told on the screen of top, which asks again and ends on x",
    async () => {
      let asked = 0;
      const hello =
        'event: hello\ndata: {"name":"a","version":"1","started_at":1,"declared":{},"history":[],"stream":{"id":1,"address":""}}\n\n';
      const other = impostor((path) => {
        if (path !== "/events") return undefined;
        asked++;
        return stream(`${hello}event: tick\ndata: {"at":1}\n\n`);
      });
      let screen = "";
      const child = Bun.spawn([process.execPath, program, "top"], {
        cwd: other.folder,
        env: { ...env, TERM: "xterm" },
        terminal: { cols: 100, rows: 10, data: (_, bytes) => (screen += bytes.toString()) },
      });
      endings.push(async () => {
        child.kill("SIGKILL");
        await child.exited;
      });
      await until(() => asked > 1);
      child.terminal?.write("x");
      expect(await child.exited).toBe(0);
      expect(screen).toContain(other.said.trim());
      expect(screen).not.toMatch(/TypeError|RangeError|\n +at /);
      expect(screen).toEndWith("\x1b[?25h\x1b[?1049l");
    },
  );
});
