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

/** The way from an engine to the others: puts batches in order and brings them back, to its end. */
export interface Road {
  /** Clients of the room at its other ends, as far as known. */
  readonly elsewhere: number;
  /** Called once, before everything else. The road is closed until it says `opened`. */
  open(end: RoadEnd): void;
  /** Takes the next batch of the engine; called only while the road is open. */
  append(batch: Batch): void;
  /** Tells the other engines; while the road is closed, once it opens. */
  bar(bar: RoomBar): void;
  lift(key: string): void;
  /** The engine takes deliveries again. */
  rested(): void;
  /** In a drain, when all own batches have come back: resolves when the other engines need nothing more of this one. */
  settled?(): Promise<void>;
}

/** The end of a road: the order of one engine, or of several that share the road. */
export interface RoadEnd {
  /** True while nothing should be delivered here. */
  readonly resting: boolean;
  /** The batches that are on their way, in order: those that the road may have to send again. */
  readonly unanswered: readonly Batch[];
  /** The road takes batches, or takes none for now. */
  opened(isOpen: boolean): void;
  /** The next batch of this end has its place in the order. */
  own(): void;
  /** A batch of another end. */
  foreign(text: string, lines: number): void;
  /** Another end has barred an address or a port of it. */
  barred(bar: RoomBar): void;
  lifted(key: string): void;
  /** Lines of other ends can never be delivered here. */
  lost(lines: number): void;
}

/** Characters of envelopes after which a batch is sent before the end of its turn. */
export const BATCH_CHARACTERS = 64 * 1024;
