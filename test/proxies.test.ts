import { describe, expect, test } from "bun:test";
import { TOKEN_VARIABLE } from "../lib/config/sections/web.ts";
import { type Booted, dial, type Overrides, raw, until } from "./kit.ts";
import { served, TOKEN } from "./web-suite.ts";

const PROXY = "127.0.0.1";

/** A web service behind a proxy on this machine, and one on 127.0.0.7. */
function behind(web: Overrides = {}): Promise<Booted> {
  const trusted_proxies = [PROXY, "127.0.0.7/32", "2001:db8::/32"];
  return served({ web: { host: "0.0.0.0", trusted_proxies, ...web } }, { token: TOKEN });
}

/** The answer to a request that a proxy passes on with these headers. */
function ask(server: Booted, headers: string[], from = PROXY, path = "/varz"): Promise<string> {
  const lines = [`GET ${path} HTTP/1.1`, "Host: localhost", "Connection: close", ...headers];
  return raw(server.port("web"), `${lines.join("\r\n")}\r\n\r\n`, "127.0.0.1", from);
}

const WRONG = "Authorization: Bearer wrong";

describe("the client's address", () => {
  test.each([
    ["203.0.113.5", ["X-Forwarded-For: 203.0.113.5"]],
    ["203.0.113.5", ["X-Forwarded-For: 198.51.100.1, 203.0.113.5"]],
    ["203.0.113.5", ["X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 203.0.113.5"]],
    ["203.0.113.5", ["X-Forwarded-For: 203.0.113.5, 127.0.0.7,127.0.0.1"]],
    ["203.0.113.5:4711", ["X-Forwarded-For: 203.0.113.5:4711"]],
    ["203.0.113.5", ["X-Forwarded-For: garbage, 203.0.113.5"]],
    ["203.0.113.5", ["X-Forwarded-For: ::ffff:203.0.113.5"]],
    ["203.0.113.5", ["X-Forwarded-For: ::ffff:cb00:7105"]],
    ["2001:db9::1", ["X-Forwarded-For: 2001:DB9:0:0::1"]],
    ["2001:db9::1", ["X-Forwarded-For: [2001:db9::1]"]],
    ["[2001:db9::1]:80", ["X-Forwarded-For: [2001:db9::1]:80"]],
    ["2001:db9::1", ["X-Forwarded-For: 2001:db9::1, 2001:db8::77"]],
    ["203.0.113.5", ["Forwarded: for=203.0.113.5"]],
    ["203.0.113.5", ["Forwarded: for=198.51.100.1, For=203.0.113.5;proto=https;by=10.0.0.1"]],
    ["203.0.113.5:80", ['Forwarded: by=10.0.0.1; for="203.0.113.5:80"']],
    ["[2001:db9::1]:4711", ['forwarded: proto=http;FOR="[2001:db9::1]:4711"']],
    ["203.0.113.5", ['Forwarded: for="x, for=198.51.100.1', "Forwarded: for=203.0.113.5"]],
    ["203.0.113.5", ['Forwarded: for=";\\", for=203.0.113.5']],
    ["203.0.113.5", ["Forwarded: for=203.0.113.5", "X-Forwarded-For: 198.51.100.1, 203.0.113.5"]],
    // Every hop is a proxy: the first of them asks for itself.
    ["127.0.0.7", ["X-Forwarded-For: 127.0.0.7, 127.0.0.1"]],
  ])("%s is in %p", async (address, headers) => {
    const server = await behind();
    expect(await ask(server, [WRONG, ...headers])).toStartWith("HTTP/1.1 401 ");
    expect(server.printed()).toContain(` web: ${address} showed a wrong token\n`);
  });

  test.each([
    [[]],
    [["X-Forwarded-For:"]],
    [["X-Forwarded-For: unknown"]],
    [["X-Forwarded-For: 203.0.113.5, unknown"]],
    [["X-Forwarded-For: 203.0.113.5, "]],
    [["X-Forwarded-For: 203.0.113.5, 999.1.1.1"]],
    [["X-Forwarded-For: 203.0.113.5, 10.0.0.1:99999"]],
    [["X-Forwarded-For: 203.0.113.5, fe80::1%eth0"]],
    [["X-Forwarded-For: 203.0.113.5, [::1"]],
    [["X-Forwarded-For: 203.0.113.5, 1.2.3.4/8"]],
    [["X-Forwarded-For: http://203.0.113.5/"]],
    [["Forwarded: for=_hidden"]],
    [["Forwarded: for=203.0.113.5, by=10.0.0.1"]],
    [["Forwarded: for=203.0.113.5, for=unknown"]],
    [["Forwarded: for"]],
    [['Forwarded: for="203.0.113.5']],
    // The proxy sets one of them, and who knows which.
    [["Forwarded: for=198.51.100.1", "X-Forwarded-For: 203.0.113.5"]],
    [["X-Real-IP: 203.0.113.5"]],
    [[`X-Forwarded-For: 203.0.113.5, ${"127.0.0.1,".repeat(1500)}127.0.0.1`]],
  ])("is the proxy's with %p", async (headers) => {
    const server = await behind();
    expect(await ask(server, [WRONG, ...headers])).toStartWith("HTTP/1.1 401 ");
    expect(server.printed()).toMatch(/ web: 127\.0\.0\.1(:\d+)? showed a wrong token\n/);
  });

  test("is its own where it is no proxy, whatever it says", async () => {
    const server = await behind();
    const headers = [WRONG, "X-Forwarded-For: 203.0.113.5", "Forwarded: for=203.0.113.5"];
    await ask(server, headers, "127.0.0.9");
    expect(server.printed()).toMatch(/ web: 127\.0\.0\.9:\d+ showed a wrong token\n/);
    process.env[TOKEN_VARIABLE] = TOKEN;
    try {
      server.reload({ web: { host: "0.0.0.0", trusted_proxies: ["127.0.0.9"] } });
    } finally {
      delete process.env[TOKEN_VARIABLE];
    }
    await ask(server, headers, "127.0.0.9");
    expect(server.printed()).toContain(" web: 203.0.113.5 showed a wrong token\n");
  });
});

describe("a client behind a proxy", () => {
  const of = (address: string) => `X-Forwarded-For: ${address}`;

  test("has its own tries, limits and access", async () => {
    const access = { allow: [], deny: ["198.51.100.0/24"] };
    const server = await behind({ access, max_clients_per_address: 1 });
    for (let i = 0; i < 6; i++) await ask(server, [WRONG, of("203.0.113.5")]);
    expect(await ask(server, [WRONG, of("203.0.113.5")])).toStartWith("HTTP/1.1 429 ");
    expect(await ask(server, [WRONG, of("203.0.113.6")])).toStartWith("HTTP/1.1 401 ");
    expect(await ask(server, [of("198.51.100.9")], PROXY, "/healthz")).toStartWith("HTTP/1.1 403 ");
    const right = `Authorization: Bearer ${TOKEN}`;
    const peer = await dial(server.port("web"));
    peer.send(`GET /events HTTP/1.1\r\nHost: x\r\n${right}\r\n${of("203.0.113.5")}\r\n\r\n`);
    await until(() => server.stats("web")["streams"] === 1);
    expect(server.clients("web").map(({ address }) => address)).toEqual(["203.0.113.5"]);
    const answer = await ask(server, [right, of("203.0.113.5")], PROXY, "/connz");
    expect(answer).toStartWith("HTTP/1.1 503 ");
    expect(await ask(server, [right, of("203.0.113.6")], PROXY, "/connz")).toStartWith(
      "HTTP/1.1 200 ",
    );
    peer.end();
    await until(() => server.stats("web")["streams"] === 0);
    expect(await ask(server, [right, of("203.0.113.5")], PROXY, "/connz")).toStartWith(
      "HTTP/1.1 200 ",
    );
  });

  test("is named in the access log and in what is logged of actions", async () => {
    const server = await behind({ access_log: true });
    await ask(server, [of("203.0.113.5")], PROXY, "/healthz");
    expect(server.printed()).toContain("web: 203.0.113.5 GET /healthz 200 ");
    await server.post("/admin/log-level", { level: "INFO" }, { "x-forwarded-for": "203.0.113.6" });
    expect(server.printed()).toContain("admin: 203.0.113.6 (token): log-level");
  });

  test("is not this machine, though the proxy is", async () => {
    const trusted_proxies = ["127.0.0.1"];
    for (const token of [TOKEN, undefined]) {
      const server = await served(
        { web: { trusted_proxies } },
        token === undefined ? {} : { token },
      );
      const refused = `HTTP/1.1 ${token === undefined ? 403 : 401} `;
      expect(await ask(server, [])).toStartWith("HTTP/1.1 200 ");
      expect(await ask(server, [of("127.0.0.1")])).toStartWith("HTTP/1.1 200 ");
      for (const header of [of("203.0.113.5"), of("127.0.0.1, 203.0.113.5"), of("garbage")]) {
        expect(await ask(server, [header])).toStartWith(refused);
        expect(await ask(server, [header], PROXY, "/healthz")).toStartWith("HTTP/1.1 200 ");
        expect(await ask(server, [header], PROXY, "/session")).toContain('{"read":false,');
      }
      const both = [of("127.0.0.1"), "Forwarded: for=203.0.113.5"];
      expect(await ask(server, both)).toStartWith(refused);
    }
  });
});

test.each([["10.0.0.0/33"], ["example.com"], [""]])("%p is no proxy", async (cidr) => {
  expect(served({ web: { trusted_proxies: [cidr] } })).rejects.toThrow(
    "web.trusted_proxies: found",
  );
});
