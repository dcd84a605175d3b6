import { afterEach, describe, expect, spyOn, test } from "bun:test";
import events from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import net, { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { settings } from "../lib/config/table.ts";
import type { Address } from "../lib/host/service.ts";
import { Status } from "../lib/net/grpc/calls.ts";
import { calls, callsSection } from "./fixtures/services/calls.ts";
import { boot, type Booted, dial, openssl, selfSigned, turn, until } from "./kit.ts";

let server: Booted;
const endings: (() => void)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) end();
  await server.stop();
});

async function start(section: object = {}, release?: () => Promise<void>, rest: object = {}) {
  const table = {
    services: { calls: calls(release) },
    settings: { ...settings, calls: callsSection },
  };
  server = await boot("calls", { ...rest, calls: section }, { table });
  return server;
}

const bytes = (found: Buffer) => found;
const client = () => server.clients()[0];
/** Whatever came is still there, or is counted among those that went. */
const addsUp = () => {
  const { clients = 0, accepted, ...stats } = server.stats() as Record<string, number>;
  const closes = Object.entries(stats).filter(([name]) => name.startsWith("closed_"));
  expect(accepted).toBe(closes.reduce((sum, [, count]) => sum + count, clients));
};

/** A connection of its own. */
function connect(credentials = grpc.credentials.createInsecure(), more: object = {}) {
  const connection = new grpc.Client(`localhost:${server.port()}`, credentials, {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_retries": 0,
    ...more,
  });
  endings.push(() => connection.close());
  return connection;
}

/** The answer to one message, or the status that came instead. */
function once(connection: grpc.Client, text: string): Promise<string | grpc.ServiceError> {
  return new Promise((resolve) => {
    connection.makeUnaryRequest(
      "/test.Echo/Once",
      bytes,
      bytes,
      Buffer.from(text),
      (error, answer) => resolve(error ?? (answer as Buffer).toString()),
    );
  });
}

/** A streaming call; its messages are texts. */
function stream(connection: grpc.Client) {
  const call = connection.makeBidiStreamRequest("/test.Echo/All", bytes, bytes);
  endings.push(() => call.cancel());
  const found: string[] = [];
  const ended = Promise.withResolvers<grpc.StatusObject>();
  call.on("data", (message: Buffer) => void found.push(message.toString()));
  call.on("error", () => {});
  call.on("status", ended.resolve);
  return {
    call,
    found,
    send: (...texts: string[]) => {
      for (const text of texts) call.write(Buffer.from(text));
    },
    next: async () => {
      await until(() => found.length > 0);
      return found.shift() as string;
    },
    status: ended.promise,
  };
}

const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, windowUpdate: 8 };

function frame(type: number, stream: number, payload: Buffer, flags = 0): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A streaming call in frames of the test's own making, which grants no bytes before `read`. */
async function raw() {
  const before = server.stats()["clients"] as number;
  const socket = createConnection({ host: "127.0.0.1", port: server.port() });
  endings.push(() => socket.destroy());
  socket.on("error", () => {});
  const headers = Object.entries({
    ":method": "POST",
    ":scheme": "http",
    ":path": "/test.Echo/All",
    ":authority": "localhost",
    "content-type": "application/grpc",
    te: "trailers",
  }).flatMap(([name, value]) => [
    0,
    name.length,
    ...Buffer.from(name),
    value.length,
    ...Buffer.from(value),
  ]);
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(frame(FRAME.settings, 0, Buffer.alloc(0)));
  socket.write(frame(FRAME.headers, 1, Buffer.from(headers), 4));
  const found: string[] = [];
  const trailers: Buffer[] = [];
  let rest = Buffer.alloc(0);
  let messages = Buffer.alloc(0);
  let resets = 0;
  let reading = false;
  const room = { connection: 65_535, stream: 65_535 };
  let unsent = Buffer.alloc(0);
  const pump = () => {
    for (;;) {
      const length = Math.min(unsent.length, 16_384, room.connection, room.stream);
      if (length === 0) return;
      socket.write(frame(FRAME.data, 1, unsent.subarray(0, length)));
      unsent = unsent.subarray(length);
      room.connection -= length;
      room.stream -= length;
    }
  };
  socket.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const payload = rest.subarray(9, 9 + rest.readUIntBE(0, 3));
      const [type, flags = 0, id] = [rest[3], rest[4], rest.readUInt32BE(5)];
      rest = rest.subarray(9 + payload.length);
      if (type === FRAME.windowUpdate) {
        if (id === 0) room.connection += payload.readUInt32BE(0);
        else room.stream += payload.readUInt32BE(0);
        pump();
      }
      if (type === FRAME.reset) resets++;
      if (type === FRAME.headers && flags & 1) {
        trailers.push(payload);
        socket.write(frame(FRAME.data, 1, Buffer.alloc(0), 1));
      }
      if (type === FRAME.settings && !(flags & 1))
        socket.write(frame(FRAME.settings, 0, Buffer.alloc(0), 1));
      if (type !== FRAME.data) continue;
      if (reading) grant(payload.length);
      messages = Buffer.concat([messages, payload]);
    }
    while (messages.length >= 5 && messages.length >= 5 + messages.readUInt32BE(1)) {
      const end = 5 + messages.readUInt32BE(1);
      found.push(messages.toString("utf8", 5, end));
      messages = messages.subarray(end);
    }
  });
  const grant = (bytes: number) => {
    if (bytes === 0) return;
    socket.write(frame(FRAME.windowUpdate, 0, number(bytes)));
    socket.write(frame(FRAME.windowUpdate, 1, number(bytes)));
  };
  await until(() => (server.stats()["clients"] as number) > before);
  return {
    socket,
    found,
    trailers,
    get resets() {
      return resets;
    },
    send(text: string) {
      const prefix = Buffer.concat([Buffer.from([0]), number(text.length)]);
      unsent = Buffer.concat([unsent, prefix, Buffer.from(text)]);
      pump();
    },
    /** Grants bytes from now on. */
    read() {
      reading = true;
      grant(10_000_000);
    },
  };
}

describe("calls of one message", () => {
  test("are answered, with what the service throws as their status", async () => {
    await start();
    const connection = connect();
    expect(await once(connection, "one")).toBe("one");
    expect(await once(connection, "")).toMatchObject({
      code: Status.invalidArgument,
      details: "There is nothing in it.",
    });
    expect(await once(connection, "fail")).toMatchObject({
      code: Status.internal,
      details: "The server failed to answer this call.",
    });
    expect(server.printed()).toContain("a bug");
    expect(await once(connection, "two")).toBe("two");
  });

  test("that fail have one stack a second in the log, and their number", async () => {
    await start();
    const connection = connect();
    const errors = () => server.printed().match(/ ERROR /g)?.length ?? 0;
    for (let i = 0; i < 10; i++) await once(connection, "fail");
    expect(errors()).toBe(1);
    server.clock.advance(1000);
    expect(errors()).toBe(2);
    expect(server.printed()).toContain("calls: 9 more calls failed like answering /test.Echo/Once");
    const streams = Array.from({ length: 10 }, () => stream(connection));
    for (const { send } of streams) send("fail");
    await until(() => server.stats()["closed_bug"] === 10);
    expect(errors()).toBe(3);
    await server.stop();
    expect(server.printed()).toContain(" 9 more clients failed like serving 127.0.0.1:");
  });
});

describe("streaming calls", () => {
  test("are clients: messages come and go whole and in order, empty ones too", async () => {
    await start();
    const { send, next, call, status } = stream(connect());
    const texts = ["one", "", "x".repeat(100_000), "two", ""];
    send(...texts);
    for (const text of texts) expect(await next()).toBe(text);
    expect(client()).toMatchObject({ messagesIn: 5, bytesIn: 100_006, outboxBytes: 0 });
    call.end();
    expect(await status).toMatchObject({ code: Status.ok });
    expect(server.stats()).toMatchObject({ clients: 0, closed_eof: 1 });
  });

  test("one that does not read is not read either, and gets all of it once it reads", async () => {
    await start({ outbox_bytes: 100_000 });
    const peer = await raw();
    const text = (i: number) => `${i}:`.padEnd(50_000, "x");
    const count = 100;
    for (let i = 0; i < count; i++) peer.send(text(i));
    await until(() => client()?.state === "paused");
    const { messagesIn = 0, outboxBytes = 0 } = client() ?? {};
    // The bytes that the service may keep, one message more, and the bytes that the wire keeps.
    expect(outboxBytes).toBeLessThan(100_000 + 50_000 + 120_000);
    expect(messagesIn).toBeLessThan(10);
    for (let i = 0; i < 20; i++) await turn();
    expect(client()).toMatchObject({ state: "paused", messagesIn });
    peer.read();
    await until(() => peer.found.length === count);
    expect(peer.found).toEqual(Array.from({ length: count }, (_, i) => text(i)));
    await until(() => client()?.outboxBytes === 0);
    expect(client()).toMatchObject({ state: "open", messagesIn: count });
  });

  test("the sender of what is held is held by gRPC's own flow control", async () => {
    await start({ outbox_bytes: 100_000 });
    const peer = await raw();
    let written = 0;
    const { call } = stream(connect());
    call.pause();
    await until(() => server.clients().length === 2);
    peer.send("still here");
    for (let i = 0; i < 2000; i++) call.write(Buffer.alloc(50_000), () => void written++);
    peer.read();
    await until(() => peer.found.length === 1);
    await until(() => server.clients()[1]?.state === "paused");
    for (let i = 0; i < 50; i++) await turn();
    expect(written).toBeLessThan(1000);
  });

  test("a message that is too long ends its call alone", async () => {
    await start({ max_message_bytes: 1000 });
    const connection = connect();
    const [long, other] = [stream(connection), stream(connection)];
    long.send("x".repeat(1000));
    expect(await long.next()).toBe("x".repeat(1000));
    long.send("x".repeat(1001));
    expect(await long.status).toMatchObject({ code: Status.resourceExhausted });
    other.send("here");
    expect(await other.next()).toBe("here");
    expect(await once(connection, "x".repeat(1001))).toMatchObject({
      code: Status.resourceExhausted,
    });
    expect(server.stats()).toMatchObject({ clients: 1, closed_malformed: 1 });
  });

  test("one that is cancelled, or whose connection breaks, is closed as reset", async () => {
    await start();
    const [cancelled, broken] = [await raw(), await raw()];
    cancelled.send("one");
    await until(() => cancelled.found.length === 1);
    cancelled.socket.write(frame(FRAME.reset, 1, number(8)));
    await until(() => server.stats()["closed_reset"] === 1);
    await until(() => server.stats()["clients"] === 1);
    broken.socket.destroy();
    await until(() => server.stats()["closed_reset"] === 2);
    expect(server.stats()).toMatchObject({ clients: 0, closed_eof: 0 });
    addsUp();
  });

  test("a fault of ours ends the call alone, also of a client that takes nothing", async () => {
    await start({ outbox_bytes: 2 ** 24 });
    const full = await raw();
    for (let i = 0; i < 20; i++) full.send("x".repeat(50_000));
    full.send("fail");
    await until(() => server.stats()["closed_bug"] === 1);
    await until(() => full.resets === 1);
    const connection = connect();
    const [faulty, other] = [stream(connection), stream(connection)];
    faulty.send("fail");
    expect((await faulty.status).code).not.toBe(Status.ok);
    other.send("here");
    expect(await other.next()).toBe("here");
    expect(server.stats()).toMatchObject({ clients: 1, closed_bug: 2 });
    addsUp();
  });

  test("one that is kicked is told so by its status, after what it is owed", async () => {
    await start();
    const [kicked, other] = [stream(connect()), stream(connect())];
    kicked.send("one");
    expect(await kicked.next()).toBe("one");
    kicked.send("two");
    await until(() => client()?.messagesIn === 2);
    await server.running().kick(client()?.id as number);
    expect(await kicked.status).toMatchObject({
      code: Status.aborted,
      details: "Warning: You have been disconnected.",
    });
    expect(kicked.found).toEqual(["two"]);
    other.send("here");
    expect(await other.next()).toBe("here");
    expect(server.stats()).toMatchObject({ clients: 1, closed_kicked: 1 });
  });
});

describe("limits", () => {
  const LIMIT = {
    code: Status.resourceExhausted,
    details: "Warning: The server has too many clients. Please try again later.",
  };
  const EACH = { ...LIMIT, details: "Warning: There are too many clients from your address." };

  test("a connection counts as one client while it has no more calls than one", async () => {
    await start({ max_clients: 2 });
    const [one, two, three] = [connect(), connect(), connect()];
    expect(await once(one, "one")).toBe("one");
    expect(await once(two, "two")).toBe("two");
    expect(await once(three, "three")).toMatchObject(LIMIT);
    // Few may linger where few are let in; when one more does, it is cut untold.
    let status: grpc.StatusObject;
    do status = await stream(connect()).status;
    while (status.code === Status.unavailable);
    expect(status).toMatchObject(LIMIT);
    expect(await once(one, "again")).toBe("again");
    two.close();
    let found: unknown;
    do found = await once(connect(), "four");
    while (typeof found !== "string");
    expect(found).toBe("four");
  });

  test("beyond that each call of a connection counts", async () => {
    const held = Promise.withResolvers<void>();
    await start({ max_clients: 3 }, () => held.promise);
    const connection = connect();
    const [one, two] = [stream(connection), stream(connection)];
    await until(() => server.stats()["clients"] === 2);
    const three = once(connection, "wait");
    one.send("x");
    await one.next();
    expect(await stream(connection).status).toMatchObject(LIMIT);
    expect(await once(connection, "x")).toMatchObject(LIMIT);
    expect(await once(connect(), "x")).toMatchObject(LIMIT);
    held.resolve();
    expect(await three).toBe("wait");
    expect(await once(connection, "x")).toBe("x");
    two.call.end();
    await two.status;
    one.call.end();
    await one.status;
    const others = [connection, connect(), connect()];
    for (const other of others) expect(await once(other, "x")).toBe("x");
    expect(server.stats()).toMatchObject({ closed_limit: 3, clients: 0 });
    addsUp();
  });

  test("one address gets max_clients_per_address", async () => {
    await start({ max_clients_per_address: 1 });
    const connection = connect();
    expect(await once(connection, "one")).toBe("one");
    expect(await once(connect(), "two")).toMatchObject(EACH);
    expect(await once(connection, "three")).toBe("three");
  });

  test("who is turned away is cut within a second, whether it made a call or not", async () => {
    await start({ max_clients: 1 });
    expect(await once(connect(), "one")).toBe("one");
    const idle = await dial(server.port());
    await until(() => server.stats()["closed_limit"] === 1);
    addsUp();
    server.clock.advance(999);
    expect(idle.isClosed).toBe(false);
    server.clock.advance(251);
    await idle.closed;
  });

  test("a denied address is told so, and a reload closes who is in", async () => {
    await start({ access: { deny: ["127.0.0.2"] } });
    const connection = connect();
    const { status, send, next } = stream(connection);
    send("in");
    expect(await next()).toBe("in");
    server.reload({ calls: { access: { deny: ["127.0.0.1"] } } });
    const denied = {
      code: Status.permissionDenied,
      details: "Warning: Your address may not connect to this server.",
    };
    expect(await status).toMatchObject(denied);
    expect(await once(connect(), "out")).toMatchObject(denied);
    expect(server.stats()).toMatchObject({ clients: 0, closed_denied: 2 });
    addsUp();
  });
});

describe("a drain", () => {
  const NOTICE = {
    code: Status.unavailable,
    details: "Warning: Server is shutting down.",
  };

  test("tells streaming calls, lets calls of one message finish, and lets none in", async () => {
    const held = Promise.withResolvers<void>();
    await start({}, () => held.promise);
    const connection = connect();
    const streaming = stream(connection);
    streaming.send("one");
    expect(await streaming.next()).toBe("one");
    const answer = once(connection, "wait");
    await until(() => server.stats()["accepted"] === 1);
    for (let i = 0; i < 20; i++) await turn();
    const down = server.drain(60_000);
    expect(await streaming.status).toMatchObject(NOTICE);
    expect(server.running().health()).toEqual({ ok: false, reason: "draining" });
    expect(await once(connect(), "late")).toMatchObject({ code: Status.unavailable });
    held.resolve();
    expect(await answer).toBe("wait");
    await down;
    expect(server.stats()).toMatchObject({ closed_shutdown: 1, clients: 0 });
    addsUp();
  });

  test("what a client is owed leaves before its status", async () => {
    await start({ outbox_bytes: 2 ** 24 });
    const peer = await raw();
    for (let i = 0; i < 20; i++) peer.send("x".repeat(50_000));
    await until(() => client()?.messagesIn === 20);
    const down = server.drain(60_000);
    for (let i = 0; i < 20; i++) await turn();
    peer.read();
    await down;
    await until(() => peer.trailers.length > 0);
    expect(peer.found).toEqual(Array.from({ length: 20 }, () => "x".repeat(50_000)));
  });

  test("cuts at its deadline whatever takes nothing or is not answered", async () => {
    const asked = Promise.withResolvers<void>();
    await start({ outbox_bytes: 2 ** 24 }, () => {
      asked.resolve();
      return new Promise(() => {});
    });
    const peer = await raw();
    for (let i = 0; i < 20; i++) peer.send("x".repeat(50_000));
    const answer = once(connect(), "wait");
    await until(() => client()?.messagesIn === 20);
    await asked.promise;
    await server.stop(2000);
    expect(await answer).toMatchObject({ code: Status.unavailable });
  });
});

describe("the door", () => {
  test.skipIf(!openssl)(
    "speaks TLS, takes other certificates while clients stay, and refuses bad ones",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "summoner-grpc-"));
      endings.push(() => rmSync(folder, { recursive: true }));
      const [one, two] = [selfSigned(folder, "one"), selfSigned(folder, "two")];
      const checkServerIdentity = () => undefined;
      const trusting = ({ cert }: { cert: string }) =>
        grpc.credentials.createSsl(readFileSync(cert), null, null, { checkServerIdentity });
      await start({ tls: one, max_clients: 2 });
      const connection = connect(trusting(one));
      const { send, next } = stream(connection);
      send("one");
      expect(await next()).toBe("one");
      expect(await once(connect(trusting(two)), "x")).toMatchObject({ code: Status.unavailable });
      server.reload({ calls: { tls: two } });
      send("still here");
      expect(await next()).toBe("still here");
      expect(await once(connect(trusting(two)), "two")).toBe("two");
      expect(await once(connect(trusting(one)), "x")).toMatchObject({ code: Status.unavailable });
      expect(server.reload({ calls: { tls: { cert: one.key, key: one.cert } } }).length).toBe(1);
      expect(await once(connection, "one")).toBe("one");
      const mute = await dial(server.port());
      await until(() => server.stats()["closed_handshake"] !== 0);
      addsUp();
      server.clock.advance(10_250);
      await mute.closed;
    },
  );

  test.skipIf(!openssl)(
    "serves only clients with a certificate where one is required",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "summoner-grpc-"));
      endings.push(() => rmSync(folder, { recursive: true }));
      const own = selfSigned(folder);
      await start({ tls: { ...own, ca: own.cert, require_client_cert: true } });
      const [key, cert] = [readFileSync(own.key), readFileSync(own.cert)];
      const options = { checkServerIdentity: () => undefined };
      const without = grpc.credentials.createSsl(cert, null, null, options);
      expect(await once(connect(without), "x")).toMatchObject({ code: Status.unavailable });
      await until(() => (server.stats()["closed_handshake"] as number) > 0);
      expect(await once(connect(grpc.credentials.createSsl(cert, key, cert, options)), "x")).toBe(
        "x",
      );
    },
  );

  test("whose listener dies listens again, and says why it does not", async () => {
    const created = spyOn(net, "createServer");
    endings.push(() => created.mockRestore());
    await start();
    const [died] = created.mock.results.map(({ value }) => value as net.Server);
    const { port } = server.running().addresses[0] as Address;
    const streaming = stream(connect());
    streaming.send("one");
    expect(await streaming.next()).toBe("one");
    died?.close();
    const other = createServer().listen(port, "127.0.0.1");
    endings.push(() => void other.close());
    await events.once(other, "listening");
    died?.emit("error", new Error("it cannot accept"));
    const health = () => server.running().health();
    await until(() => !health().ok);
    expect(health().reason).toContain(`cannot listen on 127.0.0.1:${port}`);
    streaming.send("still here");
    expect(await streaming.next()).toBe("still here");
    other.close();
    await until(() => {
      server.clock.advance(100);
      return health().ok;
    });
    expect(await once(connect(), "two")).toBe("two");
  });

  test("what is no gRPC is nobody's trouble", async () => {
    await start();
    const { send, next } = stream(connect());
    for (const text of [
      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      "\0".repeat(1000),
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff",
    ]) {
      const peer = await dial(server.port());
      peer.send(Buffer.from(text, "latin1"));
      peer.half();
      await peer.closed;
    }
    const unknown = connect();
    expect(
      await new Promise((resolve) => {
        unknown.makeUnaryRequest("/test.Echo/Nothing", bytes, bytes, Buffer.from(""), resolve);
      }),
    ).toMatchObject({ code: grpc.status.UNIMPLEMENTED });
    send("here");
    expect(await next()).toBe("here");
    expect(server.stats()).toMatchObject({ clients: 1, closed_bug: 0 });
  });

  test("cannot listen on a port that is taken", async () => {
    await start();
    const { port } = server.running().addresses[0] as Address;
    const table = { services: { calls: calls() }, settings: { ...settings, calls: callsSection } };
    expect(boot("calls", { calls: { port } }, { table })).rejects.toThrow(
      new RegExp(`^calls: cannot listen on 127.0.0.1:${port}: .* \\(settings: calls.port\\)$`),
    );
  });

  test("is loaded by a program only when a service has one", async () => {
    const code = `await import("./index.ts"); console.log(Object.keys(require.cache).filter((path) => path.includes("grpc-js")).length)`;
    const child = Bun.spawnSync([process.execPath, "-e", code], {
      cwd: join(import.meta.dir, ".."),
    });
    expect(child.stdout.toString()).toBe("0\n");
  });
});
