import type { Batch, Road, RoadEnd } from "../batch.ts";
import type { RoomBar } from "../order.ts";
import { BATCH, batchOf, hot, hotBatch, numberOf, TOOK } from "./hot.ts";
import { WINDOW } from "./hub.ts";
import type { FromRoad, ToRoad } from "./messages.ts";

/** Characters after which the hub is told that they were taken. */
const TELL = WINDOW / 4;

/** The road from an engine in its thread to the hub. What comes while the engine rests waits here; the hub bounds it. */
export class ThreadRoad implements Road {
  readonly #post: (message: FromRoad) => void;
  readonly #elsewhere: () => number;
  readonly #waiting: ToRoad[] = [];
  #end!: RoadEnd;
  #taking = false;
  #untold = 0;
  /** The number of the last batch that the hub has been given. */
  #sent = 0;
  readonly #settled = Promise.withResolvers<void>();

  /** @param elsewhere clients of the room in other threads and programs */
  constructor(post: (message: FromRoad) => void, elsewhere: () => number) {
    this.#post = post;
    this.#elsewhere = elsewhere;
  }

  get elsewhere(): number {
    return this.#elsewhere();
  }

  open(end: RoadEnd): void {
    this.#end = end;
  }

  append({ number, lines, text }: Batch): void {
    this.#sent = number;
    this.#post(hotBatch(lines, text));
  }

  bar(bar: RoomBar): void {
    this.#post({ kind: "bar", bar });
  }

  lift(key: string): void {
    this.#post({ kind: "lift", key });
  }

  rested(): void {
    this.#takeWaiting();
  }

  settled(): Promise<void> {
    this.#post({ kind: "settled" });
    return this.#settled.promise;
  }

  /** Gives the hub what this engine could not send, because the road was closed: that is accounted for there. */
  handOver(): void {
    for (const batch of this.#end.unanswered) if (batch.number > this.#sent) this.append(batch);
  }

  /** A message of the hub has come. */
  arrived(message: ToRoad): void {
    if (typeof message !== "string" && !isOrdered(message)) return this.#take(message);
    this.#waiting.push(message);
    this.#takeWaiting();
  }

  #takeWaiting(): void {
    // What is delivered may end a rest, or begin one.
    if (this.#taking) return;
    this.#taking = true;
    let taken = 0;
    while (taken < this.#waiting.length && !this.#end.resting) {
      this.#take(this.#waiting[taken++] as ToRoad);
    }
    this.#waiting.splice(0, taken);
    this.#taking = false;
    if (this.#untold < TELL) return;
    this.#post(hot(TOOK, this.#untold));
    this.#untold = 0;
  }

  #take(message: ToRoad): void {
    if (typeof message === "string") {
      if (message.startsWith(BATCH)) {
        const { text, lines } = batchOf(message);
        this.#untold += text.length;
        this.#end.foreign(text, lines);
      } else {
        this.#untold += numberOf(message);
        this.#end.own();
      }
      return;
    }
    switch (message.kind) {
      case "opened":
        this.#end.opened(message.isOpen);
        break;
      case "bar":
        this.#end.barred(message.bar);
        break;
      case "lift":
        this.#end.lifted(message.key);
        break;
      case "lost":
        this.#end.lost(message.lines);
        break;
      case "settled":
        this.#settled.resolve();
        break;
    }
  }
}

/** True if a message has its place among the lines. */
function isOrdered({ kind }: Exclude<ToRoad, string>): boolean {
  return kind === "lost" || kind === "settled";
}
