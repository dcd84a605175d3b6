import type { RoomBar } from "./order.ts";

/** The envelopes of one engine in one turn of the event loop, or a part of them. */
export interface Batch {
  /** Counts the batches of the engine, from 1. */
  readonly number: number;
  /** Whole envelopes. */
  readonly text: string;
  /** The number of envelopes. */
  readonly lines: number;
}

/** The way from an engine to the others: puts batches in order and brings them back by `Shared.own` and `Shared.foreign`. */
export interface Road {
  /** Takes the next batch of the engine; called only while the road is open. */
  append(batch: Batch): void;
  /** Tells the other engines; while the road is closed, once it opens. */
  bar(bar: RoomBar): void;
  lift(key: string): void;
  /** The engine takes deliveries again. */
  rested(): void;
}

/** Characters of envelopes after which a batch is sent before the end of its turn. */
export const BATCH_CHARACTERS = 64 * 1024;
