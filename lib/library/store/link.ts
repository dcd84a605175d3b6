import type { Socket, TLSOptions } from "bun";
import { type Clock, systemClock } from "../../host/clock.ts";
import { type LineSink, LineSplitter } from "../../net/lines.ts";

/** How a client reaches the store, and how much of it may wait. */
export interface LinkOptions {
  /** 127.0.0.1 when not given. */
  readonly host?: string;
  /** 8890 when not given. */
  readonly port?: number;
  readonly token?: string;
  readonly tls?: TLSOptions | boolean;
  /** Most requests that wait for an answer; one more is refused. 100,000 when not given. */
  readonly maxWaiting?: number;
  /** The source of time; the system's clock when not given. */
  readonly clock?: Clock;
}

/** The store has refused a request. */
export class StoreRefused extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

/** There is no answer, since the connection broke or the client was closed. A change may have been made or not. */
export class StoreDisconnected extends Error {}

export type Holds = Readonly<Record<string, any>>;
/** Gets the result of a request, or why there is none; before any line that follows the answer is heard. */
export type Settle = (error: Error | null, result?: any) => void;

interface Waiting {
  readonly line: string;
  /** True if it may be sent again when nobody knows what became of it. */
  readonly isSafe: boolean;
  readonly settle: Settle;
}

/** What the owner of a link does when something happens. */
export interface LinkOwner {
  /** A connection can be used, the first or a new one. */
  opened(): void;
  heard(event: Holds): void;
}

/** Milliseconds before it connects again: at first, and at most. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5000;
/** Milliseconds that a store may take to let a client in. */
const PATIENCE_MS = 10_000;
/** Longest line in bytes that it takes. */
const LINE_BYTES = 2 ** 29;
const MOST_WAITING = 100_000;
/** Why it ends when it hears what no store says. */
export const NO_STORE = "this is no store";

/**
 * Requests and answers over one connection after the other. While there is
 * none, requests wait for the next. Many are sent at once, and answered in order.
 */
export class Link implements LineSink {
  readonly #options: LinkOptions;
  readonly #owner: LinkOwner;
  /** True if it stays connected without a request. */
  readonly #stays: boolean;
  readonly #clock: Clock;
  /** Requests that have not been sent, and those that wait for their answers. */
  #queue: Waiting[] = [];
  #sent: Waiting[] = [];
  #splitter = new LineSplitter();
  #socket: Socket | null = null;
  /** Bytes that the system has not taken yet. */
  #rest: Uint8Array | null = null;
  #state: "idle" | "connecting" | "pausing" | "open" | "closed" = "idle";
  #pause = FIRST_PAUSE_MS;
  #stopPause = () => {};
  #isFlushing = false;

  constructor(options: LinkOptions, owner: LinkOwner, stays: boolean) {
    this.#options = options;
    this.#owner = owner;
    this.#stays = stays;
    this.#clock = options.clock ?? systemClock;
  }

  /** Connects, if it is not connected yet. */
  start(): void {
    if (this.#state === "idle") this.#connect();
  }

  ask(fields: object, isSafe: boolean, settle: Settle): void {
    if (this.#state === "closed") {
      settle(new StoreDisconnected("the client is closed"));
      return;
    }
    const { maxWaiting = MOST_WAITING } = this.#options;
    if (this.#queue.length + this.#sent.length >= maxWaiting) {
      settle(new Error(`${maxWaiting} requests wait for their answers already`));
      return;
    }
    this.#queue.push({ line: `${JSON.stringify(fields)}\n`, isSafe, settle });
    this.start();
    this.#flushSoon();
  }

  /** Ends it; what has no answer yet gets none. */
  close(why: Error = new StoreDisconnected("the client is closed")): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#stopPause();
    this.#socket?.end();
    this.#socket = null;
    const waiting = [...this.#sent, ...this.#queue];
    this.#sent = [];
    this.#queue = [];
    for (const { settle } of waiting) settle(why);
  }

  // --- lines

  lines(_from: void, block: Buffer): number {
    for (const line of block.toString().split("\n")) {
      if (line === "" || this.#state === "closed") continue;
      const holds = toldBy(line);
      if (holds === null) this.close(new Error(NO_STORE));
      else if ("event" in holds) this.#owner.heard(holds);
      else this.#answered(holds);
    }
    return block.length;
  }

  oversize(): void {
    this.close(new Error(`the store sends a line of more than ${LINE_BYTES} bytes`));
  }

  #answered(holds: Holds): void {
    const settle = this.#sent.shift()?.settle;
    // What was not asked for would be taken for the answer of another request.
    if (settle === undefined) {
      this.close(new Error(NO_STORE));
      return;
    }
    if (this.#state === "open") this.#pause = FIRST_PAUSE_MS;
    const { error } = holds;
    if (error !== undefined) settle(new StoreRefused(error.code, String(error.message)));
    else settle(null, holds["result"]);
  }

  // --- the connection

  #connect(): void {
    this.#state = "connecting";
    const { host = "127.0.0.1", port = 8890, tls } = this.#options;
    this.#splitter = new LineSplitter();
    this.#rest = null;
    let isOver = false;
    const lost = () => {
      if (isOver) return;
      isOver = true;
      this.#stopPause();
      this.#lost();
    };
    const stopWaiting = this.#clock.after(PATIENCE_MS, () => {
      this.#socket?.terminate();
      lost();
    });
    this.#stopPause = stopWaiting;
    const begin = (socket: Socket) => {
      if (isOver || this.#state === "closed") socket.end();
      else {
        this.#socket = socket;
        this.#greet();
      }
    };
    Bun.connect({
      hostname: host,
      port,
      ...(tls ? { tls } : {}),
      socket: {
        open: (socket) => {
          if (!tls) begin(socket);
        },
        handshake: (socket, _done, error) => {
          const takesAny = typeof tls === "object" && tls.rejectUnauthorized === false;
          if (error && !takesAny) {
            socket.end();
            isOver = true;
            this.close(new Error(`the store's certificate is not accepted: ${error.message}`));
          } else begin(socket);
        },
        data: (_socket, bytes) => {
          if (!isOver) this.#splitter.feed(undefined, bytes, LINE_BYTES, this);
        },
        drain: () => this.#flush(),
        close: lost,
        error() {},
      },
    }).catch(lost);
  }

  /** Makes sure that this is a store before it gets a token or values, and shows the token. */
  #greet(): void {
    const { token } = this.#options;
    const first = (fields: object, settle: Settle) => {
      this.#sent.push({ line: "", isSafe: false, settle });
      this.#write(`${JSON.stringify(fields)}\n`);
    };
    first({ action: "PING" }, (error, pong) => {
      if (error instanceof StoreDisconnected) return;
      if (pong !== "PONG") this.close(new Error(NO_STORE));
      else if (token === undefined) this.#opened();
      else {
        first({ action: "AUTH", token }, (refusal) => {
          if (refusal === null) this.#opened();
          else if (!(refusal instanceof StoreRefused)) return;
          else if (refusal.code === "BAD_TOKEN") this.close(refusal);
          else this.#socket?.end();
        });
      }
    });
  }

  #opened(): void {
    this.#stopPause();
    this.#state = "open";
    this.#owner.opened();
    this.#flush();
  }

  #lost(): void {
    if (this.#state === "closed") return;
    this.#socket = null;
    const before = this.#sent;
    this.#sent = [];
    this.#queue = [...before.filter(({ isSafe }) => isSafe), ...this.#queue];
    this.#state = "idle";
    for (const { isSafe, settle } of before) {
      if (!isSafe) settle(new StoreDisconnected("the connection broke before the answer came"));
    }
    if (this.#state !== "idle" || (!this.#stays && this.#queue.length === 0)) return;
    this.#state = "pausing";
    // Not all at once, when a server comes back to many.
    const pause = this.#pause * (0.5 + Math.random() / 2);
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE_MS);
    this.#stopPause = this.#clock.after(pause, () => this.#connect());
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
    if (this.#state !== "open" || this.#rest !== null || this.#queue.length === 0) return;
    const queue = this.#queue;
    this.#queue = [];
    for (const one of queue) this.#sent.push(one);
    this.#write(queue.map(({ line }) => line).join(""));
  }

  #write(data: string | Uint8Array): void {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    const taken = Math.max(0, this.#socket?.write(bytes) ?? 0);
    if (taken < bytes.length) this.#rest = bytes.subarray(taken);
  }
}

/** An event or an answer; null for what is neither. */
function toldBy(line: string): Holds | null {
  let holds: Holds;
  try {
    holds = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof holds !== "object" || holds === null || Array.isArray(holds)) return null;
  const { event, error } = holds;
  if (event !== undefined) return typeof event === "string" ? holds : null;
  if (error !== undefined) return typeof error?.code === "string" ? holds : null;
  return "result" in holds ? holds : null;
}
