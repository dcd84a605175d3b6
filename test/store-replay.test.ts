import { describe, expect, test } from "bun:test";
import { heard, until } from "./kit.ts";
import { epochOf } from "./store-suite.ts";
import {
  catchUp,
  message,
  nothingFor,
  publish,
  result,
  server,
  stat,
  subscribe,
  two,
} from "./pubsub-suite.ts";

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
      // The epoch may be left out.
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
