import { afterEach, describe, expect, test } from "bun:test";
import { type Answer, ask, boot, type Booted, heard, type Peer, turn, until } from "./kit.ts";
import { Random } from "./random.ts";
import { epochOf } from "./store-suite.ts";

let server: Booted;
afterEach(() => server.stop());

const stat = (name: string) => server.stats()[name] as number;

async function joined(count: number, section: object = {}): Promise<Peer[]> {
  server = await boot("store", { store: section });
  const peers: Peer[] = [];
  for (let i = 0; i < count; i++) peers.push(await server.join());
  return peers;
}

/** Two clients: one to publish, one to listen. */
const two = (section: object = {}) => joined(2, section) as Promise<[Peer, Peer]>;

async function result(peer: Peer, request: object): Promise<any> {
  const answer = await ask(peer, request);
  if (answer["error"]) throw new Error(JSON.stringify(answer));
  return answer["result"];
}

const code = async (peer: Peer, request: object) => (await ask(peer, request))["error"]?.code;
const subscribe = (peer: Peer, channel: string, more: object = {}) =>
  result(peer, { action: "SUBSCRIBE", channel, ...more });
const watch = (peer: Peer, keys: string) => result(peer, { action: "SUBSCRIBE", keys });
const publish = (peer: Peer, channel: string, value: unknown = 0) =>
  result(peer, { action: "PUBLISH", channel, value });
const message = (channel: string, seq: number, value: unknown = 0) => ({
  event: "message",
  channel,
  seq,
  value,
});

/** That nothing more has come to a client, all that was sent before included. */
async function nothingFor(peer: Peer): Promise<void> {
  expect(await ask(peer, { action: "PING" })).toEqual({ result: "PONG" });
}

/** What a client hears that comes back to a channel after some message. */
async function catchUp(channel: string, since: number, epoch?: string) {
  const peer = await server.join();
  const told = await subscribe(peer, channel, { since, ...(epoch ? { epoch } : {}) });
  const events: Answer[] = [];
  for (let i = 0; i < told.replayed; i++) events.push(await heard(peer));
  await nothingFor(peer);
  peer.end();
  return { ...told, seqs: events.map(({ seq }) => seq), events };
}

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
      { keys: "a", since: 0 },
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
    expect(await watch(to, "users^42^*")).toEqual({ subscribed: "users^42^*" });
    await result(from, { action: "SET", key: "users^42^name", value: "Ada" });
    expect(await heard(to)).toEqual({
      event: "set",
      key: "users^42^name",
      version: 1,
      value: "Ada",
    });
    // Plain ones too, over a value that is there.
    for (const [version, value] of [
      [2, "Grace"],
      [3, 7],
      [4, { a: 1 }],
    ] as const) {
      await result(from, { action: "SET", key: "users^42^name", value });
      expect(await heard(to)).toEqual({ event: "set", key: "users^42^name", version, value });
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
    expect(await heard(to)).toEqual({ event: "del", key: "a^b" });
    await result(from, { action: "DEL", key: "d" });
    await result(from, { action: "DEL", key: "a", tree: true });
    expect(await heard(to)).toEqual({ event: "del", key: "a", tree: true });
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
        expect(await heard(peer as Peer)).toEqual({ event: "del", key: "t", tree: true });
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
    server.clock.leap(1);
    expect(await result(from, { action: "EXISTS", key: "t^a" })).toBe(false);
    expect(await heard(to)).toEqual({ event: "expired", key: "t^a" });
    server.clock.advance(200);
    expect(await heard(to)).toEqual({ event: "expired", key: "t^b" });
    server.clock.advance(1000);
    await nothingFor(to);
    await result(from, { action: "SET", key: "t^a", value: 1, ttl_ms: 1000 });
    await heard(to);
    await result(from, { action: "DEL", key: "t^a" });
    expect(await heard(to)).toEqual({ event: "del", key: "t^a" });
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

describe("a subscriber that comes back", () => {
  const KEPT = 5;
  async function published(count: number, section: object = {}) {
    const [from] = await two({ replay_messages: KEPT, ...section });
    for (let i = 1; i <= count; i++) await publish(from, "c", i);
    return from;
  }

  test.each([
    // since, replayed, lost
    [8, 0, 0],
    [7, 1, 0],
    [4, 4, 0],
    [3, 5, 0],
    [2, 5, 1],
    [1, 5, 2],
    [0, 5, 3],
  ])(
    "after message %d of 8 is sent %d and told that %d are lost",
    async (since, replayed, lost) => {
      await published(8);
      const told = await catchUp("c", since, epochOf(server));
      expect(told).toMatchObject({ subscribed: "c", seq: 8, epoch: epochOf(server) });
      expect(told).toMatchObject({ replayed, lost });
      expect(told.seqs).toEqual([4, 5, 6, 7, 8].slice(5 - replayed));
      for (const { event, channel, seq, value } of told.events) {
        expect([event, channel, value]).toEqual(["message", "c", seq]);
      }
      // The epoch need not be told.
      expect(await catchUp("c", since)).toMatchObject({ replayed, lost });
    },
  );

  test("goes on where it was, without a gap and without anything twice", async () => {
    const from = await published(3);
    const peer = await server.join();
    peer.send('{"action":"SUBSCRIBE","channel":"c","since":1}\n');
    await publish(from, "c", 4);
    await publish(from, "c", 5);
    expect((await heard(peer))["result"]).toMatchObject({ replayed: 2, lost: 0, seq: 3 });
    for (const seq of [2, 3, 4, 5]) expect(await heard(peer)).toEqual(message("c", seq, seq));
    await nothingFor(peer);
  });

  test("of another life of the server is sent what there is, and cannot know what is lost", async () => {
    await published(8);
    for (const since of [0, 3, 8, 1000]) {
      const told = await catchUp("c", since, "another");
      expect(told).toMatchObject({ replayed: KEPT, lost: null, epoch: epochOf(server) });
      expect(told.seqs).toEqual([4, 5, 6, 7, 8]);
    }
    // A number that was never given is of another life too.
    expect(await catchUp("c", 9, epochOf(server))).toMatchObject({ replayed: 5, lost: null });
  });

  test("to a channel that has carried nothing has lost nothing", async () => {
    await published(0);
    expect(await catchUp("c", 0)).toMatchObject({ seq: 0, replayed: 0, lost: 0 });
    expect(await catchUp("c", 1)).toMatchObject({ seq: 0, replayed: 0, lost: null });
  });

  test("without since is sent nothing of before", async () => {
    await published(8);
    const peer = await server.join();
    expect(await subscribe(peer, "c")).toEqual({
      subscribed: "c",
      seq: 8,
      epoch: epochOf(server),
    });
    await nothingFor(peer);
  });

  test("with replay_messages 0 is told how many are lost", async () => {
    await published(4, { replay_messages: 0 });
    expect(await catchUp("c", 1)).toMatchObject({ seq: 4, replayed: 0, lost: 3 });
    expect(await catchUp("c", 4)).toMatchObject({ replayed: 0, lost: 0 });
  });

  test("after a new bound on messages is sent no more than that", async () => {
    const from = await published(8);
    expect(server.reload({ store: { replay_messages: 2 } })).toEqual([]);
    await publish(from, "c", 9);
    expect(await catchUp("c", 3)).toMatchObject({ replayed: 2, lost: 4, seqs: [8, 9] });
  });

  test("is sent no more than half of outbox_bytes, the newest", async () => {
    const most = 8192;
    const [from] = await two({
      max_line_bytes: 2048,
      outbox_bytes: most,
      replay_messages: 100,
    });
    const line = (seq: number, value: string) => `${JSON.stringify(message("c", seq, value))}\n`;
    // Four lines of just a quarter of that each, and one more.
    const value = "x".repeat(most / 8 - line(1, "").length);
    expect(line(1, value)).toHaveLength(most / 8);
    for (let i = 0; i < 5; i++) await publish(from, "c", value);
    expect(await catchUp("c", 0)).toMatchObject({ replayed: 4, lost: 1, seqs: [2, 3, 4, 5] });
    await publish(from, "c", `${value}x`);
    expect(await catchUp("c", 0)).toMatchObject({ replayed: 3, lost: 3, seqs: [4, 5, 6] });
    expect(await catchUp("c", 5)).toMatchObject({ replayed: 1, lost: 0, seqs: [6] });
  });
});

describe("replay_bytes", () => {
  test("is the bound of all channels together; the one that was silent longest forgets first", async () => {
    const [from] = await two();
    await publish(from, "a", "x".repeat(1000));
    await publish(from, "b", "x".repeat(1000));
    const both = stat("kept_bytes");
    expect(server.reload({ store: { replay_bytes: both } })).toEqual([]);
    // At the bound: the same over again would be one too many.
    expect(stat("channels")).toBe(2);
    await publish(from, "a", "");
    expect(stat("channels")).toBe(1);
    expect(stat("kept_bytes")).toBeLessThanOrEqual(both);
    // It was b, though a is the older one: a spoke last.
    expect(await catchUp("a", 0)).toMatchObject({ seq: 2, replayed: 2, lost: 0 });
    expect(await catchUp("b", 1)).toMatchObject({ replayed: 0 });
  });

  test("reached exactly forgets nothing", async () => {
    const [from] = await two();
    await publish(from, "a", "x".repeat(1000));
    const one = stat("kept_bytes");
    await publish(from, "b", "x".repeat(1000));
    expect(stat("kept_bytes")).toBe(2 * one);
    server.reload({ store: { replay_bytes: 2 * one } });
    await publish(from, "a", "x".repeat(1000));
    expect(stat("channels")).toBe(1);
    server.reload({ store: { replay_bytes: 3 * one } });
    await publish(from, "b", "x".repeat(1000));
    const now = stat("kept_bytes");
    expect(stat("channels")).toBe(2);
    server.reload({ store: { replay_bytes: now + one } });
    await publish(from, "c", "x".repeat(1000));
    expect(server.stats()).toMatchObject({ channels: 3, kept_bytes: now + one });
    server.reload({ store: { replay_bytes: now + one - 1 } });
    await publish(from, "d", "");
    expect(stat("channels")).toBeLessThan(4);
  });

  test("a channel that was forgotten counts on, and what was lost cannot be told", async () => {
    const [from, to] = await two({ replay_bytes: 1500 });
    for (let i = 0; i < 3; i++) await publish(from, "a", i);
    const { seq } = await catchUp("a", 0);
    expect(seq).toBe(3);
    // Makes it forget a.
    await publish(from, "b", "x".repeat(700));
    expect(await result(from, { action: "CHANNELS", prefix: "a" })).toEqual({
      channels: [],
      cursor: null,
    });
    await subscribe(to, "a");
    await publish(from, "a", "again");
    const next = (await heard(to))["seq"];
    expect(next).toBeGreaterThan(3);
    for (const since of [0, 1, 3]) {
      const told = await catchUp("a", since, epochOf(server));
      // Either it cannot be known, or it is just right.
      if (since < 3) expect(told.lost).toBeNull();
      else expect([0, null]).toContain(told.lost);
    }
    await publish(from, "a", "and again");
    expect(await catchUp("a", next)).toMatchObject({ replayed: 1, lost: 0 });
  });

  test("a channel that is forgotten while somebody subscribes tells exactly what is lost", async () => {
    const [from, to] = await two({ replay_bytes: 1500 });
    await subscribe(to, "a");
    for (let i = 1; i <= 3; i++) await publish(from, "a", i);
    await publish(from, "b", "x".repeat(700));
    await publish(from, "a", 4);
    for (let i = 1; i <= 4; i++) expect(await heard(to)).toEqual(message("a", i, i));
    expect(await catchUp("a", 2)).toMatchObject({ seq: 4, replayed: 1, lost: 1, seqs: [4] });
  });

  test("0 keeps nothing, and messages go all the same", async () => {
    const [from, to] = await two({ replay_bytes: 0 });
    await subscribe(to, "a");
    for (let i = 1; i <= 3; i++) {
      expect(await publish(from, "a", i)).toBe(1);
      expect(await publish(from, `other${i}`, i)).toBe(0);
      expect(await heard(to)).toEqual(message("a", i, i));
    }
    expect(server.stats()).toMatchObject({ channels: 0, kept_bytes: 0 });
    expect(await catchUp("a", 1)).toMatchObject({ seq: 3, replayed: 0, lost: 2 });
  });

  test("bounds a flood of channels", async () => {
    const most = 100_000;
    const [from] = await two({ replay_bytes: most });
    const lines: string[] = [];
    for (let i = 0; i < 5000; i++)
      lines.push(`{"action":"PUBLISH","channel":"c${i}^x","value":1}\n`);
    from.send(lines.join(""));
    await until(() => from.lines.length === 5000);
    expect(stat("kept_bytes")).toBeLessThanOrEqual(most);
    expect(stat("channels")).toBeLessThan(200);
    expect(stat("channels")).toBeGreaterThan(20);
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

describe("outbox_bytes", () => {
  const MOST = 8192;
  const section = { max_line_bytes: 4096, outbox_bytes: MOST, total_outbox_bytes: 100 * MOST };
  const sizeOf = (seq: number, length: number, channel = "c") =>
    JSON.stringify(message(channel, seq, "x".repeat(length))).length + 1;
  /** Publishes that a turn of the server serves together, one for each length. */
  const burst = (lengths: readonly number[], channel = "c") =>
    lengths
      .map(
        (length) => `{"action":"PUBLISH","channel":"${channel}","value":"${"x".repeat(length)}"}\n`,
      )
      .join("");

  test("may wait for a subscriber and not a byte more", async () => {
    for (const more of [0, 1]) {
      const [from, to] = await two(section);
      await subscribe(to, "c");
      const lengths = [3000, 3000];
      const left = MOST - sizeOf(1, 3000) - sizeOf(2, 3000) - sizeOf(3, 0);
      from.send(burst([...lengths, left + more]));
      await until(() => from.lines.length === 3);
      if (more === 0) {
        for (let seq = 1; seq <= 3; seq++) expect((await heard(to))["seq"]).toBe(seq);
        await nothingFor(to);
        expect(stat("closed_slow")).toBe(0);
      } else {
        expect(await heard(to)).toEqual({
          event: "closed",
          reason: "slow",
          message: "you do not take what you are sent",
        });
        expect(await to.closed).toBe("end");
        expect(server.stats()).toMatchObject({ closed_slow: 1, clients: 1, subscriptions: 0 });
        expect(server.printed()).toMatch(
          new RegExp(
            `WARNING +store: ${to.address} does not take what it is sent: \\d+ bytes wait`,
          ),
        );
      }
      await server.stop();
    }
  });

  test("a slow subscriber is closed and the others lose nothing", async () => {
    const [from, slow, fast, other] = (await joined(4, {
      max_line_bytes: 65_536,
      outbox_bytes: 200_000,
    })) as [Peer, Peer, Peer, Peer];
    for (const peer of [slow, fast]) await subscribe(peer, "c");
    await subscribe(other, "*");
    slow.pause();
    const value = "x".repeat(50_000);
    let sent = 0;
    while (stat("closed_slow") === 0) {
      await publish(from, "c", value);
      sent++;
      await until(() => fast.lines.length === sent && other.lines.length === sent);
    }
    for (let i = 0; i < 20; i++) await publish(from, "c", ++sent);
    await until(() => fast.lines.length === sent && other.lines.length === sent);
    for (const peer of [fast, other]) {
      expect(peer.lines.map((line) => JSON.parse(line).seq)).toEqual(
        Array.from({ length: sent }, (_, i) => i + 1),
      );
    }
    expect(server.stats()).toMatchObject({ closed_slow: 1, clients: 3, subscriptions: 2 });
    await until(() => stat("pinned_bytes") === 0);
    // What it did get is whole lines, in order, to where it was cut.
    slow.resume();
    await slow.closed;
    const seqs = slow.lines.map((line) => JSON.parse(line).seq).filter((seq) => seq !== undefined);
    expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, i) => i + 1));
    expect(seqs.length).toBeLessThan(sent);
  }, 20_000);

  test("of its own requests does not make a client slow", async () => {
    const [peer, from] = await two({ ...section, outbox_bytes: 16_384 });
    await subscribe(peer, "c");
    peer.pause();
    const echo = `{"action":"ECHO","value":"${"y".repeat(3000)}"}\n`;
    peer.send(echo.repeat(3000));
    await until(() => server.clients()[0]?.state === "paused");
    expect(await publish(from, "c", "event")).toBe(1);
    peer.resume();
    await until(() => peer.lines.length === 3001);
    expect(peer.lines.filter((line) => line.startsWith('{"event"'))).toHaveLength(1);
    expect(stat("closed_slow")).toBe(0);
  }, 20_000);
});

describe("total_outbox_bytes", () => {
  const TOTAL = 16_384;
  const section = { max_line_bytes: 4096, outbox_bytes: 12_000, total_outbox_bytes: TOTAL };

  test("closes the client with the most, and only beyond it", async () => {
    for (const more of [0, 1]) {
      const [from, ...others] = await joined(5, section);
      for (const [i, peer] of others.entries()) await subscribe(peer, `c${i}`);
      // Bytes of the events on each channel; the third client has the most.
      const sizes = [3000, 4000, 4100, 3500];
      const left = TOTAL - 3000 - 4000 - 4100 - 3500 + more;
      const event = (channel: string, bytes: number) => {
        const empty = JSON.stringify(message(channel, 1, "")).length + 1;
        return `{"action":"PUBLISH","channel":"${channel}","value":"${"x".repeat(bytes - empty)}"}\n`;
      };
      const lines = sizes.map((bytes, i) => event(`c${i}`, bytes)).join("") + event("c2", left);
      (from as Peer).send(lines);
      await until(() => (from as Peer).lines.length === 5);
      const closed = more === 1 ? [others[2]] : [];
      for (const peer of others) {
        const first = await heard(peer as Peer);
        if (closed.includes(peer)) expect(first["reason"]).toBe("slow");
        else expect(first["event"]).toBe("message");
      }
      expect(server.stats()).toMatchObject({ closed_slow: closed.length });
      await server.stop();
    }
  });

  test("an event for many is counted once", async () => {
    const [from, ...others] = await joined(31, section);
    for (const peer of others) await subscribe(peer, "c");
    await publish(from as Peer, "c", "x".repeat(3000));
    for (const peer of others) expect((await heard(peer))["seq"]).toBe(1);
    expect(stat("closed_slow")).toBe(0);
  });
});

test("replies and events never interleave within a line, each kind in order", async () => {
  const peers = await joined(6);
  const random = new Random(21);
  const channels = ["a", "a^b", "c"];
  for (const [i, peer] of peers.entries()) {
    await subscribe(peer, i % 2 === 0 ? "*" : (channels[i % 3] as string));
    await watch(peer, "k^*");
  }
  const rounds = 400;
  const seen = peers.map(() => ({ id: 0, seqs: new Map<string, number>(), events: 0 }));
  for (let round = 1; round <= rounds; round++) {
    for (const [i, peer] of peers.entries()) {
      const id = round;
      const text = String.fromCodePoint(0x1f600 + i).repeat(random.whole(0, 400));
      const channel = channels[random.whole(0, 2)];
      const request = [
        { action: "PUBLISH", channel, value: text },
        { action: "SET", key: `k^${i}`, value: text },
        { action: "ECHO", value: text },
        { action: "NONE" },
        { action: "GET", key: `k^${i}`, default: null },
      ][random.whole(0, 4)];
      const bytes = Buffer.from(`${JSON.stringify({ ...request, id })}\n`);
      const cut = random.whole(0, bytes.length);
      peer.send(bytes.subarray(0, cut));
      peer.send(bytes.subarray(cut));
    }
    if (round % 20 === 0) await turn();
  }
  const read = (i: number) => {
    const state = seen[i] as (typeof seen)[number];
    for (const line of (peers[i] as Peer).lines.splice(0)) {
      const { event, channel, seq, id } = JSON.parse(line);
      if (event === undefined) expect(id).toBe(++state.id);
      else state.events++;
      if (event !== "message") continue;
      const last = state.seqs.get(channel);
      if (last !== undefined) expect(seq).toBe(last + 1);
      state.seqs.set(channel, seq);
    }
  };
  await until(() => {
    peers.forEach((_, i) => read(i));
    return seen.every(({ id }) => id === rounds);
  });
  for (const peer of peers) await nothingButEvents(peer);
  expect(seen.every(({ events }) => events > 300)).toBe(true);
  expect(server.stats()).toMatchObject({ clients: 6, closed_slow: 0, closed_bug: 0 });

  async function nothingButEvents(peer: Peer): Promise<void> {
    peer.send('{"action":"PING"}\n');
    while ((await heard(peer))["result"] !== "PONG");
  }
}, 20_000);

describe("idle_secs", () => {
  test("spares clients with a subscription, and no others", async () => {
    const [listens, watches, left, idle] = (await joined(4, { idle_secs: 10 })) as [
      Peer,
      Peer,
      Peer,
      Peer,
    ];
    await subscribe(listens, "c");
    await watch(watches, "k^*");
    await subscribe(left, "c");
    await result(left, { action: "UNSUBSCRIBE" });
    server.clock.advance(10_000);
    expect((await heard(left))["reason"]).toBe("idle");
    expect((await heard(idle))["reason"]).toBe("idle");
    expect(server.stats()).toMatchObject({ clients: 2, closed_idle: 2, subscriptions: 2 });
    server.clock.advance(1_000_000);
    expect(stat("clients")).toBe(2);
    // Without its subscription it is idle from its last line on.
    await result(listens, { action: "UNSUBSCRIBE", channel: "c" });
    server.clock.advance(9000);
    expect(stat("clients")).toBe(2);
    server.clock.advance(1000);
    expect((await heard(listens))["reason"]).toBe("idle");
    expect(stat("clients")).toBe(1);
  });

  test("begins when a client has taken what it was owed", async () => {
    const [peer] = (await joined(1, {
      idle_secs: 10,
      max_line_bytes: 30_000_000,
      outbox_bytes: 64_000_000,
    })) as [Peer];
    peer.pause();
    peer.send(`{"action":"ECHO","value":"${"x".repeat(25_000_000)}"}\n`);
    // More than the sockets hold between the two.
    await until(() => (stat("bytes_out") ?? 0) > 0);
    for (let i = 0; i < 100; i++) await turn();
    expect(stat("pinned_bytes")).toBeGreaterThan(0);
    server.clock.advance(9000);
    peer.resume();
    await until(() => peer.lines.length === 1);
    server.clock.advance(9999);
    expect(stat("clients")).toBe(1);
    server.clock.advance(1);
    expect(stat("closed_idle")).toBe(1);
  });

  test("spares a client whose requests still wait", async () => {
    const [peer] = (await joined(1, { idle_secs: 10 })) as [Peer];
    peer.pause();
    const count = 3000;
    const echo = (i: number) => `{"action":"ECHO","value":"${"x".repeat(10_000)}","id":${i}}\n`;
    for (let i = 0; i < count; i++) peer.send(echo(i));
    await until(() => server.clients()[0]?.state === "paused");
    // It takes something every now and then.
    for (let taken = 0; peer.lines.length < count; taken = peer.bytes) {
      server.clock.advance(9000);
      peer.resume();
      await until(() => peer.bytes > taken);
    }
    expect(peer.lines.map((line) => JSON.parse(line).id)).toEqual(
      Array.from({ length: count }, (_, i) => i),
    );
    expect(stat("closed_idle")).toBe(0);
  }, 20_000);
});
