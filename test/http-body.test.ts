import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Booted, dial, type Overrides, raw, turn, until } from "./kit.ts";
import { PAGE, served, temporary, TOKEN } from "./web-suite.ts";

/** The ways to read a body. */
const READS = {
  text: "await request.text()",
  json: "await request.json()",
  arrayBuffer: "await request.arrayBuffer()",
  bytes: "await request.bytes()",
  blob: "await request.blob()",
  formData: "await request.formData()",
  stream: "for await (const _ of request.body);",
  "a copy": "await request.clone().text()",
  "another request": "await new Request(request).text()",
  "its own error":
    "try { await request.text(); } catch (cause) { throw new Error('no', { cause }); }",
  "an error without a cause": "try { await request.text(); } catch { throw new Error('no'); }",
};

/** A handler that reads as `code` says and answers `ok`. */
async function reading(code: string): Promise<string> {
  const path = join(temporary(), "site.ts");
  await Bun.write(
    path,
    `export default { POST: async (request) => { ${code}; return new Response("ok"); } };`,
  );
  return path;
}

async function servedWith(code: string, web: Overrides = {}): Promise<Booted> {
  return served({ web: { handler: await reading(code), max_body_bytes: 1000, ...web } });
}

const FORM = "Content-Type: application/x-www-form-urlencoded\r\n";
const post = (rest: string, path = "/x", headers = FORM) =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}${rest}`;
const chunk = (bytes: number) => `${bytes.toString(16)}\r\n${"x".repeat(bytes)}\r\n`;
const TOO_LONG = `Transfer-Encoding: chunked\r\n\r\n${chunk(600)}${chunk(600)}0\r\n\r\n`;

/** Nothing that a client did is an error of ours. */
function expectNoFault(server: Booted): void {
  expect(server.stats("web")["failures"]).toBe(0);
  expect(server.printed()).not.toContain("ERROR");
  expect(server.printed()).not.toContain("    at ");
}

describe("a client that breaks off its body", () => {
  test.each(Object.entries(READS))("read by %s, is no error", async (_, code) => {
    const server = await servedWith(code);
    const peer = await dial(server.port("web"));
    peer.send(post("Content-Length: 100\r\n\r\nabc"));
    await until(() => server.stats("web")["in_flight"] === 1);
    peer.reset();
    await until(() => server.stats("web")["in_flight"] === 0);
    await until(() => server.stats("web")["aborted"] === 1);
    expectNoFault(server);
    expect((await server.get("/healthz")).status).toBe(200);
  });

  test("between chunks, and in the middle of the head of one", async () => {
    const server = await servedWith("await request.text()");
    for (const rest of ["5\r\nabcde\r\n", "5\r\nab", "5", "zz\r\n"]) {
      const before = server.stats("web")["aborted"] as number;
      const peer = await dial(server.port("web"));
      peer.send(post(`Transfer-Encoding: chunked\r\n\r\n${rest}`));
      // Bun answers 400 at once to bytes that are no chunk at all.
      if (rest !== "zz\r\n") await until(() => server.stats("web")["in_flight"] === 1);
      peer.half();
      await until(() => (server.stats("web")["aborted"] as number) > before);
    }
    expectNoFault(server);
  });

  test("to sign in or to act is no error either", async () => {
    const server = await served({}, { token: TOKEN });
    const json = "Content-Type: application/json\r\nX-Summoner-Page: 1\r\n";
    for (const path of ["/login", "/admin/kick"]) {
      const before = server.stats("web")["aborted"] as number;
      const peer = await dial(server.port("web"));
      const headers = `${json}Authorization: Bearer ${TOKEN}\r\n`;
      peer.send(post('Content-Length: 100\r\n\r\n{"id', path, headers));
      await until(() => server.stats("web")["in_flight"] === 1);
      peer.reset();
      await until(() => (server.stats("web")["aborted"] as number) > before);
    }
    expectNoFault(server);
  });

  test("what fails for another reason is an error, whether the client is there or not", async () => {
    const code = "try { await request.text(); } catch {} nothing.of.the.kind()";
    const server = await servedWith(code);
    const answer = await raw(server.port("web"), post("Content-Length: 3\r\n\r\nabc"));
    expect(answer).toStartWith("HTTP/1.1 500 ");
    expect(server.stats("web")).toMatchObject({ failures: 1, aborted: 0 });
    expect(server.printed()).toContain("nothing is not defined");
    const twice = await servedWith("await request.text(); await request.text()");
    const used = await raw(twice.port("web"), post("Content-Length: 3\r\n\r\nabc"));
    expect(used).toStartWith("HTTP/1.1 500 ");
    expect(twice.stats("web")["failures"]).toBe(1);
    const waiting = `
      await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
      nothing.of.the.kind()`;
    const gone = await servedWith(waiting);
    const peer = await dial(gone.port("web"));
    peer.send(post("Content-Length: 3\r\n\r\nabc"));
    await until(() => gone.stats("web")["in_flight"] === 1);
    peer.reset();
    await until(() => gone.stats("web")["failures"] === 1);
    expect(gone.printed()).toContain("nothing is not defined");
  });

  test("what was to be fetched for a client that has gone is no error", async () => {
    const server = await servedWith(`
      await new Promise((_, reject) => {
        request.signal.addEventListener("abort", () => reject(request.signal.reason));
      })`);
    const peer = await dial(server.port("web"));
    peer.send(post("Content-Length: 3\r\n\r\nabc"));
    await until(() => server.stats("web")["in_flight"] === 1);
    peer.reset();
    await until(() => server.stats("web")["aborted"] === 1);
    expectNoFault(server);
  });
});

describe("a body over the bound", () => {
  test.each(Object.entries(READS))("read by %s, is 413 and no error", async (_, code) => {
    const server = await servedWith(code, { access_log: true });
    const answer = await raw(server.port("web"), post(TOO_LONG));
    expect(answer).toStartWith("HTTP/1.1 413 ");
    await until(() => server.printed().includes("POST /x 413 "));
    expectNoFault(server);
    expect(await raw(server.port("web"), post("Content-Length: 1001\r\n\r\n"))).toStartWith(
      "HTTP/1.1 413 ",
    );
    expectNoFault(server);
  });

  test("is 413 where the handler makes something of it, too", async () => {
    const code = "await request.text().catch(() => {})";
    const server = await servedWith(code, { access_log: true });
    expect(await raw(server.port("web"), post(TOO_LONG))).toStartWith("HTTP/1.1 413 ");
    await until(() => server.printed().includes("POST /x 413 "));
    expectNoFault(server);
  });

  test("that says how long it is, is refused before it is sent", async () => {
    const server = await served({ web: { max_body_bytes: 10 } }, { token: TOKEN });
    const headers = { ...PAGE, "content-type": "application/json" };
    const answer = await server.get("/login", { method: "POST", headers, body: "x".repeat(11) });
    expect(answer.status).toBe(413);
    const chunked = post(TOO_LONG, "/login", "X-Summoner-Page: 1\r\n");
    expect(await raw(server.port("web"), chunked)).toStartWith("HTTP/1.1 413 ");
    expectNoFault(server);
  });
});

describe("a body that is not what the handler reads", () => {
  test.each([
    ["json", "await request.json()", "", '{"a": '],
    ["json, empty", "await request.json()", "", ""],
    ["a form", "await request.formData()", "Content-Type: text/plain\r\n", "a=b"],
    [
      "a form without an end",
      "await request.formData()",
      "Content-Type: multipart/form-data; boundary=x\r\n",
      "--x",
    ],
    [
      "json, told of in an error",
      "try { await request.json(); } catch (cause) { throw new Error('no', { cause }); }",
      "",
      "x",
    ],
  ])("%s is 400 and no error", async (_, code, headers, body) => {
    const server = await servedWith(code);
    const rest = `Content-Length: ${body.length}\r\n\r\n${body}`;
    const answer = await raw(server.port("web"), post(rest, "/x", headers));
    expect(answer).toStartWith("HTTP/1.1 400 ");
    expect(answer).toContain("\r\n\r\nThe body of this request");
    expectNoFault(server);
  });
});

test("a form that comes late, or never ends, is 400 too", async () => {
  const server = await servedWith("await request.formData()");
  const form = "Content-Type: multipart/form-data; boundary=x\r\n";
  const peer = await dial(server.port("web"));
  peer.send(post("Content-Length: 3\r\n\r\n--", "/x", form));
  await until(() => server.stats("web")["in_flight"] === 1);
  peer.send("x");
  expect(await peer.next()).toStartWith("HTTP/1.1 400 ");
  expectNoFault(server);
  const twice = await servedWith("await request.json().catch(() => {}); await request.formData()");
  const answer = await raw(twice.port("web"), post("Content-Length: 2\r\n\r\n{}"));
  expect(answer).toStartWith("HTTP/1.1 500 ");
});

describe("a body that stalls", () => {
  const READ = Object.entries(READS).filter(
    ([name]) => !["a copy", "another request"].includes(name),
  );

  test.each(READ)("read by %s, is 408 at the deadline, and closes", async (_, code) => {
    const server = await servedWith(code, { request_timeout_ms: 1000 });
    const slow = raw(
      server.port("web"),
      `POST /x HTTP/1.1\r\nHost: localhost\r\n${FORM}Content-Length: 100\r\n\r\nabc`,
    );
    await until(() => server.stats("web")["in_flight"] === 1);
    server.clock.advance(1250);
    const answer = await slow;
    expect(answer).toStartWith("HTTP/1.1 408 ");
    expect(answer.toLowerCase()).toContain("connection: close\r\n");
    expect(server.stats("web")).toMatchObject({ timeouts: 1, failures: 0 });
    // A client can do this at will.
    expect(server.printed()).not.toContain("given up");
    expectNoFault(server);
  });

  test("to sign in is 408 too", async () => {
    const server = await served({ web: { request_timeout_ms: 1000 } }, { token: TOKEN });
    const slow = raw(
      server.port("web"),
      post("Content-Length: 100\r\n\r\nabc", "/login", "X-Summoner-Page: 1\r\n"),
    );
    await until(() => server.stats("web")["in_flight"] === 1);
    server.clock.advance(1250);
    expect(await slow).toStartWith("HTTP/1.1 408 ");
  });

  test.each([
    ["reads nothing", "await new Promise(() => {})"],
    ["has read all", "await request.text(); await new Promise(() => {})"],
    ["has read all in pieces", "for await (const _ of request.body); await new Promise(() => {})"],
  ])("a handler that %s and hangs is 503", async (_, code) => {
    const server = await servedWith(code, { request_timeout_ms: 1000 });
    const slow = raw(server.port("web"), post("Content-Length: 3\r\n\r\nabc"));
    await until(() => server.stats("web")["in_flight"] === 1);
    for (let i = 0; i < 5; i++) await turn();
    server.clock.advance(1250);
    expect(await slow).toStartWith("HTTP/1.1 503 ");
    expect(server.printed()).toContain("/x was given up after 1000 ms");
  });
});

describe("the log of what fails", () => {
  test("has one stack a second of each kind, and says how many more there were", async () => {
    const path = join(temporary(), "site.ts");
    const code = `export default {
      GET: ({ url }) => { if (url.endsWith("/b")) nothing.b(); else nothing.a(url); },
    };`;
    await Bun.write(path, code);
    const server = await served({ web: { handler: path } });
    for (let i = 0; i < 10; i++) await server.get(`/a${i}`);
    for (let i = 0; i < 3; i++) await server.get("/b");
    const errors = () => server.printed().match(/ ERROR /g)?.length ?? 0;
    expect(server.stats("web")["failures"]).toBe(13);
    expect(errors()).toBe(2);
    server.clock.advance(1000);
    expect(server.printed()).toContain("web: 9 more requests failed like GET http://127.0.0.1");
    expect(server.printed()).toContain("web: 2 more requests failed like GET http://127.0.0.1");
    server.clock.advance(2000);
    await server.get("/a");
    expect(server.printed().match(/    at /g)?.length).toBeGreaterThan(2);
    expect(server.printed()).not.toMatch(/more.*more.*more/s);
  });

  test("names a path of any length in a line that is not long", async () => {
    const path = join(temporary(), "site.ts");
    await Bun.write(path, "export default { GET() { nothing.a(); } };");
    const server = await served({ web: { handler: path } });
    await server.get(`/${"x".repeat(8000)}`);
    for (const line of server.printed().split("\n")) expect(line.length).toBeLessThan(500);
  });
});
