import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join as joined } from "node:path";
import { settings } from "../lib/config/table.ts";
import { messages, messagesSection } from "./fixtures/services/messages.ts";
import { boot, type Booted, openssl, selfSigned, turn, until } from "./kit.ts";
import { Random } from "./random.ts";

let server: Booted;
const endings: (() => void)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) end();
  await server.stop();
});

async function start(section: object = {}, ...given: Parameters<typeof messages>) {
  const table = {
    services: { messages: messages(...given) },
    settings: { ...settings, messages: messagesSection },
  };
  server = await boot("messages", { messages: section }, { table });
  return server;
}

const client = () => server.clients()[0];

/** The messages of one client; a binary message as its bytes in latin1. */
interface Heard {
  readonly found: string[];
  next(): Promise<string>;
  /** Resolves with the code and the reason that it was closed with. */
  readonly closed: Promise<[code: number, reason: string]>;
}

/** A client as a browser is one. */
async function join(scheme = "ws"): Promise<Heard & { socket: WebSocket }> {
  const before = server.stats()["accepted"] as number;
  const options = { tls: { rejectUnauthorized: false } };
  const socket = new WebSocket(`${scheme}://127.0.0.1:${server.port()}/`, options as never);
  socket.binaryType = "arraybuffer";
  endings.push(() => socket.close());
  const found: string[] = [];
  const closed = Promise.withResolvers<[number, string]>();
  socket.onmessage = ({ data }) => {
    found.push(typeof data === "string" ? data : Buffer.from(data).toString("latin1"));
  };
  socket.onclose = ({ code, reason }) => closed.resolve([code, reason]);
  await until(() => (server.stats()["accepted"] as number) > before && socket.readyState !== 0);
  const next = async () => {
    await until(() => found.length > 0);
    return found.shift() as string;
  };
  return { socket, found, next, closed: closed.promise };
}

const HANDSHAKE = [
  "GET / HTTP/1.1",
  "Host: localhost",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version: 13",
  "\r\n",
].join("\r\n");

/** A text as a frame of a client, masked with zeros. */
function frame(text: string): Buffer {
  const bytes = Buffer.from(text);
  const head = Buffer.alloc(14);
  head[0] = 0x81;
  if (bytes.length < 126) {
    head[1] = 0x80 | bytes.length;
    return Buffer.concat([head.subarray(0, 6), bytes]);
  }
  head[1] = 0x80 | 127;
  head.writeBigUInt64BE(BigInt(bytes.length), 2);
  return Buffer.concat([head, bytes]);
}

/** A client that reads when it likes to. */
async function joinRaw(from = "127.0.0.1") {
  const socket = createConnection({ host: "127.0.0.1", port: server.port(), localAddress: from });
  endings.push(() => socket.destroy());
  const found: string[] = [];
  let rest: Buffer = Buffer.alloc(0);
  let answer = "";
  let isClosed = false;
  let code = 0;
  socket.on("data", (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    if (answer === "") {
      const end = rest.indexOf("\r\n\r\n");
      if (end < 0) return;
      answer = rest.toString("latin1", 0, end + 4);
      rest = rest.subarray(end + 4);
    }
    while (rest.length >= 2) {
      const short = (rest[1] as number) & 127;
      const start = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (rest.length < start) return;
      const length =
        short < 126
          ? short
          : short === 126
            ? rest.readUInt16BE(2)
            : Number(rest.readBigUInt64BE(2));
      if (rest.length < start + length) return;
      const body = rest.subarray(start, start + length);
      if (((rest[0] as number) & 15) === 8) code = body.readUInt16BE();
      else found.push(body.toString());
      rest = rest.subarray(start + length);
    }
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    isClosed = true;
  });
  socket.write(HANDSHAKE);
  await until(() => answer !== "" || isClosed);
  return {
    socket,
    found,
    /** All that came instead of the upgrade, or with it. */
    answer: () => answer + rest.toString("latin1"),
    code: () => code,
    closed: () => until(() => isClosed),
  };
}

describe("a service that speaks WebSocket", () => {
  test("takes and sends messages whole, empty ones and long ones too", async () => {
    await start();
    const { socket, found } = await join();
    const random = new Random(3);
    const sizes = [0, 1, 125, 126, 65_535, 65_536, ...Array.from({ length: 100 }, () => 300)];
    const all = sizes.map((size) => "é".repeat(random.whole(0, 3)) + "x".repeat(size));
    for (const text of ["", ...all]) socket.send(text);
    await until(() => found.length === all.length + 1);
    expect(found).toEqual(["", ...all]);
    const bytes = all.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    expect(client()).toMatchObject({ messagesIn: all.length + 1, bytesIn: bytes });
    expect(server.stats()).toMatchObject({ clients: 1, accepted: 1, bytes_in: bytes });
  });

  test("or bytes, where that is what it speaks", async () => {
    await start({}, "binary");
    const { socket, next } = await join();
    const bytes = new Random(4).bytes(1000);
    socket.send(bytes);
    expect(await next()).toBe(bytes.toString("latin1"));
    socket.send(new Uint8Array());
    expect(await next()).toBe("");
  });

  test.each(["text", "binary"] as const)(
    "a message that is not %s ends it with 1003",
    async (kind) => {
      await start({}, kind);
      const [bad, good] = [await join(), await join()];
      bad.socket.send(kind === "text" ? new Uint8Array([1]) : "text");
      expect(await bad.closed).toEqual([1003, "malformed"]);
      good.socket.send(kind === "text" ? "here" : Buffer.from("here"));
      expect(await good.next()).toBe("here");
      expect(server.stats()).toMatchObject({ clients: 1, closed_malformed: 1 });
    },
  );

  test("a message that is too long ends it with 1009", async () => {
    await start({ max_message_bytes: 1000 });
    const { socket, next, closed } = await join();
    socket.send("x".repeat(1000));
    expect(await next()).toHaveLength(1000);
    socket.send("x".repeat(1001));
    expect((await closed)[0]).toBe(1009);
    await until(() => server.stats()["clients"] === 0);
    expect(server.stats()).toMatchObject({ closed_malformed: 1, closed_reset: 0, closed_eof: 0 });
  });

  test("a request that asks for no WebSocket is told so", async () => {
    await start();
    const answer = await fetch(`http://127.0.0.1:${server.port()}/`);
    expect([answer.status, answer.headers.get("upgrade")]).toEqual([426, "websocket"]);
    expect(server.stats()).toMatchObject({ accepted: 0, clients: 0 });
  });

  test("clients leave by themselves, in order or not", async () => {
    await start();
    const { socket, closed } = await join();
    socket.close(3000, "enough");
    expect(await closed).toEqual([3000, "enough"]);
    (await joinRaw()).socket.resetAndDestroy();
    await until(() => server.stats()["clients"] === 0);
    expect(server.stats()).toMatchObject({ closed_eof: 1, closed_reset: 1, accepted: 2 });
  });

  test("one that breaks off while it is held is nobody's trouble", async () => {
    await start({ outbox_bytes: 1 });
    const peer = await joinRaw();
    peer.socket.pause();
    peer.socket.write(frame("x".repeat(1_000_000)));
    for (let i = 0; i < 20; i++) peer.socket.write(frame("x".repeat(1_000_000)));
    await until(() => client()?.state === "paused");
    peer.socket.resetAndDestroy();
    await until(() => server.stats()["clients"] === 0);
    expect(server.stats()).toMatchObject({ closed_reset: 1, closed_bug: 0 });
  });
});

describe("who may come in", () => {
  test("is judged before the upgrade: limits in all", async () => {
    await start({ max_clients: 1 });
    const { socket } = await join();
    for (let i = 0; i < 2; i++) {
      const answer = (await joinRaw()).answer();
      expect(answer).toStartWith("HTTP/1.1 503 ");
      expect(answer).toEndWith(
        "\r\n\r\nWarning: The server has too many clients. Please try again later.\n",
      );
    }
    expect(server.stats()).toMatchObject({ clients: 1, accepted: 1, closed_limit: 2 });
    const told = () =>
      Array.from(server.printed().matchAll(/messages: turned away .*/g), ([line]) => line);
    expect(told()).toHaveLength(1);
    server.clock.advance(60_000);
    expect(told()).toHaveLength(2);
    expect(told()[1]).toMatch(
      /turned away 127\.0\.0\.1:\d+: too many clients \(messages\.max_clients\)$/,
    );
    socket.close();
    await until(() => server.stats()["clients"] === 0);
    expect((await joinRaw()).answer()).toStartWith("HTTP/1.1 101 ");
  });

  test("and by the lists; those whom a reload denies are closed with a notice", async () => {
    await start({ access: { deny: ["127.0.0.2"] } });
    expect((await joinRaw("127.0.0.2")).answer()).toStartWith("HTTP/1.1 403 ");
    const { next, closed } = await join();
    expect(server.reload({ messages: { access: { deny: ["127.0.0.1"] } } })).toEqual([]);
    expect(await next()).toBe("Warning: Your address may not connect to this server.");
    expect(await closed).toEqual([1008, "denied"]);
    expect(server.stats()).toMatchObject({ clients: 0, closed_denied: 2 });
  });
});

describe("closing", () => {
  test("a kicked client is told so in a last message, and by the code", async () => {
    await start();
    const { next, closed } = await join();
    const { id, address } = client() as { id: number; address: string };
    expect(await server.running().kick(id)).toBe(address);
    expect(await next()).toBe("Warning: You have been disconnected.");
    expect(await closed).toEqual([1008, "kicked"]);
    expect(await server.running().kick(id)).toBeNull();
    expect(server.stats()).toMatchObject({ clients: 0, closed_kicked: 1 });
  });

  test("so is one that is closed as it is greeted", async () => {
    await start({}, "text", (client, clients) => clients.close(client, "refused", "Not you.\n"));
    const { next, closed } = await join();
    expect(await next()).toBe("Not you.");
    expect(await closed).toEqual([1008, "refused"]);
  });

  test("a fault while serving one ends that one alone", async () => {
    const broken = new Set<number>();
    await start({}, "text", (client) => {
      if (broken.has(client.id)) throw new Error("a fault of ours");
      broken.add(client.id + 1);
    });
    const [good, bad] = [await join(), await join()];
    expect((await bad.closed)[0]).toBe(1006);
    good.socket.send("here");
    expect(await good.next()).toBe("here");
    expect(server.stats()).toMatchObject({ clients: 1, closed_bug: 1 });
    expect(server.printed()).toContain("a fault of ours");
  });

  test("a drain tells everybody and lets nobody in", async () => {
    await start();
    const peers = [await join(), await join()];
    const down = server.drain(5000);
    for (const { next, closed } of peers) {
      expect(await next()).toBe("Warning: Server is shutting down.");
      expect(await closed).toEqual([1001, "shutdown"]);
    }
    await down;
    expect(server.stats()).toMatchObject({ clients: 0, closed_shutdown: 2 });
  });
});

describe("a client that does not read", () => {
  test("is not read either, and gets all of it message by message once it reads", async () => {
    await start({ outbox_bytes: 100_000 });
    const peer = await joinRaw();
    peer.socket.pause();
    const all = Array.from({ length: 20_000 }, (_, i) => `${i}:${"x".repeat(i % 2000)}`);
    for (const text of all) peer.socket.write(frame(text));
    await until(() => client()?.state === "paused");
    expect(client()?.outboxBytes).toBeGreaterThan(100_000);
    expect(client()?.outboxBytes).toBeLessThan(200_000);
    for (let i = 0; i < 50; i++) await turn();
    const before = client()?.messagesIn as number;
    expect(before).toBeLessThan(all.length);
    peer.socket.resume();
    await until(() => peer.found.length === all.length);
    expect(peer.found).toEqual(all);
    await until(() => client()?.state === "open");
    expect(client()).toMatchObject({ messagesIn: all.length, outboxBytes: 0 });
  });

  test("gets what it is owed before the notice of a drain, if it reads in time", async () => {
    await start({ outbox_bytes: 2 ** 26 });
    const peer = await joinRaw();
    peer.socket.pause();
    for (let i = 0; i < 12; i++) peer.socket.write(frame("x".repeat(1_000_000)));
    await until(() => client()?.messagesIn === 12);
    expect(client()?.outboxBytes).toBeGreaterThan(0);
    const down = server.drain(60_000);
    for (let i = 0; i < 50; i++) await turn();
    peer.socket.resume();
    await down;
    await peer.closed();
    expect(peer.found.map(({ length }) => length)).toEqual([...Array(12).fill(1_000_000), 33]);
    expect(peer.found.at(-1)).toBe("Warning: Server is shutting down.");
    expect(peer.code()).toBe(1001);
  });

  test("is cut when it does not", async () => {
    await start({ outbox_bytes: 2 ** 26 });
    const peer = await joinRaw();
    peer.socket.pause();
    for (let i = 0; i < 12; i++) peer.socket.write(frame("x".repeat(1_000_000)));
    await until(() => client()?.messagesIn === 12);
    await server.running().kick(client()?.id as number);
    expect(server.stats()["clients"]).toBe(0);
    server.clock.advance(1000);
    peer.socket.resume();
    await peer.closed();
    expect(peer.found.length).toBeLessThan(12);
    expect(peer.code()).toBe(0);
  });
});

describe.skipIf(!openssl)("with TLS", () => {
  test("all of it goes the same way, and clients outlast a new certificate", async () => {
    const folder = mkdtempSync(joined(tmpdir(), "summoner-websocket-"));
    endings.push(() => rmSync(folder, { recursive: true }));
    await start({ tls: selfSigned(folder, "first.example") });
    const { socket, next, closed } = await join("wss");
    socket.send("secret");
    expect(await next()).toBe("secret");
    expect(server.reload({ messages: { tls: selfSigned(folder, "second.example") } })).toEqual([]);
    socket.send("still here");
    expect(await next()).toBe("still here");
    const other = await join("wss");
    other.socket.send("here too");
    expect(await other.next()).toBe("here too");
    const down = server.drain(5000);
    expect(await next()).toBe("Warning: Server is shutting down.");
    expect(await closed).toEqual([1001, "shutdown"]);
    expect(await other.closed).toEqual([1001, "shutdown"]);
    await down;
  });
});
