import { createConnection } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "bun:test";
import { BalancedRoom, installed, Road } from "./balanced-room.ts";
import { Flood } from "./cluster-suite.ts";
import type { Peer } from "./kit.ts";
import { PROGRAMS } from "./room-server.ts";

const haproxy = installed("haproxy");
const nginx = installed("nginx", "/usr/lib/nginx/modules/ngx_stream_module.so");
const hasRedis = PROGRAMS.includes("redis-server");

const GONE = "Warning: Server is shutting down.";

async function opened(): Promise<BalancedRoom> {
  const room = await BalancedRoom.open();
  onTestFinished(() => room.close());
  return room;
}

/** One sender and two listeners of each node. */
async function filled(room: BalancedRoom) {
  const clients = await room.fill(9);
  // Who comes goes where the fewest are, as the balancer sees it.
  while (clients.some((some) => some.length < 3)) {
    for (const [i, more] of (await room.fill(1)).entries()) clients[i]?.push(...more);
  }
  return clients.map(([sender, ...listeners]) => ({ sender: sender as Peer, listeners }));
}

/** Floods the room by the senders of two nodes, stops the first one in the middle, and finds that nobody else has noticed. */
async function stopFirst(room: BalancedRoom, clients: Awaited<ReturnType<typeof filled>>) {
  const [first, ...others] = clients;
  const listeners = others.flatMap((one) => one.listeners);
  const flood = new Flood(
    others.map((one) => one.sender),
    3000,
  );
  await flood.to(0.5);
  const stopped = room.nodes[0]?.stop();
  await flood.to(1);
  await flood.arrived(listeners);
  expect(await stopped).toBe(0);
  const gone = [first?.sender, ...(first?.listeners ?? [])] as Peer[];
  for (const peer of gone) {
    await peer.closed;
    expect(peer.lines.at(-1)).toBe(GONE);
  }
  for (const peer of [...listeners, ...others.map((one) => one.sender)]) {
    expect(peer.isClosed).toBe(false);
  }
  // Its clients come again, and are in the room by another node.
  const again = await room.fill(gone.length);
  expect(again[0]).toEqual([]);
}

describe.skipIf(haproxy === null || !hasRedis)(
  "three relays behind HAProxy, as on the page",
  () => {
    /** HAProxy in front of the room, and the way to give it commands. */
    async function balanced(room: BalancedRoom) {
      const path = room.write("haproxy");
      await room.balance(haproxy as string, "-db", "-f", path);
      return (command: string) =>
        new Promise<string>((resolve, reject) => {
          let answer = "";
          const socket = createConnection(join(room.folder, "admin.sock"));
          socket.on("data", (bytes) => {
            answer += bytes;
          });
          socket.on("error", reject);
          socket.on("close", () => resolve(answer));
          socket.write(`${command}\n`);
        });
    }

    test("are one room, in which each client has its own address and one node is updated unnoticed", async () => {
      const room = await opened();
      const tell = await balanced(room);
      const clients = await filled(room);
      const flood = new Flood(
        clients.map((one) => one.sender),
        1000,
      );
      await flood.to(1);
      const listeners = clients.flatMap((one) => one.listeners);
      await flood.arrived(listeners);
      const seen = new Set(listeners[0]?.lines.map((line) => JSON.parse(line).remote_addr));
      expect([...seen].toSorted()).toEqual(clients.map((one) => one.sender.address).toSorted());
      for (const { lines } of listeners) lines.length = 0;

      expect(await tell("set server relay/a state drain")).toBe("\n");
      expect((await room.fill(4))[0]).toEqual([]);
      await stopFirst(room, clients);
      const [a] = room.nodes;
      await a?.start(room.url);
      expect((await room.fill(2))[0]).toEqual([]);
      expect(await tell("set server relay/a state ready")).toBe("\n");
      // It has the fewest clients, once HAProxy has found it well.
      for (;;) if ((await room.enter()).node === a) break;
    }, 180_000);

    test("a relay that is cut off from its order gets no more clients, and keeps those that it has", async () => {
      const room = await opened();
      const road = new Road(room.url);
      await road.open();
      onTestFinished(() => road.cut());
      const [a] = room.nodes;
      await a?.stop();
      await a?.start(road.url);
      const tell = await balanced(room);
      const [first, ...others] = await filled(room);
      await road.cut();
      const state = async () =>
        /^relay,a,(?:[^,]*,){15}([^,]*)/m.exec(await tell("show stat"))?.[1];
      while ((await state()) !== "DOWN");
      expect((await room.fill(4))[0]).toEqual([]);
      first?.sender.send("while it was cut off\n");
      others[0]?.sender.send("meanwhile\n");
      await road.open();
      const texts = [];
      const [near, far] = [first?.listeners[0] as Peer, others[0]?.listeners[0] as Peer];
      for (const peer of [near, near, far, far]) texts.push(JSON.parse(await peer.next()).content);
      expect(texts.toSorted()).toEqual([
        "meanwhile",
        "meanwhile",
        "while it was cut off",
        "while it was cut off",
      ]);
      while (!(await state())?.startsWith("UP"));
      for (;;) if ((await room.enter()).node === a) break;
    }, 180_000);
  },
);

describe.skipIf(nginx === null || !hasRedis)("three relays behind nginx, as on the page", () => {
  test("are one room, in which each client has its own address and one node is updated unnoticed", async () => {
    const room = await opened();
    const path = room.write("nginx");
    const own = `daemon off; pid ${room.folder}/pid; error_log stderr;`;
    const balancer = await room.balance(nginx as string, "-c", path, "-g", own);
    const clients = await filled(room);
    const flood = new Flood(
      clients.map((one) => one.sender),
      1000,
    );
    await flood.to(1);
    const listeners = clients.flatMap((one) => one.listeners);
    await flood.arrived(listeners);
    const seen = new Set(listeners[0]?.lines.map((line) => JSON.parse(line).remote_addr));
    expect([...seen].toSorted()).toEqual(clients.map((one) => one.sender.address).toSorted());
    for (const { lines } of listeners) lines.length = 0;

    // Without its first node, and without a break for those who are in.
    room.write("nginx", (text) => text.replace("10.0.0.11:8888;", "10.0.0.11:8888 down;"));
    balancer.kill("SIGHUP");
    await stopFirst(room, clients);
    const [a] = room.nodes;
    await a?.start(room.url);
    room.write("nginx");
    balancer.kill("SIGHUP");
    for (;;) if ((await room.enter()).node === a) break;
  }, 180_000);

  test("a relay that cannot be reached is passed over", async () => {
    const room = await opened();
    const own = `daemon off; pid ${room.folder}/pid; error_log stderr;`;
    await room.balance(nginx as string, "-c", room.write("nginx"), "-g", own);
    await stopFirst(room, await filled(room));
  }, 180_000);
});
