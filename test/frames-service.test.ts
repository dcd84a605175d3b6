import { afterEach, describe, expect, test } from "bun:test";
import { createConnection } from "node:net";
import { settings } from "../lib/config/table.ts";
import { framed, FrameSplitter } from "../lib/net/frames.ts";
import { frames, framesSection } from "./fixtures/services/frames.ts";
import { boot, type Booted, until } from "./kit.ts";
import { Random } from "./random.ts";

const table = { services: { frames }, settings: { ...settings, frames: framesSection } };

let server: Booted;
const endings: (() => void)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) end();
  await server.stop();
});

async function start(section: object = {}) {
  server = await boot("frames", { frames: section }, { table });
  return server;
}

const client = () => server.clients()[0];

/** A client of the test's own; its frames are texts. */
async function join() {
  const before = server.stats()["accepted"] as number;
  const socket = createConnection({ host: "127.0.0.1", port: server.port(), allowHalfOpen: true });
  endings.push(() => socket.destroy());
  const splitter = new FrameSplitter();
  const found: string[] = [];
  let ended = false;
  socket.on("data", (bytes: Buffer) => {
    splitter.feed({ reading: true }, bytes, 2 ** 30, {
      frame: (_, all, start, end) => void found.push(all.toString("latin1", start, end)),
      oversize: () => expect.unreachable(),
    });
  });
  socket.on("end", () => {
    ended = true;
    socket.end();
  });
  socket.on("error", () => {
    ended = true;
  });
  await until(() => (server.stats()["accepted"] as number) > before);
  return {
    socket,
    found,
    send: (...all: (string | Uint8Array)[]) => {
      for (const bytes of all) socket.write(framed(Buffer.from(bytes)));
    },
    next: async () => {
      await until(() => found.length > 0);
      return found.shift() as string;
    },
    ended: () => until(() => ended),
  };
}

describe("a service that speaks frames", () => {
  test("takes and sends frames of any bytes, empty ones too, however they are chunked", async () => {
    await start();
    const peer = await join();
    const random = new Random(7);
    const all = Array.from({ length: 200 }, () => random.bytes(random.whole(0, 300)));
    const stream = Buffer.concat(all.map((bytes) => framed(bytes)));
    for (let at = 0; at < stream.length;) {
      const size = random.whole(1, 700);
      peer.socket.write(stream.subarray(at, at + size));
      at += size;
    }
    await until(() => peer.found.length === all.length);
    expect(peer.found).toEqual(all.map((bytes) => bytes.toString("latin1")));
    expect(client()).toMatchObject({ messagesIn: 200, bytesIn: stream.length, outboxBytes: 0 });
  });

  test("a client that does not read is not read either, and gets all of it once it reads", async () => {
    await start({ outbox_bytes: 100_000 });
    const peer = await join();
    const count = 400;
    const text = (i: number) => `${i}:`.padEnd(100_000, "x");
    peer.socket.pause();
    for (let i = 0; i < count; i++) peer.send(text(i));
    await until(() => client()?.state === "paused");
    const waiting = client()?.outboxBytes as number;
    expect(waiting).toBeGreaterThan(100_000);
    // One frame more than the bound at most, though all of a chunk has come.
    expect(waiting).toBeLessThanOrEqual(200_004);
    expect(peer.socket.writableLength).toBeGreaterThan(0);
    peer.socket.resume();
    for (let i = 0; i < count; i++) expect(await peer.next()).toBe(text(i));
    expect(client()).toMatchObject({ messagesIn: count, outboxBytes: 0, state: "open" });
  });

  test("of many small frames in one chunk those wait that came after the client was held", async () => {
    await start({ outbox_bytes: 1000 });
    const peer = await join();
    peer.socket.pause();
    const all = Array.from({ length: 10_000 }, (_, i) => `${i}`);
    const stream = Buffer.concat(
      all.flatMap((text) => [framed(Buffer.from(text)), framed(Buffer.alloc(1000))]),
    );
    peer.socket.write(stream);
    await until(() => client()?.state === "paused");
    expect(client()?.outboxBytes).toBeLessThanOrEqual(2004);
    peer.socket.resume();
    await until(() => peer.found.length === 2 * all.length);
    expect(peer.found.filter((_, i) => i % 2 === 0)).toEqual(all);
  });

  test.each([1001, 2 ** 31, 2 ** 32 - 1])(
    "a frame of %d bytes where 1000 are allowed ends the connection at its length, others go on",
    async (length) => {
      await start({ max_message_bytes: 1000 });
      const [peer, other] = [await join(), await join()];
      peer.send("x".repeat(1000));
      expect(await peer.next()).toBe("x".repeat(1000));
      const announced = Buffer.alloc(4);
      announced.writeUInt32BE(length);
      peer.socket.write(Buffer.concat([announced, framed(Buffer.from("no frame any more"))]));
      expect(await peer.next()).toBe(`Warning: A frame of ${length} bytes is too long.`);
      await peer.ended();
      other.send("here");
      expect(await other.next()).toBe("here");
      expect(server.stats()).toMatchObject({ closed_malformed: 1, clients: 1 });
    },
  );

  test("a connection that ends within a frame is nobody's trouble", async () => {
    await start();
    const peer = await join();
    peer.socket.end(
      Buffer.concat([framed(Buffer.from("whole")), framed(Buffer.alloc(9)).subarray(0, 7)]),
    );
    expect(await peer.next()).toBe("whole");
    await peer.ended();
    expect(server.stats()).toMatchObject({ closed_eof: 1, closed_bug: 0 });
  });

  test("a client that is closed, turned away or drained is told so in a frame", async () => {
    await start({ max_clients: 2 });
    const [kicked, drained] = [await join(), await join()];
    const over = await join();
    expect(await over.next()).toBe(
      "Warning: The server has too many clients. Please try again later.",
    );
    await over.ended();
    await server.running().kick(client()?.id as number);
    expect(await kicked.next()).toBe("Warning: You have been disconnected.");
    await kicked.ended();
    drained.send("last");
    expect(await drained.next()).toBe("last");
    const down = server.drain();
    expect(await drained.next()).toBe("Warning: Server is shutting down.");
    await drained.ended();
    await down;
    expect(server.stats()).toMatchObject({ closed_limit: 1, closed_kicked: 1, closed_shutdown: 1 });
  });

  test("what a client is owed leaves before the drain's notice", async () => {
    await start({ outbox_bytes: 2 ** 24 });
    const peer = await join();
    peer.socket.pause();
    const count = 100;
    for (let i = 0; i < count; i++) peer.send("x".repeat(100_000));
    await until(() => server.clients()[0]?.messagesIn === count);
    expect(client()?.outboxBytes).toBeGreaterThan(0);
    const down = server.drain(60_000);
    peer.socket.resume();
    for (let i = 0; i < count; i++) expect((await peer.next()).length).toBe(100_000);
    expect(await peer.next()).toBe("Warning: Server is shutting down.");
    await peer.ended();
    await down;
  });
});
