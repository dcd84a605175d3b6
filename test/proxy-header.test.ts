import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { load, problemText } from "../lib/config/load.ts";
import { settings } from "../lib/config/table.ts";
import { HandClock } from "../lib/host/clock.ts";
import { Log } from "../lib/host/log.ts";
import { InsideAlone } from "../lib/net/admission/inside.ts";
import { TurnedAway } from "../lib/net/admission/turned-away.ts";
import { Alone } from "../lib/services/relay/order/alone.ts";
import { Relay } from "../lib/services/relay/relay.ts";
import {
  boot,
  type Booted,
  configOf,
  dial,
  type Overrides,
  type Peer,
  turn,
  until,
} from "./kit.ts";

/** The proxy in front of the server under test; the other addresses of loopback are none. */
const PROXY = "127.0.0.7";
const CLIENT = "203.0.113.5";

const SIGNATURE = "0d0a0d0a000d0a515549540a";
/** A header of version 2, by what stands behind its signature. */
const v2 = (command: string, family: string, addresses: string) => {
  const length = (addresses.length / 2).toString(16).padStart(4, "0");
  return Buffer.from(SIGNATURE + command + family + length + addresses, "hex");
};
const v1 = (text: string) => Buffer.from(`PROXY ${text}\r\n`);
/** Addresses of the client's 203.0.113.5:4711 and of a server. */
const IPV4 = "cb007105" + "0a000001" + "1267" + "22b8";
const IPV6 =
  "20010db8000000000000000000000001" + "20010db8000000000000000000000002" + "1267" + "22b8";
const MAPPED = "00000000000000000000ffffcb007105" + "20010db8000000000000000000000002" + "126722b8";
const tcp4 = (ip: string, port: number) => v1(`TCP4 ${ip} 10.0.0.1 ${port} 8888`);

const started: Booted[] = [];
afterEach(async () => {
  for (const server of started.splice(0)) await server.stop();
});

/** A server behind the proxy. */
async function behind(service = "relay", own: object = {}, overrides: Overrides = {}) {
  const section = { trusted_proxies: [PROXY], ...own };
  const server = await boot(service, { ...overrides, [service]: section });
  started.push(server);
  return server;
}

/** A connection of the proxy's, which begins with these bytes. */
async function passed(server: Booted, ...begins: (Buffer | string)[]): Promise<Peer> {
  const before = server.stats()["accepted"] as number;
  const peer = await dial(server.port(), PROXY);
  await until(() => (server.stats()["accepted"] as number) > before);
  for (const bytes of begins) peer.send(bytes);
  return peer;
}

const addresses = (server: Booted) => server.clients().map(({ address }) => address);

describe("a header of a trusted proxy", () => {
  test.each([
    [`${CLIENT}:4711`, tcp4(CLIENT, 4711)],
    ["0.0.0.0:0", v1("TCP4 0.0.0.0 255.255.255.255 0 65535")],
    ["[2001:db8::1]:4711", v1("TCP6 2001:DB8:0:0::1 2001:db8::2 4711 8888")],
    [
      "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
      v1(`TCP6 2001:db8${":ffff".repeat(6)} ffff${":ffff".repeat(7)} 65535 65535`),
    ],
    [`${CLIENT}:4711`, v1(`TCP6 ::ffff:${CLIENT} ::1 4711 8888`)],
    [`${CLIENT}:4711`, v2("21", "11", IPV4)],
    ["[2001:db8::1]:4711", v2("21", "21", IPV6)],
    [`${CLIENT}:4711`, v2("21", "21", MAPPED)],
    // With what the proxy tells besides, up to the last byte of the smallest segment.
    [`${CLIENT}:4711`, v2("21", "11", IPV4 + "040001ff")],
    [`${CLIENT}:4711`, v2("21", "11", IPV4 + "00".repeat(508))],
  ])("tells of %s", async (address, header) => {
    const server = await behind();
    const listener = await server.join();
    // At once with its first lines, and byte by byte.
    const peer = await passed(server, Buffer.concat([header, Buffer.from("one\ntwo\n")]));
    const told = (content: string) => JSON.stringify({ remote_addr: address, content });
    expect(await listener.next()).toBe(told("one"));
    expect(await listener.next()).toBe(told("two"));
    expect(addresses(server)).toEqual([listener.address, address]);
    peer.end();
    await until(() => server.stats()["clients"] === 1);
    const slow = await passed(server);
    for (const byte of header) {
      await slow.sent(Buffer.of(byte));
      await turn();
    }
    await until(() => server.stats()["clients"] === 2);
    slow.send("three");
    slow.half();
    expect(await listener.next()).toBe(told("three"));
    slow.end();
  });

  test.each([
    ["PROXY UNKNOWN", v1("UNKNOWN")],
    ["PROXY UNKNOWN and 107 bytes", v1(`UNKNOWN ${"x".repeat(107 - 16)}`)],
    ["LOCAL", v2("20", "00", "")],
    ["LOCAL with an address", v2("20", "11", IPV4)],
    ["LOCAL of a family that does not exist", v2("20", "ff", "00")],
    ["no family", v2("21", "00", "")],
    ["a Unix socket", v2("21", "31", "2f".repeat(216))],
    ["datagrams", v2("21", "12", IPV4)],
  ])("leaves the proxy its own address where it says %s", async (_, header) => {
    const server = await behind();
    const listener = await server.join();
    const peer = await passed(server, header);
    for (let i = 0; i < 20; i++) await turn();
    // Most such connections only check whether the door is open.
    expect(addresses(server)).toEqual([listener.address]);
    peer.send("first\n");
    expect(JSON.parse(await listener.next())).toEqual({
      remote_addr: peer.address,
      content: "first",
    });
    const silent = await passed(server, header);
    for (let i = 0; i < 20; i++) await turn();
    server.clock.advance(1250);
    await until(() => addresses(server).includes(silent.address));
  });

  test("leaves the proxy its own address where it tells of itself", async () => {
    const server = await behind();
    const check = await passed(server);
    check.send(tcp4(PROXY, Number(check.address.split(":")[1])));
    for (let i = 0; i < 20; i++) await turn();
    expect(addresses(server)).toEqual([]);
    check.end();
    await until(
      () => (server.stats()["closed_eof"] ?? 0) + (server.stats()["closed_reset"] ?? 0) === 1,
    );
    const client = await passed(server);
    client.send(tcp4(PROXY, Number(client.address.split(":")[1]) ^ 1));
    await until(() => server.stats()["clients"] === 1);
  });

  test.each([
    ["a line", "hello\n"],
    ["one wrong byte", "p"],
    ["PROXY alone", "PROXY\r\n"],
    ["no protocol that exists", v1("TCP5 1.2.3.4 1.2.3.4 1 2")],
    ["UNKNOWN and more", v1("UNKNOWNS")],
    ["an address of the wrong family", v1("TCP4 ::1 ::1 1 2")],
    ["a server's address of the wrong family", v1("TCP6 ::1 1.2.3.4 1 2")],
    ["a zero before a number", v1("TCP4 01.2.3.4 1.2.3.4 1 2")],
    ["a zero before a port", v1("TCP4 1.2.3.4 1.2.3.4 01 2")],
    ["a port too high", v1("TCP4 1.2.3.4 1.2.3.4 65536 2")],
    ["no port of the server", v1("TCP4 1.2.3.4 1.2.3.4 1")],
    ["one field more", v1("TCP4 1.2.3.4 1.2.3.4 1 2 3")],
    ["two spaces", v1("TCP4  1.2.3.4 1.2.3.4 1 2")],
    ["a zone", v1("TCP6 fe80::1%eth0 ::1 1 2")],
    ["no carriage return", `PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n${"x".repeat(80)}`],
    ["108 bytes", v1(`UNKNOWN ${"x".repeat(108 - 16)}`)],
    ["a signature that is not", `${"\r\n\r\n\0\r\nQUIT"}\r`],
    ["another version", v2("11", "11", IPV4)],
    ["another command", v2("22", "11", IPV4)],
    ["another family", v2("21", "41", IPV4)],
    ["another protocol", v2("21", "13", IPV4)],
    ["an address cut short", v2("21", "11", IPV4.slice(2))],
    ["an IPv6 address cut short", v2("21", "21", IPV6.slice(2))],
    ["537 bytes", v2("21", "11", IPV4 + "00".repeat(509))],
    ["a length that never comes", Buffer.from(`${SIGNATURE}2111ffff`, "hex")],
  ])("that is wrong closes the connection: %s", async (_, bytes) => {
    const server = await behind();
    const peer = await passed(server, bytes);
    await peer.closed;
    await until(() => server.stats()["closed_malformed"] === 1);
    expect(server.stats()).toMatchObject({ accepted: 1, clients: 0, lines_in: 0 });
    expect(peer.bytes).toBe(0);
  });

  test("that is wrong is told once a minute", async () => {
    const server = await behind();
    for (let i = 0; i < 3; i++) await (await passed(server, "hello\n")).closed;
    await until(() => server.stats()["closed_malformed"] === 3);
    server.clock.advance(60_000);
    expect(server.printed()).toContain(
      ` relay: turned away 2 clients in the last minute, the last ${PROXY} without a PROXY header: what it sent is not what this service speaks\n`,
    );
  });

  test("that does not come within ten seconds is not waited for", async () => {
    const server = await behind();
    const header = tcp4(CLIENT, 1);
    const all = [await passed(server), await passed(server, header.subarray(0, -1))];
    await turn();
    server.clock.advance(9750);
    await turn();
    expect(server.stats()["closed_idle"]).toBe(0);
    server.clock.advance(250);
    for (const peer of all) await peer.closed;
    expect(server.stats()).toMatchObject({ closed_idle: 2, clients: 0 });
    expect(server.printed()).toContain(`${PROXY} without a PROXY header: it sent nothing for too`);
  });

  test("is half there when the connection ends: that is told; one that ends before it began only checked the door", async () => {
    const server = await behind();
    (await passed(server)).half();
    await until(() => server.stats()["closed_eof"] === 1);
    (await passed(server, v2("20", "00", ""))).half();
    await until(() => server.stats()["closed_eof"] === 2);
    (await passed(server)).reset();
    const { closed_eof = 0, closed_reset = 0 } = server.stats();
    await until(() => {
      const stats = server.stats();
      return (stats["closed_eof"] as number) + (stats["closed_reset"] as number) === 3;
    });
    expect(closed_eof + closed_reset).toBe(2);
    server.clock.advance(2000);
    expect(server.printed()).not.toContain(PROXY);
    (await passed(server, "PROXY TCP4")).half();
    await until(() => server.stats()["closed_malformed"] === 1);
    expect(server.printed()).toContain(`turned away ${PROXY} without a PROXY header`);
  });
});

describe("a door with trusted proxies", () => {
  test("takes the bytes of everybody else for lines, a header too", async () => {
    const server = await behind();
    const [listener, other] = [await server.join(), await server.join("127.0.0.8")];
    other.send(tcp4(CLIENT, 4711));
    expect(JSON.parse(await listener.next())).toEqual({
      remote_addr: other.address,
      content: `PROXY TCP4 ${CLIENT} 10.0.0.1 4711 8888`,
    });
  });

  test("denies by the client's address, whatever the proxy's is", async () => {
    const server = await behind("relay", { access: { allow: [`${CLIENT}/32`], deny: [] } });
    const listener = await passed(server, tcp4(CLIENT, 1));
    const denied = await passed(server, tcp4("203.0.113.6", 2));
    expect(await denied.next()).toBe("Warning: Your address may not connect to this server.");
    await denied.closed;
    expect(addresses(server)).toEqual([`${CLIENT}:1`]);
    expect(server.printed()).toContain(" turned away 203.0.113.6:2: its address may not connect\n");
    server.reload({
      relay: { trusted_proxies: [PROXY], access: { allow: [], deny: [CLIENT] } },
    });
    expect(await listener.next()).toBe("Warning: Your address may not connect to this server.");
  });

  test("counts by the client's address", async () => {
    const server = await behind("relay", { max_clients_per_address: 1 });
    await passed(server, tcp4(CLIENT, 1));
    await until(() => server.stats()["clients"] === 1);
    const second = await passed(server, tcp4(CLIENT, 2));
    expect(await second.next()).toBe("Warning: There are too many clients from your address.");
    await passed(server, tcp4("203.0.113.6", 1));
    await until(() => server.stats()["clients"] === 2);
  });

  test("quarantines the client's address", async () => {
    const policy = { disconnect_threshold: 1, throttle_threshold: 1, flow_control_threshold: 1 };
    const server = await behind("relay", {}, { hyper_parameters: { backpressure_policy: policy } });
    await passed(server, tcp4("203.0.113.6", 1));
    const sender = await passed(server, tcp4(CLIENT, 1), "too many hear this\n");
    await until(() => server.stats()["lines_in"] === 1);
    server.clock.advance(200);
    expect(await sender.next()).toStartWith("Warning: You have been disconnected because your");
    const again = await passed(server, tcp4(CLIENT, 2));
    expect(await again.next()).toStartWith("Warning: You are in quarantine.");
    const other = await passed(server, tcp4("203.0.113.7", 1));
    await until(() => addresses(server).includes("203.0.113.7:1"));
    expect(other.lines).toEqual([]);
  });

  test("keeps a place for a connection whose header has not come; one too many gets its notice", async () => {
    const server = await behind("relay", { max_clients: 2, max_clients_per_address: 2 });
    await passed(server, tcp4(CLIENT, 1));
    await until(() => server.stats()["clients"] === 1);
    const pending = await passed(server);
    const refused = await passed(server, tcp4(CLIENT, 2), "not served\n");
    expect(await refused.next()).toBe(
      "Warning: The server has too many clients. Please try again later.",
    );
    pending.send(tcp4(CLIENT, 3));
    await until(() => server.stats()["clients"] === 2);
    expect(server.stats()["lines_in"]).toBe(0);
    pending.end();
    await until(() => server.stats()["clients"] === 1);
    await passed(server, tcp4(CLIENT, 4));
    await until(() => server.stats()["clients"] === 2);
  });

  test("turns away one too many though a place becomes free in that moment", async () => {
    /** As where a client of another thread leaves. */
    class Inside extends InsideAlone {
      override wait(by: 1 | -1): void {
        super.wait(by);
        if (by === -1) this.leave(CLIENT);
      }
    }
    const inside = new Inside();
    inside.enter(CLIENT);
    const clock = new HandClock();
    const config = configOf({ relay: { max_clients: 1, trusted_proxies: [PROXY] } });
    const log = new Log("relay", config.logger, clock, () => {});
    const files = { share: () => 1000, connections: 0 };
    const host = { clock, log, files, nextId: () => 1, onReload() {} };
    const turnedAway = new TurnedAway(clock, () => {});
    const relay = new Relay(config, host, null, new Alone(), { inside, threads: 1, turnedAway });
    const peer = await dial(relay.addresses[0]?.port as number, PROXY);
    expect(await peer.next()).toStartWith("Warning: The server has too many clients.");
    expect(relay.stats()).toMatchObject({ clients: 0, closed_limit: 1 });
    peer.end();
    await relay.drain(0);
    await log.close();
  });

  test("takes other proxies by a reload", async () => {
    const server = await behind();
    server.reload({ relay: { trusted_proxies: ["127.0.0.8"] } });
    const listener = await server.join(PROXY);
    expect(addresses(server)).toEqual([listener.address]);
    const peer = await server.join("127.0.0.8");
    peer.send(tcp4(CLIENT, 4711));
    await until(() => addresses(server).includes(`${CLIENT}:4711`));
  });

  test("that is drained closes who is still pending", async () => {
    const server = await behind();
    const pending = await passed(server, "PROXY ");
    const inside = await passed(server, tcp4(CLIENT, 1));
    await until(() => server.stats()["clients"] === 1);
    await server.stop();
    expect(await inside.next()).toBe("Warning: Server is shutting down.");
    await pending.closed;
  });
});

test("the store knows its clients by their addresses too", async () => {
  const server = await behind("store", { max_clients_per_address: 1 });
  const peer = await passed(server, tcp4(CLIENT, 4711), '{"type":"get","key":"a"}\n');
  expect(await peer.next()).toStartWith("{");
  expect(addresses(server)).toEqual([`${CLIENT}:4711`]);
  const second = await passed(server, v2("21", "11", IPV4));
  await second.closed;
  expect(server.stats()["closed_limit"]).toBe(1);
});

test("commands on the proxy's own machine begin with a header themselves", async () => {
  const trusted_proxies = ["127.0.0.0/8"];
  const server = await boot(["relay", "store"], {
    relay: { trusted_proxies },
    store: { trusted_proxies },
  });
  started.push(server);
  const cwd = mkdtempSync(join(tmpdir(), "behind-proxy-"));
  const own = (service: string) =>
    `enabled = true\ntrusted_proxies = ["127.0.0.0/8"]\n${service === "store" ? `port = ${server.port("store")}\n` : ""}`;
  await Bun.write(
    join(cwd, "summoner.toml"),
    `port = ${server.port()}\n[relay]\n${own("relay")}[store]\n${own("store")}[web]\nenabled = false\n`,
  );
  const run = (...args: string[]) =>
    Bun.spawn([process.execPath, join(import.meta.dir, "..", "index.ts"), ...args], {
      cwd,
      stdout: "pipe",
      stderr: "pipe",
    });
  const listener = run("listen");
  await until(() => server.stats()["clients"] === 1);
  expect(await run("send", "hello").exited).toBe(0);
  const reader = listener.stdout.getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toContain("hello");
  listener.kill();
  await listener.exited;
  expect(await run("kv", "set", "a", "1").exited).toBe(0);
  expect(await new Response(run("kv", "get", "a").stdout).text()).toBe("1\n");
  expect(await run("status").exited).toBe(0);
}, 60_000);

test.each(["relay", "store"])("TLS and proxies of the %s cannot be had together", (service) => {
  const problems = (object: object) =>
    load(settings, { object: { [service]: { enabled: true, ...object } } }).problems;
  const trusted_proxies = ["10.0.0.0/8"];
  const tls = { cert: "a.pem", key: "a.key" };
  expect(problems({ trusted_proxies }).map(problemText)).toEqual([]);
  const [problem, ...others] = problems({ trusted_proxies, tls }).map(problemText);
  expect(problem).toContain(`${service}.trusted_proxies: given for a service with TLS`);
  expect(others).toEqual([]);
  const whole = load(settings, { object: { tls, [service]: { enabled: true, trusted_proxies } } });
  expect(whole.problems.map(problemText).join()).toContain(`${service}.trusted_proxies: given`);
  const off = { ...tls, cert: "", key: "" };
  const object = { tls, [service]: { enabled: true, trusted_proxies, tls: off } };
  expect(load(settings, { object }).problems.map(problemText)).toEqual([]);
});
