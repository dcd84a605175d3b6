import type { Clock } from "../../host/clock.ts";

/** Turns of the event loop without new bytes after which all that had reached this machine has been read. */
const QUIET_TURNS = 3;
const RESTING_LOOK_MS = 10;

/** A turn of the event loop, in which sockets are read. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Resolves when all that has reached this machine has been read, or at `end`.
 * @param came counts the bytes or messages so far; null while nothing is read, but will be again
 */
export async function quiet(clock: Clock, end: number, came: () => number | null): Promise<void> {
  for (let turns = 0; turns < QUIET_TURNS && clock.now() < end;) {
    const before = came();
    if (before === null) {
      await new Promise<void>((resolve) => clock.after(RESTING_LOOK_MS, resolve));
      turns = 0;
    } else {
      await turn();
      turns = came() === before ? turns + 1 : 0;
    }
  }
}
