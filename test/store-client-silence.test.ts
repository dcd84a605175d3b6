import { describe, expect, onTestFinished, test } from "bun:test";
import {
  StoreClient,
  type StoreClientOptions,
  type StoreConnectionEvent,
  StoreDisconnected,
  type StoreEvent,
  StoreLate,
} from "../index.ts";
import { HandClock } from "../lib/host/clock.ts";
import { answering } from "./false-store.ts";
import { boot, type Booted, turn, until } from "./kit.ts";

// The store's client in the library, and stores that say nothing.

const PONG = { result: "PONG" };

function clientOf(port: number, options: StoreClientOptions = {}) {
  const clock = new HandClock();
  const told: StoreConnectionEvent[] = [];
  const onConnection = (event: StoreConnectionEvent) => void told.push(event);
  const client = new StoreClient({ port, clock, onConnection, ...options });
  onTestFinished(() => client.close());
  const why = () => told.flatMap((one) => ("why" in one ? [one.why.message] : []));
  /** Lets time pass in small steps until something is so. */
  const passing = (isSo: () => boolean) =>
    until(() => {
      if (isSo()) return true;
      clock.advance(5);
      return false;
    });
  return { client, clock, told, why, passing, address: `127.0.0.1:${port}` };
}

const failure = (promise: Promise<unknown>): Promise<any> =>
  promise.then(
    () => null,
    (error) => error,
  );

async function served(store: object = {}): Promise<Booted> {
  const server = await boot("store", { store });
  onTestFinished(() => server.stop());
  return server;
}

describe("a store that stops answering", () => {
  test("is asked for a sign of life, and given up for another connection", async () => {
    const heard: string[] = [];
    const port = answering(({ action }, connection) => {
      heard.push(`${connection} ${action}`);
      if (connection > 1) return { result: action === "PING" ? "PONG" : connection };
      return heard.length === 1 ? PONG : undefined;
    });
    const { client, clock, told, why, passing, address } = clientOf(port);
    const get = client.ask("GET", { key: "a" });
    const set = failure(client.ask("SET", { key: "a", value: 1 }));
    await until(() => heard.length === 3);
    clock.advance(9_900);
    for (let i = 0; i < 20; i++) await turn();
    expect(heard).toEqual(["1 PING", "1 GET", "1 SET"]);
    clock.advance(200);
    await until(() => heard.length === 4);
    expect(heard[3]).toBe("1 PING");
    clock.advance(9_700);
    expect(told).toEqual([{ event: "connected" }]);
    clock.advance(400);
    expect(why()).toEqual([`${address} has given no sign of life for 20 s`]);
    const error = await set;
    expect(error).toBeInstanceOf(StoreDisconnected);
    expect(error.message).toContain("may have been made or not");
    await passing(() => heard.includes("2 GET"));
    expect(await get).toBe(2);
    expect(told.map(({ event }) => event)).toEqual(["connected", "disconnected", "connected"]);
  });

  test("is noticed by a subscription, which goes on", async () => {
    let pings = 0;
    const port = answering(({ action }, connection) => {
      if (action === "SUBSCRIBE")
        return { result: { subscribed: "a", seq: 1, epoch: "e", lost: 0 } };
      if (connection === 1 && ++pings > 1) return undefined;
      return PONG;
    });
    const { client, clock, told, passing } = clientOf(port, { silenceMs: 1000 });
    const wanted = { keys: "a" };
    await client.subscribe(wanted, () => {}).ready;
    clock.advance(1100);
    await until(() => pings === 2);
    clock.advance(1100);
    await passing(() => told.length === 3);
    expect(told.map(({ event }) => event)).toEqual(["connected", "disconnected", "connected"]);
    expect(told.every((one) => one.wanted === wanted)).toBe(true);
  });

  test("is not one that is slow but alive, nor one that nobody has asked", async () => {
    let pings = 0;
    const port = answering(({ action }, _connection, say) => {
      if (action !== "PING") return;
      pings++;
      // What it was asked before comes with its answer, as in a store.
      if (pings <= 1) return PONG;
      say({ event: "told" });
    });
    const { client, clock, told } = clientOf(port);
    const get = client.ask("GET", { key: "a" });
    await until(() => pings === 1);
    await until(() => told.length === 1);
    for (let round = 2; round < 6; round++) {
      clock.advance(10_100);
      await until(() => pings === round);
      for (let i = 0; i < 20; i++) await turn();
    }
    client.close();
    expect(await failure(get)).toBeInstanceOf(StoreDisconnected);
    expect(told.map(({ event }) => event)).toEqual(["connected"]);

    const quiet = await served();
    const other = clientOf(quiet.port());
    expect(await other.client.ask("PING", {})).toBe("PONG");
    const before = quiet.stats()["requests_ping"];
    other.clock.advance(100_000);
    for (let i = 0; i < 20; i++) await turn();
    expect(quiet.stats()["requests_ping"]).toBe(before as number);
    expect(other.told).toEqual([{ event: "connected" }]);
  });

  test("is not judged before it was asked, however long this program has stood still", async () => {
    const server = await served();
    const { client, clock, told } = clientOf(server.port());
    await client.subscribe({ keys: "a" }, () => {}).ready;
    const pings = server.stats()["requests_ping"] as number;
    await clock.leap(3_600_000);
    await until(() => server.stats()["requests_ping"] === pings + 1);
    for (let i = 0; i < 20; i++) await turn();
    clock.advance(9_000);
    expect(told.map(({ event }) => event)).toEqual(["connected"]);
  });
});

describe("a deadline", () => {
  test("ends the wait for an answer, which then is nobody else's", async () => {
    const late: (() => void)[] = [];
    const port = answering(({ action, key }, _connection, say) => {
      if (action === "PING") return PONG;
      if (key !== "slow") return { result: key };
      late.push(() => say({ result: "slow" }));
    });
    const { client, clock } = clientOf(port, { deadlineMs: 60_000 });
    const slow = failure(client.ask("GET", { key: "slow" }, { deadlineMs: 2000 }));
    await until(() => late.length === 1);
    let isOver = false;
    void slow.then(() => (isOver = true));
    clock.advance(1900);
    for (let i = 0; i < 20; i++) await turn();
    expect(isOver).toBe(false);
    clock.advance(200);
    const error = await slow;
    expect(error).toBeInstanceOf(StoreLate);
    expect([error.message, error.wasSent]).toEqual(["no answer within 2000 ms", true]);
    // The late answer comes first.
    late[0]?.();
    expect(await client.ask("GET", { key: "next" })).toBe("next");
  });

  test("keeps what waits for a connection from being sent after it", async () => {
    const gone = await served();
    const port = gone.port();
    await gone.stop();
    const { client, clock, passing } = clientOf(port, { deadlineMs: 500 });
    const early = failure(client.ask("SET", { key: "a", value: 1 }));
    clock.advance(700);
    const error = await early;
    expect(error).toBeInstanceOf(StoreLate);
    expect([error.message, error.wasSent]).toEqual([
      "no connection within 500 ms: it was not sent",
      false,
    ]);
    const server = await boot("store", { store: { port } });
    onTestFinished(() => server.stop());
    const exists = client.ask("EXISTS", { key: "a" }, { deadlineMs: 1e9 });
    await passing(() => server.stats()["requests_exists"] === 1);
    expect(await exists).toBe(false);
    expect(server.stats()["requests_set"]).toBe(0);
  });
});

test("a listener that takes its time is sent no more than it takes, and hears all", async () => {
  const server = await served();
  const { client } = clientOf(server.port());
  const heard: number[] = [];
  const taken: (() => void)[] = [];
  const hear = (event: StoreEvent) => {
    if (event.event === "message") heard.push(event.value as number);
    return new Promise<void>((resolve) => taken.push(resolve));
  };
  await client.subscribe({ channel: "c" }, hear).ready;
  const writer = clientOf(server.port()).client;
  for (let value = 0; value < 5; value++) await writer.ask("PUBLISH", { channel: "c", value });
  for (let at = 0; at < 5; at++) {
    await until(() => heard.length === at + 1);
    for (let i = 0; i < 20; i++) await turn();
    expect(heard).toHaveLength(at + 1);
    taken[at]?.();
  }
  expect(heard).toEqual([0, 1, 2, 3, 4]);
});

describe("a client that wants the store to be there", () => {
  test("ends when it is not, with the reason", async () => {
    const gone = await served();
    const port = gone.port();
    await gone.stop();
    const { client, told, address } = clientOf(port, { mustBeThere: true });
    const none = `no store on ${address}: nobody listens there`;
    expect((await failure(client.ask("PING", {}))).message).toBe(none);
    expect(told.map(({ event }) => event)).toEqual(["ended"]);
    const subscription = client.subscribe({ keys: "a" }, () => {});
    expect((await subscription.ended)?.message).toBe(none);
  });

  test("ends a subscription whose token is wrong", async () => {
    const port = answering(({ action }) =>
      action === "PING" ? PONG : { error: { code: "BAD_TOKEN", message: "nobody has it" } },
    );
    const { client, told } = clientOf(port, { token: "a-token-of-16-or-more" });
    const subscription = client.subscribe({ keys: "a" }, () => {});
    expect((await subscription.ended)?.message).toBe("BAD_TOKEN: nobody has it");
    expect((await failure(subscription.ready)).message).toBe("BAD_TOKEN: nobody has it");
    expect(told.map(({ event }) => event)).toEqual(["ended"]);
  });
});
