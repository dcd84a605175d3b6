import { METHODS as TAKEN } from "node:http";
import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { METHODS, MORE_METHODS } from "../lib/net/http/methods.ts";
import { raw } from "./kit.ts";
import { BUILT_IN, head, served, temporary, TOKEN } from "./web-suite.ts";

/** A handler of these methods, each of which tells its name. */
function telling(methods: readonly string[]): string {
  const path = join(temporary(), "site.ts");
  const code = methods.map(
    (method) => `
      "${method}"(request) {
        return new Response(null, { headers: { "x-told": "${method} " + new URL(request.url).pathname } });
      },`,
  );
  writeFileSync(path, `export default {${code.join("")}};`);
  return path;
}

/** The value of a field in an answer's head, or null. */
function field(answer: string, name: string): string | null {
  const found = new RegExp(`^${name}: (.*)\r$`, "im").exec(answer.split("\r\n\r\n")[0] as string);
  return found?.[1] ?? null;
}

test("the methods are those that Bun takes", () => {
  expect([...METHODS, ...MORE_METHODS].map(String).toSorted()).toEqual(TAKEN.toSorted());
});

describe("a handler", () => {
  test("answers any method that HTTP has", async () => {
    const all = [...METHODS, ...MORE_METHODS];
    const server = await served({ web: { handler: telling(all) } });
    for (const method of all) {
      const target = method === "CONNECT" ? "127.0.0.1:80" : "/x";
      const answer = await head(server, `${method} ${target}`);
      expect(answer).toStartWith("HTTP/1.1 200 ");
      expect(field(answer, "x-told")).toBe(`${method} ${method === "CONNECT" ? "/" : "/x"}`);
    }
  });

  test.each([
    [["GET"], "GET, HEAD, OPTIONS"],
    [["POST", "DELETE"], "POST, DELETE, OPTIONS"],
    [["HEAD", "PROPFIND"], "HEAD, OPTIONS, PROPFIND"],
  ])("of %p: OPTIONS tells of them, other methods are 405 or 501", async (methods, allow) => {
    const server = await served({ web: { handler: telling(methods) } });
    const options = await head(server, "OPTIONS /x");
    expect(options).toStartWith("HTTP/1.1 204 ");
    expect(field(options, "allow")).toBe(allow);
    for (const method of METHODS) {
      if (allow.split(", ").includes(method)) continue;
      const answer = await head(server, `${method} /x`);
      expect(answer).toStartWith("HTTP/1.1 405 ");
      expect(field(answer, "allow")).toBe(allow);
    }
    for (const method of MORE_METHODS) {
      const status = methods.includes(method) ? 200 : 501;
      expect(await head(server, `${method} /x`)).toStartWith(`HTTP/1.1 ${status} `);
    }
    expect(await head(server, "CONNECT 127.0.0.1:80")).toStartWith("HTTP/1.1 501 ");
    expect(server.stats("web")["failures"]).toBe(0);
  });

  test("that has its own OPTIONS answers it", async () => {
    const server = await served({ web: { handler: telling(["OPTIONS", "GET"]) } });
    const answer = await head(server, "OPTIONS /x");
    expect(field(answer, "x-told")).toBe("OPTIONS /x");
    expect(field(await head(server, "PUT /x"), "allow")).toBe("GET, HEAD, OPTIONS");
  });
});

test("built-in routes tell of their methods, to anybody", async () => {
  const server = await served({}, { token: TOKEN });
  for (const [path] of BUILT_IN) {
    const options = await head(server, `OPTIONS ${path}`);
    expect(options).toStartWith("HTTP/1.1 204 ");
    expect(field(options, "allow")).toBe("GET, HEAD, OPTIONS");
    for (const method of ["POST", "DELETE", "TRACE"]) {
      const answer = await head(server, `${method} ${path}`);
      expect(answer).toStartWith("HTTP/1.1 405 ");
      expect(field(answer, "allow")).toBe("GET, HEAD, OPTIONS");
    }
    expect(await head(server, `PROPFIND ${path}`)).toStartWith("HTTP/1.1 501 ");
  }
  for (const path of ["/login", "/logout", "/admin/kick"]) {
    const options = await head(server, `OPTIONS ${path}`);
    expect(options).toStartWith("HTTP/1.1 204 ");
    expect(field(options, "allow")).toBe("POST, OPTIONS");
    expect(await head(server, `GET ${path}`)).toStartWith("HTTP/1.1 405 ");
  }
});

test("where there is nothing, a method that HTTP has is 404, another 501", async () => {
  const server = await served();
  for (const method of ["GET", "PUT", "OPTIONS", "TRACE"]) {
    expect(await head(server, `${method} /nothing`)).toStartWith("HTTP/1.1 404 ");
  }
  // Without a token there are no actions.
  expect(await head(server, "OPTIONS /admin/kick")).toStartWith("HTTP/1.1 404 ");
  expect(await head(server, "PROPFIND /nothing")).toStartWith("HTTP/1.1 501 ");
  expect(await head(server, "CONNECT other.example:443")).toStartWith("HTTP/1.1 501 ");
  for (const target of ["other.example:x", "other.example:99999", "[::1:80", "a b", ":"]) {
    expect(await head(server, `CONNECT ${target}`)).toMatch(/^HTTP\/1\.1 (400|505) /);
  }
  expect(server.stats("web")["failures"]).toBe(0);
});

test("files take GET and HEAD", async () => {
  const root = temporary();
  mkdirSync(join(root, "docs"));
  writeFileSync(join(root, "page.html"), "page");
  writeFileSync(join(root, "docs", "index.html"), "docs");
  const server = await served({ web: { static: root } });
  for (const path of ["/page.html", "/docs/", "/docs"]) {
    const options = await head(server, `OPTIONS ${path}`);
    expect(options).toStartWith("HTTP/1.1 204 ");
    expect(field(options, "allow")).toBe("GET, HEAD, OPTIONS");
    expect(await head(server, `PUT ${path}`)).toStartWith("HTTP/1.1 405 ");
    expect(await head(server, `MKCOL ${path}`)).toStartWith("HTTP/1.1 501 ");
  }
});

test("a method that Bun does not know ends its connection, and hurts nobody", async () => {
  const server = await served();
  for (const method of ["FOO", "get", "CHECKIN"]) {
    expect(await head(server, `${method} /healthz`)).toBe("");
  }
  expect(await head(server, "G(T /healthz")).toStartWith("HTTP/1.1 400 ");
  // OPTIONS of the server as a whole is not supported.
  expect(await raw(server.port("web"), "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")).toStartWith(
    "HTTP/1.1 400 ",
  );
  expect(await head(server, "GET /healthz")).toStartWith("HTTP/1.1 200 ");
  expect(server.stats("web")["failures"]).toBe(0);
});
