import type { Batch, Road, RoadEnd } from "../batch.ts";
import type { RoomBar } from "../order.ts";
import { batchMessage, deliveriesIn, type Delivery, tookMessage } from "./hot.ts";
import { WINDOW } from "./hub.ts";
import type { FromRoad, ToRoad } from "./messages.ts";

/** Characters after which the hub is told that they were taken. */
const TELL = WINDOW / 4;

/** The road from an engine in its thread to the hub. What comes while the engine rests waits here; the hub bounds it. */
export class ThreadRoad implements Road {
  readonly #post: (message: FromRoad) => void;
  readonly #elsewhere: () => number;
  /** What has its place among the lines and has not been taken. */
  readonly #waiting: (Delivery | Ordered)[] = [];
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
    this.#post(batchMessage(lines, text));
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
    if (typeof message === "string") {
      for (const delivery of deliveriesIn(message)) this.#waiting.push(delivery);
    } else if (isOrdered(message)) this.#waiting.push(message);
    else return this.#hear(message);
    this.#takeWaiting();
  }

  #takeWaiting(): void {
    // What is delivered may end a rest, or begin one.
    if (this.#taking) return;
    this.#taking = true;
    let taken = 0;
    while (taken < this.#waiting.length && !this.#end.resting) {
      this.#take(this.#waiting[taken++] as Delivery | Ordered);
    }
    this.#waiting.splice(0, taken);
    this.#taking = false;
    if (this.#untold < TELL) return;
    this.#post(tookMessage(this.#untold));
    this.#untold = 0;
  }

  #take(next: Delivery | Ordered): void {
    if ("kind" in next) {
      if (next.kind === "lost") this.#end.lost(next.lines);
      else this.#settled.resolve();
      return;
    }
    const { text, lines, characters } = next;
    this.#untold += characters;
    if (text === null) this.#end.own();
    else this.#end.foreign(text, lines);
  }

  #hear(message: Exclude<ToRoad, string | Ordered>): void {
    switch (message.kind) {
      case "opened":
        // What was ready after the road had closed comes before all that is read from now on.
        this.handOver();
        this.#end.opened(message.isOpen);
        break;
      case "bar":
        this.#end.barred(message.bar);
        break;
      case "lift":
        this.#end.lifted(message.key);
        break;
    }
  }
}

/** A message that has its place among the lines. */
type Ordered = Extract<ToRoad, { kind: "lost" | "settled" }>;

function isOrdered(message: Exclude<ToRoad, string>): message is Ordered {
  return message.kind === "lost" || message.kind === "settled";
}
