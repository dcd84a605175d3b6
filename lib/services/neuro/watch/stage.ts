import type { Playing } from "../brains/brain.ts";
import type { Memory } from "../context.ts";
import type { SessionEvent } from "../session/events.ts";
import type { Reports } from "./reports.ts";

/** A frame of a connection, as it came or went. */
export interface Frame {
  readonly clientId: number;
  readonly direction: "in" | "out";
  readonly text: string;
}

/** What whoever watches is told, as it happens. */
export interface Watcher {
  /** A connection is here from now on, or has gone, after its games. */
  connection?(clientId: number, isHere: boolean): void;
  /** A game is here from now on, or has gone. */
  game?(playing: Playing, isHere: boolean): void;
  event?(playing: Playing, event: SessionEvent): void;
  frame?(frame: Frame): void;
}

/** All that plays, for brains that look around, the console, recordings and pages. */
export interface Stage {
  readonly games: Iterable<Playing>;
  /** The context of each game. */
  readonly memory: Memory;
  /** What the developers of each game are told. */
  readonly reports: Reports;
  /** @returns a function that ends it */
  watch(watcher: Watcher): () => void;
}

/** Those who watch. One that throws is told of, and harms nobody. */
export class Watchers {
  readonly #all = new Set<Watcher>();
  readonly #failed: (error: unknown) => void;

  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  /** True if anybody reads frames: making their texts costs something. */
  get readFrames(): boolean {
    for (const { frame } of this.#all) if (frame !== undefined) return true;
    return false;
  }

  add(watcher: Watcher): () => void {
    this.#all.add(watcher);
    return () => void this.#all.delete(watcher);
  }

  tell(say: (watcher: Watcher) => void): void {
    for (const watcher of this.#all) {
      try {
        say(watcher);
      } catch (error) {
        this.#failed(error);
      }
    }
  }
}
