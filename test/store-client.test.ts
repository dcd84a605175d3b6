import { describe, expect, onTestFinished, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  StoreClient,
  type StoreClientOptions,
  StoreDisconnected,
  type StoreEvent,
  StoreRefused,
} from "../index.ts";
import { systemClock } from "../lib/host/clock.ts";
import { answering } from "./false-store.ts";
import { boot, type Booted, until } from "./kit.ts";

// The store's client in the library.

async function served(store: object = {}, port = 0): Promise<Booted> {
  const server = await boot("store", { store: { port, ...store } });
  onTestFinished(() => server.stop());
  return server;
}

function clientOf(port: number, options: StoreClientOptions = {}): StoreClient {
  const client = new StoreClient({ port, ...options });
  onTestFinished(() => client.close());
  return client;
}

/** The error of a promise that rejects. */
const failure = (promise: Promise<unknown>): Promise<any> =>
  promise.then(
    () => null,
    (error) => error,
  );

/** Events as a listener gets them. */
function listener() {
  const events: StoreEvent[] = [];
  return { events, hear: (event: StoreEvent) => void events.push(event) };
}

/** Closes all connections from the server's side. */
async function kickAll(server: Booted): Promise<void> {
  const ids = new Set(server.clients().map(({ id }) => id));
  for (const id of ids) server.running().kick(id);
  await until(() => !server.clients().some(({ id }) => ids.has(id)));
}

describe("a request", () => {
  test("is answered, each with its own result, many with one write", async () => {
    const server = await served();
    const client = clientOf(server.port());
    expect(await client.ask("SET", { key: "a", value: { x: "é" } })).toBe("OK");
    expect(await client.ask("GET", { key: "a" })).toEqual({ x: "é" });
    const all = Array.from({ length: 5000 }, () =>
      client.ask<"INCR", number>("INCR", { key: "n" }),
    );
    expect(await Promise.all(all)).toEqual(Array.from({ length: 5000 }, (_, i) => i + 1));
    const refused = await failure(client.ask("GET", { key: "none" }));
    expect(refused).toBeInstanceOf(StoreRefused);
    expect(refused.code).toBe("NOT_FOUND");
    const large = "x".repeat(900_000);
    await client.ask("SET", { key: "large", value: large });
    expect(await client.ask("GET", { key: "large" })).toBe(large);
    expect(server.stats()["accepted"]).toBe(1);
  });

  test("waits for a server that is not there yet, and for one that comes back", async () => {
    const first = await served();
    const port = first.port();
    await first.stop();
    const client = clientOf(port);
    const early = client.ask("SET", { key: "a", value: 1 });
    const second = await served({}, port);
    expect(await early).toBe("OK");
    await second.stop();
    const later = client.ask("PING", {});
    await served({}, port);
    expect(await later).toBe("PONG");
  });

  test("that only reads is asked again when the connection broke; of a change nobody knows", async () => {
    const asked: string[] = [];
    const port = answering(({ action }, connection) => {
      if (action === "PING") return { result: "PONG" };
      asked.push(`${connection} ${action}`);
      if (connection === 1 && action === "GET") return null;
      return { result: connection };
    });
    const client = clientOf(port);
    const [set, get] = [
      failure(client.ask("SET", { key: "a", value: 1 })),
      client.ask("GET", { key: "a" }),
    ];
    expect(await set).toBeNull();
    expect(await get).toBe(2);
    expect(asked).toEqual(["1 SET", "1 GET", "2 GET"]);
    const other = clientOf(
      answering(({ action }) => (action === "PING" ? { result: "PONG" } : null)),
    );
    expect(await failure(other.ask("SET", { key: "a", value: 1 }))).toBeInstanceOf(
      StoreDisconnected,
    );
  });

  test("goes to a store alone, and a token that is wrong is shown once", async () => {
    const seen: unknown[] = [];
    const port = answering((request) => {
      seen.push(request);
      return { result: "no" };
    });
    const client = clientOf(port, { token: "a-secret-of-16-or-more" });
    expect((await failure(client.ask("GET", { key: "a" }))).message).toBe("this is no store");
    expect(seen).toEqual([{ action: "PING" }]);

    const folder = mkdtempSync(join(tmpdir(), "store-client-"));
    const file = join(folder, "token");
    await Bun.write(file, "the-right-token-0123\n");
    const server = await served({ token_file: file });
    const right = clientOf(server.port(), { token: "the-right-token-0123" });
    expect(await right.ask("SET", { key: "a", value: 1 })).toBe("OK");
    const wrong = clientOf(server.port(), { token: "the-wrong-token-0123" });
    expect((await failure(wrong.ask("GET", { key: "a" }))).code).toBe("BAD_TOKEN");
    expect((await failure(wrong.ask("GET", { key: "a" }))).message).toBe("the client is closed");
    expect(server.stats()["errors_bad_token"]).toBe(1);
  });

  test.each([
    ["no JSON", "PONG"],
    ["a list", []],
    ["neither a result nor an error", {}],
    ["an error without a code", { error: "no" }],
    ["an event without a name", { event: 1 }],
  ])("is not taken as done when the answer is %s", async (_, answer) => {
    const port = answering(({ action }) =>
      action === "PING" ? { result: "PONG" } : (answer as object),
    );
    const client = clientOf(port);
    expect((await failure(client.ask("SET", { key: "a", value: 1 }))).message).toBe(
      "this is no store",
    );
    const subscription = clientOf(port).subscribe({ keys: "a" }, () => {});
    expect(((await subscription.ended) as Error).message).toBe("this is no store");
  });

  test("is not answered by what nobody asked for: that ends the client", async () => {
    const port = answering(({ action }) =>
      action === "PING" ? { result: "PONG" } : [{ result: 1 }, { result: "early" }],
    );
    const client = clientOf(port);
    expect(await client.ask("GET", { key: "a" })).toBe(1);
    const next = await failure(client.ask("SET", { key: "a", value: 1 }));
    expect(next?.message).toBe("the client is closed");
  });

  test.each([
    ["breaks each connection", false],
    ["lets everybody in, answers, and then breaks each connection", true],
  ])("that %s is asked again ever more seldom", async (_, answers) => {
    let connections = 0;
    const port = answering(({ action }, connection, say) => {
      connections = connection;
      if (action === "PING") return { result: "PONG" };
      if (answers) say({ result: { subscribed: "a", seq: 0, epoch: "e" } });
      return null;
    });
    const pauses: number[] = [];
    const clock = {
      ...systemClock,
      // No time goes by, however slow the machine is.
      now: () => 0,
      every: () => () => {},
      after(ms: number, then: () => void) {
        // All but the patience of a connection goes by at once.
        if (ms < 10_000) {
          pauses.push(ms);
          setImmediate(then);
        }
        return () => {};
      },
    };
    const client = clientOf(port, { clock });
    if (answers) client.subscribe({ keys: "a" }, () => {});
    else void failure(client.ask("GET", { key: "a" }));
    await until(() => pauses.length >= 12);
    client.close();
    expect(pauses[0]).toBeLessThanOrEqual(50);
    expect(pauses[11]).toBeGreaterThanOrEqual(2500);
    expect(connections).toBeGreaterThanOrEqual(12);
  });

  test("is one of so many that may wait, and no more; none after the end", async () => {
    const gone = await served();
    const port = gone.port();
    await gone.stop();
    const client = clientOf(port, { maxWaiting: 3 });
    const waiting = [1, 2, 3].map(() => failure(client.ask("PING", {})));
    expect((await failure(client.ask("PING", {}))).message).toContain("3 requests wait");
    client.close();
    for (const one of waiting) expect(await one).toBeInstanceOf(StoreDisconnected);
    expect(await failure(client.ask("PING", {}))).toBeInstanceOf(StoreDisconnected);
  });
});

describe("a subscription", () => {
  test("to keys comes back to all that it missed, and says nothing of it", async () => {
    const server = await served();
    const client = clientOf(server.port());
    await client.ask("SET", { key: "k^0", value: 0 });
    const { events, hear } = listener();
    const following = client.subscribe({ keys: "k^*", state: true }, hear);
    const plain = listener();
    const watching = client.subscribe({ keys: "k^*" }, plain.hear);
    await Promise.all([following.ready, watching.ready]);
    await until(() => events.length === 2);
    for (let round = 1; round <= 3; round++) {
      await kickAll(server);
      const other = clientOf(server.port());
      for (let i = 0; i < 5; i++) await other.ask("SET", { key: `k^${i}`, value: round });
      await other.ask("DEL", { key: "k^4" });
      await until(() => events.filter(({ event }) => event === "del").length === round);
      await until(() => plain.events.filter(({ event }) => event === "del").length === round);
    }
    const numbers = (of: readonly StoreEvent[]) =>
      of.filter(({ event }) => event === "set" || event === "del").map((one) => (one as any).seq);
    expect(numbers(events)).toEqual(Array.from({ length: 18 }, (_, i) => i + 2));
    expect(numbers(plain.events)).toEqual(numbers(events));
    expect(events.some(({ event }) => event === "lost")).toBe(false);
    await until(() => following.position?.since === 19);
    following.close();
    expect(await following.ended).toBeNull();
    await until(() => server.stats()["subscriptions"] === 1);
  });

  test("to keys begins again with the values after a restart, and says that changes are lost", async () => {
    const path = mkdtempSync(join(tmpdir(), "store-client-"));
    const kept = { durability: "batch", path };
    const first = await served(kept);
    const client = clientOf(first.port());
    await client.ask("MSET", { values: { "k^1": 1, "k^2": 2 } });
    const held = new Map<string, unknown>();
    const kinds: string[] = [];
    client.subscribe({ keys: "k^*", state: true }, (event) => {
      kinds.push(event.event);
      if (event.event === "lost") held.clear();
      if (event.event === "state" || event.event === "set") held.set(event.key, event.value);
      if (event.event === "del") held.delete(event.key);
    });
    await until(() => kinds.includes("live"));
    expect(kinds).toEqual(["state", "state", "live"]);
    const port = first.port();
    await first.stop();
    await served(kept, port);
    const other = clientOf(port);
    await other.ask("DEL", { key: "k^1" });
    await other.ask("SET", { key: "k^3", value: 3 });
    await until(() => held.size === 2 && held.has("k^3"));
    expect(Object.fromEntries(held)).toEqual({ "k^2": 2, "k^3": 3 });
    expect(kinds.filter((kind) => kind === "lost")).toHaveLength(1);
  });

  test("to a channel gets what it missed, and is told how many are gone", async () => {
    const server = await served({ replay_messages: 3 });
    const client = clientOf(server.port());
    const { events, hear } = listener();
    await client.subscribe({ channel: "c" }, hear).ready;
    await client.ask("PUBLISH", { channel: "c", value: 1 });
    await until(() => events.length === 1);
    await kickAll(server);
    const other = clientOf(server.port());
    for (let value = 2; value <= 6; value++) await other.ask("PUBLISH", { channel: "c", value });
    await until(() => events.some((event) => event.event === "message" && event.value === 6));
    const told = events.map((event) => (event.event === "message" ? event.value : event));
    // It may have been back before the last of them was sent.
    const lost = events.find(({ event }) => event === "lost") as { lost: number } | undefined;
    const values = told.filter((one) => typeof one === "number") as number[];
    expect(values.length + (lost?.lost ?? 0)).toBe(6);
    expect(values.toSorted()).toEqual(values);
  });

  test("that is refused ends with the reason", async () => {
    const server = await served({ max_subscriptions: 0 });
    const subscription = clientOf(server.port()).subscribe({ keys: "*" }, () => {});
    expect((await failure(subscription.ready)).code).toBe("TOO_MANY");
    expect(((await subscription.ended) as StoreRefused).code).toBe("TOO_MANY");
    await until(() => server.clients().length === 0);
  });
});
