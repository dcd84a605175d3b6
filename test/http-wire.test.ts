import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { raw, until } from "./kit.ts";
import { BUILT_IN, served, temporary } from "./web-suite.ts";

/** A handler that tells the body that it was sent. */
function echo(): string {
  const path = join(temporary(), "site.ts");
  const code = `export default {
    GET: async (request) => new Response("got " + await request.text(), { headers: { "x-own": "1", "content-type": "a/b" } }),
    POST: async (request) => new Response("got " + await request.text()),
  };`;
  writeFileSync(path, code);
  return path;
}

/** Sends pieces, each once its predecessor's answer has come. @returns all that came */
async function talk(port: number, ...pieces: (readonly [send: string, awaited: string])[]) {
  const socket = createConnection({ port, host: "127.0.0.1" });
  let got = "";
  let isOver = false;
  socket.setEncoding("latin1");
  socket.on("data", (text: string) => {
    got += text;
  });
  socket.on("end", () => {
    isOver = true;
  });
  for (const [send, awaited] of pieces) {
    const before = got.length;
    socket.write(send, "latin1");
    await until(() => got.indexOf(awaited, before) >= 0 || isOver);
  }
  // Whatever the server sends or closes by itself comes before this is answered.
  const probe = await raw(port, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  expect(probe).toStartWith("HTTP/1.1 200 ");
  socket.destroy();
  return { got, isOver };
}

const HEALTHZ = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const OK = '"why":{}}\n';

describe("connections", () => {
  test("of HTTP/1.1 stay, and take requests one behind the other", async () => {
    const server = await served();
    const { got, isOver } = await talk(
      server.port("web"),
      [HEALTHZ, OK],
      [HEALTHZ + HEALTHZ, OK],
      [HEALTHZ, OK],
    );
    await until(() => server.stats("web")["requests"] === 5);
    expect(got.match(/HTTP\/1\.1 200 /g)?.length).toBeGreaterThanOrEqual(3);
    expect(isOver).toBe(false);
  });

  test("close when the client says so", async () => {
    const server = await served();
    const close = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    expect(await raw(server.port("web"), close)).toEndWith(OK);
  });

  test.each(["", "Connection: keep-alive\r\n"])(
    "of HTTP/1.0 end after one answer, also with %p",
    async (header) => {
      const server = await served();
      const answer = await raw(server.port("web"), `GET /healthz HTTP/1.0\r\n${header}\r\n`);
      expect(answer).toStartWith("HTTP/1.1 200 ");
      expect(answer).toEndWith(OK);
    },
  );
});

describe("what Bun answers by itself", () => {
  test.each([
    ["no host", "GET / HTTP/1.1\r\n\r\n", 400],
    ["a target without a slash", "GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    ["the whole server", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    ["a folded line", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400],
    ["a space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400],
    ["an empty line first", "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    [
      "a chunk that is none",
      "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz",
      400,
    ],
    ["gzip", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400],
    [
      "chunks by 1.0",
      "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      400,
    ],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    ["another version", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505],
    ["line feeds alone", "GET / HTTP/1.1\nHost: x\n\n", 505],
    ["a space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 505],
    ["no version", "GET /\r\n\r\n", 505],
    [
      "a head that is too long",
      `GET / HTTP/1.1\r\nHost: x\r\nA: ${"y".repeat(20_000)}\r\n\r\n`,
      431,
    ],
    ["a method nobody knows", "FOO / HTTP/1.1\r\nHost: x\r\n\r\n", null],
  ])("%s, and closes", async (_, bytes, status) => {
    const server = await served({ web: { handler: echo() } });
    const answer = await raw(server.port("web"), bytes);
    if (status === null) expect(answer).toBe("");
    else expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} .*\r\nConnection: close\r\n`));
    expect(server.stats("web")["failures"]).toBe(0);
  });

  test("the target may be a whole URL; its host is not looked at", async () => {
    const server = await served();
    const ask = (target: string, host: string) =>
      raw(
        server.port("web"),
        `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      );
    expect(await ask("http://other.example/healthz", "x")).toStartWith("HTTP/1.1 200 ");
    expect(await ask("http://other.example/varz", "localhost")).toStartWith("HTTP/1.1 200 ");
    expect(await ask("http://localhost/varz", "other.example")).toStartWith("HTTP/1.1 403 ");
  });
});

describe("bodies", () => {
  const post = (rest: string, version = "1.1") => `POST /x HTTP/${version}\r\nHost: x\r\n${rest}`;

  test("come after 100 Continue where the client waits for it", async () => {
    const server = await served({ web: { handler: echo() } });
    const expecting = (value: string, version?: string) =>
      post(`Content-Length: 3\r\nExpect: ${value}\r\n\r\n`, version);
    for (const version of ["1.1", "1.0"]) {
      const { got } = await talk(
        server.port("web"),
        [expecting("100-continue", version), "100 Continue\r\n\r\n"],
        ["abc", "got abc"],
      );
      expect(got).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
    }
    // Bun knows it in small letters alone; a client sends its body after a while all the same.
    const { got } = await talk(server.port("web"), [`${expecting("100-Continue")}abc`, "got abc"]);
    expect(got).toStartWith("HTTP/1.1 200 ");
  });

  test.each(["something", "100-continue, something", "100-continue=1"])(
    "are not taken where %p is expected",
    async (expected) => {
      const server = await served({ web: { handler: echo() } });
      const rest = `Content-Length: 3\r\nConnection: close\r\nExpect: ${expected}\r\n\r\nabc`;
      expect(await raw(server.port("web"), post(rest))).toMatch(/^HTTP\/1\.1 417 /m);
    },
  );

  test("that are too long are refused before they come, after Bun has asked for them", async () => {
    const server = await served({ web: { handler: echo(), max_body_bytes: 10 } });
    const rest = "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n";
    const answer = await raw(server.port("web"), post(rest));
    expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 413 /);
  });

  test("in chunks may have extensions; trailers end the connection after the answer", async () => {
    const server = await served({ web: { handler: echo() } });
    const chunks = (end: string) =>
      post(`Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3;a=b\r\nabc\r\n0\r\n${end}\r\n`);
    const plain = await talk(server.port("web"), [chunks(""), "got abc"], [HEALTHZ, OK]);
    expect(plain.isOver).toBe(false);
    const { got } = await talk(server.port("web"), [chunks("X-T: 1\r\n"), "HTTP/1.1 400 "]);
    expect(got).toMatch(
      /^HTTP\/1\.1 200 [^]*got abcHTTP\/1\.1 400 Bad Request\r\nConnection: close/,
    );
  });

  test("of GET are not read", async () => {
    const server = await served({ web: { handler: echo() } });
    const get = "GET /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    const { got } = await talk(server.port("web"), [get, "got "], [HEALTHZ, OK]);
    expect(got.match(/HTTP\/1\.1 200 /g)?.length).toBe(2);
    expect(got).not.toContain("got abc");
  });
});

describe("HEAD", () => {
  /** The fields of an answer, without those that change from one to the next. */
  async function fields(port: number, method: string, path: string): Promise<string[]> {
    const bytes = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    const answer =
      path === "/events" && method === "GET"
        ? (await talk(port, [bytes, "\r\n\r\n"])).got
        : await raw(port, bytes);
    const end = answer.indexOf("\r\n\r\n");
    if (method === "HEAD") expect(answer.slice(end + 4)).toBe("");
    const changing = /^(date|(content-length)):.*$/i;
    return answer
      .slice(0, end)
      .split("\r\n")
      .map((line) => line.replace(changing, "$1").replace(/^[^:]*/, (name) => name.toLowerCase()))
      .toSorted();
  }

  test("has the fields of GET", async () => {
    const root = temporary();
    mkdirSync(join(root, "docs"));
    for (const name of ["a.html", "docs/index.html"]) writeFileSync(join(root, name), "<p>");
    const server = await served({ web: { handler: echo(), static: root } });
    const port = server.port("web");
    const built = BUILT_IN.map(([path]) => path);
    for (const path of [...built, "/a.html", "/docs", "/docs/", "/login", "/%zz", "/x"]) {
      expect([path, ...(await fields(port, "HEAD", path))]).toEqual([
        path,
        ...(await fields(port, "GET", path)),
      ]);
    }
  });
});
