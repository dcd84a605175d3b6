import { type Batch, BATCH_CHARACTERS, type Road, type RoadEnd } from "../batch.ts";
import type { RoomBar } from "../order.ts";
import type { FromRoad, ToRoad } from "./messages.ts";
import { foreignDelivery, ownDelivery, readMessage } from "./hot.ts";

/** Characters that may be on their way to an engine before nothing more is delivered to anybody. */
export const WINDOW = 1024 * 1024;

/** An engine in another thread, as the hub sees it. */
class Branch {
  /** Characters that were delivered to it and that it has not taken yet. */
  untaken = 0;
  /** The deliveries of this turn. */
  deliveries = "";
  isSettled = false;
  readonly post: (message: ToRoad) => void;

  constructor(post: (message: ToRoad) => void) {
    this.post = post;
  }

  /** Sends the deliveries of this turn. */
  flush(): void {
    if (this.deliveries === "") return;
    this.post(this.deliveries);
    this.deliveries = "";
  }
}

interface Flight {
  readonly branch: Branch;
  readonly batch: Batch;
}

/** The order of a room whose engines are threads of this program: it has the threads' batches on the way to their places, and brings each to all engines. */
export interface HubParts {
  /** The road from all threads together to the order of the room. */
  readonly road: Road;
  /** A batch of this program has its place in the order. */
  ordered(text: string): void;
  /** An engine, or another program, has barred somebody or ended that. */
  barred(bar: RoomBar): void;
  lifted(key: string): void;
  /** The quarantines in force, for an engine that joins. */
  bars(): Iterable<RoomBar>;
}

/**
 * The place where the roads of a program's threads meet. It is the one end of
 * the road to the room's order: the batches of all threads set out from here in
 * the order in which they arrive, and whatever comes back goes to all engines;
 * to the one that had sent it without its text.
 *
 * What an engine has not taken yet has a bound. While one is at it, nothing is
 * delivered to anybody; then the senders' batches wait, and the senders are held.
 */
export class Hub implements RoadEnd {
  readonly #parts: HubParts;
  readonly #branches = new Set<Branch>();
  readonly #flights: Flight[] = [];
  #number = 0;
  #isOpen = false;
  #isFlushing = false;

  constructor(parts: HubParts) {
    this.#parts = parts;
    parts.road.open(this);
  }

  // --- the side of the threads

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** An engine joins the room. @returns the hub's way to it */
  join(post: (message: ToRoad) => void): Branch {
    const branch = new Branch(post);
    for (const bar of this.#parts.bars()) post({ kind: "bar", bar });
    post({ kind: "opened", isOpen: this.#isOpen });
    this.#branches.add(branch);
    return branch;
  }

  /** An engine is gone. Its batches that are on their way keep their places. */
  leave(branch: Branch): void {
    if (!this.#branches.delete(branch)) return;
    this.#parts.road.rested();
    this.#settle();
  }

  /** An engine has sent a message. */
  take(branch: Branch, message: FromRoad): void {
    if (typeof message === "string") {
      readMessage(message, {
        batch: (lines, text) => this.#append(branch, lines, text),
        took: (characters) => this.#took(branch, characters),
      });
      return;
    }
    switch (message.kind) {
      case "bar":
        this.#parts.barred(message.bar);
        this.bar(message.bar, branch);
        break;
      case "lift":
        this.#parts.lifted(message.key);
        this.lift(message.key, branch);
        break;
      case "settled":
        branch.isSettled = true;
        this.#settle();
        break;
    }
  }

  /** Tells the whole room. @param except the engine that knows it already */
  bar(bar: RoomBar, except: Branch | null = null): void {
    this.#parts.road.bar(bar);
    this.#post({ kind: "bar", bar }, except);
  }

  lift(key: string, except: Branch | null = null): void {
    this.#parts.road.lift(key);
    this.#post({ kind: "lift", key }, except);
  }

  // --- the side of the order

  get resting(): boolean {
    for (const { untaken } of this.#branches) if (untaken > WINDOW) return true;
    return false;
  }

  get unanswered(): readonly Batch[] {
    return this.#flights.map(({ batch }) => batch);
  }

  opened(isOpen: boolean): void {
    this.#isOpen = isOpen;
    this.#post({ kind: "opened", isOpen });
  }

  own(): void {
    const flight = this.#flights.shift();
    if (flight === undefined) throw new Error("a batch came back that was not on its way");
    const { text, lines } = flight.batch;
    this.#parts.ordered(text);
    this.#deliver(text, lines, flight.branch);
  }

  foreign(text: string, lines: number): void {
    this.#deliver(text, lines, null);
  }

  barred(bar: RoomBar): void {
    this.#parts.barred(bar);
    this.#post({ kind: "bar", bar });
  }

  lifted(key: string): void {
    this.#parts.lifted(key);
    this.#post({ kind: "lift", key });
  }

  lost(lines: number): void {
    this.#flush();
    this.#post({ kind: "lost", lines });
  }

  // --- what passes

  #append(branch: Branch, lines: number, text: string): void {
    const batch = { number: ++this.#number, text, lines };
    this.#flights.push({ branch, batch });
    if (this.#isOpen) this.#parts.road.append(batch);
  }

  #deliver(text: string, lines: number, of: Branch | null): void {
    const foreign = foreignDelivery(lines, text);
    for (const branch of this.#branches) {
      branch.untaken += text.length;
      branch.deliveries += branch === of ? ownDelivery(text.length) : foreign;
      if (branch.deliveries.length >= BATCH_CHARACTERS) branch.flush();
    }
    if (this.#isFlushing) return;
    // Of many engines there are many batches in a turn: each gets them all at once.
    this.#isFlushing = true;
    setImmediate(() => {
      this.#isFlushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    for (const branch of this.#branches) branch.flush();
  }

  #took(branch: Branch, characters: number): void {
    const wasResting = branch.untaken > WINDOW;
    branch.untaken -= characters;
    if (wasResting && branch.untaken <= WINDOW) this.#parts.road.rested();
  }

  #post(message: ToRoad, except: Branch | null = null): void {
    for (const branch of this.#branches) if (branch !== except) branch.post(message);
  }

  /** Lets the engines end together: once none of them has a line to send, or one on its way. */
  #settle(): void {
    for (const { isSettled } of this.#branches) if (!isSettled) return;
    this.#flush();
    this.#post({ kind: "settled" });
  }
}

export type { Branch };
