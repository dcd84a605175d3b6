import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "../lib/config/table.ts";
import { HandClock } from "../lib/host/clock.ts";
import { FileShares } from "../lib/host/files/file-shares.ts";
import { Ids } from "../lib/host/ids.ts";
import { Log } from "../lib/host/log.ts";
import type { Host } from "../lib/host/service.ts";
import type { Wire } from "../lib/net/wire.ts";
import { TcpDoor } from "../lib/services/collector/doors/tcp.ts";
import { CollectedLog } from "../lib/services/collector/file/collected-log.ts";
import { Intake } from "../lib/services/collector/intake.ts";
import { blocked, collecting, frame, hello, messageOf, record } from "./collector-suite.ts";
import { configOf, dial, manyFiles, NOBODY, turn, until } from "./kit.ts";

test("a client that announces a frame and sends nothing more costs little, holds up nobody and no stop", async () => {
  const server = await collecting();
  const mute = server.sender();
  const announced = Buffer.alloc(4);
  announced.writeUInt32BE(2 ** 20);
  mute.send(record({ message: "before" }), announced);
  const bystander = server.sender();
  bystander.send(record({ message: "served" }));
  await server.wrote(2);
  expect(server.clients()).toHaveLength(2);
  // One that has sent most of it holds about that.
  mute.send(Buffer.alloc(1000));
  await until(() => (server.clients()[0]?.bytesIn ?? 0) > 1000);
  const drained = server.drain();
  await until(() => mute.isClosed && bystander.isClosed);
  expect(await drained).toEqual([]);
  expect(server.lines().map(messageOf).sort()).toEqual(["before", "served"]);
  expect(server.stats()["refused"]).toBe(0);
});

test("a client that never reads its acknowledgements is read no more until it does", async () => {
  const folder = mkdtempSync(join(tmpdir(), "collector-deaf-"));
  const config = configOf({
    relay: { enabled: false },
    collector: { enabled: true, port: 0, path: join(folder, "a.log"), durability: "none" },
  });
  const clock = new HandClock();
  const host: Host<Config> = {
    clock,
    log: new Log("deaf", config.logger, clock, () => {}),
    operator: NOBODY,
    nextId: () => 1,
    ids: new Ids(),
    files: new FileShares([{ name: "collector", maxClients: 0, isMain: true }]),
    services: new Map(),
    draining: false,
    onReload() {},
  };
  const log = new CollectedLog(config, host);
  const intake = new Intake(log.writer);
  const door = new TcpDoor(config, intake, log.marks, host);
  const socket = { takes: 0, isPaused: false };
  const wire: Wire = {
    whole: false,
    write: (_bytes, _offset = 0, length = 0) => Math.min(length, socket.takes),
    pause() {
      socket.isPaused = true;
    },
    resume() {
      socket.isPaused = false;
    },
    shutdown() {},
    end() {},
    terminate() {},
  };
  const client = door.clients.accept(wire, "127.0.0.1", 1);
  door.clients.received(client, frame(hello({ acks: true })));
  let sent = 0;
  // One at a time, so that each is acknowledged by itself: 12 bytes.
  while (!socket.isPaused) {
    door.clients.received(client, record({ message: `${sent++}` }));
    await turn();
    expect(sent).toBeLessThan(1000);
  }
  expect(client.outbox.bytes).toBe(12 * sent);
  expect(client.outbox.bytes).toBeGreaterThanOrEqual(4096);
  expect(client.outbox.bytes).toBeLessThan(4096 + 12);
  door.clients.received(client, record({ message: "waits" }));
  await turn();
  expect(intake.next).toBe(sent);
  socket.takes = Infinity;
  door.clients.drained(client);
  await turn();
  expect({ ...socket }.isPaused as boolean).toBe(false);
  expect([intake.next, client.outbox.bytes]).toEqual([sent + 1, 0]);
  door.clients.disconnected(client, "eof");
  await Promise.all([door.drain(0), log.close(0)]);
});

test.skipIf(!manyFiles)("descriptors return when clients go and files are rotated", async () => {
  const server = await collecting({ max_file_bytes: 2048, backup_count: 5, compress: "zstd" });
  const open = () => readdirSync("/proc/self/fd").length;
  const first = server.sender();
  first.send(frame(hello({ acks: true, clientId: "first" })), record({ message: "x" }));
  await until(() => first.acknowledged.at(-1) === 1);
  const before = open();
  for (let round = 1; round <= 3; round++) {
    const senders = [...Array(100).keys()].map(() => server.sender());
    for (const sender of senders) {
      sender.send(frame(hello({ acks: true })), record({ message: "y" }), record({ message: "z" }));
    }
    await until(() => senders.every(({ acknowledged }) => acknowledged.at(-1) === 2));
    server.clock.advance(5000);
    for (const sender of senders) sender.end();
    await until(() => server.clients().length === 1);
  }
  expect(server.stats()["rotations"]).toBeGreaterThan(20);
  await until(() => open() <= before);
  await server.drain();
});

test("while too much waits all clients have their turns, whatever their door and however much one of them sends", async () => {
  const server = await blocked({ lines: true, initial_batch_size: 10 });
  const loud = server.sender();
  const many = [...Array(5000).keys()].map((n) => record({ message: `loud ${n}` }));
  loud.send(...many);
  await until(() => server.stats()["blocked"] === 1);
  const [quiet, other] = [server.sender(), await dial(server.portOf("lines"))];
  quiet.send(record({ message: "quiet" }));
  other.send("other\n");
  await until(() => server.clients().filter(({ state }) => state === "paused").length === 3);
  await server.relieve();
  await until(() => server.stats()["written"] === 5002);
  const messages = server.lines().map(messageOf);
  expect(messages.indexOf("quiet")).toBeLessThan(100);
  expect(messages.indexOf("other")).toBeLessThan(100);
  expect(messages.filter((text) => text.startsWith("loud "))).toEqual(
    many.map((_, n) => `loud ${n}`),
  );
  other.end();
  await server.stop();
});
