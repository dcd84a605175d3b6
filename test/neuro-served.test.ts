import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { neuro } from "../lib/services/neuro/neuro.ts";
import { type Booted, configOf, openssl, raw, selfSigned, until } from "./kit.ts";
import { connect, serving, startNeuro } from "./neuro-suite.ts";
import { BROWSER, Tab, text } from "./tab.ts";

// [neuro] serve_game: a game's build for the web, from the port that it connects to.

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), "summoner-build-"));
  folders.push(folder);
  return folder;
}

const WASM = Buffer.from([0, 97, 115, 109, 1, 0, 0, 0]);
const DATA = Buffer.from("the game's data, ".repeat(100));
const SCRIPT = "console.log('here');\n";

/** A folder as Unity writes it. */
function build(): string {
  const folder = temporary();
  mkdirSync(join(folder, "Build"));
  const files: Record<string, string | Uint8Array> = {
    "index.html": "<!doctype html><title>A game</title>",
    "Build/game.loader.js": SCRIPT,
    "Build/game.wasm.br": brotliCompressSync(WASM),
    "Build/game.data.gz": gzipSync(DATA),
    "Build/game.framework.js.br": brotliCompressSync(SCRIPT),
    "Build/plain.wasm": WASM,
    "Build/data": DATA,
    ".secret": "hidden",
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

const PLACE = { host: "localhost", tls: false };

/** Asks the door of the games for a path; a body stays as it was sent. */
async function ask(
  server: Booted,
  path: string,
  headers: Record<string, string> = {},
  { method = "GET", tls } = { ...PLACE, method: "GET" },
) {
  const url = `${tls ? "https" : "http"}://localhost:${server.port("neuro")}${path}`;
  const answer = await fetch(url, {
    method,
    headers,
    decompress: false,
    redirect: "manual",
    keepalive: false,
    tls: { rejectUnauthorized: false },
  });
  return {
    status: answer.status,
    fields: answer.headers,
    body: Buffer.from(await answer.arrayBuffer()),
  };
}

const ANY = { "accept-encoding": "gzip, deflate, br, zstd" };

describe("serve_game", () => {
  test("serves the page of a folder, isolated from other sites, beside the games", async () => {
    const server = await startNeuro({ serve_game: build() });
    const page = await ask(server, "/");
    expect([page.status, page.fields.get("content-type")]).toEqual([
      200,
      "text/html;charset=utf-8",
    ]);
    expect(page.body.toString()).toContain("A game");
    const missing = await ask(server, "/nothing");
    expect(missing.status).toBe(404);
    const folder = await ask(server, "/Build");
    expect(folder.status).toBe(404);
    for (const { fields } of [page, missing, folder]) {
      expect(fields.get("cross-origin-opener-policy")).toBe("same-origin");
      expect(fields.get("cross-origin-embedder-policy")).toBe("require-corp");
    }
    const game = await connect(server, "Test Game", "/index.html");
    game.send("startup");
    expect((await game.next()).command).toBe("startup");
    expect((await ask(server, "/", {}, { ...PLACE, method: "POST" })).status).toBe(405);
    expect(server.printed()).toContain(
      `serves ${server.config.neuro.serve_game} at http://127.0.0.1:${server.port("neuro")}/`,
    );
  });

  test("is not there unless a folder is named: the door is for WebSockets", async () => {
    const server = await startNeuro();
    expect((await ask(server, "/")).status).toBe(426);
    expect((await ask(server, "/$env/NEURO_SDK_WS_URL")).status).toBe(426);
  });

  test.each([
    ["game.wasm.br", "br", "application/wasm", brotliCompressSync(WASM)],
    ["game.data.gz", "gzip", "application/octet-stream", gzipSync(DATA)],
    ["game.framework.js.br", "br", "text/javascript;charset=utf-8", brotliCompressSync(SCRIPT)],
    ["plain.wasm", null, "application/wasm", WASM],
    ["data", null, "application/octet-stream", DATA],
  ])("sends %s as what it holds", async (name, coding, type, bytes) => {
    const server = await startNeuro({ serve_game: build() });
    const { status, fields, body } = await ask(server, `/Build/${name}`, ANY);
    expect(status).toBe(200);
    expect([fields.get("content-encoding"), fields.get("content-type")]).toEqual([coding, type]);
    expect(body.equals(bytes)).toBe(true);
    expect(fields.get("x-content-type-options")).toBe("nosniff");
  });

  test("sends a compressed file for its plain name too", async () => {
    const server = await startNeuro({ serve_game: build() });
    writeFileSync(join(server.config.neuro.serve_game, "Build/game.wasm"), WASM);
    const { fields } = await ask(server, "/Build/game.wasm", ANY);
    expect([fields.get("content-encoding"), fields.get("content-type")]).toEqual([
      "br",
      "application/wasm",
    ]);
  });

  test.each([
    ["gzip, deflate", 406],
    ["identity", 406],
    ["br;q=0, *", 406],
    ["identity, br;q=0.1", 200],
    ["*", 200],
  ])("tells a client that takes %s: %d", async (takes, status) => {
    const server = await startNeuro({ serve_game: build() });
    const answer = await ask(server, "/Build/game.wasm.br", { "accept-encoding": takes });
    expect(answer.status).toBe(status);
    if (status === 406) expect(answer.body.toString()).toContain("(br)");
  });

  test("knows tags and ranges, as a site does", async () => {
    const server = await startNeuro({ serve_game: build() });
    const whole = await ask(server, "/Build/data");
    const etag = whole.fields.get("etag") as string;
    const same = await ask(server, "/Build/data", { "if-none-match": etag });
    expect([same.status, same.fields.get("cross-origin-embedder-policy")]).toEqual([
      304,
      "require-corp",
    ]);
    const part = await ask(server, "/Build/data", { range: "bytes=4-7" });
    expect([part.status, part.body.toString()]).toEqual([206, "game"]);
    const coded = await ask(server, "/Build/game.wasm.br", ANY);
    expect(coded.fields.get("etag")).toEndWith('-br"');
    const known = { ...ANY, "if-none-match": coded.fields.get("etag") as string };
    expect((await ask(server, "/Build/game.wasm.br", known)).status).toBe(304);
  });

  test.each(["/../outside", "/%2e%2e/outside", "/Build/..%2f..%2foutside", "/link", "/.secret"])(
    "leads nowhere else by %s",
    async (path) => {
      const outside = temporary();
      writeFileSync(join(outside, "outside"), "not yours");
      const folder = join(outside, "build");
      mkdirSync(join(folder, "Build"), { recursive: true });
      writeFileSync(join(folder, ".secret"), "not yours");
      symlinkSync(join(outside, "outside"), join(folder, "link"));
      const server = await startNeuro({ serve_game: folder });
      const said = await raw(
        server.port("neuro"),
        `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      );
      expect(said).toMatch(/^HTTP\/1\.1 40[04] /);
      expect(said).not.toContain("not yours");
    },
  );

  test("is for those whom the access lists let in", async () => {
    const access = { deny: ["127.0.0.2"] };
    const server = await startNeuro({ serve_game: build(), access });
    const get = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    const say = (from: string) => raw(server.port("neuro"), get, "127.0.0.1", from);
    expect(await say("127.0.0.2")).toStartWith("HTTP/1.1 403 ");
    expect(await say("127.0.0.1")).toStartWith("HTTP/1.1 200 ");
  });

  test("needs a folder, which check finds missing", async () => {
    const serve_game = join(temporary(), "not-there");
    const config = configOf({ neuro: { enabled: true, port: 0, serve_game } });
    const message = `cannot serve ${serve_game}: there is no such folder`;
    expect(neuro.check(config)).toEqual([{ key: "neuro.serve_game", message }]);
    await expect(startNeuro({ serve_game })).rejects.toThrow(`neuro.serve_game: ${message}`);
  });
});

describe("$env", () => {
  const WHERE = "/$env/NEURO_SDK_WS_URL";

  test("says where to connect, by the host that was asked", async () => {
    const server = await startNeuro({ serve_game: build() });
    const port = server.port("neuro");
    const { fields, body } = await ask(server, WHERE);
    expect(body.toString()).toBe(`ws://localhost:${port}`);
    expect([fields.get("content-type"), fields.get("cache-control")]).toEqual([
      "text/plain; charset=utf-8",
      "no-store",
    ]);
    const other = await ask(server, "/%24env/NEURO_SDK_WS_URL", { host: "games.example:81" });
    expect(other.body.toString()).toBe("ws://games.example:81");
    const from = (referer: string) => ask(server, WHERE, { host: "games.example", referer });
    for (const [referer, address] of [
      ["https://games.example/", "wss://games.example"],
      ["http://games.example/", "ws://games.example"],
      ["https://games.example.org/", "ws://games.example"],
    ] as const) {
      expect((await from(referer)).body.toString()).toBe(address);
    }
    expect((await ask(server, "/$env/PATH")).status).toBe(404);
    expect((await ask(server, WHERE, {}, { ...PLACE, method: "PUT" })).status).toBe(405);
  });

  test.if(openssl !== null)("says wss where there is TLS", async () => {
    const { cert, key } = selfSigned(temporary());
    const server = await startNeuro({ serve_game: build(), tls: { cert, key } });
    const { body } = await ask(server, WHERE, {}, { ...PLACE, method: "GET", tls: true });
    expect(body.toString()).toBe(`wss://localhost:${server.port("neuro")}`);
  });
});

/** A game as a page: it asks where to connect, registers, forces, and answers. */
const PAGE = `<!doctype html><title>A game</title><link rel="icon" href="data:,"><p id="said"></p>
<script type="module" src="game.js.br"></script>`;
const GAME = `
const said = document.querySelector("#said");
const url = await (await fetch("/$env/NEURO_SDK_WS_URL")).text();
const socket = new WebSocket(url);
const send = (command, data) => socket.send(JSON.stringify({ command, game: "Page", data }));
socket.onopen = () => {
  send("startup");
  send("actions/register", { actions: [{ name: "jump", description: "Jumps." }] });
  send("actions/force", { query: "Jump.", action_names: ["jump"] });
};
socket.onmessage = ({ data }) => {
  const { command, data: { id, name } } = JSON.parse(data);
  if (command !== "action") return;
  send("action/result", { id, success: true });
  said.textContent = name + " " + crossOriginIsolated + " " + typeof SharedArrayBuffer;
};
`;

describe.skipIf(BROWSER === undefined)("in a browser", () => {
  test("a page finds its way by $env, has memory to share, and plays", async () => {
    const folder = temporary();
    writeFileSync(join(folder, "index.html"), PAGE);
    writeFileSync(join(folder, "game.js.br"), brotliCompressSync(GAME));
    const server = await startNeuro({ serve_game: folder });
    const tab = await Tab.open(`http://localhost:${server.port("neuro")}/`);
    try {
      await tab.see(text("#said"), "jump true function");
      await until(() => server.stats()["forces_succeeded"] === 1);
      expect([...serving(server).games].map(({ name }) => name)).toEqual(["Page"]);
      expect(tab.troubles).toEqual([]);
    } finally {
      tab.view.close();
    }
  });
});
