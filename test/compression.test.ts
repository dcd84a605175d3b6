import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync, createGunzip, gunzipSync } from "node:zlib";
import { wanted } from "../lib/net/http/compression/codings.ts";
import { isText } from "../lib/net/http/compression/types.ts";
import { createLog, Server } from "../index.ts";
import { boot, type Booted, type Overrides, until } from "./kit.ts";
import { BROWSER, clock, STATUS, stat, Tab, TOKEN } from "./tab.ts";
import { BUILT_IN } from "./web-suite.ts";

const CODINGS = ["gzip", "br", "zstd"] as const;
const curl = Bun.which("curl");
const node = Bun.which("node");
if (!curl) console.log("skipped: compressed answers to curl, because it is not installed");
if (!node) console.log("skipped: compressed answers to Node's fetch, because it is not installed");

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

/** A server with a handler of a user's own. */
async function handled(code: string): Promise<Booted> {
  const folder = mkdtempSync(join(tmpdir(), "summoner-compression-"));
  folders.push(folder);
  const handler = join(folder, "site.ts");
  writeFileSync(handler, `export default { ${code} };`);
  return served({ handler });
}

/** An answer as it is on the wire. */
async function sent(
  server: Booted,
  path: string,
  accept: string | null,
  init: BunFetchRequestInit = {},
) {
  const headers = {
    ...(init.headers as Record<string, string>),
    "accept-encoding": accept ?? "identity",
  };
  // Bun's fetch says what it takes unless it is told.
  const answer = await server.get(path, { ...init, headers, decompress: false });
  const bytes = await answer.bytes();
  const coding = answer.headers.get("content-encoding");
  return { answer, status: answer.status, headers: answer.headers, coding, bytes };
}

/** The fields of a head but its date and those named. */
function fieldsOf(headers: Headers, without: readonly string[] = []): Record<string, string> {
  const fields = Object.entries(Object.fromEntries(headers));
  return Object.fromEntries(fields.filter(([name]) => ![...without, "date"].includes(name)));
}

function decoded(bytes: Uint8Array, coding: string | null): string {
  if (coding === null) return Buffer.from(bytes).toString();
  if (coding === "gzip") return gunzipSync(bytes).toString();
  if (coding === "br") return brotliDecompressSync(bytes).toString();
  return Bun.zstdDecompressSync(bytes).toString();
}

describe("Accept-Encoding", () => {
  test.each([
    ["gzip", "gzip"],
    ["br", "br"],
    ["zstd", "zstd"],
    ["GZip", "gzip"],
    ["x-gzip", "gzip"],
    ["gzip, deflate", "gzip"],
    ["gzip, deflate, br", "br"],
    ["gzip, deflate, br, zstd", "zstd"],
    ["gzip;q=1.0, br;q=0.5", "gzip"],
    ["gzip;q=0.3,br;q=0.35 , zstd ; q=0.1", "br"],
    ["br;q=0, gzip", "gzip"],
    ["*", "zstd"],
    ["zstd;q=0, *;q=0.1", "br"],
    ["gzip;q=0.001", "gzip"],
    ["gzip, identity", "gzip"],
    ["gzip;q=0.5, identity", null],
    ["gzip;q=0.5, *", "zstd"],
    ["identity, *;q=0.5", null],
    ["identity;q=0, gzip;q=0.1", "gzip"],
    ["*;q=0, br", "br"],
    ["", null],
    ["identity", null],
    ["deflate", null],
    ["compress, exi", null],
    ["gzip;q=0", null],
    ["gzip;q=0.000", null],
    ["gzip;q=2", null],
    ["gzip;q=-1", null],
    ["gzip;q=", null],
    ["gzip;level=9", null],
    [";q=1,,;,*;", null],
    [`${"x,".repeat(40)}gzip`, null],
  ])("%s", async (accept, coding) => {
    const server = await served();
    // Answers are counted by route, so that the second one tells more than the first.
    await sent(server, "/metrics", null);
    const plain = await sent(server, "/metrics", null);
    const found = await sent(server, "/metrics", accept);
    expect([found.status, found.coding]).toEqual([200, coding]);
    expect(found.headers.get("vary")).toBe("Accept-Encoding");
    expect(found.headers.get("content-length")).toBe(String(found.bytes.length));
    const names = (text: string) => text.replace(/ [\d.e-]+$/gm, "");
    expect(names(decoded(found.bytes, coding))).toBe(names(decoded(plain.bytes, null)));
    if (coding) expect(found.bytes.length).toBeLessThan(plain.bytes.length / 2);
  });

  test.each(["identity;q=0", "*;q=0", "deflate, *;q=0"])("%s is 406", async (accept) => {
    const server = await served();
    for (const path of ["/metrics", "/varz", "/connz", "/", "/dashboard/page.js", "/events"]) {
      const { status, headers, coding } = await sent(server, path, accept);
      expect([path, status, coding, headers.get("vary")]).toEqual([
        path,
        406,
        null,
        "Accept-Encoding",
      ]);
    }
    // Probes get an answer all the same.
    for (const path of ["/healthz", "/readyz", "/session"]) {
      expect((await sent(server, path, accept)).status).toBe(200);
    }
  });

  test("a request without one gets it as it is", () => {
    const request = new Request("http://localhost/");
    expect(wanted(request, CODINGS)).toEqual({ coding: null, insists: false });
  });

  test("a long one costs next to nothing", async () => {
    const server = await served();
    for (const part of ["gzip;q=0.1,", ";,", "gzip; q=", "q=0.00", " ", "*;q=1,"]) {
      const accept = part.repeat(15_000 / part.length);
      expect((await sent(server, "/metrics", accept)).status).toBe(200);
    }
    // One that backtracks would take for ever.
  });
});

test("texts are told from what is compressed already", () => {
  const texts =
    "text/html; charset=utf-8,text/css,TEXT/PLAIN,application/json,application/ld+json,image/svg+xml,application/javascript ;x=y,application/xhtml+xml,text/event-stream,application/x-ndjson";
  for (const type of texts.split(",")) expect([type, isText(type)]).toEqual([type, true]);
  const others =
    "image/png,image/jpeg,application/zip,application/octet-stream,video/mp4,font/woff2,application/gzip,application/pdf,,json,image/xml+png,application/json+zip";
  for (const type of others.split(",")) expect([type, isText(type)]).toEqual([type, false]);
});

describe("built-in answers", () => {
  test("are the same however they are sent, and say how", async () => {
    const server = await served();
    for (let i = 0; i < 20; i++) await server.join();
    for (const [path, type] of BUILT_IN) {
      if (path === "/events") continue;
      const plain = await sent(server, path, null);
      const isLong = !["/healthz", "/readyz", "/session", "/quarantinez"].includes(path);
      // Nobody is in quarantine, or there would be more of it.
      const varies = isLong || path === "/quarantinez";
      for (const accepted of CODINGS) {
        const found = await sent(server, path, accepted);
        expect([path, found.coding]).toEqual([path, isLong ? accepted : null]);
        expect(found.headers.get("content-type")).toBe(type);
        expect(found.headers.get("vary")).toBe(varies ? "Accept-Encoding" : null);
        const text = decoded(found.bytes, found.coding);
        if (path.includes(".")) expect(text).toBe(decoded(plain.bytes, null));
        if (type.startsWith("application/json")) JSON.parse(text);
        const differing = ["content-encoding", "content-length", "etag"];
        const [fields, plainFields] = [found, plain].map(({ headers }) => {
          return fieldsOf(headers, differing);
        });
        expect({ path, ...fields }).toEqual({ path, ...plainFields });
      }
    }
  });

  test("have the same head for HEAD", async () => {
    const server = await served();
    for (const path of ["/", "/dashboard/page.css", "/dashboard/page.js", "/connz", "/events"]) {
      for (const accepted of ["gzip", "br", "identity"]) {
        const head = await sent(server, path, accepted, { method: "HEAD" });
        const headers = { "accept-encoding": accepted };
        const got = await server.get(path, { headers, decompress: false });
        expect({ path, ...fieldsOf(head.headers) }).toEqual({ path, ...fieldsOf(got.headers) });
        expect(head.bytes.length).toBe(0);
        await got.body?.cancel();
      }
    }
  });

  test("a short one is left alone, unless the request insists", async () => {
    const server = await served();
    const { bytes } = await sent(server, "/connz", null);
    expect(bytes.length).toBeLessThan(1000);
    expect((await sent(server, "/connz", "gzip, br, zstd")).coding).toBeNull();
    const insisted = await sent(server, "/connz", "gzip, identity;q=0");
    expect(insisted.coding).toBe("gzip");
    expect(JSON.parse(decoded(insisted.bytes, "gzip"))).toMatchObject({ total: 0 });
  });

  test("each way to send a part of the page has a strong validator of its own", async () => {
    const server = await served();
    for (const path of ["/", "/dashboard/page.css", "/dashboard/page.js"]) {
      const etags = new Map<string, string>();
      for (const accepted of [...CODINGS, "identity"]) {
        const { headers } = await sent(server, path, accepted);
        etags.set(accepted, headers.get("etag") as string);
        expect(headers.get("etag")).toMatch(/^"[\w-]+"$/);
      }
      expect(new Set(etags.values()).size).toBe(4);
      for (const [accepted, etag] of etags) {
        const again = await sent(server, path, accepted, { headers: { "if-none-match": etag } });
        expect([again.status, again.bytes.length]).toEqual([304, 0]);
        expect(again.headers.get("etag")).toBe(etag);
        expect(again.headers.get("vary")).toBe("Accept-Encoding");
        const other = accepted === "gzip" ? "br" : "gzip";
        const unlike = await sent(server, path, other, { headers: { "if-none-match": etag } });
        expect([unlike.status, unlike.coding]).toEqual([200, other]);
      }
    }
  });

  test("what another site asks for, or chooses a text of, is not compressed", async () => {
    const server = await served();
    for (let i = 0; i < 20; i++) await server.join();
    for (const path of ["/varz", "/connz", "/metrics", "/events"]) {
      for (const [site, coding] of [
        ["cross-site", null],
        ["same-site", null],
        ["same-origin", "gzip"],
        ["none", "gzip"],
      ] as const) {
        const headers = { "sec-fetch-site": site, "accept-encoding": "gzip" };
        const answer = await server.get(path, { headers, decompress: false });
        expect([path, site, answer.headers.get("content-encoding")]).toEqual([path, site, coding]);
        await answer.body?.cancel();
      }
    }
    for (const path of ["/connz?address=127.0.0.1", "/events?address=127.0.0.1"]) {
      const headers = { "accept-encoding": "gzip, br, zstd" };
      const answer = await server.get(path, { headers, decompress: false });
      expect([path, answer.headers.get("content-encoding")]).toEqual([path, null]);
      await answer.body?.cancel();
    }
  });
});

/** Opens an event stream; `heard` is what can be read of it so far. */
async function listen(server: Booted, path = "/events", accept = "gzip") {
  const before = server.stats("web")["streams"] as number;
  const answer = await server.get(path, {
    headers: { "accept-encoding": accept },
    decompress: false,
  });
  const coding = answer.headers.get("content-encoding");
  const stream = { coding, heard: "", bytes: 0, hasEnded: false, failure: null as Error | null };
  const gunzip = createGunzip();
  gunzip.setEncoding("utf8");
  gunzip.on("data", (text: string) => {
    stream.heard += text;
  });
  gunzip.on("end", () => {
    stream.hasEnded = true;
  });
  gunzip.on("error", (error) => {
    stream.failure = error;
  });
  const read = async () => {
    for await (const chunk of answer.body as ReadableStream<Uint8Array>) {
      stream.bytes += chunk.length;
      if (coding === "gzip") gunzip.write(chunk);
      else stream.heard += Buffer.from(chunk).toString();
    }
    if (coding === "gzip") gunzip.end();
    else stream.hasEnded = true;
  };
  void read().catch(() => {});
  await until(() => (server.stats("web")["streams"] as number) > before);
  return stream;
}

const ticks = (text: string) => text.split("event: tick\n").length - 1;

describe("event streams", () => {
  test("each event can be read when it comes, and the file ends whole", async () => {
    const server = await served();
    const [zipped, plain] = [await listen(server), await listen(server, "/events", "identity")];
    expect([zipped.coding, plain.coding]).toEqual(["gzip", null]);
    await until(() => ticks(zipped.heard) === 1 && ticks(plain.heard) === 1);
    for (let told = 2; told < 12; told++) {
      server.clock.advance(1000);
      await until(() => ticks(zipped.heard) === told && zipped.heard.endsWith("\n\n"));
    }
    await until(() => ticks(plain.heard) === 11);
    const last = (text: string) => text.slice(text.lastIndexOf("event: tick"));
    expect(last(zipped.heard)).toBe(last(plain.heard));
    expect(zipped.bytes).toBeLessThan(plain.bytes / 5);
    await server.stop();
    await until(() => zipped.hasEnded && plain.hasEnded);
    expect(zipped.failure).toBeNull();
    expect(last(zipped.heard)).toBe(last(plain.heard));
  });

  test("those that were opened at different times are all told right", async () => {
    const server = await served();
    const streams: Awaited<ReturnType<typeof listen>>[] = [];
    for (let i = 0; i < 5; i++) {
      const query = i % 2 === 0 ? "/events" : "/events?service=relay&limit=5";
      streams.push(await listen(server, query));
      await until(() => streams.every(({ heard }, j) => ticks(heard) === 1 + i - j));
      server.log.info(`line ${i}`);
      server.clock.advance(1000);
      await until(() => streams.every(({ heard }, j) => ticks(heard) === 2 + i - j));
    }
    await server.stop();
    await until(() => streams.every(({ hasEnded }) => hasEnded));
    expect(streams.map(({ failure }) => failure)).toEqual([null, null, null, null, null]);
    expect(streams.every(({ heard }) => heard.includes("line 4"))).toBe(true);
  });

  test("where gzip is not taken they go as they are", async () => {
    const server = await served();
    for (const accept of ["br, zstd", "identity", "gzip;q=0, *"]) {
      expect((await listen(server, "/events", accept)).coding).toBeNull();
    }
  });
});

describe("a handler's answers", () => {
  const LONG = "'<p>A paragraph of some length, again and again.</p>'.repeat(100)";

  test.each([
    ["a text with a type", `new Response(${LONG}, { headers: { "content-type": "text/html" } })`],
    ["a text without one", `new Response(${LONG})`],
    ["JSON", "Response.json(Array.from({ length: 500 }, (_, i) => i))"],
    [
      "bytes of text",
      `new Response(Buffer.from(${LONG}), { headers: { "content-type": "text/css" } })`,
    ],
    ["a Blob", `new Response(new Blob([${LONG}], { type: "text/markdown" }))`],
    ["a file", "new Response(Bun.file(import.meta.path))"],
    ["a failure", `new Response(${LONG}, { status: 404, statusText: "Nope" })`],
    ["a promise", `Promise.resolve(new Response(${LONG}))`],
    ["a text of 500 kB", `new Response("0123456789abcdef ".repeat(30_000))`],
  ])("%s", async (_, code) => {
    const server = await handled(`GET: () => ${code} // ${"x".repeat(1000)}\n`);
    const plain = await sent(server, "/x", null);
    expect([plain.coding, plain.headers.get("vary")]).toEqual([null, "Accept-Encoding"]);
    for (const accepted of CODINGS) {
      const found = await sent(server, "/x", accepted);
      expect(found.coding).toBe(accepted);
      expect(decoded(found.bytes, accepted)).toBe(decoded(plain.bytes, null));
      expect(found.bytes.length).toBeLessThan(plain.bytes.length);
      const fields = ({ status, statusText, headers }: Response) => ({
        ...fieldsOf(headers, ["content-length", "content-encoding"]),
        status,
        statusText,
      });
      expect(fields(found.answer)).toEqual(fields(plain.answer));
      const head = await sent(server, "/x", accepted, { method: "HEAD" });
      expect(fields(head.answer)).toEqual(fields(found.answer));
      expect(head.headers.get("content-length")).toBe(String(found.bytes.length));
    }
  });

  test.each([
    ["a small one", "new Response('x'.repeat(1000))"],
    ["an image", `new Response(${LONG}, { headers: { "content-type": "image/png" } })`],
    ["bytes without a type", "new Response(Buffer.alloc(5000, 0xff))"],
    ["one over 1 MiB", "new Response('x'.repeat(2 ** 20 + 1))"],
    [
      "no-transform",
      `new Response(${LONG}, { headers: { "cache-control": "public, no-transform" } })`,
    ],
    [
      "a part",
      `new Response(${LONG}, { status: 206, headers: { "content-range": "bytes 0-1/9" } })`,
    ],
    ["a digest", `new Response(${LONG}, { headers: { "content-digest": "sha-256=:x:" } })`],
    ["nothing", "new Response(null, { status: 204 })"],
    ["an empty text", "new Response('')"],
  ])("%s is left alone", async (_, code) => {
    const server = await handled(`GET: () => ${code}`);
    const plain = await sent(server, "/x", null);
    const found = await sent(server, "/x", "gzip, br, zstd");
    expect(found.coding).toBeNull();
    expect(Buffer.compare(found.bytes, plain.bytes)).toBe(0);
    expect(fieldsOf(found.headers)).toEqual(fieldsOf(plain.headers));
  });

  test("one that is encoded already keeps its encoding", async () => {
    const server = await handled(`
      GET: () => new Response(Bun.gzipSync(Buffer.from(${LONG})), {
        headers: { "content-type": "text/html", "content-encoding": "gzip" },
      })`);
    const found = await sent(server, "/x", "br, zstd");
    expect([found.coding, found.headers.get("vary")]).toEqual(["gzip", null]);
    expect(decoded(found.bytes, "gzip")).toStartWith("<p>");
  });

  test("validators become weak, lengths and offers of ranges go; the rest stays", async () => {
    const server = await handled(`
      GET: () => new Response(${LONG}, { headers: [
        ["content-type", "text/html"], ["etag", '"one"'], ["accept-ranges", "bytes"],
        ["vary", "Cookie"], ["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-of", "me"],
      ] })`);
    const found = await sent(server, "/x", "br");
    const { headers } = found;
    expect([headers.get("etag"), headers.get("accept-ranges")]).toEqual(['W/"one"', null]);
    expect(headers.get("vary")).toBe("Cookie, Accept-Encoding");
    expect(headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(headers.get("x-of")).toBe("me");
    const plain = await sent(server, "/x", null);
    expect(plain.headers.get("etag")).toBe('"one"');
    expect(plain.headers.get("vary")).toBe("Cookie, Accept-Encoding");
    const foreign = { headers: { "sec-fetch-site": "cross-site" } };
    expect((await sent(server, "/x", "br", foreign)).coding).toBeNull();
  });

  test("a range is one of the bytes as they are", async () => {
    const server = await handled("GET: () => new Response(Bun.file(import.meta.path))");
    const found = await sent(server, "/x", "gzip", { headers: { range: "bytes=0-5" } });
    expect([found.status, found.coding, decoded(found.bytes, null)]).toEqual([206, null, "export"]);
  });

  test.each([
    ["a file that is gone", "GET: () => new Response(Bun.file('/nowhere/at/all.html'))"],
    [
      "a body that was read",
      "GET: async () => { const r = new Response('x'); await r.text(); return r; }",
    ],
  ])("%s fails as it does otherwise", async (_, code) => {
    const server = await handled(code);
    const plain = await sent(server, "/x", null);
    const found = await sent(server, "/x", "gzip");
    expect(found.status).toBe(plain.status);
    expect((await server.get("/healthz")).status).toBe(200);
  });

  test("streams are sent on chunk by chunk", async () => {
    const server = await handled(`
      GET: (request) => {
        const chunks = globalThis.summonerChunks = { cancelled: false };
        const body = new ReadableStream({
          start(controller) { chunks.controller = controller; },
          cancel() { chunks.cancelled = true; },
        });
        return new Response(body, { headers: { "content-type": "text/event-stream" } });
      }`);
    // Bun sends no head before the first chunk.
    const opened = async () => {
      const headers = { "accept-encoding": "gzip" };
      const asked = server.get("/x", { headers, decompress: false });
      const before = (globalThis as any).summonerChunks;
      await until(() => (globalThis as any).summonerChunks !== before);
      const chunks = (globalThis as any).summonerChunks;
      chunks.controller.enqueue(Buffer.from("first\n"));
      return { answer: await asked, chunks };
    };
    const { answer, chunks } = await opened();
    expect(answer.headers.get("content-encoding")).toBe("gzip");
    const gunzip = createGunzip().setEncoding("utf8");
    let heard = "";
    let hasEnded = false;
    gunzip.on("data", (text: string) => {
      heard += text;
    });
    gunzip.on("end", () => {
      hasEnded = true;
    });
    const read = async () => {
      for await (const chunk of answer.body as ReadableStream<Uint8Array>) gunzip.write(chunk);
      gunzip.end();
    };
    const reading = read();
    let said = "first\n";
    await until(() => heard === said);
    for (const text of ["data: one\n\n", "data: two\n\n", "x".repeat(200_000), "", "data: é\n\n"]) {
      chunks.controller.enqueue(Buffer.from(text));
      said += text;
      await until(() => heard === said);
    }
    chunks.controller.close();
    await reading;
    await until(() => hasEnded);
    expect(heard).toBe(said);
    // One that is not read to its end tells its source.
    const left = await opened();
    await left.answer.body?.cancel();
    await until(() => left.chunks.cancelled);
  });

  test.each([
    ["a generator", "(async function* () { yield 'one '; yield 'two'; })()"],
    [
      "a direct stream",
      "new ReadableStream({ type: 'direct', async pull(c) { c.write('one '); await c.flush(); c.write('two'); c.end(); } })",
    ],
    [
      "a stream of bytes",
      "new ReadableStream({ type: 'bytes', start(c) { c.enqueue(Buffer.from('one two')); c.close(); } })",
    ],
  ])("%s is a stream", async (_, body) => {
    const head = '{ headers: { "content-type": "text/plain" } }';
    const server = await handled(`GET: () => new Response(${body}, ${head})`);
    const found = await sent(server, "/x", "gzip, br");
    expect([found.coding, decoded(found.bytes, found.coding)]).toEqual(["gzip", "one two"]);
    expect((await sent(server, "/x", "br")).coding).toBeNull();
    const head_ = await sent(server, "/x", "gzip", { method: "HEAD" });
    expect([head_.coding, head_.bytes.length]).toEqual(["gzip", 0]);
  });

  test("a stream that fails cuts the connection, as it does otherwise", async () => {
    const body = "new ReadableStream({ pull(c) { c.error(new Error('broken')); } })";
    const head = '{ headers: { "content-type": "text/plain" } }';
    const server = await handled(`GET: () => new Response(${body}, ${head})`);
    const outcome = (accept: string | null) =>
      sent(server, "/x", accept).then(
        ({ status }) => status,
        () => "cut",
      );
    expect(await outcome("gzip")).toEqual(await outcome(null));
    expect((await server.get("/healthz")).status).toBe(200);
  });

  test("no more is compressed in a second than the bound, whoever asks for it", async () => {
    const server = await handled("GET: () => new Response('0123456789abcdef'.repeat(2 ** 16))");
    const ask = async () => (await sent(server, "/x", "br")).coding;
    const some = await Promise.all(Array.from({ length: 12 }, ask));
    expect(some.filter((coding) => coding === "br")).toHaveLength(8);
    expect(await ask()).toBeNull();
    server.clock.advance(1000);
    expect(await ask()).toBe("br");
  });

  test("a server of the library does the same", async () => {
    const handler = { GET: () => new Response("x".repeat(5000)) };
    const server = new Server(createLog("quiet", "CRITICAL"), { port: 0, handler });
    const run = server.run();
    const { url } = await server.listening;
    const headers = { "accept-encoding": "zstd" };
    const answer = await fetch(url as string, { headers, decompress: false });
    expect(answer.headers.get("content-encoding")).toBe("zstd");
    expect(decoded(await answer.bytes(), "zstd")).toBe("x".repeat(5000));
    await server.stop();
    expect(await run).toBe(0);
  });
});

describe("real clients", () => {
  /** The output of a command. */
  async function printed(cmd: string[]): Promise<string> {
    const child = Bun.spawn({ cmd, stdin: "ignore", stdout: "pipe", stderr: "inherit" });
    const text = await new Response(child.stdout).text();
    expect(await child.exited).toBe(0);
    return text;
  }

  /** Listens as a program does that prints what it hears, until it has heard some ticks. */
  async function hears(server: Booted, cmd: string[]): Promise<void> {
    const before = server.stats("web")["streams"] as number;
    const child = Bun.spawn({ cmd, stdin: "ignore", stdout: "pipe", stderr: "inherit" });
    let heard = "";
    const read = async () => {
      for await (const chunk of child.stdout) heard += Buffer.from(chunk).toString();
    };
    const reading = read();
    for (let told = 1; told < 5; told++) {
      await until(() => ticks(heard) === told && heard.endsWith("\n\n"));
      if (told === 1) expect(server.stats("web")["streams"]).toBe(before + 1);
      server.clock.advance(1000);
    }
    // The end of the stream is the end of the program, and nothing is missing then.
    await server.stop();
    await reading;
    expect(await child.exited).toBe(0);
  }

  const script = (url: string) => `
    const answer = await fetch(${JSON.stringify(url)});
    const encoding = answer.headers.get("content-encoding");
    if (!encoding) throw new Error("it is not compressed");
    const decoder = new TextDecoder();
    for await (const chunk of answer.body) process.stdout.write(decoder.decode(chunk, { stream: true }));`;

  test.skipIf(!curl)("curl --compressed", async () => {
    const server = await served();
    const plain = await (await fetch(server.url("/dashboard/page.css"))).text();
    const get = [curl as string, "-sS", "--compressed"];
    expect(await printed([...get, server.url("/dashboard/page.css")])).toBe(plain);
    const can = await printed([curl as string, "--version"]);
    const names = { gzip: "libz", br: "brotli", zstd: "zstd" };
    for (const coding of CODINGS.filter((one) => can.includes(names[one]))) {
      const asked = [...get, "-H", `Accept-Encoding: ${coding}`];
      expect(await printed([...asked, server.url("/dashboard/page.css")])).toBe(plain);
    }
    expect(await printed([...get, "-I", server.url("/metrics")])).toMatch(/content-encoding: /i);
    await hears(server, [...get, "-N", server.url("/events")]);
  });

  test.skipIf(!node)("Node's fetch", async () => {
    const server = await served();
    const plain = await (await fetch(server.url("/dashboard/page.js"))).text();
    const run = (path: string) => {
      return [node as string, "--input-type=module", "-e", script(server.url(path))];
    };
    expect(await printed(run("/dashboard/page.js"))).toBe(plain);
    await hears(server, run("/events"));
  });

  test("Bun's fetch", async () => {
    const server = await served();
    const plain = await sent(server, "/dashboard/page.js", null);
    const run = (path: string) => [process.execPath, "-e", script(server.url(path))];
    expect(await printed(run("/dashboard/page.js"))).toBe(decoded(plain.bytes, null));
    await hears(server, run("/events"));
  });

  test.skipIf(!BROWSER)("Chromium", async () => {
    const server = await boot(["relay", "web"], { name: "here" }, { token: TOKEN, clock });
    running.push(server);
    const tab = await Tab.open(server.url("/"));
    await tab.see(STATUS, "ok");
    const parts = await tab.get<{ name: string; sent: number; shown: number }[]>(`
      [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .filter(({ decodedBodySize }) => decodedBodySize > 1500)
        .map(({ name, encodedBodySize: sent, decodedBodySize: shown }) => ({ name, sent, shown }))`);
    expect(parts.length).toBeGreaterThan(8);
    for (const { name, sent, shown } of parts) expect([name, sent < shown]).toEqual([name, true]);
    const stream = server.clients("web")[0] as { bytesOut: number };
    const before = stream.bytesOut;
    const peer = await server.join();
    await tab.see(stat("relay.clients"), 1);
    peer.end();
    await tab.see(stat("relay.clients"), 0);
    // A tick takes some kilobytes when it is not compressed.
    const { bytesOut } = server.clients("web")[0] as { bytesOut: number };
    expect(bytesOut - before).toBeLessThan(2000);
    tab.view.close();
  });
});
