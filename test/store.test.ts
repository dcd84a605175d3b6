import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CODES } from "../lib/services/store/refusal.ts";
import type { Store } from "../lib/services/store/store.ts";
import {
  type Answer,
  ask,
  boot,
  type Booted,
  dial,
  heard,
  manyFiles,
  type Peer,
  until,
} from "./kit.ts";
import { freePort } from "./ports.ts";
import { Random } from "./random.ts";

let server: Booted;
const endings: (() => unknown)[] = [];
afterEach(async () => {
  await server?.stop();
  for (const end of endings.splice(0).reverse()) await end();
});

const stat = (name: string) => server.stats()[name] as number;

async function joined(count: number): Promise<Peer[]> {
  const peers: Peer[] = [];
  for (let i = 0; i < count; i++) peers.push(await server.join());
  return peers;
}

/** Sends bytes, ends its side and collects all that comes back. */
async function exchanged(port: number, bytes: Uint8Array): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = createConnection({ port, host: "127.0.0.1", allowHalfOpen: true });
  const got: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => got.push(chunk));
  socket.on("error", reject);
  socket.on("close", () => resolve());
  socket.on("end", () => socket.destroy());
  socket.end(bytes);
  await promise;
  return Buffer.concat(got);
}

/** Sockets that this process holds, where the system tells. */
function openSockets(): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:");
    } catch {
      return false;
    }
  }).length;
}

const program = join(import.meta.dir, "..", "index.ts");

/** A store as a process of its own, ready. */
async function spawned(section: string) {
  const folder = mkdtempSync(join(tmpdir(), "summoner-store-"));
  writeFileSync(
    join(folder, "summoner.toml"),
    `[relay]\nenabled = false\n[web]\nenabled = false\n[store]\nenabled = true\nport = 0\ndurability = "none"\n${section}`,
  );
  const child = Bun.spawn([process.execPath, program], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: "1" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  endings.push(async () => {
    child.kill("SIGKILL");
    await child.exited;
    rmSync(folder, { recursive: true });
  });
  let said = "";
  const ready = Promise.withResolvers<number>();
  const all = (async () => {
    for await (const bytes of child.stdout) {
      said += Buffer.from(bytes).toString();
      const port = /store is ready on \S+:(\d+)/.exec(said)?.[1];
      if (port) ready.resolve(Number(port));
    }
    ready.reject(new Error(`it ended after saying ${said}`));
  })();
  return {
    child,
    port: await ready.promise,
    async exit(): Promise<{ code: number; said: string }> {
      const code = await child.exited;
      await all;
      return { code, said };
    },
  };
}

describe("stage 1: echo", () => {
  test("the server listens on the expected port", async () => {
    const port = await freePort();
    server = await boot("store", { store: { mode: "echo", port } });
    expect(server.running().addresses).toEqual([{ host: "127.0.0.1", port }]);
    const peer = await dial(port);
    peer.send("here\n");
    expect(await peer.next()).toBe("here");
  });

  test("it accepts many connections at once, and each gets its own text", async () => {
    server = await boot("store", { store: { mode: "echo" } });
    const peers = await joined(50);
    expect(stat("clients")).toBe(50);
    peers.forEach((peer, i) => peer.send(`I am ${i}\n`));
    expect(await Promise.all(peers.map((peer) => peer.next()))).toEqual(
      peers.map((_, i) => `I am ${i}`),
    );
    expect(peers.every(({ lines }) => lines.length === 0)).toBe(true);
  });

  test("it echoes back exactly what the client sends", async () => {
    server = await boot("store", { store: { mode: "echo" } });
    const bytes = new Random(1).bytes(3_000_000);
    expect((await exchanged(server.port(), bytes)).equals(bytes)).toBe(true);
    const text = Buffer.from('no newline, \r, \0, \xff, "é", {"action":"PING"}');
    expect((await exchanged(server.port(), text)).equals(text)).toBe(true);
    expect((await exchanged(server.port(), Buffer.alloc(0))).length).toBe(0);
  });

  test("it echoes part of a line before the rest has come", async () => {
    server = await boot("store", { store: { mode: "echo" } });
    const peer = await server.join();
    peer.send("half");
    await until(() => peer.bytes === 4);
    peer.send(" and half\n");
    expect(await peer.next()).toBe("half and half");
  });

  test("a client that sends and does not read is held, and loses nothing", async () => {
    server = await boot("store", { store: { mode: "echo" } });
    const peer = await server.join();
    peer.pause();
    const line = `${"x".repeat(65_535)}\n`;
    for (let i = 0; i < 400; i++) peer.send(line);
    const held = () => server.clients().some(({ state }) => state === "paused");
    await until(held);
    expect(stat("pinned_bytes")).toBeLessThan(2_000_000);
    peer.resume();
    await until(() => peer.lines.length === 400);
    expect(peer.bytes).toBe(400 * 65_536);
  });

  test("it survives clients that disappear", async () => {
    server = await boot("store", { store: { mode: "echo" } });
    const [stays, resets, ends, vanishes] = (await joined(4)) as [Peer, Peer, Peer, Peer];
    vanishes.pause();
    for (let i = 0; i < 100; i++) vanishes.send("x".repeat(100_000));
    resets.send("never read\n");
    resets.reset();
    ends.end();
    vanishes.reset();
    await until(() => stat("clients") === 1);
    expect(stat("closed_reset") + stat("closed_eof")).toBe(3);
    expect(stat("closed_bug")).toBe(0);
    stays.send("still here\n");
    expect(await stays.next()).toBe("still here");
    await until(() => stat("pinned_bytes") === 0);
  });

  test("a stop closes every connection, without a word of its own", async () => {
    server = await boot("store", { store: { mode: "echo" } });
    const [a, b] = (await joined(2)) as [Peer, Peer];
    a.send("last");
    await until(() => a.bytes === 4);
    const stopped = server.stop();
    expect(await Promise.all([a.closed, b.closed])).toEqual(["end", "end"]);
    await stopped;
    expect([a.bytes, b.bytes]).toEqual([4, 0]);
    expect(server.stats()).toMatchObject({ clients: 0, closed_shutdown: 2 });
  });

  test("no socket stays open after a stop", async () => {
    server = await boot("store", { store: { mode: "echo" } });
    const port = server.port();
    const linux = process.platform === "linux";
    const before = linux ? openSockets() : 0;
    const peers = await joined(20);
    peers[0]?.reset();
    const stopped = server.stop();
    await Promise.all(peers.map(({ closed }) => closed));
    await stopped;
    // The door itself is closed too.
    if (linux) await until(() => openSockets() < before);
    expect(await dial(port).catch((error) => error.code)).toBe("ECONNREFUSED");
    server = await boot("store", { store: { mode: "echo", port } });
    expect(server.port()).toBe(port);
  });

  test.each(["SIGINT", "SIGTERM"] as const)(
    "a process stops gracefully on %s and leaves nothing open",
    async (signal) => {
      const { child, port, exit } = await spawned('mode = "echo"');
      const peers = [await dial(port), await dial(port)];
      for (const peer of peers) peer.send("hello\n");
      for (const peer of peers) expect(await peer.next()).toBe("hello");
      child.kill(signal);
      for (const peer of peers) expect(await peer.closed).toBe("end");
      const { code, said } = await exit();
      expect(code).toBe(0);
      expect(said.match(/closed: shutdown, /g)).toHaveLength(2);
      expect(said).toEndWith(" Server exited cleanly.\n");
      expect(await dial(port).catch((error) => error.code)).toBe("ECONNREFUSED");
    },
  );
});

describe("stage 2: JSON", () => {
  test("valid JSON comes back as it was sent", async () => {
    server = await boot("store", { store: { mode: "json" } });
    const peer = await server.join();
    const lines = [
      '{"action":"SET","key":"foo","value":"bar"}',
      ' { "spaces" : [ 1 , 2.50 , 1e3 ] } ',
      "null",
      '"é 日本 \\ud83d\\ude00"',
      "12345678901234567890",
      '{"a":1,"a":2}',
      '{"__proto__":{"x":1}}',
      "[[]]",
    ];
    for (const line of lines) {
      peer.send(`${line}\n`);
      expect(await peer.next()).toBe(line);
    }
    peer.send(`${lines.join("\n")}\n`);
    for (const line of lines) expect(await peer.next()).toBe(line);
  });

  test.each([
    ["garbage", "garbage"],
    ["a brace that is not closed", '{"a":1'],
    ["two values", "1 2"],
    ["a trailing comma", "[1,]"],
    ["bytes that are not UTF-8", Buffer.from([34, 0xff, 34])],
    ["NaN", "NaN"],
    ["a comment", "1 // one"],
    ["a control character in a text", '"\t"'],
  ])("malformed JSON is answered with an error: %s", async (_, line) => {
    server = await boot("store", { store: { mode: "json" } });
    const peer = await server.join();
    peer.send(Buffer.concat([Buffer.from(line), Buffer.from("\n")]));
    expect(await heard(peer)).toEqual({
      error: { code: "MALFORMED", message: expect.any(String) },
    });
    peer.send("[1]\n");
    expect(await peer.next()).toBe("[1]");
    expect(server.stats()).toMatchObject({ requests: 2, refused: 1 });
  });

  test("the connection stays alive despite errors, and answers come in order", async () => {
    server = await boot("store", { store: { mode: "json", max_line_bytes: 256 } });
    const peer = await server.join();
    const some = ["1", "x", '{"a":"b"}', "{", "", "[]", `"${"x".repeat(300)}"`, "true"];
    peer.send(`${some.join("\r\n")}\r\n`);
    const expected = ["1", "MALFORMED", '{"a":"b"}', "MALFORMED", "[]", "TOO_LONG", "true"];
    for (const one of expected) {
      const line = await peer.next();
      expect(/^[A-Z_]+$/.test(one) ? JSON.parse(line).error.code : line).toBe(one);
    }
    expect(peer.lines).toEqual([]);
    expect(peer.isClosed).toBe(false);
  });

  test("what is hard to write as JSON does not crash it", async () => {
    server = await boot("store", { store: { mode: "json" } });
    const peer = await server.join();
    const hard = [
      "[".repeat(200_000) + "]".repeat(200_000),
      String.raw`"\ud800"`,
      "1e400",
      `{"${"k".repeat(10_000)}":0}`,
    ];
    for (const line of hard) {
      peer.send(`${line}\n`);
      expect(await peer.next()).toBe(line);
    }
    expect(stat("closed_bug")).toBe(0);
  });

  test("a stop says so in JSON", async () => {
    server = await boot("store", { store: { mode: "json" } });
    const peer = await server.join();
    const stopped = server.stop();
    expect(await heard(peer)).toEqual({
      event: "closed",
      reason: "shutdown",
      message: "the server is stopping",
    });
    expect(await peer.closed).toBe("end");
    await stopped;
  });
});

describe("stage 3: validation", () => {
  test("valid JSON that fits the schema is accepted", async () => {
    server = await boot("store");
    const peer = await server.join();
    expect(await ask(peer, { action: "SET", key: "foo", value: "bar" })).toEqual({ result: "OK" });
    expect(await ask(peer, { action: "PING" })).toEqual({ result: "PONG" });
    expect(stat("refused")).toBe(0);
  });

  test.each([
    ["MALFORMED", '{"action":'],
    ["BAD_REQUEST", "[]"],
    ["BAD_REQUEST", '{"key":"x"}'],
    ["UNKNOWN_ACTION", '{"action":"FLUSHALL"}'],
    ["MISSING_FIELD", '{"action":"SET","key":"x"}'],
    ["UNKNOWN_FIELD", '{"action":"GET","key":"x","colour":"red"}'],
    ["WRONG_TYPE", '{"action":"GET","key":42}'],
    ["TOO_LONG", `{"action":"GET","key":"${"x".repeat(300)}"}`],
  ])("what does not fit is rejected: %s", async (code, line) => {
    server = await boot("store", { store: { max_line_bytes: 256 } });
    const peer = await server.join();
    expect((await ask(peer, line)).error.code).toBe(code);
    expect(await ask(peer, { action: "PING" })).toEqual({ result: "PONG" });
  });

  test("every response has a result or an error with a code and a message", async () => {
    server = await boot("store");
    const peer = await server.join();
    const some = [
      { action: "SET", key: "a", value: null },
      { action: "GET", key: "a" },
      { action: "GET", key: "b" },
      { action: "KEYS" },
      { action: "INFO" },
      { action: "HELP" },
      { action: "GET" },
      { action: "NO" },
      { action: "SUBSCRIBE", channel: "x" },
      [],
      "text",
      { action: "INCR", key: "a" },
    ];
    for (const request of some) {
      const answer = await ask(peer, JSON.stringify(request));
      const names = Object.keys(answer);
      expect(names).toHaveLength(1);
      if (names[0] === "result") continue;
      expect(names[0]).toBe("error");
      expect(Object.keys(answer["error"])).toEqual(["code", "message"]);
      expect(Object.keys(CODES)).toContain(answer["error"].code);
      expect(answer["error"].message).toBeString();
      expect(answer["error"].message).not.toMatch(/\n|\.ts|at /);
    }
  });

  test("a request that fails changes nothing and harms nobody", async () => {
    server = await boot("store");
    const [a, b] = (await joined(2)) as [Peer, Peer];
    await ask(a, { action: "SET", key: "x", value: 1 });
    await ask(b, { action: "SET", key: "x", value: 2, ttl_ms: "soon" });
    await ask(b, { action: "MSET", values: { x: 3, "": 4 } });
    expect(await ask(a, { action: "GET", key: "x" })).toEqual({ result: 1 });
    expect(stat("closed_bug")).toBe(0);
  });
});

describe("stage 4: the store", () => {
  test("values can be stored and retrieved, by every client", async () => {
    server = await boot("store");
    const [a, b] = (await joined(2)) as [Peer, Peer];
    const values = ["bar", "", 0, -1.5, true, false, null, [], {}, { a: [1, { b: "é\n" }] }];
    for (const [i, value] of values.entries()) {
      expect(await ask(a, { action: "SET", key: `k${i}`, value })).toEqual({ result: "OK" });
    }
    for (const [i, value] of values.entries()) {
      expect(await ask(b, { action: "GET", key: `k${i}` })).toEqual({ result: value });
    }
    expect(await ask(b, { action: "SET", key: "k0", value: "new" })).toEqual({ result: "OK" });
    expect(await ask(a, { action: "GET", key: "k0" })).toEqual({ result: "new" });
    expect(stat("keys")).toBe(values.length);
  });

  test("keys can be deleted", async () => {
    server = await boot("store");
    const peer = await server.join();
    await ask(peer, { action: "SET", key: "foo", value: "bar" });
    expect(await ask(peer, { action: "DEL", key: "foo" })).toEqual({ result: 1 });
    expect((await ask(peer, { action: "GET", key: "foo" })).error.code).toBe("NOT_FOUND");
    expect(await ask(peer, { action: "EXISTS", key: "foo" })).toEqual({ result: false });
    expect(stat("keys")).toBe(0);
    expect(stat("memory_bytes")).toBe(0);
  });

  test("a missing key is an error that is answered, and no null", async () => {
    server = await boot("store");
    const peer = await server.join();
    await ask(peer, { action: "SET", key: "null", value: null });
    expect(await ask(peer, { action: "GET", key: "null" })).toEqual({ result: null });
    for (const action of ["GET", "DEL", "TTL"]) {
      expect(await ask(peer, { action, key: "missing" })).toEqual({
        error: { code: "NOT_FOUND", message: "there is no such key" },
      });
    }
    expect(await ask(peer, { action: "PING" })).toEqual({ result: "PONG" });
  });

  test("errors are answered for unknown actions and missing keys", async () => {
    server = await boot("store");
    const peer = await server.join();
    const unknown = await ask(peer, { action: "POP", key: "x" });
    expect(unknown.error.code).toBe("UNKNOWN_ACTION");
    expect(unknown.error.message).toContain("SET, GET, DEL");
    expect((await ask(peer, { action: "get", key: "x" })).error.code).toBe("UNKNOWN_ACTION");
    expect((await ask(peer, { action: "GET" })).error).toEqual({
      code: "MISSING_FIELD",
      message: "key",
    });
  });
});

describe("stage 4.1: namespaces", () => {
  test("a key in a namespace is the node that ^ names", async () => {
    server = await boot("store");
    const peer = await server.join();
    await ask(peer, { action: "SET", ns: "users^42", key: "name", value: "Ada" });
    for (const named of [
      { key: "users^42^name" },
      { key: "^users^42^name" },
      { ns: "users", key: "42^name" },
      { ns: "^users^42", key: "name" },
      { ns: "", key: "users^42^name" },
      { ns: "^", key: "users^42^name" },
    ]) {
      expect(await ask(peer, { action: "GET", ...named })).toEqual({ result: "Ada" });
    }
    expect(stat("keys")).toBe(1);
  });

  test("no namespace means the global one", async () => {
    server = await boot("store");
    const peer = await server.join();
    await ask(peer, { action: "SET", key: "foo", value: "global" });
    await ask(peer, { action: "SET", ns: "app", key: "foo", value: "of app" });
    expect(await ask(peer, { action: "GET", key: "^foo" })).toEqual({ result: "global" });
    expect(await ask(peer, { action: "GET", key: "foo" })).toEqual({ result: "global" });
    expect(await ask(peer, { action: "GET", ns: "app", key: "foo" })).toEqual({
      result: "of app",
    });
    expect(await ask(peer, { action: "DEL", key: "foo" })).toEqual({ result: 1 });
    expect(await ask(peer, { action: "GET", ns: "app", key: "foo" })).toEqual({
      result: "of app",
    });
  });

  test("a node holds a value and nodes below it", async () => {
    server = await boot("store");
    const peer = await server.join();
    await ask(peer, { action: "SET", key: "a", value: 1 });
    await ask(peer, { action: "SET", key: "a^b", value: 2 });
    await ask(peer, { action: "SET", key: "a^b^c", value: 3 });
    expect(await ask(peer, { action: "DEL", key: "a^b" })).toEqual({ result: 1 });
    expect(await ask(peer, { action: "GET", key: "a" })).toEqual({ result: 1 });
    expect(await ask(peer, { action: "GET", key: "a^b^c" })).toEqual({ result: 3 });
    expect((await ask(peer, { action: "GET", key: "a^b" })).error.code).toBe("NOT_FOUND");
    expect(await ask(peer, { action: "KEYS", ns: "a" })).toEqual({
      result: { keys: ["b^c"], cursor: null },
    });
    expect(await ask(peer, { action: "NAMESPACES" })).toEqual({
      result: { namespaces: ["a"], cursor: null },
    });
  });
});

describe("stage 5: robustness, logging and errors", () => {
  test("network errors do not crash the server", async () => {
    server = await boot("store");
    const stays = await server.join();
    const random = new Random(5);
    for (let i = 0; i < 60; i++) {
      const peer = await server.join();
      if (i % 2 === 0) await ask(peer, { action: "SUBSCRIBE", channel: "news" });
      if (i % 3 === 0) peer.pause();
      peer.send(`${'{"action":"PING"}\n'.repeat(random.whole(0, 2000))}{"action":"GE`);
      if (i % 4 === 0) peer.end();
      else if (i % 4 === 1) peer.half();
      else peer.reset();
    }
    expect(
      (await ask(stays, { action: "PUBLISH", channel: "news", value: 1 })).result,
    ).toBeNumber();
    await until(() => stat("clients") === 1);
    expect(server.stats()).toMatchObject({ subscriptions: 0, closed_bug: 0 });
    expect(stat("closed_reset") + stat("closed_eof")).toBe(60);
    expect(await ask(stays, { action: "PING" })).toEqual({ result: "PONG" });
  });

  test("idle connections are closed after idle_secs and not before", async () => {
    server = await boot("store", { store: { idle_secs: 10 } });
    const [idle, talks] = (await joined(2)) as [Peer, Peer];
    server.clock.advance(5000);
    await ask(talks, { action: "PING" });
    server.clock.advance(4999);
    expect(stat("clients")).toBe(2);
    server.clock.advance(1);
    expect(await heard(idle)).toEqual({
      event: "closed",
      reason: "idle",
      message: "you have sent nothing for too long",
    });
    expect(await idle.closed).toBe("end");
    expect(server.stats()).toMatchObject({ clients: 1, closed_idle: 1 });
    server.clock.advance(4999);
    expect(stat("clients")).toBe(1);
    server.clock.advance(1);
    expect((await heard(talks)).reason).toBe("idle");
    expect(server.printed()).toContain(
      `${idle.address} closed: idle, it sent nothing for too long\n`,
    );
  });

  test("an empty line keeps a connection, bytes without a newline do not", async () => {
    server = await boot("store", { store: { idle_secs: 10 } });
    const [beats, trickles] = (await joined(2)) as [Peer, Peer];
    const heardBytes = (count: number) => () =>
      server.clients().every(({ bytesIn }) => bytesIn >= count);
    server.clock.advance(9000);
    beats.send("\n");
    trickles.send(" ");
    await until(heardBytes(1));
    server.clock.advance(1000);
    expect((await heard(trickles)).reason).toBe("idle");
    expect(stat("clients")).toBe(1);
    beats.send("\r\n");
    await until(heardBytes(3));
    server.clock.advance(9999);
    expect(stat("clients")).toBe(1);
    expect(beats.lines).toEqual([]);
  });

  test("with idle_secs 0 nobody is idle", async () => {
    server = await boot("store", { store: { idle_secs: 0 } });
    const peer = await server.join();
    await server.clock.leap(100_000_000);
    expect(await ask(peer, { action: "PING" })).toEqual({ result: "PONG" });
  });

  test("idle clients of the echo mode are closed without a word", async () => {
    server = await boot("store", { store: { mode: "echo", idle_secs: 10 } });
    const [idle, talks] = (await joined(2)) as [Peer, Peer];
    server.clock.advance(9000);
    talks.send("x");
    await until(() => talks.bytes === 1);
    server.clock.advance(1000);
    expect(await idle.closed).toBe("end");
    expect(idle.bytes).toBe(0);
    expect(stat("clients")).toBe(1);
  });

  test("whoever is closed or turned away is told why, except in the echo mode", async () => {
    const word = (reason: string, message: string) =>
      `${JSON.stringify({ event: "closed", reason, message })}`;
    for (const mode of ["store", "json", "echo"]) {
      const section = { mode, max_clients: 2 };
      server = await boot("store", { store: section });
      const told = async (peer: Peer, line: string) => {
        expect(await peer.closed).toBe("end");
        expect(peer.lines.splice(0)).toEqual(mode === "echo" ? [] : [line]);
      };
      const [first, second] = (await joined(2)) as [Peer, Peer];
      // The bound is reached with two, so a third is one too many.
      await told(
        await server.join(),
        word("limit", "the server has too many clients; try again later"),
      );
      const kicked = server.clients().find(({ address }) => address === first.address);
      expect(server.running().kick(kicked?.id as number)).toBe(first.address);
      expect(server.running().kick(kicked?.id as number)).toBeNull();
      await told(first, word("kicked", "an operator closed the connection"));
      server.reload({ store: { ...section, max_clients_per_address: 1 } });
      await told(
        await server.join(),
        word("limit", "there are too many clients from your address"),
      );
      server.reload({ store: { ...section, access: { deny: ["127.0.0.1"] } } });
      await told(second, word("denied", "your address may not connect"));
      await told(await server.join(), word("denied", "your address may not connect"));
      expect(server.stats()).toMatchObject({
        clients: 0,
        accepted: 5,
        closed_limit: 2,
        closed_kicked: 1,
        closed_denied: 2,
      });
      await server.stop();
    }
  });

  test("comings and goings are logged", async () => {
    server = await boot("store");
    const [a, b] = (await joined(2)) as [Peer, Peer];
    a.end();
    await until(() => stat("clients") === 1);
    b.reset();
    await until(() => stat("clients") === 0);
    expect(server.printed()).toMatch(/ INFO {5}store: \S+ connected \(1 client\)\n/);
    expect(server.printed()).toContain(` INFO     store: ${b.address} connected (2 clients)\n`);
    expect(server.printed()).toContain(`${b.address} closed: reset, the connection broke\n`);
    expect(server.printed()).toContain(
      `${a.address} closed: eof, the client ended the connection\n`,
    );
  });

  test("a fault of ours is logged with its stack, costs one client and nobody else", async () => {
    server = await boot("store");
    const [a, b] = (await joined(2)) as [Peer, Peer];
    const store = server.running() as Store;
    const { received } = store;
    store.received = (client, bytes) => {
      if (bytes.includes("fault")) throw new TypeError("a fault of ours");
      return received.call(store, client, bytes);
    };
    await ask(a, { action: "SUBSCRIBE", channel: "news" });
    a.send('{"action":"ECHO","value":"fault"}\n');
    await a.closed;
    expect(server.stats()).toMatchObject({ clients: 1, closed_bug: 1, subscriptions: 0 });
    expect(server.printed()).toMatch(/ ERROR .*TypeError: a fault of ours.*\n +at /);
    expect(a.lines).toEqual([]);
    expect(await ask(b, { action: "PING" })).toEqual({ result: "PONG" });
  });
});

describe("stage 6: concurrency", () => {
  test("1,000 SETs one after the other do not overwrite each other", async () => {
    server = await boot("store");
    const peer = await server.join();
    for (let i = 0; i < 1000; i++) {
      expect(await ask(peer, { action: "SET", key: `key${i}`, value: i })).toEqual({
        result: "OK",
      });
    }
    expect(stat("keys")).toBe(1000);
    for (let i = 0; i < 1000; i++) {
      expect(await ask(peer, { action: "GET", key: `key${i}` })).toEqual({ result: i });
    }
  });

  test("many writers of one key lose no increment", async () => {
    server = await boot("store");
    const peers = await joined(50);
    const each = 200;
    const answers = await Promise.all(
      peers.map(async (peer) => {
        for (let i = 0; i < each; i++) peer.send('{"action":"INCR","key":"count"}\n');
        const seen: number[] = [];
        for (let i = 0; i < each; i++) seen.push((await heard(peer)).result);
        return seen;
      }),
    );
    for (const seen of answers) expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    const all = answers.flat().sort((a, b) => a - b);
    expect(all).toEqual(Array.from({ length: 50 * each }, (_, i) => i + 1));
  });

  test("of many writers with the same if_version one succeeds at a time", async () => {
    server = await boot("store");
    const peers = await joined(20);
    await ask(peers[0] as Peer, { action: "SET", key: "sum", value: 0 });
    const added = await Promise.all(
      peers.map(async (peer, i) => {
        for (let tries = 1; ; tries++) {
          const { value, version } = (await ask(peer, { action: "GET", key: "sum", meta: true }))
            .result;
          const set = { action: "SET", key: "sum", value: value + i, if_version: version };
          const answer = await ask(peer, set);
          if (answer["result"] === "OK") return tries;
          expect(answer["error"].code).toBe("VERSION_MISMATCH");
        }
      }),
    );
    const { result } = await ask(peers[0] as Peer, { action: "GET", key: "sum", meta: true });
    expect(result).toEqual({ value: (19 * 20) / 2, version: 21, ttl_ms: null });
    // Without any conflict this would have shown nothing.
    expect(Math.max(...added)).toBeGreaterThan(1);
  });

  test("readers of a key that is written see whole values and no old one again", async () => {
    server = await boot("store");
    const [writer, ...readers] = await joined(10);
    const values = Array.from({ length: 300 }, (_, i) => ({ i, text: `${i}`.repeat(500) }));
    await ask(writer as Peer, { action: "SET", key: "x", value: values[0] });
    let writing = true;
    const reads = readers.map(async (reader) => {
      let last = 0;
      while (writing) {
        const { i, text } = (await ask(reader, { action: "GET", key: "x" })).result;
        expect(text).toBe(`${i}`.repeat(500));
        expect(i).toBeGreaterThanOrEqual(last);
        last = i;
      }
    });
    for (const value of values) await ask(writer as Peer, { action: "SET", key: "x", value });
    writing = false;
    await Promise.all(reads);
    expect(await ask(readers[0] as Peer, { action: "GET", key: "x" })).toEqual({
      result: values.at(-1) as object,
    });
  });

  test.skipIf(!manyFiles)("a thousand clients are served at once", async () => {
    server = await boot("store");
    const peers = await Promise.all(Array.from({ length: 1000 }, () => dial(server.port())));
    await until(() => stat("clients") === 1000);
    const rounds = 5;
    const start = performance.now();
    let waited = 0;
    await Promise.all(
      peers.map(async (peer, i) => {
        for (let round = 0; round < rounds; round++) {
          const asked = performance.now();
          expect(await ask(peer, { action: "SET", key: `c${i}`, value: round })).toEqual({
            result: "OK",
          });
          expect(await ask(peer, { action: "GET", key: `c${i}` })).toEqual({ result: round });
          waited += performance.now() - asked;
        }
      }),
    );
    const seconds = (performance.now() - start) / 1000;
    const count = 2 * rounds * peers.length;
    console.log(
      `1,000 clients at once: a reply takes ${(waited / count).toFixed(1)} ms on average, ${Math.round(count / seconds)} a second`,
    );
    expect(server.stats()).toMatchObject({
      clients: 1000,
      keys: 1000,
      requests: count,
      refused: 0,
    });
    for (const peer of peers) peer.end();
    await until(() => stat("clients") === 0);
  });
});

describe("stage 8: pub/sub", () => {
  test("a subscriber in another process hears what is published", async () => {
    server = await boot("store");
    const script = `
      const socket = await Bun.connect({
        hostname: "127.0.0.1",
        port: ${server.port()},
        socket: { data: (_, bytes) => process.stdout.write(bytes) },
      });
      socket.write('{"action":"SUBSCRIBE","channel":"orders^eu"}\\n');
    `;
    const child = Bun.spawn([process.execPath, "-e", script], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    endings.push(async () => {
      child.kill("SIGKILL");
      await child.exited;
    });
    let said = "";
    const all = (async () => {
      for await (const bytes of child.stdout) said += Buffer.from(bytes).toString();
    })();
    await until(() => stat("subscriptions") === 1);
    const peer = await server.join();
    const publish = { action: "PUBLISH", channel: "orders^eu", value: { id: 7 } };
    expect(await ask(peer, publish)).toEqual({ result: 1 });
    await until(() => said.split("\n").length === 3);
    const [answer, message] = said.trim().split("\n");
    expect(JSON.parse(answer as string).result.subscribed).toBe("orders^eu");
    expect(JSON.parse(message as string)).toEqual({
      event: "message",
      channel: "orders^eu",
      seq: 1,
      value: { id: 7 },
    });
    // An observer that disappears is forgotten at once.
    child.kill("SIGKILL");
    await all;
    await until(() => stat("clients") === 1);
    expect(stat("subscriptions")).toBe(0);
    expect(await ask(peer, publish)).toEqual({ result: 0 });
  });

  test("clients cannot speak in the server's name", async () => {
    server = await boot("store");
    const [a, b] = (await joined(2)) as [Peer, Peer];
    await ask(b, { action: "SUBSCRIBE", channel: "*" });
    for (const request of [
      { action: "PUBLISH", channel: "sys^alerts", value: "update now" },
      { action: "PUBLISH", channel: "^sys", value: 1 },
      { action: "PUBLISH", ns: "sys", channel: "alerts", value: 1 },
      { action: "SET", key: "sys^version", value: 0 },
      { action: "DEL", key: "sys", tree: true },
    ]) {
      expect((await ask(a, request)).error.code).toBe("RESERVED");
    }
    const forged = 'x"}\n{"event":"closed","reason":"shutdown"}';
    await ask(a, { action: "PUBLISH", channel: "news", value: forged });
    expect(await heard(b)).toEqual({ event: "message", channel: "news", seq: 1, value: forged });
    expect(b.lines).toEqual([]);
  });
});

test("the whole: what a session looks like on the wire", async () => {
  server = await boot("store");
  const peer = await server.join();
  const script: [string, string | Answer][] = [
    ['{"action":"PING"}', '{"result":"PONG"}'],
    ['{"action":"SET","key":"foo","value":"bar"}', '{"result":"OK"}'],
    ['{"action":"GET","key":"foo"}', '{"result":"bar"}'],
    ['{"action":"GET","key":"foo","id":1}', '{"result":"bar","id":1}'],
    ['{"action":"DEL","key":"foo"}', '{"result":1}'],
    [
      '{"action":"GET","key":"foo","id":"x"}',
      '{"error":{"code":"NOT_FOUND","message":"there is no such key"},"id":"x"}',
    ],
    ['{"action":"INCR","key":"n"}', '{"result":1}'],
    ['{"action":"EXISTS","key":"n"}', '{"result":true}'],
  ];
  peer.send(script.map(([request]) => `${request}\n`).join(""));
  for (const [, answer] of script) expect(await peer.next()).toBe(answer as string);
});
