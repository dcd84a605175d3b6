import type { Socket } from "bun";
import { type Clock, systemClock } from "../../host/clock.ts";
import { type LineSink, LineSplitter } from "../../net/lines.ts";
import { type Holds, toldBy } from "./answer.ts";
import { addressOf, closed, type Dial, dial } from "./dial.ts";
import { type Asking, NOBODY, Requests, type Settle } from "./requests.ts";
import {
  LineTooLong,
  type LinkOptions,
  NoStore,
  StoreDisconnected,
  StoreRefused,
} from "./options.ts";

/** What the owner of a link does when something happens. */
export interface LinkOwner {
  /** A connection can be used, the first or a new one. */
  opened(): void;
  /** An event has come, as this line. */
  heard(event: Holds, line: string): void;
  /** The connection has ended, or none can be had; it tries again if there is need. */
  lost(why: Error): void;
  /** It has come to its end by itself. */
  ended(why: Error): void;
}

/** Milliseconds before it connects again: at first, and at most. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5000;
const SILENCE_MS = 10_000;
/** Milliseconds between two looks at what has waited too long. */
const LOOK_MS = 100;
const LINE_BYTES = 2 ** 29;
const MOST_WAITING = 100_000;

/**
 * Requests and answers over one connection after the other. While there is
 * none, requests wait for the next. Many are sent at once, and answered in order.
 */
export class Link implements LineSink {
  readonly address: string;
  readonly #options: LinkOptions;
  readonly #owner: LinkOwner;
  /** True if it stays connected without a request. */
  readonly #stays: boolean;
  readonly #clock: Clock;
  readonly #lineBytes: number;
  readonly #requests = new Requests();
  #splitter = new LineSplitter();
  #socket: Socket | null = null;
  /** Bytes that the system has not taken yet. */
  #rest: Uint8Array | null = null;
  /** `ending`: the connection has ended, and what came over it is not all heard yet. */
  #state: "idle" | "connecting" | "pausing" | "open" | "ending" | "closed" = "idle";
  #hasOpened = false;
  #pause = FIRST_PAUSE_MS;
  #openedAt = 0;
  #stopPause = () => {};
  #dial: Dial | null = null;
  #isFlushing = false;
  /** Lines that have come and are not heard yet, from `#at` on. */
  #lines: string[] = [];
  #at = 0;
  #isHearing = false;
  /** True while its owner wants to hear no more. */
  #isHeld = false;
  #heldAt = 0;
  /** Milliseconds that it was held, which count for no deadline. */
  #heldMs = 0;
  /** True while nothing is read for that reason. */
  #isStopped = false;
  #whyOver: Error | null = null;
  /** The time of the last sign of life, and of the request for one that is not answered yet. */
  #heardAt = 0;
  #calledAt: number | null = null;
  #stopLooking: (() => void) | null = null;

  constructor(options: LinkOptions, owner: LinkOwner, stays: boolean) {
    this.#options = options;
    this.#owner = owner;
    this.#stays = stays;
    this.#clock = options.clock ?? systemClock;
    this.#lineBytes = options.lineBytes ?? LINE_BYTES;
    this.address = addressOf(options);
  }

  /** Connects, if it is not connected yet. */
  start(): void {
    if (this.#state === "idle") this.#connect();
  }

  ask(asking: Asking, settle: Settle): void {
    if (this.#state === "closed") {
      settle(new StoreDisconnected("the client is closed"));
      return;
    }
    const { maxWaiting = MOST_WAITING } = this.#options;
    if (this.#requests.size >= maxWaiting) {
      settle(new Error(`${maxWaiting} requests wait for their answers already`));
      return;
    }
    const { deadlineMs = this.#options.deadlineMs } = asking;
    this.#requests.add({ ...asking, deadlineMs }, this.#clock.now() - this.#heldMs, settle);
    this.#look();
    this.start();
    this.#flushSoon();
  }

  /** Hears nothing, and soon reads nothing, until `goOn`. */
  hold(): void {
    if (this.#isHeld) return;
    this.#isHeld = true;
    this.#heldAt = this.#clock.now();
  }

  goOn(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#heardAt = this.#clock.now();
    this.#heldMs += this.#heardAt - this.#heldAt;
    this.#hear();
  }

  /** Ends it; what has no answer yet gets none. */
  close(why: Error = new StoreDisconnected("the client is closed")): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#stopPause();
    this.#dial?.settled();
    this.#stopLooking?.();
    this.#stopLooking = null;
    this.#socket?.end();
    this.#socket = null;
    this.#lines = [];
    for (const settle of this.#requests.clear()) settle(why);
  }

  /** Ends it for a reason of its own. */
  #end(why: Error): void {
    if (this.#state === "closed") return;
    this.close(why);
    this.#owner.ended(why);
  }

  // --- lines

  lines(_from: void, block: Buffer): number {
    const lines = block.toString().split("\n");
    lines.pop();
    this.#lines =
      this.#at < this.#lines.length ? [...this.#lines.slice(this.#at), ...lines] : lines;
    this.#at = 0;
    this.#hear();
    return block.length;
  }

  oversize(): void {
    this.#end(new LineTooLong(this.#lineBytes));
  }

  #hear(): void {
    if (this.#isHearing) return;
    this.#isHearing = true;
    while (!this.#isHeld && this.#at < this.#lines.length) {
      this.#heard(this.#lines[this.#at++] as string);
    }
    this.#isHearing = false;
    const socket = this.#socket;
    if (this.#isHeld && this.#at < this.#lines.length) {
      if (!this.#isStopped) socket?.pause();
      this.#isStopped = true;
      return;
    }
    if (this.#isHeld) return;
    if (this.#isStopped) socket?.resume();
    this.#isStopped = false;
    if (this.#state === "ending") this.#lost();
  }

  #heard(line: string): void {
    if (line === "" || this.#state === "closed") return;
    const holds = toldBy(line);
    if (holds === null) this.#end(new NoStore());
    else if (!("event" in holds)) this.#answered(holds, line);
    else {
      this.#owner.heard(holds, line);
      if (holds["event"] !== "closed") return;
      const { message } = holds;
      const said = typeof message === "string" ? message : "it does not say why";
      this.#dial?.abandon(closed(this.#options, `: ${said}`));
    }
  }

  #answered(holds: Holds, line: string): void {
    const settle = this.#requests.answered();
    // What was not asked for would be taken for the answer of another request.
    if (settle === undefined) {
      this.#end(new NoStore());
      return;
    }
    const { error } = holds;
    if (error !== undefined) settle(new StoreRefused(error.code, error.message));
    else settle(null, holds["result"], line);
  }

  // --- the connection

  #connect(): void {
    this.#state = "connecting";
    this.#splitter = new LineSplitter();
    this.#rest = null;
    this.#lines = [];
    this.#at = 0;
    this.#isStopped = false;
    this.#dial = dial(this.#options, {
      opened: (socket) => {
        if (this.#state === "closed") {
          socket.end();
          return;
        }
        this.#socket = socket;
        this.#greet();
      },
      data: (bytes) => {
        this.#heardAt = this.#clock.now();
        this.#calledAt = null;
        this.#splitter.feed(undefined, bytes, this.#lineBytes, this);
      },
      drained: () => {
        this.#heardAt = this.#clock.now();
        this.#flush();
      },
      over: (why) => this.#over(why),
      doubted: (why) => this.#end(why),
    });
  }

  /** Makes sure that this is a store before it gets a token or values, and shows the token. */
  #greet(): void {
    const { token } = this.#options;
    this.#first({ action: "PING" }, (error, pong) => {
      if (error instanceof StoreDisconnected) return;
      if (pong !== "PONG") this.#end(new NoStore());
      else if (token === undefined) this.#opened();
      else {
        this.#first({ action: "AUTH", token }, (refusal) => {
          if (refusal === null) this.#opened();
          else if (!(refusal instanceof StoreRefused)) return;
          else if (refusal.code === "BAD_TOKEN" || this.#isUnwanted) this.#end(refusal);
          else this.#socket?.end();
        });
      }
    });
  }

  /** True if it does not try again. */
  get #isUnwanted(): boolean {
    return this.#options.mustBeThere === true && !this.#hasOpened;
  }

  /** Sends a request of its own. */
  #first(fields: object, settle: Settle): void {
    this.#requests.addSent(settle);
    this.#write(`${JSON.stringify(fields)}\n`);
  }

  #opened(): void {
    this.#dial?.settled();
    this.#state = "open";
    this.#openedAt = this.#clock.now();
    this.#hasOpened = true;
    this.#owner.opened();
    this.#look();
    this.#flush();
  }

  #over(why: Error): void {
    if (this.#state === "closed") return;
    // One that lets everybody in and soon closes every connection is asked ever more seldom too.
    const lived = this.#state === "open" ? this.#clock.now() - this.#openedAt : 0;
    if (lived > this.#pause) this.#pause = FIRST_PAUSE_MS;
    this.#socket = null;
    this.#whyOver = why;
    this.#state = "ending";
    // What has come over it is heard first.
    this.#hear();
  }

  #lost(): void {
    const why = this.#whyOver as Error;
    const unanswered = this.#requests.broken();
    this.#state = "idle";
    this.#calledAt = null;
    if (this.#isUnwanted) {
      this.#end(why);
      return;
    }
    for (const settle of unanswered) {
      const what = "before it answered: a change may have been made or not";
      settle(new StoreDisconnected(`${why.message}, ${what}`));
    }
    this.#owner.lost(why);
    if (this.#state !== "idle" || !(this.#stays || this.#requests.anyUnsent)) return;
    this.#state = "pausing";
    // Not all at once, when a server comes back to many.
    const pause = this.#pause * (0.5 + Math.random() / 2);
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE_MS);
    this.#stopPause = this.#clock.after(pause, () => this.#connect());
  }

  // --- what has waited too long

  /** Looks after deadlines and signs of life while there is something to wait for. */
  #look(): void {
    if (this.#stopLooking !== null) return;
    this.#stopLooking = this.#clock.every(LOOK_MS, () => {
      if (!this.#isHeld) this.#requests.giveUpLate(this.#clock.now() - this.#heldMs);
      if (this.#state === "open") this.#listenForLife();
      if (this.#stays || this.#requests.size > 0) return;
      this.#stopLooking?.();
      this.#stopLooking = null;
    });
  }

  /** Asks a silent store for a sign of life, and gives it up if there is none. */
  #listenForLife(): void {
    const { silenceMs = SILENCE_MS } = this.#options;
    const now = this.#clock.now();
    // Who does not read cannot hear.
    if (this.#isHeld || !(this.#stays || this.#requests.anySent)) {
      this.#heardAt = now;
      this.#calledAt = null;
    } else if (this.#calledAt !== null) {
      if (now - this.#calledAt < silenceMs) return;
      const seconds = (2 * silenceMs) / 1000;
      const why = `${this.address} has given no sign of life for ${seconds} s`;
      this.#dial?.abandon(new StoreDisconnected(why));
    } else if (now - this.#heardAt >= silenceMs) {
      this.#calledAt = now;
      if (this.#rest === null) this.#first({ action: "PING" }, NOBODY);
    }
  }

  // --- writing

  #flushSoon(): void {
    if (this.#isFlushing || this.#state !== "open") return;
    this.#isFlushing = true;
    queueMicrotask(() => {
      this.#isFlushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#rest !== null) {
      const rest = this.#rest;
      this.#rest = null;
      this.#write(rest);
    }
    if (this.#state !== "open" || this.#rest !== null || !this.#requests.anyUnsent) return;
    if (!this.#requests.anySent) this.#heardAt = this.#clock.now();
    this.#write(this.#requests.send());
  }

  #write(data: string | Uint8Array): void {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    const taken = Math.max(0, this.#socket?.write(bytes) ?? 0);
    if (taken < bytes.length) this.#rest = bytes.subarray(taken);
  }
}
