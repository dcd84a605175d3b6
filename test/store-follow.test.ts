import { describe, expect, onTestFinished, spyOn, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Replay, StateWalk } from "../lib/services/store/channels/catch-up.ts";
import { ChangeLog } from "../lib/services/store/keys/change-log.ts";
import { type Answer, boot, heard, type Peer, turn } from "./kit.ts";
import { code, joined, nothingFor, result, server, stat, two, watch } from "./pubsub-suite.ts";
import { Random } from "./random.ts";

// Subscribers to keys that come back, and those that begin with the values.

const set = (peer: Peer, key: string, value: unknown = 1, more: object = {}) =>
  result(peer, { action: "SET", key, value, ...more });
const follow = (peer: Peer, keys: string, more: object) =>
  result(peer, { action: "SUBSCRIBE", keys, ...more });

/** The events up to `live`, and its number. */
async function caughtUp(peer: Peer): Promise<{ events: Answer[]; seq: number }> {
  const events: Answer[] = [];
  for (;;) {
    const event = await heard(peer);
    if (event["event"] === "live") return { events, seq: event["seq"] };
    events.push(event);
  }
}

describe("who comes back with since", () => {
  test("gets the changes that it missed, as they were told", async () => {
    const [from, first, to] = (await joined(3)) as [Peer, Peer, Peer];
    const { epoch, seq } = await watch(first, "a^*");
    await result(from, { action: "MSET", values: { "a^1": "é", "a^b^c": [1], "b^1": 1 } });
    await set(from, "a^1", 2);
    await set(from, "a^1", 3);
    await set(from, "a^2", 4, { ttl_ms: 1000 });
    await result(from, { action: "INCR", key: "a^1" });
    await result(from, { action: "DEL", key: "a^1" });
    await result(from, { action: "DEL", key: "a^b", tree: true });
    await result(from, { action: "TXN", writes: [{ action: "SET", key: "a^3", value: {} }] });
    server.clock.advance(2000);
    const told: Answer[] = [];
    for (let i = 0; i < 10; i++) told.push(await heard(first));
    expect(told.map(({ event }) => event)).toContainValues(["set", "del", "expired"]);
    await nothingFor(first);

    expect(await follow(to, "a^*", { since: seq, epoch })).toEqual({
      subscribed: "a^*",
      seq: 11,
      epoch,
      lost: 0,
    });
    expect(await caughtUp(to)).toEqual({ events: told, seq: 11 });
    await set(from, "a^1");
    expect(await heard(to)).toEqual(await heard(first));
    const middle = told[5]?.["seq"];
    await follow(to, "a^*", { since: middle, epoch });
    const { events } = await caughtUp(to);
    expect(events.slice(0, -1)).toEqual(told.slice(6));
    await nothingFor(to);
  });

  test("is told exactly how many changes are gone, at the bound and one past it", async () => {
    const [from, to] = await two({ change_log_entries: 5 });
    const { epoch } = await watch(from, "other");
    for (let i = 1; i <= 8; i++) await set(from, `k^${i % 2}`, i);
    for (const [since, lost, seqs] of [
      [8, 0, []],
      [3, 0, [4, 5, 6, 7, 8]],
      [2, 1, [4, 5, 6, 7, 8]],
      [0, 3, [4, 5, 6, 7, 8]],
    ] as const) {
      expect(await follow(to, "k^*", { since, epoch })).toMatchObject({ seq: 8, lost });
      const { events } = await caughtUp(to);
      expect([since, events.map(({ seq }) => seq)]).toEqual([since, [...seqs]]);
    }
    expect(stat("change_log_entries")).toBe(5);
    await server.reload({ store: { change_log_entries: 0 } });
    await set(from, "k^1");
    const last = await server.join();
    expect(await follow(last, "k^*", { since: 8, epoch })).toMatchObject({ seq: 9, lost: 1 });
    expect(stat("change_log_entries")).toBe(0);
    expect(stat("change_log_bytes")).toBe(0);
  });

  test("learns that nobody can know what it missed, after a restart and of a number that never was", async () => {
    const path = mkdtempSync(join(tmpdir(), "follow-"));
    const start = async () => {
      const booted = await boot("store", { store: { durability: "batch", path } });
      onTestFinished(() => booted.stop());
      return { booted, peer: await booted.join() };
    };
    const before = await start();
    const { epoch } = await watch(before.peer, "other");
    for (let i = 0; i < 3; i++) await set(before.peer, "a", i);
    expect(await follow(before.peer, "a", { since: 9, epoch })).toMatchObject({ lost: null });
    await before.booted.stop();

    const { peer } = await start();
    await watch(peer, "other");
    for (let i = 0; i < 5; i++) await set(peer, "a", i);
    const told = await follow(peer, "a", { since: 3, epoch });
    expect(told).toMatchObject({ seq: 5, lost: null });
    expect(told.epoch).not.toBe(epoch);
    expect(await caughtUp(peer)).toEqual({ events: [], seq: 5 });
    // With state it gets the values instead, and only then.
    await follow(peer, "a", { since: 3, epoch, state: true });
    expect((await caughtUp(peer)).events).toEqual([
      { event: "state", key: "a", version: 8, value: 4 },
    ]);
    await follow(peer, "a", { since: 4, epoch: told.epoch, state: true });
    expect((await caughtUp(peer)).events).toEqual([
      { event: "set", key: "a", version: 8, seq: 5, value: 4 },
    ]);
  });

  test("and takes it more slowly than keys change is told how many are lost meanwhile", async () => {
    const most = 4000;
    const [from, to] = await two({ change_log_entries: most, change_log_bytes: 2 ** 30 });
    const { epoch } = await watch(from, "other");
    const change = async (times: number) => {
      // More than the system keeps for a connection.
      for (let i = 0; i < times; i += 100) {
        const keys = Array.from({ length: 100 }, (_, k) => [`k^${i + k}`, "x".repeat(8000)]);
        await result(from, { action: "MSET", values: Object.fromEntries(keys) });
      }
    };
    await change(most);
    to.pause();
    to.send(`${JSON.stringify({ action: "SUBSCRIBE", keys: "k^*", since: 0, epoch })}\n`);
    for (let turn = 0; turn < 500; turn++) await result(from, { action: "PING" });
    expect(stat("deliveries")).toBeLessThan(most);
    await change(most);
    to.resume();
    // When it came back, nothing was lost yet.
    expect((await heard(to))["result"]).toMatchObject({ lost: 0 });
    const { events, seq } = await caughtUp(to);
    let [last, lost] = [0, 0];
    for (const one of events) {
      if (one["event"] === "lost") {
        lost += one["lost"];
        last += one["lost"];
      } else expect(one["seq"]).toBe(++last);
    }
    expect([last, seq]).toEqual([2 * most, 2 * most]);
    expect(lost).toBeGreaterThan(0);
    expect(lost).toBeLessThan(most);
    expect(events.filter(({ event }) => event === "lost")).toHaveLength(1);
    await set(from, "k^1");
    expect(await heard(to)).toMatchObject({ event: "set", seq: 2 * most + 1 });
  });

  test("is refused what nobody could answer", async () => {
    const [peer] = await two();
    const { epoch } = await watch(peer, "a");
    for (const [request, refusal] of [
      [{ keys: "a", since: 0 }, "MISSING_FIELD"],
      [{ keys: "sys^*", since: 0, epoch }, "WRONG_TYPE"],
      [{ channel: "a", state: true }, "WRONG_TYPE"],
      [{ channel: "a^*", since: 0, epoch }, "WRONG_TYPE"],
    ] as const) {
      expect([request, await code(peer, { action: "SUBSCRIBE", ...request })]).toEqual([
        request,
        refusal,
      ]);
    }
  });
});

describe("state", () => {
  test("sends the values in the order of the keys, then what becomes of them", async () => {
    const [from, to] = await two();
    for (const key of ["t^b", "t", "t^10", "t^9", "t^9^x", "u"]) await set(from, key, key);
    await follow(to, "t^*", { state: true });
    const { events, seq } = await caughtUp(to);
    expect(events.map(({ key }) => key)).toEqual(["t^9", "t^9^x", "t^10", "t^b"]);
    expect(events[0]).toEqual({ event: "state", key: "t^9", version: 1, value: "t^9" });
    expect(seq).toBe(6);
    await set(from, "t^9", 1);
    expect(await heard(to)).toMatchObject({ event: "set", key: "t^9", seq: 7 });
    await follow(to, "t", { state: true });
    expect((await caughtUp(to)).events).toMatchObject([{ event: "state", key: "t" }]);
    await follow(to, "none", { state: true });
    expect((await caughtUp(to)).events).toEqual([]);
    await follow(to, "*", { state: true });
    expect((await caughtUp(to)).events.map(({ key }) => key)).toEqual([
      "t",
      "t^9",
      "t^9^x",
      "t^10",
      "t^b",
      "u",
    ]);
    await follow(to, "sys^*", { state: true });
    expect((await caughtUp(to)).events.map(({ key }) => key)).toContain("sys^epoch");
  });

  test("of many keys comes in turns: others are answered in between, and a client that does not read gets no more than its share", async () => {
    const [from, to] = await two();
    // More than the system keeps for a connection.
    for (let i = 0; i < 4000; i += 100) {
      const keys = Array.from({ length: 100 }, (_, k) => [`k^${i + k}`, "x".repeat(8000)]);
      await result(from, { action: "MSET", values: Object.fromEntries(keys) });
    }
    to.pause();
    to.send('{"action":"SUBSCRIBE","keys":"k^*","state":true}\n');
    for (let turn = 0; turn < 500; turn++) await result(from, { action: "PING" });
    expect(stat("deliveries")).toBeLessThan(4000);
    expect(stat("pinned_bytes")).toBeLessThan(2 ** 20);
    to.resume();
    expect(await heard(to)).toHaveProperty("result");
    expect((await caughtUp(to)).events).toHaveLength(4000);
  });

  test.each([
    ["with the values", StateWalk, { state: true }],
    ["with what they missed", Replay, { since: 0 }],
  ])(
    "of many clients at once, %s, takes no more of a turn than of a few, and each gets all",
    async (_, { prototype }, more) => {
      const [from, ...all] = (await joined(41)) as [Peer, ...Peer[]];
      const { epoch } = await watch(from, "k^0");
      const values = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k^${i}`, i]));
      await result(from, { action: "MSET", values });
      const slices = spyOn(prototype, "slice");
      onTestFinished(() => slices.mockRestore());
      const asked = { action: "SUBSCRIBE", keys: "k^*", ...more };
      const line = `${JSON.stringify("since" in more ? { ...asked, epoch } : asked)}\n`;
      for (const peer of all) peer.send(line);
      let most = 0;
      for (let seen = 0; seen < 40 * 5;) {
        await turn();
        most = Math.max(most, slices.mock.calls.length - seen);
        seen = slices.mock.calls.length;
      }
      expect(most).toBeLessThanOrEqual(16);
      for (const peer of all) {
        expect(await heard(peer)).toHaveProperty("result");
        expect((await caughtUp(peer)).events).toHaveLength(5000);
      }
    },
  );

  test("stops when the subscription ends", async () => {
    const [from, to] = await two();
    const values = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k^${i}`, "x"]));
    await result(from, { action: "MSET", values });
    to.send('{"action":"SUBSCRIBE","keys":"k^*","state":true}\n{"action":"UNSUBSCRIBE"}\n');
    expect(await heard(to)).toHaveProperty("result");
    expect(await heard(to)).toEqual({ result: 1 });
    await set(from, "k^1");
    await nothingFor(to);
  });

  test("tells another subscription of the same client what happens meanwhile, all the same", async () => {
    const [from, to] = await two();
    const values = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k^${i}`, "x"]));
    await result(from, { action: "MSET", values });
    await watch(to, "k^4999");
    to.send('{"action":"SUBSCRIBE","keys":"k^*","state":true}\n');
    to.send(
      '{"action":"SET","key":"k^4999","value":1}\n{"action":"SET","key":"k^4998","value":1}\n',
    );
    const { events } = await caughtUp(to);
    const of = (wanted: string) => events.filter(({ key }) => key === wanted);
    expect(of("k^4999").map(({ event }) => event)).toEqual(["set", "state"]);
    expect(of("k^4998").map(({ event, value }) => [event, value])).toEqual([["state", 1]]);
  });
});

describe("a replica", () => {
  /** A copy of keys, made of events alone; it knows a gap and a double when it sees one. */
  class Replica {
    readonly held = new Map<string, { value: unknown; version: number }>();
    /** True while the values come. */
    filling = false;
    seq = 0;

    take(event: Answer): void {
      const { key, seq, value, version } = event;
      if (seq !== undefined && event["event"] !== "live") {
        expect(seq).toBeGreaterThan(this.seq);
        this.seq = seq;
      }
      switch (event["event"]) {
        case "state":
          expect([this.filling, this.held.has(key)]).toEqual([true, false]);
          this.held.set(key, { value, version });
          break;
        case "set":
          if (this.held.has(key)) expect(version).toBe((this.held.get(key)?.version ?? 0) + 1);
          this.held.set(key, { value, version });
          break;
        case "expired":
          // Its value may have had no time left when its turn came.
          this.held.delete(key);
          break;
        case "del":
          // Nothing is told of a key that it was not told of before.
          if (!event["tree"]) expect([key, this.held.delete(key)]).toEqual([key, true]);
          else {
            for (const one of this.held.keys()) {
              if (one === key || one.startsWith(`${key}^`)) this.held.delete(one);
            }
          }
          break;
        case "live":
          this.filling = false;
          this.seq = seq;
          break;
        default:
          throw new Error(JSON.stringify(event));
      }
    }
  }

  test.each([1, 2, 3, 4])(
    "that is built under load is the store, also after it was away: %i",
    async (seed) => {
      const random = new Random(seed);
      const below = (most: number) => random.whole(0, most - 1);
      const [from, other, idle] = (await joined(3, { change_log_entries: 3000 })) as [
        Peer,
        Peer,
        Peer,
      ];
      const name = () =>
        ["a", "b", "c"]
          .slice(0, 1 + below(3))
          .map((one) => one + below(20))
          .join("^");
      const change = (): object => {
        const key = `r^${name()}`;
        const pick = below(20);
        if (pick < 12) return { action: "SET", key, value: "v".repeat(below(300)) };
        if (pick < 14) return { action: "SET", key, value: pick, ttl_ms: 1 + below(400) };
        if (pick < 17) return { action: "DEL", key };
        if (pick < 18) return { action: "DEL", key, tree: true };
        if (pick < 19) return { action: "MSET", values: { [key]: 1, [`r^${name()}`]: below(9) } };
        return { action: "TXN", writes: [{ action: "INCR", key: `r^n${below(5)}` }] };
      };
      /** Sends changes, and waits for their answers. */
      const load = async (peer: Peer, count: number) => {
        for (let sent = 0; sent < count; sent += 50) {
          const lines = Array.from({ length: 50 }, () => `${JSON.stringify(change())}\n`);
          peer.send(lines.join(""));
          for (let i = 0; i < 50; i++) await peer.next();
          server.clock.advance(below(60));
        }
      };
      await load(from, 3000);

      const replica = new Replica();
      let known: { since?: number; epoch?: string } = {};
      const counts = { states: 0, lost: 0, replayed: 0 };
      for (let visit = 0; visit < 4; visit++) {
        const peer = await server.join();
        peer.send(
          `${JSON.stringify({ action: "SUBSCRIBE", keys: "r^*", state: true, ...known })}\n`,
        );
        const loads = [load(from, 1000), load(other, 1000)];
        const { seq, epoch, lost } = (await heard(peer))["result"];
        if (lost !== 0) {
          replica.held.clear();
          replica.filling = true;
          counts.states++;
          // Changes of values that are on their way may have lower numbers than the next.
          replica.seq = 0;
        } else counts.replayed++;
        if (lost) counts.lost++;
        expect(seq).toBeGreaterThanOrEqual(known.since ?? 0);
        const mark = `mark${visit}`;
        const ended = Promise.all(loads).then(() => {
          // What has expired is swept, and told.
          server.clock.advance(1000);
          return set(idle, `r^${mark}`, visit);
        });
        let hasMark = false;
        let isLive = false;
        while (!hasMark || !isLive) {
          const event = await heard(peer);
          replica.take(event);
          hasMark ||= event["key"] === `r^${mark}`;
          isLive ||= event["event"] === "live";
        }
        await ended;
        await nothingFor(peer);
        const actual = new Map<string, { value: unknown; version: number }>();
        let cursor: string | null | undefined;
        while (cursor !== null) {
          const page = await result(peer, {
            action: "RANGE",
            ns: "r",
            ...(cursor ? { cursor } : {}),
          });
          for (const { key, value, version } of page.entries) {
            actual.set(`r^${key}`, { value, version });
          }
          ({ cursor } = page);
        }
        expect(new Map([...replica.held].toSorted())).toEqual(new Map([...actual].toSorted()));
        known = { since: replica.seq, epoch };
        peer.end();
        // Once so few that the log still has them, once so many that it does not.
        await load(from, visit % 2 === 0 ? 500 : 5000);
      }
      expect(counts).toEqual({ states: 2, lost: 1, replayed: 2 });
    },
  );
});

describe("the log", () => {
  const texts = (log: ChangeLog) =>
    Array.from({ length: log.size }, (_, i) => log.at(log.first + i));

  test("keeps the newest within its bounds, and counts what it forgets", () => {
    const bounds = { entries: 3, bytes: 1000 };
    const log = new ChangeLog(() => bounds);
    expect([log.first, log.size]).toEqual([1, 0]);
    log.add("nobody can ask for it", 21);
    expect([log.first, log.size, log.bytes]).toEqual([2, 0, 0]);
    log.begin();
    for (const text of ["b", "c", "d", "e"]) log.add(text, 1);
    expect([texts(log), log.first, log.seq]).toEqual([["c", "d", "e"], 3, 5]);
    const each = log.bytes / 3;
    bounds.bytes = 2 * each;
    log.add("f", 1);
    expect([texts(log), log.bytes]).toEqual([["e", "f"], 2 * each]);
    log.add("x".repeat(2000), 2000);
    expect([texts(log), log.bytes, log.first, log.seq]).toEqual([[], 0, 8, 7]);
    Object.assign(bounds, { entries: 100, bytes: 10 ** 6 });
    for (let i = 0; i < 10_000; i++) log.add(`${i}`, 4);
    expect([log.size, log.at(log.seq), log.at(log.first)]).toEqual([100, "9999", "9900"]);
  });
});
