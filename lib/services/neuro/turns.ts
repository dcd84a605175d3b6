import type { Force } from "./force.ts";

/** Decides when a force has its turn. */
export interface Turns {
  /** `begin` is called once, when it is its turn: at once or later. */
  wait(force: Force, begin: () => void): void;
  /** The force has ended. */
  leave(force: Force): void;
}

/** Every force has its turn at once. */
export const AT_ONCE: Turns = { wait: (_force, begin) => begin(), leave: () => {} };
