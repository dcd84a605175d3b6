import { expect, test } from "bun:test";
import { HandClock } from "../lib/host/clock.ts";
import { Trouble } from "../lib/host/append/trouble.ts";

test("a trouble that ends and comes back within one attempt is tried as often as any", () => {
  const clock = new HandClock();
  let tries = 0;
  const begin = () => trouble.begin("write", new Error("full"), (reason) => reason);
  const trouble = new Trouble({
    clock,
    delayMs: () => 1000,
    // Each attempt finds a little room, and then none again.
    retry() {
      tries++;
      trouble.end("again");
      begin();
    },
    tell() {},
  });
  begin();
  clock.advance(20_000);
  expect(tries).toBe(20);
  trouble.stop();
  clock.advance(20_000);
  expect(tries).toBe(20);
});
