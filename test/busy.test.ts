import { expect, test } from "bun:test";
import { HandClock } from "../lib/host/clock.ts";
import { Busy, LOOK_MS } from "../lib/services/relay/busy.ts";

/** A thread that computes for a part of the time, as the clock moves. */
function working() {
  const clock = new HandClock();
  const told: string[] = [];
  let computedMs = 0;
  const busy = new Busy(clock, { info: (text) => void told.push(text) }, () => computedMs);
  clock.every(LOOK_MS, () => busy.look());
  const work = (seconds: number, part: number) => {
    for (let i = 0; i < seconds; i++) {
      computedMs += 1000 * part;
      clock.advance(1000);
    }
  };
  return { busy, told, work };
}

test("a thread that is busy for a minute is told of, once, with the setting that helps", () => {
  const { busy, told, work } = working();
  work(59, 0.9);
  expect([busy.problems(), told]).toEqual([[], []]);
  work(1, 0.9);
  const text =
    "The one thread that serves the relay is busy 90% of the time; hyper_parameters.worker_threads spreads its clients over more cores";
  expect(told).toEqual([`relay: ${text}`]);
  expect(busy.problems()).toEqual([
    {
      key: "busy",
      severity: "note",
      text: `${text}.`,
      setting: "hyper_parameters.worker_threads",
    },
  ]);
  work(600, 0.95);
  expect(told).toHaveLength(1);
  work(5, 0.5);
  expect(busy.problems()).toEqual([]);
  work(60, 0.9);
  expect(told).toHaveLength(2);
});

test("one that is busy now and then, or just at the bound, is not", () => {
  const { busy, told, work } = working();
  for (let i = 0; i < 10; i++) {
    work(55, 1);
    work(5, 0.1);
  }
  work(300, 0.8);
  expect([busy.problems(), told]).toEqual([[], []]);
});
