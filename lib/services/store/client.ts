import type { Socket } from "bun";
import { Client } from "../../net/client.ts";
import { type LineSink, LineSplitter } from "../../net/lines.ts";
import { type Pinned, Shared } from "../../net/outbox.ts";
import { type Pattern, textOf } from "./path.ts";
import type { Role } from "./roles.ts";

/** Who takes a client's lines; the store. */
export interface LineTaker {
  lines(client: StoreClient, block: Buffer): void;
  oversize(client: StoreClient): void;
  /** The client is owed something that the end of the turn must settle. */
  owes(client: StoreClient): void;
}

/** Bytes that may leave once a batch of the journal is kept. */
interface Mark {
  readonly batch: number;
  readonly bytes: number;
}

/** What a client subscribes to: a channel's messages, or what becomes of keys. */
export interface Subscription {
  readonly kind: "channel" | "keys";
  readonly pattern: Pattern;
}

/** Tells the subscriptions of one client apart. */
export function keyOf({ kind, pattern: { path, below } }: Subscription): string {
  return `${kind} ${textOf(below ? [...path, "*"] : path)}`;
}

/** A client of the store. */
export class StoreClient extends Client implements LineSink {
  readonly splitter = new LineSplitter();
  /** Lines that were read but not served yet; null is one that was too long. */
  readonly waiting: (Buffer | null)[] = [];
  /** What it is answered in this turn, after all that is in its outbox. */
  reply = "";
  /** Lines that are to follow the answer that is being made. */
  follows = "";
  /** What it may do; null before AUTH. */
  role: Role | null;
  /** Digest of the token it has shown, in hex. */
  token: string | null = null;
  /** By `keyOf`. */
  readonly subscriptions = new Map<string, Subscription>();
  /** How many of them are patterns. */
  patterns = 0;
  /** What it has cost in this turn: a request one, and more where many keys are looked at. */
  work = 0;
  /** Whether it has ended its side and is owed only what is left. */
  ending = false;
  /** Bytes that were put into its outbox in this turn. */
  #fresh = 0;
  readonly #marks: Mark[] = [];
  readonly #taker: LineTaker;
  readonly #pins: Pinned;

  constructor(
    socket: Socket<unknown>,
    ip: string,
    port: number,
    now: number,
    pinned: Pinned,
    role: Role | null,
    taker: LineTaker,
  ) {
    super(socket, ip, port, now, pinned);
    this.role = role;
    this.#taker = taker;
    this.#pins = pinned;
  }

  lines(block: Buffer): void {
    this.#taker.lines(this, block);
  }

  oversize(): void {
    this.#taker.oversize(this);
  }

  /** Bytes that wait for it, roughly: of what is not encoded yet, the characters. */
  get owed(): number {
    return this.outbox.bytes + this.reply.length;
  }

  /** Puts a shared line into its outbox, after its answers so far. It leaves once the turn has been settled. */
  push(shared: Shared, bytes: number): void {
    this.stage();
    this.#put(shared, bytes);
  }

  /** Puts its answers of this turn into its outbox. */
  stage(): void {
    if (this.reply === "") return;
    const bytes = Buffer.from(this.reply);
    this.reply = "";
    const shared = new Shared(bytes, bytes.length, this.#pins);
    shared.pin();
    this.#put(shared, bytes.length);
  }

  /** The last word of a connection: it follows what the client is owed, unless it does not take that. */
  override send(text: string): void {
    if (this.reason === "slow") {
      this.reply = "";
      super.send(text);
      return;
    }
    if (this.state === "closed" || this.shutDown) return;
    this.reply += text;
    // Not to be taken for one that is owed nothing, and ended before the turn is.
    this.stage();
    this.#taker.owes(this);
  }

  /** Lets this turn's bytes leave, or, with a batch, once that is kept. */
  settle(batch: number | null): void {
    this.work = 0;
    if (batch === null && this.outbox.bytes === 0) {
      this.#write();
      return;
    }
    this.stage();
    const bytes = this.#fresh;
    this.#fresh = 0;
    if (batch === null) this.outbox.held -= bytes;
    else this.#marks.push({ batch, bytes });
    this.flush();
  }

  /** Lets everything leave that waited for batches up to this one. @returns whether nothing waits for a batch any more */
  letGo(batch: number): boolean {
    const marks = this.#marks;
    let count = 0;
    for (let mark = marks[0]; mark !== undefined && mark.batch <= batch; mark = marks[++count]) {
      this.outbox.held -= mark.bytes;
    }
    marks.splice(0, count);
    return marks.length === 0;
  }

  #put(shared: Shared, bytes: number): void {
    this.outbox.push(shared, 0, bytes);
    this.outbox.held += bytes;
    this.#fresh += bytes;
  }

  /** With nothing before them, answers need no buffer of ours unless the socket is full. */
  #write(): void {
    const { reply, socket } = this;
    if (reply === "") return;
    this.reply = "";
    const taken = Math.max(0, socket.write(reply));
    this.bytesOut += taken;
    const length = Buffer.byteLength(reply);
    if (taken >= length) return;
    const shared = new Shared(Buffer.from(reply), length, this.#pins);
    shared.pin();
    this.outbox.push(shared, 0, length);
    if (taken > 0) this.outbox.took(taken);
    this.outbox.blocked = true;
  }
}
