import { afterEach, describe, expect, spyOn, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ClientPage } from "../lib/host/service.ts";
import { ask, boot, type Booted, turn, until } from "./kit.ts";

const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function served(section: object = {}, more: object = {}) {
  const server = await boot(["store", "web"], { store: section, ...more });
  endings.push(() => server.stop());
  return server;
}

/** A folder with a token that may do everything, and one of a role that may read `^shop` and write `^shop^cart`. */
function tokens() {
  const folder = fs.mkdtempSync(join(tmpdir(), "store-http-"));
  endings.push(() => fs.rmSync(folder, { recursive: true }));
  const [token_file, roles_file] = [join(folder, "token"), join(folder, "roles")];
  fs.writeFileSync(token_file, "a-long-enough-token\n", { mode: 0o600 });
  fs.writeFileSync(
    roles_file,
    '[shop]\ntoken = "another-long-token"\nread = ["^shop"]\nwrite = ["^shop^cart"]\n',
    { mode: 0o600 },
  );
  return { token_file, roles_file };
}

const BY_ID = { address: "", sort: "id", order: "asc", limit: 10, offset: 0 } as const;

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** The status of an answer, and the code of its error, or its value and entity tag. */
async function told(server: Booted, method: string, path: string, init: BunFetchRequestInit = {}) {
  const answer = await server.get(path, { method, ...init });
  const text = await answer.text();
  const body = text === "" ? undefined : JSON.parse(text);
  return body?.error === undefined
    ? { status: answer.status, value: body, etag: answer.headers.get("etag") }
    : { status: answer.status, code: body.error.code };
}

const put = (server: Booted, path: string, body: string, headers: Record<string, string> = {}) =>
  told(server, "PUT", path, { body, headers });

/** The events of a stream, one after the other. */
class EventReader {
  /** The id of the last event, as a client comes back with it. */
  id = "";
  readonly #reader;
  #text = "";

  constructor(answer: Response) {
    this.#reader = (answer.body as NonNullable<Response["body"]>).getReader();
  }

  /** The next event; null at the end. */
  async next(): Promise<{ name: string; data: unknown } | null> {
    for (;;) {
      const found = /^event: (\w+)\n(?:id: (.*)\n)?data: (.*)\n\n/m.exec(this.#text);
      if (found !== null) {
        this.#text = this.#text.slice(found.index + found[0].length);
        this.id = found[2] ?? this.id;
        return { name: found[1] as string, data: JSON.parse(found[3] as string) };
      }
      const { done, value } = await this.#reader.read();
      if (done) return null;
      this.#text += Buffer.from(value).toString();
    }
  }

  /** Waits for a place that is told without an event; all before must have been read. */
  async place(): Promise<string> {
    for (;;) {
      const found = /^id: (.*)\n\n/m.exec(this.#text);
      if (found !== null) {
        this.#text = this.#text.slice(found.index + found[0].length);
        return (this.id = found[1] as string);
      }
      const { done, value } = await this.#reader.read();
      if (done) throw new Error("the stream has ended");
      this.#text += Buffer.from(value).toString();
    }
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

/** A stream that has begun. */
async function watching(server: Booted, path: string, headers: Record<string, string> = {}) {
  const answer = await server.get(path, { headers });
  expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  const reader = new EventReader(answer);
  endings.push(() => reader.cancel().catch(() => {}));
  return reader;
}

describe("/kv", () => {
  test("sets, gives and removes what clients of the store see too", async () => {
    const server = await served();
    const peer = await server.join();
    expect(await put(server, "/kv/users/42", '{"name": "Ann",\n "n": [1, 0.5]}')).toEqual({
      status: 201,
      value: undefined,
      etag: '"1"',
    });
    expect(await ask(peer, { action: "GET", key: "users^42", meta: true })).toEqual({
      result: { value: { name: "Ann", n: [1, 0.5] }, version: 1, ttl_ms: null },
    });
    expect(await put(server, "/kv/users/42", "7")).toMatchObject({ status: 204, etag: '"2"' });
    expect(await told(server, "GET", "/kv/users/42")).toEqual({
      status: 200,
      value: 7,
      etag: '"2"',
    });
    // The same key otherwise written; a slash and others within a part.
    expect(await told(server, "GET", "/kv/users%5E42")).toMatchObject({ status: 200, value: 7 });
    await ask(peer, { action: "SET", key: "a/b^é ?", value: null });
    expect(await told(server, "GET", "/kv/a%2Fb/%C3%A9%20%3F")).toMatchObject({
      status: 200,
      value: null,
    });
    const head = await server.get("/kv/users/42", { method: "HEAD" });
    expect([head.status, head.headers.get("etag"), await head.text()]).toEqual([200, '"2"', ""]);
    const { headers } = await server.get("/kv/users/42");
    expect([headers.get("content-type"), headers.get("x-content-type-options")]).toEqual([
      "application/json; charset=utf-8",
      "nosniff",
    ]);
    expect((await told(server, "GET", "/kv/sys/version")).status).toBe(200);

    expect((await told(server, "DELETE", "/kv/users/42")).status).toBe(204);
    expect(await ask(peer, { action: "EXISTS", key: "users^42" })).toEqual({ result: false });
    for (const method of ["GET", "DELETE"]) {
      expect(await told(server, method, "/kv/users/42")).toEqual({
        status: 404,
        code: "NOT_FOUND",
      });
    }
    await put(server, "/kv/tree/a", "1");
    await put(server, "/kv/tree/b/c", "1");
    expect(await told(server, "DELETE", "/kv/tree")).toMatchObject({ code: "NOT_FOUND" });
    expect((await told(server, "DELETE", "/kv/tree?tree")).status).toBe(204);
    expect(await ask(peer, { action: "EXISTS", key: "tree^b^c" })).toEqual({ result: false });
    expect(server.stats("store")).toMatchObject({ requests_set: 5, requests_del: 4 });
  });

  test("values expire after ttl_ms", async () => {
    const server = await served();
    await put(server, "/kv/a?ttl_ms=1000", "1");
    const answer = await server.get("/kv/a");
    expect([answer.status, answer.headers.get("x-ttl-ms")]).toEqual([200, "1000"]);
    server.clock.advance(1000);
    expect((await told(server, "GET", "/kv/a")).status).toBe(404);
    for (const ttl of ["0", "-1", "1.5", "", "10000000000001", "x"]) {
      const refused = await put(server, `/kv/a?ttl_ms=${ttl}`, "1");
      expect([ttl, refused]).toEqual([ttl, { status: 400, code: "WRONG_TYPE" }]);
    }
    expect(await put(server, "/kv/a?ttl_ms=10000000000000", "1")).toMatchObject({ status: 201 });
  });

  test("conditions: changes are made, or answered 412, by the version; what is known already is not sent again", async () => {
    const server = await served();
    await put(server, "/kv/a", "1");
    const [same, other] = [{ "if-match": '"1"' }, { "if-match": '"7"' }];
    const get = (headers: Record<string, string>) => told(server, "GET", "/kv/a", { headers });
    const known = await server.get("/kv/a", { headers: { "if-none-match": 'W/"1", "9"' } });
    expect([known.status, known.headers.get("etag"), await known.text()]).toEqual([304, '"1"', ""]);
    expect(await get({ "if-none-match": '"9"' })).toMatchObject({ status: 200 });
    expect(await get(other)).toEqual({ status: 412, code: "VERSION_MISMATCH" });

    expect(await put(server, "/kv/a", "2", other)).toEqual({
      status: 412,
      code: "VERSION_MISMATCH",
    });
    expect(await put(server, "/kv/a", "2", { "if-match": 'W/"1"' })).toMatchObject({ status: 412 });
    expect(await put(server, "/kv/a", "2", same)).toMatchObject({ status: 204, etag: '"2"' });
    expect(await put(server, "/kv/a", "3", same)).toMatchObject({ status: 412 });
    expect(await put(server, "/kv/a", "3", { "if-match": '"1", "2"' })).toMatchObject({
      status: 204,
      etag: '"3"',
    });
    const absent = { "if-none-match": "*" };
    expect(await put(server, "/kv/a", "4", absent)).toEqual({
      status: 412,
      code: "ALREADY_EXISTS",
    });
    expect(await put(server, "/kv/b", "4", absent)).toMatchObject({ status: 201 });
    expect(await put(server, "/kv/c", "4", { "if-match": "*" })).toMatchObject({ status: 412 });
    expect(await put(server, "/kv/b", "5", { "if-match": "*" })).toMatchObject({ status: 204 });
    expect(await told(server, "DELETE", "/kv/a", { headers: same })).toMatchObject({ status: 412 });
    expect((await told(server, "DELETE", "/kv/a", { headers: { "if-match": '"3"' } })).status).toBe(
      204,
    );
    // A new value of the key has no version of before.
    expect(await put(server, "/kv/a", "1", absent)).toMatchObject({ status: 201, etag: '"4"' });
  });

  test("only one of many who change the same version at once gets through", async () => {
    const server = await served();
    await put(server, "/kv/n", "0");
    const all = Array.from({ length: 20 }, (_, i) =>
      put(server, "/kv/n", `${i}`, { "if-match": '"1"' }),
    );
    const statuses = (await Promise.all(all)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 204)).toHaveLength(1);
    expect(statuses.filter((status) => status === 412)).toHaveLength(19);
  });

  test("what is no value is refused as on the wire, and changes nothing", async () => {
    const server = await served({ max_line_bytes: 1000 });
    for (const [body, status, code] of [
      ["", 400, "MALFORMED"],
      ["{", 400, "MALFORMED"],
      ["\ufeff1", 400, "MALFORMED"],
      ["[1e400]", 400, "NUMBER_RANGE"],
      ["\n9007199254740993", 400, "NUMBER_RANGE"],
      ["[".repeat(129) + "]".repeat(129), 400, "TOO_DEEP"],
      [`"${"x".repeat(999)}"`, 413, "TOO_LONG"],
    ] as const) {
      expect([body, await put(server, "/kv/a", body)]).toEqual([body, { status, code }]);
    }
    const broken = { method: "PUT", body: new Uint8Array([34, 0xff, 34]) };
    expect((await server.get("/kv/a", broken)).status).toBe(400);
    expect((await told(server, "GET", "/kv/a")).status).toBe(404);
    expect(await put(server, "/kv/a", `"${"x".repeat(998)}"`)).toMatchObject({ status: 201 });
    expect(await put(server, "/kv/b", "[".repeat(128) + "]".repeat(128))).toMatchObject({
      status: 201,
    });
  });

  test("what is no key, no parameter or no method is refused", async () => {
    const server = await served();
    for (const path of ["/kv", "/kv/", "/kv/a/", "/kv//a", "/kv/%ff", "/kv/%0a", "/kv/%5Ea"]) {
      expect([path, await told(server, "GET", path)]).toEqual([
        path,
        { status: 400, code: "BAD_KEY" },
      ]);
    }
    for (const path of ["/kv", "/kv/", "/kv?watch", "/kv/?watch"]) {
      const answer = await server.get(path);
      expect(await answer.json()).toMatchObject({
        error: { message: expect.stringContaining("/kv/*?watch watches all") },
      });
    }
    expect(await put(server, `/kv/${"x".repeat(256)}`, "1")).toMatchObject({ status: 201 });
    expect(await put(server, `/kv/${"x".repeat(257)}`, "1")).toMatchObject({ code: "BAD_KEY" });
    expect(await put(server, "/kv/sys/a", "1")).toEqual({ status: 403, code: "RESERVED" });
    for (const [method, query] of [
      ["GET", "ttl_ms=1"],
      ["PUT", "watch"],
      ["DELETE", "x"],
    ] as const) {
      const init = method === "PUT" ? { body: "1" } : {};
      expect(await told(server, method, `/kv/a?${query}`, init)).toEqual({
        status: 400,
        code: "UNKNOWN_FIELD",
      });
    }
    await put(server, "/kv/a/below", "1");
    for (const [method, query] of [
      ["DELETE", "tree=false"],
      ["DELETE", "tree&tree"],
      ["GET", "watch=0"],
      ["PUT", "ttl_ms=1000&ttl_ms=5"],
    ] as const) {
      const init = method === "PUT" ? { body: "1" } : {};
      expect([query, await told(server, method, `/kv/a?${query}`, init)]).toEqual([
        query,
        { status: 400, code: "WRONG_TYPE" },
      ]);
    }
    expect(await told(server, "GET", "/kv/a/below")).toMatchObject({ value: 1 });
    const posted = await server.get("/kv/a", { method: "POST", body: "1" });
    expect([posted.status, posted.headers.get("allow")]).toEqual([
      405,
      "GET, HEAD, PUT, DELETE, OPTIONS",
    ]);
    expect((await server.get("/kvx")).status).not.toBe(400);
  });

  test("a refused change for want of memory is 507", async () => {
    const server = await served({ max_memory_bytes: 2 ** 20 });
    const big = JSON.stringify("x".repeat(600_000));
    expect(await put(server, "/kv/a", big)).toMatchObject({ status: 201 });
    expect(await put(server, "/kv/b", big)).toEqual({ status: 507, code: "MEMORY_FULL" });
  });

  test("is there only where the setting says so, and the store keeps keys", async () => {
    for (const section of [{ http: false }, { mode: "json" }]) {
      const server = await served(section);
      const answer = await server.get("/kv/a");
      expect([answer.status, (await answer.text()).includes("NOT_FOUND")]).toEqual([404, false]);
    }
  });
});

describe("/kv with roles", () => {
  test("each may do what its token may, and no more", async () => {
    const server = await served(tokens());
    const [all, shop] = [bearer("a-long-enough-token"), bearer("another-long-token")];
    for (const headers of [{}, bearer("a-wrong-token-of-it"), { authorization: "Basic YTpi" }]) {
      const answer = await server.get("/kv/shop/a", { headers });
      expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([
        401,
        'Bearer realm="store"',
      ]);
    }
    expect(await put(server, "/kv/shop/price", "9", all)).toMatchObject({ status: 201 });
    expect(await put(server, "/kv/other", "9", all)).toMatchObject({ status: 201 });
    const get = (path: string) => told(server, "GET", path, { headers: shop });
    expect(await get("/kv/shop/price")).toMatchObject({ status: 200, value: 9 });
    expect(await get("/kv/other")).toEqual({ status: 403, code: "FORBIDDEN" });
    expect(await get("/kv/other?watch")).toEqual({ status: 403, code: "FORBIDDEN" });
    expect(await get("/kv/*?watch")).toEqual({ status: 403, code: "FORBIDDEN" });
    expect(await put(server, "/kv/shop/price", "1", shop)).toEqual({
      status: 403,
      code: "FORBIDDEN",
    });
    expect(await put(server, "/kv/shop/cart/1", "1", shop)).toMatchObject({ status: 201 });
    expect(await told(server, "DELETE", "/kv/shop/price", { headers: shop })).toEqual({
      status: 403,
      code: "FORBIDDEN",
    });
    // Nothing of a body is read before.
    expect(await put(server, "/kv/a", "{")).toEqual({ status: 401, code: "AUTH_REQUIRED" });
  });

  test("whoever tries many tokens has to wait", async () => {
    const server = await served(tokens());
    const wrong = () =>
      server.get("/kv/a", { headers: bearer(`wrong-token-${Math.random()}-of-it`) });
    let answer = await wrong();
    for (let i = 0; i < 300 && answer.status === 401; i++) answer = await wrong();
    expect(answer.status).toBe(429);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  });

  test("without tokens only this machine may ask, and only by a name of its own", async () => {
    const server = await served({}, { web: { trusted_proxies: ["127.0.0.1"] } });
    await put(server, "/kv/a", "1");
    for (const headers of [
      { host: "evil.example" },
      { "x-forwarded-for": "203.0.113.9", host: "localhost" },
    ] as Record<string, string>[]) {
      expect([headers, await told(server, "GET", "/kv/a", { headers })]).toEqual([
        headers,
        { status: 403, code: "FORBIDDEN" },
      ]);
      expect(await put(server, "/kv/a", "2", headers)).toMatchObject({ status: 403 });
    }
    expect(await told(server, "GET", "/kv/a")).toMatchObject({ value: 1 });
  });

  test("without tokens no page of another site may ask, whatever the name", async () => {
    const server = await served();
    await put(server, "/kv/a", "1");
    const own = server.port("web");
    for (const headers of [
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { origin: "http://evil.example" },
      { origin: "null" },
      { origin: `http://127.0.0.1:${own + 1}` },
      { origin: `http://127.0.0.1:${own}`, "sec-fetch-site": "cross-site" },
    ] as Record<string, string>[]) {
      for (const path of ["/kv/a", "/kv/a?watch"]) {
        expect([headers, path, await told(server, "GET", path, { headers })]).toEqual([
          headers,
          path,
          { status: 403, code: "FORBIDDEN" },
        ]);
      }
      expect(await put(server, "/kv/a", "2", headers)).toMatchObject({ status: 403 });
    }
    // A page of its own, and what somebody opens in a browser.
    for (const headers of [
      { origin: `http://127.0.0.1:${own}`, "sec-fetch-site": "same-origin" },
      { "sec-fetch-site": "none" },
    ] as Record<string, string>[]) {
      expect(await told(server, "GET", "/kv/a", { headers })).toMatchObject({ value: 1 });
    }
    const secured = await served(tokens());
    const headers = { ...bearer("a-long-enough-token"), origin: "http://evil.example" };
    expect(await put(secured, "/kv/a", "1", headers)).toMatchObject({ status: 201 });
  });

  test("the store's own lists of addresses hold", async () => {
    const server = await served({ access: { deny: ["127.0.0.1"] } });
    expect(await told(server, "GET", "/kv/a")).toEqual({ status: 403, code: "FORBIDDEN" });
  });
});

describe("/kv?watch", () => {
  test("tells the value that a key has, and what becomes of it", async () => {
    const server = await served();
    const peer = await server.join();
    await put(server, "/kv/a", '"first"');
    const one = await watching(server, "/kv/a?watch");
    const below = await watching(server, "/kv/users/*?watch");
    expect(await one.next()).toEqual({
      name: "set",
      data: { event: "set", key: "a", version: 1, value: "first" },
    });
    await ask(peer, { action: "SET", key: "b", value: 1 });
    await ask(peer, { action: "SET", key: "users^1^x", value: [2] });
    await put(server, "/kv/a?ttl_ms=1000", "2");
    expect(await one.next()).toMatchObject({
      name: "set",
      data: { event: "set", key: "a", version: 2, value: 2 },
    });
    server.clock.advance(1100);
    expect(await one.next()).toMatchObject({
      name: "expired",
      data: { event: "expired", key: "a" },
    });
    await told(server, "DELETE", "/kv/users?tree");
    expect(await below.next()).toMatchObject({ name: "set", data: { key: "users^1^x" } });
    expect(await below.next()).toMatchObject({
      name: "del",
      data: { event: "del", key: "users", tree: true },
    });
    expect(server.stats("web")["streams"]).toBe(2);
    await one.cancel();
    await below.cancel();
    await until(() => server.stats("web")["streams"] === 0);
  });

  test("ends with the server, and for HEAD there is none", async () => {
    const server = await served();
    const head = await server.get("/kv/a?watch", { method: "HEAD" });
    expect([head.status, server.stats("web")["streams"]]).toEqual([200, 0]);
    const reader = await watching(server, "/kv/a?watch");
    void server.drain();
    expect(await reader.next()).toBeNull();
  });

  test("one that is not read is closed, and the others get everything", async () => {
    const server = await served();
    const still = await server.get("/kv/a?watch");
    expect(still.status).toBe(200);
    const reader = await watching(server, "/kv/a?watch");
    const value = "x".repeat(500_000);
    for (let version = 1; server.stats("web")["slow_streams"] === 0; version++) {
      await put(server, "/kv/a", JSON.stringify(value));
      expect(await reader.next()).toMatchObject({ data: { version, value } });
      expect(version).toBeLessThan(200);
    }
    expect(server.stats("web")).toMatchObject({ streams: 1, slow_streams: 1 });
    await still.body?.cancel();
  });

  test("those that are not read are closed, the slowest first, when too much waits for all", async () => {
    const most = 600_000;
    const server = await served({
      max_line_bytes: 200_000,
      outbox_bytes: 500_000,
      total_outbox_bytes: most,
    });
    const still = [];
    for (let i = 0; i < 3; i++) still.push(await server.get("/kv/a?watch"));
    const reader = await watching(server, "/kv/a?watch");
    const value = "x".repeat(100_000);
    const held = () => (server.running("store").clients(BY_ID) as ClientPage).clients;
    for (let version = 1; held().length > 2; version++) {
      await put(server, "/kv/a", JSON.stringify(value));
      expect(await reader.next()).toMatchObject({ data: { version, value } });
      const waiting = held().reduce((sum, { outboxBytes }) => sum + outboxBytes, 0);
      expect(waiting).toBeLessThanOrEqual(most);
      expect(version).toBeLessThan(1000);
    }
    expect(server.stats("web")).toMatchObject({ slow_streams: 0 });
    expect(server.stats("store")).toMatchObject({ http_watchers: 2 });
    for (const one of still) await one.body?.cancel();
  });

  test("ends when its token is gone, also for the store", async () => {
    const files = tokens();
    const server = await served(files);
    const shop = bearer("another-long-token");
    const reader = await watching(server, "/kv/shop/*?watch", shop);
    const kept = await watching(server, "/kv/shop/*?watch", bearer("a-long-enough-token"));
    fs.writeFileSync(files.roles_file, "", { mode: 0o600 });
    server.program.reload(server.config);
    expect(await reader.next()).toEqual({
      name: "closed",
      data: { event: "closed", reason: "denied" },
    });
    expect(await reader.next()).toBeNull();
    await put(server, "/kv/shop/a", "1", bearer("a-long-enough-token"));
    expect(await kept.next()).toMatchObject({ data: { key: "shop^a" } });
  });
});

describe("a watcher that comes back", () => {
  const since = (id: string) => ({ "last-event-id": id });
  const events = async (reader: EventReader, count: number) => {
    const found = [];
    for (let i = 0; i < count; i++) found.push((await reader.next())?.data);
    return found;
  };

  test("gets what it missed, once, and goes on", async () => {
    const server = await served();
    const first = await watching(server, "/kv/k/*?watch");
    const begun = await first.place();
    await put(server, "/kv/k/a", "1");
    await first.next();
    const after = first.id;
    await first.cancel();
    await put(server, "/kv/k/a", "2");
    await put(server, "/kv/other", "0");
    await put(server, "/kv/k/b", "3");
    await told(server, "DELETE", "/kv/k/a");
    const back = await watching(server, "/kv/k/*?watch", since(after));
    const missed = [
      { event: "set", key: "k^a", version: 2, seq: 2, value: 2 },
      { event: "set", key: "k^b", version: 1, seq: 4, value: 3 },
      { event: "del", key: "k^a", seq: 5 },
    ];
    expect(await events(back, 3)).toEqual(missed);
    await put(server, "/kv/k/c", "4");
    expect(await events(back, 1)).toMatchObject([{ key: "k^c", seq: 6 }]);
    // One that had heard of a place alone has missed more.
    const early = await watching(server, "/kv/k/*?watch", since(begun));
    expect(await events(early, 5)).toMatchObject([{ seq: 1 }, ...missed, { seq: 6 }]);
    // What it was told last is what it comes back with, though other keys have changed since.
    await early.place();
    for (let value = 0; value < 5; value++) await put(server, "/kv/other", `${value}`);
    server.clock.advance(10_100);
    expect(await early.place()).toEndWith("-11");
  });

  test("of a single key has its value first, and what it missed of it later", async () => {
    const server = await served();
    await put(server, "/kv/a", "1");
    const first = await watching(server, "/kv/a?watch");
    await first.next();
    const { id } = first;
    await first.cancel();
    await put(server, "/kv/a", "2");
    await put(server, "/kv/a", "3");
    const back = await watching(server, "/kv/a?watch", since(id));
    expect(await events(back, 2)).toMatchObject([
      { value: 2, seq: 2 },
      { value: 3, seq: 3 },
    ]);
  });

  test("is told how much is lost, and of a single key its value", async () => {
    const server = await served({ change_log_entries: 3 });
    const first = await watching(server, "/kv/k/*?watch");
    const id = await first.place();
    for (let value = 1; value <= 5; value++) await put(server, "/kv/k/a", `${value}`);
    const back = await watching(server, "/kv/k/*?watch", since(id));
    expect(await events(back, 4)).toMatchObject([
      { event: "lost", keys: "k^*", lost: 2 },
      { value: 3 },
      { value: 4 },
      { value: 5 },
    ]);
    const one = await watching(server, "/kv/k/a?watch", since(id));
    expect(await events(one, 2)).toMatchObject([
      { event: "lost", keys: "k^a", lost: 2 },
      { event: "set", value: 5 },
    ]);
    const edge = await watching(server, "/kv/k/*?watch", since(id.replace(/\d+$/, "2")));
    expect(await events(edge, 1)).toMatchObject([{ value: 3 }]);
  });

  test.each(["0123456789ab-1", "nonsense", "-1", `${"f".repeat(65)}-1`])(
    "with %s, of another run or of no server, is told that nobody knows",
    async (id) => {
      const server = await served();
      await put(server, "/kv/a", "1");
      const one = await watching(server, "/kv/a?watch", since(id));
      expect(await events(one, 2)).toMatchObject([
        { event: "lost", lost: null },
        { event: "set", value: 1 },
      ]);
      await put(server, "/kv/a", "2");
      expect(await events(one, 1)).toMatchObject([{ value: 2 }]);
    },
  );

  test("with a place that is still to come is told so too", async () => {
    const server = await served();
    const first = await watching(server, "/kv/*?watch");
    const id = (await first.place()).replace(/\d+$/, "1");
    const back = await watching(server, "/kv/*?watch", since(id));
    expect(await events(back, 1)).toMatchObject([{ event: "lost", lost: null }]);
  });

  test("gets megabytes of it as it reads, and all that happens meanwhile behind it", async () => {
    const server = await served({ change_log_bytes: 2 ** 30 });
    const first = await watching(server, "/kv/*?watch");
    const id = await first.place();
    await first.cancel();
    const value = JSON.stringify("x".repeat(500_000));
    const all = 60;
    for (let i = 1; i < all; i++) await put(server, `/kv/k/${i}`, value);
    const back = await watching(server, "/kv/*?watch", since(id));
    await put(server, "/kv/last", "1");
    const held = () => server.running("store").clients(BY_ID) as ClientPage;
    // It goes on by the clock, until as much waits as may.
    for (let i = 0; i < 300; i++) {
      server.clock.advance(20);
      await turn();
      expect(held().clients[0]?.outboxBytes).toBeLessThan(1_000_000);
    }
    const reading = events(back, all);
    let isRead = false;
    void reading.then(() => (isRead = true));
    await until(() => {
      server.clock.advance(20);
      return isRead;
    });
    expect((await reading).map((one) => (one as { seq: number }).seq)).toEqual(
      Array.from({ length: all }, (_, i) => i + 1),
    );
    expect(server.stats("web")["slow_streams"]).toBe(0);
  });
});

describe("watchers over HTTP", () => {
  test("are seen among the clients, and can be closed", async () => {
    const server = await served();
    const peer = await server.join();
    const reader = await watching(server, "/kv/a?watch");
    await put(server, "/kv/a", "1");
    await reader.next();
    expect(server.stats("store")["http_watchers"]).toBe(1);
    const page: any = await (await server.get("/connz?service=store&sort=id&order=asc")).json();
    expect(page).toMatchObject({ total: 2, clients: [{ state: "open" }, { state: "watching" }] });
    const { id, bytes_out, address } = page.clients[1];
    expect(bytes_out).toBeGreaterThan(0);
    const one = await (await server.get(`/connz?service=store&id=${id}`)).json();
    expect(one).toMatchObject({ total: 1, clients: [{ address, state: "watching" }] });
    const running = server.running("store");
    expect(running.kick(id)).toBe(address);
    expect(running.kick(id)).toBeNull();
    expect(await reader.next()).toMatchObject({ data: { event: "closed", reason: "kicked" } });
    expect(await reader.next()).toBeNull();
    await until(() => server.stats("store")["http_watchers"] === 0);
    peer.end();
  });

  test("are as many as the settings allow, and no more", async () => {
    const server = await served({ max_http_watchers: 2 });
    const readers = [];
    for (const key of ["a", "b"]) readers.push(await watching(server, `/kv/${key}?watch`));
    const refused = { status: 503, code: "TOO_MANY" };
    expect(await told(server, "GET", "/kv/c?watch")).toEqual(refused);
    await readers[0]?.cancel();
    await until(() => server.stats("store")["http_watchers"] === 1);
    await watching(server, "/kv/c?watch");
    expect(await told(server, "GET", "/kv/d?watch")).toEqual(refused);
  });
});

test("a change is answered, and told, only once it is on disk where that is promised", async () => {
  const path = fs.mkdtempSync(join(tmpdir(), "store-http-"));
  endings.push(() => fs.rmSync(path, { recursive: true }));
  const server = await served({ durability: "always", path });
  await put(server, "/kv/old", "0");
  const watcher = await watching(server, "/kv/a?watch");
  const held: (() => void)[] = [];
  const sync = fs.fdatasync;
  const syncs = spyOn(fs, "fdatasync").mockImplementation(((
    fd: number,
    then: fs.NoParamCallback,
  ) => {
    held.push(() => sync(fd, then));
  }) as typeof fs.fdatasync);
  const done: string[] = [];
  const note = (what: string) => () => void done.push(what);
  try {
    const changed = put(server, "/kv/a", "1");
    void changed.then(note("PUT"));
    await until(() => held.length > 0);
    // An answer to anybody might show what is not on disk yet.
    const read = told(server, "GET", "/kv/a");
    void read.then(note("GET"));
    const event = watcher.next();
    void event.then(note("event"));
    await until(() => server.stats("store")["requests_get"] === 2);
    for (let i = 0; i < 3; i++) await server.get("/healthz");
    expect(done).toEqual([]);
    syncs.mockRestore();
    for (const go of held) go();
    expect(await changed).toMatchObject({ status: 201 });
    expect(await read).toMatchObject({ value: 1 });
    expect(await event).toMatchObject({ name: "set", data: { key: "a", version: 1 } });
  } finally {
    syncs.mockRestore();
  }
  await watcher.cancel();
  await server.stop();
  const again = await served({ durability: "always", path });
  expect(await told(again, "GET", "/kv/a")).toMatchObject({ value: 1, etag: '"1"' });
});
