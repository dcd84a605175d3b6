import { describe, expect, test } from "bun:test";
import { HandClock } from "../lib/host/clock.ts";
import { TurnedAway } from "../lib/net/admission/turned-away.ts";

/** One who tells, and what it has told. */
function telling() {
  const clock = new HandClock();
  const told: unknown[] = [];
  const turnedAway = new TurnedAway(clock, (...one) => void told.push(one));
  return { clock, told, turnedAway };
}

describe("who is turned away", () => {
  test("again and again for minutes is told at once, then once a minute with the number", () => {
    const { clock, told, turnedAway } = telling();
    for (let port = 0; port < 600; port++) {
      turnedAway.add("quarantined", 1, `192.0.2.1:${port}`);
      clock.advance(400);
    }
    expect(told).toEqual([
      ["quarantined", 1, "192.0.2.1:0"],
      ["quarantined", 149, "192.0.2.1:149"],
      ["quarantined", 150, "192.0.2.1:299"],
      ["quarantined", 150, "192.0.2.1:449"],
      ["quarantined", 150, "192.0.2.1:599"],
    ]);
  });

  test("for another reason is told at once, and each reason has its own number", () => {
    const { clock, told, turnedAway } = telling();
    turnedAway.add("quarantined", 1, "a");
    clock.advance(30_000);
    turnedAway.add("denied", 1, "b");
    turnedAway.add("denied", 2, "c");
    expect(told).toEqual([
      ["quarantined", 1, "a"],
      ["denied", 1, "b"],
    ]);
    clock.advance(60_000);
    expect(told.slice(2)).toEqual([["denied", 2, "c"]]);
  });

  test("after a minute without any is told at once", () => {
    const { clock, told, turnedAway } = telling();
    turnedAway.add("denied", 1, "a");
    clock.advance(59_999);
    turnedAway.add("denied", 1, "b");
    expect(told).toHaveLength(1);
    clock.advance(60_001);
    expect(told).toHaveLength(2);
    turnedAway.add("denied", 1, "c");
    expect(told.slice(1)).toEqual([
      ["denied", 1, "b"],
      ["denied", 1, "c"],
    ]);
  });

  test("and was not told yet is told when the door closes; nothing waits after that", () => {
    const { clock, told, turnedAway } = telling();
    for (const who of ["a", "b", "c"]) turnedAway.add("limit", 1, who);
    turnedAway.close();
    expect(told).toEqual([
      ["limit", 1, "a"],
      ["limit", 2, "c"],
    ]);
    turnedAway.add("limit", 1, "d");
    clock.advance(60_000);
    expect(told.slice(2)).toEqual([["limit", 1, "d"]]);
  });
});
