import { expect, test } from "bun:test";
import type { RelayClient } from "../lib/services/relay/client.ts";
import { BATCH_CHARACTERS, type Road, type RoadEnd } from "../lib/services/relay/order/batch.ts";
import type { RoomBar } from "../lib/services/relay/order/order.ts";
import { Shared } from "../lib/services/relay/order/shared.ts";
import { Arrival } from "../lib/services/relay/order/threads/arrival.ts";
import {
  batchMessage,
  deliveriesIn,
  foreignDelivery,
  ownDelivery,
} from "../lib/services/relay/order/threads/hot.ts";
import { Hub, WINDOW } from "../lib/services/relay/order/threads/hub.ts";
import type { FromRoad, ToRoad } from "../lib/services/relay/order/threads/messages.ts";
import { ThreadRoad } from "../lib/services/relay/order/threads/thread-road.ts";
import { turn } from "./kit.ts";

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
    const got: (string | ToRoad)[] = [];
    const branch = hub.join((message) => {
      if (typeof message !== "string") return void got.push(message);
      // `3 abc` for three lines of another, `4 own` for four characters of its own.
      for (const { text, lines, characters } of deliveriesIn(message)) {
        got.push(text === null ? `${characters} own` : `${lines} ${text}`);
      }
    });
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

test("a batch goes to the others with its text, and to whoever sent it without", async () => {
  const { told, join } = hubOf();
  const [one, two, three] = [join(), join(), join()];
  two.send(batchMessage(3, "abc\n"));
  await turn();
  expect([one.got, two.got, three.got]).toEqual([["3 abc\n"], ["4 own"], ["3 abc\n"]]);
  expect(told).toEqual(["abc\n"]);
});

test("nothing more is delivered to anybody while one has more to take than the window, and all of it after that", async () => {
  const { hub, join } = hubOf();
  const [one, two] = [join(), join()];
  const half = "x".repeat(WINDOW / 2);
  for (let i = 0; i < 5; i++) one.send(batchMessage(1, half));
  await turn();
  // Just the window is not too much.
  expect([hub.resting, one.got.length, two.got.length]).toEqual([true, 3, 3]);
  one.send(`t${1.5 * WINDOW}`);
  await turn();
  expect([hub.resting, two.got.length]).toEqual([true, 3]);
  two.send(`t${WINDOW / 2 - 1}`);
  expect(hub.resting).toBe(true);
  two.send("t1");
  await turn();
  // The next one fills it again.
  expect([hub.resting, one.got.length, two.got.length]).toEqual([true, 4, 4]);
  two.send(`t${WINDOW}`);
  await turn();
  expect([hub.resting, one.got.length, two.got.length]).toEqual([false, 5, 5]);
});

test("one that is gone holds up nobody, and its batches keep their places", async () => {
  const { hub, told, join } = hubOf();
  const [one, two] = [join(), join()];
  const text = "x".repeat(WINDOW + 1);
  one.send(batchMessage(1, text));
  two.send(`t${text.length}`);
  one.send(batchMessage(1, "last\n"));
  expect(two.got).toHaveLength(1);
  hub.leave(one.branch);
  await turn();
  expect(two.got.slice(1)).toEqual(["1 last\n"]);
  expect(told).toEqual([text, "last\n"]);
});

test("what is on its way is numbered anew, and kept while the road is closed", async () => {
  const road = new ByHand();
  const { hub, join } = hubOf(road);
  const [one, two] = [join(), join()];
  one.send(batchMessage(1, "a\n"));
  expect(road.appended).toEqual([]);
  expect(hub.unanswered).toEqual([{ number: 1, text: "a\n", lines: 1 }]);
  road.end.opened(true);
  expect(two.got).toEqual([{ kind: "opened", isOpen: true }]);
  two.send(batchMessage(1, "b\n"));
  expect(road.appended).toEqual(["2 b\n"]);
  road.end.own();
  road.end.foreign("from afar\n", 1);
  road.end.own();
  // That lines are lost has its place among them.
  road.end.lost(7);
  expect(one.got.slice(1)).toEqual(["2 own", "1 from afar\n", "1 b\n", { kind: "lost", lines: 7 }]);
  expect(two.got.slice(1, 4)).toEqual(["1 a\n", "1 from afar\n", "2 own"]);
  expect(hub.unanswered).toEqual([]);
});

test("a quarantine reaches everybody but the one that imposed it", async () => {
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

test("they end together, once none has anything on its way", async () => {
  const { hub, join } = hubOf();
  const [one, two, three] = [join(), join(), join()];
  one.send({ kind: "settled" });
  two.send(batchMessage(1, "last\n"));
  two.send({ kind: "settled" });
  await turn();
  expect(one.got).toEqual(["1 last\n"]);
  // The third dies over it.
  one.send(batchMessage(1, "later\n"));
  hub.leave(three.branch);
  expect(one.got.slice(1)).toEqual(["6 own", { kind: "settled" }]);
  expect(two.got.slice(1)).toEqual(["1 later\n", { kind: "settled" }]);
});

test("an engine that rests takes nothing, in order goes on after that, and tells what it has taken", async () => {
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
  road.arrived(foreignDelivery(1, "a\n"));
  resting = true;
  const much = "x".repeat(WINDOW / 4);
  road.arrived(foreignDelivery(2, much));
  road.arrived({ kind: "lost", lines: 3 });
  road.arrived(ownDelivery(5) + foreignDelivery(1, "z\n"));
  // A quarantine has no place among the lines.
  road.arrived({ kind: "bar", bar: BAR });
  expect(seen).toEqual(["1 of 2", "barred 10.0.0.7"]);
  expect(posted).toEqual([]);
  resting = false;
  road.rested();
  expect(seen.slice(2)).toEqual([`2 of ${much.length}`, "lost 3", "own", "1 of 2"]);
  expect(posted).toEqual([`t${much.length + 9}`]);
});

test("lines that were taken when the road closed are handed over before all later ones, once", async () => {
  const posted: FromRoad[] = [];
  const road = new ThreadRoad(
    (message) => void posted.push(message),
    () => 0,
  );
  const order = new Shared(
    road,
    () => Infinity,
    () => Infinity,
  );
  const sender = {} as RelayClient;
  const append = (text: string) => order.append(sender, text, 1);
  order.open({
    deliver() {},
    barred() {},
    lifted() {},
    lost() {},
    resting: false,
    hold() {},
    // What has waited comes at once, enough for a batch.
    release: () => append("x".repeat(BATCH_CHARACTERS)),
  });
  road.arrived({ kind: "opened", isOpen: true });
  posted.length = 0;
  append("a\n");
  road.arrived({ kind: "opened", isOpen: false });
  await turn();
  expect(posted).toEqual([]);
  road.arrived({ kind: "opened", isOpen: true });
  await turn();
  road.arrived({ kind: "opened", isOpen: false });
  expect(posted.map((message) => (message as string).slice(0, 5))).toEqual(["b1 a\n", "b1 xx"]);
});

test("the deliveries of a turn come in one message, as they were, whatever they hold", () => {
  const texts = ["o5 b3,9 \n", "", "\u0000 ünï 😀\n", "t9 \n"];
  const message = texts.map((text, i) => foreignDelivery(i, text) + ownDelivery(i * 7)).join("");
  expect(deliveriesIn(message)).toEqual(
    texts.flatMap((text, i) => [
      { text, lines: i, characters: text.length },
      { text: null, lines: 0, characters: i * 7 },
    ]),
  );
});
