import { afterEach, beforeEach, describe } from "bun:test";
import { hasRing, sending } from "./kit.ts";

/** The ways that sends can leave here. */
export const WAYS = hasRing ? (["writes", "uring"] as const) : (["writes"] as const);

/** Runs tests once for each way that sends can leave. */
export function overBothWays(tests: () => void): void {
  describe.each(WAYS)("sends by %s:", (way) => {
    beforeEach(() => {
      sending.io = way;
    });
    afterEach(() => {
      sending.io = "auto";
    });
    tests();
  });
}
