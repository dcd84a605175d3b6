import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { raw } from "./kit.ts";
import { served, temporary } from "./web-suite.ts";

/** A handler that tells what it was given. */
async function telling(): Promise<string> {
  const path = join(temporary(), "site.ts");
  const code = `
    const tell = async (request) => {
      const { pathname, search, host } = new URL(request.url);
      const copy = new URL(request.clone().url);
      const body = request.body ? await request.text() : "";
      return Response.json({ pathname, search, host, copy: copy.href === request.url, body });
    };
    export default { GET: tell, POST: tell };`;
  await Bun.write(path, code);
  return path;
}

/** The facts that a handler gets with a request of these lines. */
async function told(port: number, ...lines: string[]): Promise<Record<string, unknown>> {
  const answer = await raw(port, `${lines.join("\r\n")}`);
  expect(answer).toStartWith("HTTP/1.1 200 ");
  return JSON.parse(answer.slice(answer.indexOf("\r\n\r\n"))) as Record<string, unknown>;
}

describe("a request without a host", () => {
  test.each([
    ["HTTP/1.0 without Host", "HTTP/1.0\r\n"],
    ["HTTP/1.0 with an empty one", "HTTP/1.0\r\nHost:\r\n"],
    ["HTTP/1.1 with an empty one", "HTTP/1.1\r\nHost: \r\nConnection: close\r\n"],
  ])("%s is answered by its path", async (_, rest) => {
    const server = await served();
    const ask = (method: string, path: string) =>
      raw(server.port("web"), `${method} ${path} ${rest}\r\n`);
    for (const path of ["/healthz", "/readyz", "/healthz?x=http://a/b", "/x/../healthz"]) {
      expect(await ask("GET", path)).toStartWith("HTTP/1.1 200 ");
      expect(await ask("HEAD", path)).toStartWith("HTTP/1.1 200 ");
    }
    for (const path of ["/x/healthz", "//healthz", "//x/healthz", "/healthz/", "/x/readyz?y"]) {
      expect(await ask("GET", path)).toStartWith("HTTP/1.1 404 ");
    }
  });

  test("a handler gets a whole URL, and the body", async () => {
    const server = await served({ web: { handler: await telling() } });
    const port = server.port("web");
    const host = `127.0.0.1:${port}`;
    const plain = { search: "?a=/b//c", host, copy: true, body: "" };
    for (const lines of [["HTTP/1.0"], ["HTTP/1.0", "Host:"], ["HTTP/1.0", "Host: "]]) {
      const [first = "", ...rest] = lines;
      expect(await told(port, `GET /x/y?a=/b//c ${first}`, ...rest, "", "")).toEqual({
        pathname: "/x/y",
        ...plain,
      });
      expect(await told(port, `GET //x/y?a=/b//c ${first}`, ...rest, "", "")).toEqual({
        pathname: "//x/y",
        ...plain,
      });
      const posted = await told(
        port,
        `POST /p ${first}`,
        ...rest,
        "Content-Length: 5",
        "",
        "hello",
      );
      expect(posted).toEqual({ pathname: "/p", search: "", host, copy: true, body: "hello" });
    }
    expect(await told(port, "GET http://other.example/z HTTP/1.0", "", "")).toMatchObject({
      pathname: "/z",
    });
  });

  test("streams of events, too, are its own", async () => {
    const server = await served();
    const answer = await raw(
      server.port("web"),
      "HEAD /events HTTP/1.0\r\nHost: localhost\r\n\r\n",
    );
    expect(answer).toStartWith("HTTP/1.1 200 ");
    // A browser always names a host; a request without one may not read.
    const nameless = await raw(server.port("web"), "GET /varz HTTP/1.0\r\n\r\n");
    expect(nameless).toStartWith("HTTP/1.1 403 ");
  });

  test("is logged by its path", async () => {
    const server = await served({ web: { access_log: true } });
    await raw(server.port("web"), "GET /x/healthz?y HTTP/1.0\r\n\r\n");
    await raw(server.port("web"), "GET /z HTTP/1.0\r\nHost: a b\r\n\r\n");
    expect(server.printed()).toContain("web: local GET /x/healthz?y 404 ");
    expect(server.printed()).toContain("web: local GET /z 400 ");
  });
});

describe("a host that is none", () => {
  test.each([
    ["two of them", "Host: localhost\r\nHost: other.example"],
    ["the same twice", "Host: localhost\r\nHost: localhost"],
    ["two on one line", "Host: localhost, other.example"],
    ["a space", "Host: a b"],
    ["a path", "Host: localhost/x"],
    ["a query", "Host: localhost?x"],
    ["somebody's name", "Host: me@localhost"],
    ["two ports", "Host: localhost:1:2"],
    ["a port that is no number", "Host: localhost:x"],
    ["a port that is too large", "Host: localhost:65536"],
    ["an escape that is none", "Host: %zz"],
    ["half a bracket", "Host: [::1"],
    ["an address that is none", "Host: [::g]"],
  ])("%s is 400", async (_, lines) => {
    const server = await served({ web: { handler: await telling() } });
    const isUnseen = lines.includes("\r\nHost: ");
    for (const path of [isUnseen ? "/healthz?x" : "/healthz", "/varz", "/mine"]) {
      for (const version of ["1.0", "1.1"]) {
        const answer = await raw(
          server.port("web"),
          `GET ${path} HTTP/${version}\r\n${lines}\r\nConnection: close\r\n\r\n`,
        );
        expect(answer).toStartWith("HTTP/1.1 400 ");
      }
    }
    expect(server.stats("web")["failures"]).toBe(0);
  });

  test.each([
    "localhost",
    "localhost:",
    "LOCALHOST:80",
    "127.0.0.1:1",
    "[::1]:65535",
    "a-b.example",
    "b%C3%BCcher.example",
    "a_b",
  ])("%s will do", async (host) => {
    const server = await served();
    for (let i = 0; i < 2; i++) {
      const answer = await raw(
        server.port("web"),
        `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      );
      expect(answer).toStartWith("HTTP/1.1 200 ");
    }
  });
});
