import { expect, test } from "bun:test";
import type { Road, RoadEnd } from "../lib/services/relay/order/batch.ts";
import type { RoomBar } from "../lib/services/relay/order/order.ts";
import { Arrival } from "../lib/services/relay/order/threads/arrival.ts";
import { hotBatch } from "../lib/services/relay/order/threads/hot.ts";
import { Hub, WINDOW } from "../lib/services/relay/order/threads/hub.ts";
import type { FromRoad, ToRoad } from "../lib/services/relay/order/threads/messages.ts";
import { ThreadRoad } from "../lib/services/relay/order/threads/thread-road.ts";

// The hub in the main thread and the roads of the threads, without the threads.

const BAR: RoomBar = { key: "10.0.0.7", ms: 1000, why: "a test", closes: true };

function hubOf(road: Road = new Arrival()) {
  const told: string[] = [];
  const hub = new Hub({
    road,
    ordered: (text) => void told.push(text),
    barred: ({ key }) => void told.push(`barred ${key}`),
    lifted: (key) => void told.push(`lifted ${key}`),
    bars: () => [],
  });
  const join = () => {
    const got: ToRoad[] = [];
    const branch = hub.join((message) => void got.push(message));
    got.length = 0;
    return { got, branch, send: (message: FromRoad) => hub.take(branch, message) };
  };
  return { hub, told, join };
}

/** A road whose order is made by hand. */
class ByHand implements Road {
  readonly elsewhere = 0;
  readonly appended: string[] = [];
  end!: RoadEnd;
  open(end: RoadEnd): void {
    this.end = end;
  }
  append({ number, text }: { number: number; text: string }): void {
    this.appended.push(`${number} ${text}`);
  }
  bar(): void {}
  lift(): void {}
  rested(): void {}
}

test("a batch goes to the others with its text, and to whoever sent it without", () => {
  const { told, join } = hubOf();
  const [one, two, three] = [join(), join(), join()];
  two.send(hotBatch(3, "abc\n"));
  expect([one.got, two.got, three.got]).toEqual([["b3 abc\n"], ["o4"], ["b3 abc\n"]]);
  expect(told).toEqual(["abc\n"]);
});

test("nothing more is delivered to anybody while one has more to take than the window, and all of it after that", () => {
  const { hub, join } = hubOf();
  const [one, two] = [join(), join()];
  const half = "x".repeat(WINDOW / 2);
  for (let i = 0; i < 5; i++) one.send(hotBatch(1, half));
  // Just the window is not too much.
  expect([hub.resting, one.got.length, two.got.length]).toEqual([true, 3, 3]);
  one.send(`t${1.5 * WINDOW}`);
  expect([hub.resting, two.got.length]).toEqual([true, 3]);
  two.send(`t${WINDOW / 2 - 1}`);
  expect(hub.resting).toBe(true);
  two.send("t1");
  // The next one fills it again.
  expect([hub.resting, one.got.length, two.got.length]).toEqual([true, 4, 4]);
  two.send(`t${WINDOW}`);
  expect([hub.resting, one.got.length, two.got.length]).toEqual([false, 5, 5]);
});

test("one that is gone holds up nobody, and its batches keep their places", () => {
  const { hub, told, join } = hubOf();
  const [one, two] = [join(), join()];
  const text = "x".repeat(WINDOW + 1);
  one.send(hotBatch(1, text));
  two.send(`t${text.length}`);
  one.send(hotBatch(1, "last\n"));
  expect(two.got).toHaveLength(1);
  hub.leave(one.branch);
  expect(two.got.slice(1)).toEqual(["b1 last\n"]);
  expect(told).toEqual([text, "last\n"]);
});

test("what is on its way is numbered anew, and kept while the road is closed", () => {
  const road = new ByHand();
  const { hub, join } = hubOf(road);
  const [one, two] = [join(), join()];
  one.send(hotBatch(1, "a\n"));
  expect(road.appended).toEqual([]);
  expect(hub.unanswered).toEqual([{ number: 1, text: "a\n", lines: 1 }]);
  road.end.opened(true);
  expect(two.got).toEqual([{ kind: "opened", isOpen: true }]);
  two.send(hotBatch(1, "b\n"));
  expect(road.appended).toEqual(["2 b\n"]);
  road.end.own();
  road.end.foreign("from afar\n", 1);
  road.end.own();
  expect(one.got.slice(1)).toEqual(["o2", "b1 from afar\n", "b1 b\n"]);
  expect(two.got.slice(1)).toEqual(["b1 a\n", "b1 from afar\n", "o2"]);
  expect(hub.unanswered).toEqual([]);
  road.end.lost(7);
  expect(one.got.at(-1)).toEqual({ kind: "lost", lines: 7 });
});

test("a quarantine reaches everybody but the one that imposed it", () => {
  const { hub, told, join } = hubOf();
  const [one, two] = [join(), join()];
  one.send({ kind: "bar", bar: BAR });
  expect([one.got, two.got]).toEqual([[], [{ kind: "bar", bar: BAR }]]);
  two.send({ kind: "lift", key: BAR.key });
  expect(one.got).toEqual([{ kind: "lift", key: BAR.key }]);
  expect(told).toEqual(["barred 10.0.0.7", "lifted 10.0.0.7"]);
  hub.bar(BAR);
  expect([one.got.length, two.got.length]).toEqual([2, 2]);
});

test("they end together, once none has anything on its way", () => {
  const { hub, join } = hubOf();
  const [one, two, three] = [join(), join(), join()];
  one.send({ kind: "settled" });
  two.send({ kind: "settled" });
  expect(one.got).toEqual([]);
  // The third dies over it.
  hub.leave(three.branch);
  expect([one.got, two.got]).toEqual([[{ kind: "settled" }], [{ kind: "settled" }]]);
});

test("an engine that rests takes nothing, in order goes on after that, and tells what it has taken", () => {
  const posted: FromRoad[] = [];
  const road = new ThreadRoad(
    (message) => void posted.push(message),
    () => 0,
  );
  const seen: string[] = [];
  let resting = false;
  const end: RoadEnd = {
    get resting() {
      return resting;
    },
    unanswered: [],
    opened: (isOpen) => void seen.push(`opened ${isOpen}`),
    own: () => void seen.push("own"),
    foreign: (text, lines) => void seen.push(`${lines} of ${text.length}`),
    barred: ({ key }) => void seen.push(`barred ${key}`),
    lifted: (key) => void seen.push(`lifted ${key}`),
    lost: (lines) => void seen.push(`lost ${lines}`),
  };
  road.open(end);
  road.arrived(hotBatch(1, "a\n"));
  resting = true;
  const much = "x".repeat(WINDOW / 4);
  road.arrived(hotBatch(2, much));
  road.arrived({ kind: "lost", lines: 3 });
  road.arrived("o5");
  // A quarantine has no place among the lines.
  road.arrived({ kind: "bar", bar: BAR });
  expect(seen).toEqual(["1 of 2", "barred 10.0.0.7"]);
  expect(posted).toEqual([]);
  resting = false;
  road.rested();
  expect(seen.slice(2)).toEqual([`2 of ${much.length}`, "lost 3", "own"]);
  expect(posted).toEqual([`t${much.length + 7}`]);
});
