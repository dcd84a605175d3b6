import { describe, expect, test } from "bun:test";
import { heard, type Peer, turn, until } from "./kit.ts";
import { epochOf } from "./store-suite.ts";
import {
  code,
  joined,
  message,
  nothingFor,
  publish,
  result,
  server,
  stat,
  subscribe,
  two,
  watch,
} from "./pubsub-suite.ts";

describe("a channel", () => {
  test("carries each message to every subscriber, in order, with its number", async () => {
    const [publisher, ...subscribers] = await joined(4);
    const from = publisher as Peer;
    for (const peer of subscribers) {
      expect(await subscribe(peer, "news")).toEqual({
        subscribed: "news",
        seq: 0,
        epoch: epochOf(server),
      });
    }
    const values = ["text", 1.5, null, { a: [1, { b: "é\n" }] }, [], false, "\u2028"];
    for (const value of values) expect(await publish(from, "news", value)).toBe(3);
    for (const peer of subscribers) {
      for (const [i, value] of values.entries()) {
        expect(await heard(peer)).toEqual(message("news", i + 1, value));
      }
    }
    expect(server.stats()).toMatchObject({ published: 7, deliveries: 21, subscriptions: 3 });
    expect(from.lines).toEqual([]);
  });

  test("is numbered by itself", async () => {
    const [from, to] = await two();
    await subscribe(to, "a");
    await subscribe(to, "b^c");
    for (const [channel, seq] of [
      ["a", 1],
      ["b^c", 1],
      ["a", 2],
      ["b^c", 2],
      ["b^c", 3],
      ["a", 3],
    ] as const) {
      expect(await publish(from, channel)).toBe(1);
      expect(await heard(to)).toEqual(message(channel, seq));
    }
  });

  test("has one name in every spelling", async () => {
    const [from, to] = await two();
    for (const spelled of [
      { channel: "^orders^eu" },
      { ns: "orders", channel: "eu" },
      { ns: "^orders", channel: "eu" },
    ]) {
      expect((await result(to, { action: "SUBSCRIBE", ...spelled })).subscribed).toBe("orders^eu");
    }
    expect(stat("subscriptions")).toBe(1);
    for (const [i, spelled] of [
      { channel: "orders^eu" },
      { channel: "^orders^eu" },
      { ns: "orders", channel: "eu" },
    ].entries()) {
      expect(await result(from, { action: "PUBLISH", ...spelled, value: i })).toBe(1);
      expect(await heard(to)).toEqual(message("orders^eu", i + 1, i));
    }
  });

  test("is for its subscribers alone", async () => {
    const [from, to] = await two();
    await subscribe(to, "orders");
    for (const channel of ["order", "orderss", "Orders", "orders^eu", "x^orders"]) {
      expect(await publish(from, channel)).toBe(0);
    }
    await nothingFor(to);
    expect(await publish(from, "orders")).toBe(1);
    expect(await heard(to)).toEqual(message("orders", 1));
  });

  test("reaches a client that publishes on it too", async () => {
    const [both] = (await joined(1)) as [Peer];
    await subscribe(both, "news");
    for (let i = 1; i <= 3; i++) {
      both.send(`{"action":"PUBLISH","channel":"news","value":${i},"id":${i}}\n`);
      const lines = [await heard(both), await heard(both)];
      expect(lines).toContainEqual(message("news", i, i));
      expect(lines).toContainEqual({ result: 1, id: i });
    }
  });

  test("has no part that is *, and no key is a channel", async () => {
    const [from, to] = await two();
    for (const channel of ["*", "a^*", "a^*^b", "*^a"]) {
      expect(await code(from, { action: "PUBLISH", channel, value: 1 })).toBe("BAD_KEY");
    }
    for (const channel of ["*^a", "a^*^b", "*^*"]) {
      expect(await code(from, { action: "SUBSCRIBE", channel })).toBe("BAD_KEY");
    }
    await subscribe(to, "a");
    await result(from, { action: "SET", key: "a", value: 1 });
    await watch(from, "b");
    expect(await publish(to, "b")).toBe(0);
    await nothingFor(from);
    await nothingFor(to);
  });

  test("SUBSCRIBE wants just one of channel and keys", async () => {
    const [peer] = await two();
    for (const request of [{}, { channel: "a", keys: "a" }, { ns: "n" }]) {
      expect(await code(peer, { action: "SUBSCRIBE", ...request })).toBe("MISSING_FIELD");
    }
    expect(await code(peer, { action: "UNSUBSCRIBE", channel: "a", keys: "a" })).toBe(
      "MISSING_FIELD",
    );
    expect(await code(peer, { action: "UNSUBSCRIBE", ns: "n" })).toBe("MISSING_FIELD");
    for (const request of [
      { channel: "a^*", since: 0 },
      { channel: "*", epoch: "x" },
      { channel: "a", state: true },
    ]) {
      expect(await code(peer, { action: "SUBSCRIBE", ...request })).toBe("WRONG_TYPE");
    }
    expect(stat("subscriptions")).toBe(0);
  });
});

describe("a pattern", () => {
  test("hears everything below, at any depth, and not the name itself", async () => {
    const [from, to] = await two();
    expect(await subscribe(to, "orders^*")).toEqual({ subscribed: "orders^*" });
    const deep = `orders^${Array(31).fill("x").join("^")}`;
    for (const channel of ["orders^eu", "orders^eu^de^1", deep]) {
      expect(await publish(from, channel)).toBe(1);
      expect(await heard(to)).toEqual(message(channel, 1));
    }
    for (const channel of ["orders", "ordersx^eu", "x^orders^eu", "order^s"]) {
      expect(await publish(from, channel)).toBe(0);
    }
    await nothingFor(to);
  });

  test("* hears everything", async () => {
    const [from, to] = await two();
    expect(await subscribe(to, "*")).toEqual({ subscribed: "*" });
    for (const channel of ["a", "a^b", "x^y^z"]) {
      expect(await publish(from, channel)).toBe(1);
      expect((await heard(to))["channel"]).toBe(channel);
    }
    await subscribe(to, "^*");
    expect(stat("subscriptions")).toBe(1);
  });

  test("in a namespace is one below it", async () => {
    const [from, to] = await two();
    expect(await subscribe(to, "*", { ns: "orders" })).toEqual({ subscribed: "orders^*" });
    expect(await publish(from, "orders^1")).toBe(1);
    expect(await publish(from, "other^1")).toBe(0);
  });

  test("that overlaps another subscription brings no message twice", async () => {
    const [from, to, other] = (await joined(3)) as [Peer, Peer, Peer];
    for (const one of ["a^b", "a^b^*", "a^*", "*", "a^b^c"]) await subscribe(to, one);
    await subscribe(other, "a^*");
    expect(await publish(from, "a^b")).toBe(2);
    expect(await publish(from, "a^b^c")).toBe(2);
    expect(await publish(from, "a")).toBe(1);
    for (const peer of [to, other]) {
      expect(await heard(peer)).toEqual(message("a^b", 1));
      expect(await heard(peer)).toEqual(message("a^b^c", 1));
    }
    expect(await heard(to)).toEqual(message("a", 1));
    await nothingFor(to);
    await nothingFor(other);
    expect(stat("deliveries")).toBe(5);
  });
});

describe("UNSUBSCRIBE", () => {
  test("ends one subscription and leaves the others", async () => {
    const [from, to] = await two();
    for (const one of ["a", "a^*", "b"]) await subscribe(to, one);
    await watch(to, "a");
    await watch(to, "a^*");
    const end = (what: object) => result(to, { action: "UNSUBSCRIBE", ...what });
    expect(await end({ channel: "a" })).toBe(1);
    expect(await end({ channel: "a" })).toBe(0);
    expect(await end({ channel: "never" })).toBe(0);
    expect(await end({ channel: "*" })).toBe(0);
    expect(stat("subscriptions")).toBe(4);
    expect(await publish(from, "a")).toBe(0);
    expect(await publish(from, "a^1")).toBe(1);
    expect((await heard(to))["channel"]).toBe("a^1");
    expect(await end({ keys: "a^*" })).toBe(1);
    await result(from, { action: "SET", key: "a^1", value: 1 });
    await result(from, { action: "SET", key: "a", value: 1 });
    expect(await heard(to)).toMatchObject({ event: "set", key: "a" });
    expect(await end({ ns: "a", channel: "*" })).toBe(1);
    expect(await publish(from, "a^1")).toBe(0);
    expect(await publish(from, "b")).toBe(1);
    expect((await heard(to))["channel"]).toBe("b");
  });

  test("without a name ends all of this client", async () => {
    const [other, to] = await two();
    for (const peer of [other, to]) {
      for (const one of ["a", "a^*", "*"]) await subscribe(peer, one);
      await watch(peer, "a");
    }
    expect(stat("subscriptions")).toBe(8);
    expect(await result(to, { action: "UNSUBSCRIBE" })).toBe(4);
    expect(await result(to, { action: "UNSUBSCRIBE" })).toBe(0);
    expect(stat("subscriptions")).toBe(4);
    expect(await publish(to, "a")).toBe(1);
    expect(await heard(other)).toEqual(message("a", 1));
    await nothingFor(to);
  });

  test("a subscription that is there already counts once", async () => {
    const [from, to] = await two();
    for (let i = 0; i < 3; i++) await subscribe(to, "a");
    expect(stat("subscriptions")).toBe(1);
    expect(await publish(from, "a")).toBe(1);
    expect(await heard(to)).toEqual(message("a", 1));
    expect(await result(to, { action: "UNSUBSCRIBE", channel: "a" })).toBe(1);
    expect(stat("subscriptions")).toBe(0);
  });
});

describe("the limits of subscriptions", () => {
  test("max_subscriptions are had and no more, patterns and keys included", async () => {
    const [peer, other] = await two({ max_subscriptions: 5, max_patterns: 5 });
    const wanted = [
      { channel: "a" },
      { keys: "a" },
      { channel: "a^*" },
      { keys: "a^*" },
      { channel: "b" },
    ];
    for (const one of wanted) await result(peer, { action: "SUBSCRIBE", ...one });
    for (const one of [{ channel: "c" }, { keys: "c" }, { channel: "*" }]) {
      expect(await code(peer, { action: "SUBSCRIBE", ...one })).toBe("TOO_MANY");
    }
    // One that it has is no more.
    for (const one of wanted) await result(peer, { action: "SUBSCRIBE", ...one });
    expect(stat("subscriptions")).toBe(5);
    await result(other, { action: "SUBSCRIBE", channel: "c" });
    await result(peer, { action: "UNSUBSCRIBE", channel: "b" });
    await result(peer, { action: "SUBSCRIBE", channel: "c" });
    expect(await code(peer, { action: "SUBSCRIBE", channel: "b" })).toBe("TOO_MANY");
  });

  test("max_patterns are had and no more", async () => {
    const [peer] = await two({ max_subscriptions: 100, max_patterns: 2 });
    await subscribe(peer, "a^*");
    await watch(peer, "a^*");
    expect(await code(peer, { action: "SUBSCRIBE", channel: "*" })).toBe("TOO_MANY");
    expect(await code(peer, { action: "SUBSCRIBE", keys: "b^*" })).toBe("TOO_MANY");
    await subscribe(peer, "a^*");
    await subscribe(peer, "a");
    await result(peer, { action: "UNSUBSCRIBE", keys: "a^*" });
    await subscribe(peer, "*");
    expect(await code(peer, { action: "SUBSCRIBE", keys: "b^*" })).toBe("TOO_MANY");
    await result(peer, { action: "UNSUBSCRIBE" });
    await watch(peer, "b^*");
  });

  test("0 means none", async () => {
    const [peer] = await two({ max_subscriptions: 0 });
    expect(await code(peer, { action: "SUBSCRIBE", channel: "a" })).toBe("TOO_MANY");
    server.reload({ store: { max_subscriptions: 10, max_patterns: 0 } });
    expect(await code(peer, { action: "SUBSCRIBE", channel: "*" })).toBe("TOO_MANY");
    await subscribe(peer, "a");
  });
});

describe("what becomes of keys", () => {
  test("set tells value and version, however it was set", async () => {
    const [from, to] = await two();
    expect(await watch(to, "users^42^*")).toMatchObject({ subscribed: "users^42^*", seq: 0 });
    await result(from, { action: "SET", key: "users^42^name", value: "Ada" });
    expect(await heard(to)).toEqual({
      event: "set",
      key: "users^42^name",
      version: 1,
      seq: 1,
      value: "Ada",
    });
    // Plain ones too, over a value that is there.
    for (const [version, value] of [
      [2, "Grace"],
      [3, 7],
      [4, { a: 1 }],
    ] as const) {
      await result(from, { action: "SET", key: "users^42^name", value });
      const seq = version;
      expect(await heard(to)).toEqual({ event: "set", key: "users^42^name", version, seq, value });
    }
    await result(from, { action: "INCR", key: "users^42^logins", by: 5 });
    expect(await heard(to)).toMatchObject({ event: "set", key: "users^42^logins", value: 5 });
    await result(from, {
      action: "MSET",
      ns: "users",
      values: { "42^a": 1, "43^a": 2, "42^b": 3 },
    });
    expect(await heard(to)).toMatchObject({ event: "set", key: "users^42^a", value: 1 });
    expect(await heard(to)).toMatchObject({ event: "set", key: "users^42^b", value: 3 });
    await result(from, { action: "SET", key: "users^42", value: 1 });
    await result(from, { action: "SET", key: "users^43^name", value: 1 });
    expect(await code(from, { action: "SET", key: "users^42^a", value: 1, if_absent: true })).toBe(
      "ALREADY_EXISTS",
    );
    expect(await code(from, { action: "MSET", values: { "users^42^a": 1, "": 1 } })).toBe(
      "BAD_KEY",
    );
    await nothingFor(to);
  });

  test("del tells the key, and tree that all below went too", async () => {
    const [from, to] = await two();
    for (const key of ["a", "a^b", "a^b^c", "d"]) {
      await result(from, { action: "SET", key, value: 1 });
    }
    await watch(to, "a^*");
    await result(from, { action: "DEL", key: "a^b" });
    expect(await heard(to)).toEqual({ event: "del", key: "a^b", seq: 5 });
    await result(from, { action: "DEL", key: "d" });
    await result(from, { action: "DEL", key: "a", tree: true });
    expect(await heard(to)).toEqual({ event: "del", key: "a", tree: true, seq: 7 });
    expect(await code(from, { action: "DEL", key: "a^b" })).toBe("NOT_FOUND");
    await nothingFor(to);
  });

  test("a subtree that goes is told to all who watch in it, once", async () => {
    const peers = await joined(8);
    const [from, at, inside, below, above, all, beside, twice] = peers as Peer[];
    const named: [Peer | undefined, string[]][] = [
      [at, ["t"]],
      [inside, ["t^a^b"]],
      [below, ["t^a^*"]],
      [above, ["t^*"]],
      [all, ["*"]],
      [beside, ["u", "t2^*", "x^t^*"]],
      [twice, ["t", "t^a", "t^a^*", "*"]],
    ];
    for (const [peer, some] of named) for (const one of some) await watch(peer as Peer, one);
    for (const peer of peers.slice(1)) peer.lines.length = 0;
    await result(from as Peer, { action: "MSET", values: { "t^a^b": 1, "t^z": 2 } });
    for (const peer of peers.slice(1)) {
      await nothingOrSets(peer);
    }
    await result(from as Peer, { action: "DEL", key: "t", tree: true });
    for (const [peer] of named) {
      if (peer !== beside) {
        expect(await heard(peer as Peer)).toEqual({ event: "del", key: "t", tree: true, seq: 3 });
      }
      await nothingFor(peer as Peer);
    }

    async function nothingOrSets(peer: Peer): Promise<void> {
      peer.send('{"action":"PING"}\n');
      for (;;) {
        const line = await heard(peer);
        if (line["result"] === "PONG") return;
        expect(line["event"]).toBe("set");
      }
    }
  });

  test("expired is told when its time has come, whoever notices", async () => {
    const [from, to] = await two();
    await watch(to, "t^*");
    for (const key of ["t^a", "t^b", "u"]) {
      await result(from, { action: "SET", key, value: 1, ttl_ms: 1000 });
    }
    expect((await heard(to))["key"]).toBe("t^a");
    expect((await heard(to))["key"]).toBe("t^b");
    server.clock.advance(999);
    await nothingFor(to);
    // One is looked at, the other is swept.
    void server.clock.leap(1);
    expect(await result(from, { action: "EXISTS", key: "t^a" })).toBe(false);
    expect(await heard(to)).toEqual({ event: "expired", key: "t^a", seq: 4 });
    server.clock.advance(200);
    expect(await heard(to)).toEqual({ event: "expired", key: "t^b", seq: 5 });
    server.clock.advance(1000);
    await nothingFor(to);
    await result(from, { action: "SET", key: "t^a", value: 1, ttl_ms: 1000 });
    await heard(to);
    await result(from, { action: "DEL", key: "t^a" });
    expect(await heard(to)).toEqual({ event: "del", key: "t^a", seq: 8 });
    server.clock.advance(2000);
    await nothingFor(to);
  });

  test("comes once to who watches in several ways, and to who did it", async () => {
    const [peer] = (await joined(1)) as [Peer];
    for (const one of ["a^b", "a^*", "*"]) await watch(peer, one);
    peer.send('{"action":"SET","key":"a^b","value":1}\n{"action":"DEL","key":"a^b"}\n');
    const lines = [];
    for (let i = 0; i < 4; i++) lines.push(await heard(peer));
    expect(lines.filter(({ event }) => event === "set")).toHaveLength(1);
    expect(lines.filter(({ event }) => event === "del")).toHaveLength(1);
    await nothingFor(peer);
  });
});

describe("CHANNELS", () => {
  const list = (peer: Peer, more: object = {}) => result(peer, { action: "CHANNELS", ...more });

  test("lists those with subscribers or messages, in order", async () => {
    const [from, to] = await two();
    expect(await list(from)).toEqual({ channels: [], cursor: null });
    for (const one of ["10", "9", "b^c", "x^*", "*"]) await subscribe(to, one);
    await subscribe(from, "9");
    await publish(from, "a^b");
    await publish(from, "9");
    await watch(to, "keys");
    const all = [
      { channel: "9", subscribers: 2, seq: 1 },
      { channel: "10", subscribers: 1, seq: 0 },
      { channel: "a^b", subscribers: 0, seq: 1 },
      { channel: "b^c", subscribers: 1, seq: 0 },
    ];
    from.lines.length = 0;
    expect(await list(from)).toEqual({ channels: all, cursor: null });
    expect((await list(from, { prefix: "b^" })).channels).toEqual(all.slice(3));
    expect((await list(from, { ns: "a" })).channels).toEqual([
      { channel: "b", subscribers: 0, seq: 1 },
    ]);
    for (let limit = 1; limit <= 5; limit++) {
      const found: unknown[] = [];
      for (let cursor: string | null = null; ;) {
        const page = await list(from, { limit, ...(cursor === null ? {} : { cursor }) });
        expect(page.channels.length).toBeLessThanOrEqual(limit);
        found.push(...page.channels);
        cursor = page.cursor;
        if (cursor === null) break;
      }
      expect(found).toEqual(all);
    }
  });

  test("does not know a channel any more that nobody wants and that has carried nothing", async () => {
    const [from, to] = await two();
    for (let i = 0; i < 500; i++) {
      await subscribe(to, `c${i}^deep`);
      await subscribe(to, `c${i}^*`).catch(() => null);
      await watch(to, `k${i}`);
      await result(to, { action: "UNSUBSCRIBE" });
    }
    expect(await list(from)).toEqual({ channels: [], cursor: null });
    expect(server.stats()).toMatchObject({ subscriptions: 0, channels: 0, kept_bytes: 0 });
  });
});

test("names that nobody subscribes to any more are not even passed over", async () => {
  const [peer] = (await joined(1)) as [Peer];
  // More than a page of CHANNELS looks at.
  const count = 12_000;
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    lines.push(`{"action":"SUBSCRIBE","channel":"c${i}"}\n{"action":"UNSUBSCRIBE"}\n`);
  }
  peer.send(lines.join(""));
  await until(() => peer.lines.length === 2 * count);
  peer.lines.length = 0;
  expect(await result(peer, { action: "CHANNELS" })).toEqual({ channels: [], cursor: null });
});

describe("a subscriber that disappears", () => {
  test.each([
    ["is reset", (peer: Peer) => peer.reset()],
    ["ends", (peer: Peer) => peer.end()],
    ["ends its side", (peer: Peer) => peer.half()],
    [
      "is kicked",
      (_: Peer, id: number) => {
        expect(server.running().kick(id)).not.toBeNull();
        expect(stat("subscriptions")).toBe(1);
      },
    ],
  ])("is gone from every index at once: it %s", async (_, vanish) => {
    const [stays, goes] = await two();
    await subscribe(stays, "a");
    for (const one of ["a", "b", "a^*", "*"]) await subscribe(goes, one);
    for (const one of ["k", "k^*", "*"]) await watch(goes, one);
    expect(stat("subscriptions")).toBe(8);
    const id = server.clients().find(({ address }) => address === goes.address)?.id;
    vanish(goes, id as number);
    await until(() => stat("clients") === 1);
    expect(stat("subscriptions")).toBe(1);
    expect(await publish(stays, "b")).toBe(0);
    await result(stays, { action: "SET", key: "k^1", value: 1 });
    expect((await result(stays, { action: "CHANNELS" })).channels).toEqual([
      { channel: "a", subscribers: 1, seq: 0 },
      { channel: "b", subscribers: 0, seq: 1 },
    ]);
    // Nobody writes to it any more.
    await goes.closed;
    expect(stat("pinned_bytes")).toBe(0);
  });

  test("in the midst of a flood harms nobody", async () => {
    const [from, ...others] = await joined(21);
    for (const peer of others) await subscribe(peer, "c");
    const goes = others.filter((_, i) => i % 2 === 0);
    const stays = others.filter((_, i) => i % 2 === 1);
    const total = 2000;
    let sent = 0;
    for (const peer of goes) {
      for (let i = 0; i < total / goes.length; i++) {
        (from as Peer).send(`{"action":"PUBLISH","channel":"c","value":${++sent}}\n`);
      }
      await turn();
      peer.reset();
    }
    await until(() => stays.every(({ lines }) => lines.length === total));
    for (const peer of stays) {
      expect(peer.lines.map((line) => JSON.parse(line).seq)).toEqual(
        Array.from({ length: total }, (_, i) => i + 1),
      );
    }
    await until(() => stat("clients") === 11);
    expect(server.stats()).toMatchObject({ subscriptions: 10, closed_bug: 0, closed_slow: 0 });
    await until(() => stat("pinned_bytes") === 0);
  });

  test("a stop tells subscribers", async () => {
    const [from, to] = await two();
    await subscribe(to, "c");
    await publish(from, "c");
    const stopped = server.stop();
    expect(await heard(to)).toEqual(message("c", 1));
    expect(await heard(to)).toEqual({
      event: "closed",
      reason: "shutdown",
      message: "the server is stopping",
    });
    expect(await to.closed).toBe("end");
    await stopped;
    expect(stat("subscriptions")).toBe(0);
  });
});
