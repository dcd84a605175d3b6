import type { Accepted } from "../../net/client.ts";
import { LineClient } from "../../net/line-clients.ts";
import { type Pinned, SharedBytes } from "../../net/outbox.ts";
import { type Pattern, textOf } from "./keys/path.ts";
import type { Role } from "./roles.ts";

/** Why a client of the store is not read. */
export const Hold = {
  /** It has had its share of this turn. */
  turn: 2,
  /** Too much waits for it. */
  outbox: 4,
} as const;

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
export class StoreClient extends LineClient {
  /** What it is answered in this turn, after all that is in its outbox and the range below. */
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
  /** A range of the turn's answers that it is owed, after all that is in its outbox. */
  #range: Buffer | null = null;
  #rangeStart = 0;
  #rangeEnd = 0;
  /** Bytes that were put into its outbox in this turn. */
  #fresh = 0;
  readonly #marks: Mark[] = [];
  readonly #owes: (client: StoreClient) => void;
  readonly #pins: Pinned;

  /** @param owes told when it is owed something that the end of the turn must settle */
  constructor(
    accepted: Accepted,
    pinned: Pinned,
    role: Role | null,
    owes: (client: StoreClient) => void,
  ) {
    super(accepted, pinned);
    this.role = role;
    this.#owes = owes;
    this.#pins = pinned;
  }

  /** Bytes that wait for it, roughly: of what is not encoded yet, the characters. */
  get owed(): number {
    return this.outbox.bytes + this.#rangeEnd - this.#rangeStart + this.reply.length;
  }

  /** It is owed a range of bytes that stay as they are until the turn has been settled. */
  answer(bytes: Buffer, start: number, end: number): void {
    const follows = this.reply === "" && this.#range === bytes && this.#rangeEnd === start;
    if (!follows) {
      this.stage();
      this.#range = bytes;
      this.#rangeStart = start;
    }
    this.#rangeEnd = end;
  }

  /** Puts a shared line into its outbox, after its answers so far. It leaves once the turn has been settled. */
  push(shared: SharedBytes, bytes: number): void {
    this.stage();
    this.#put(shared, bytes);
  }

  /** Puts its answers of this turn into its outbox. */
  stage(): void {
    if (this.#range !== null) {
      this.#share(Buffer.from(this.#range.subarray(this.#rangeStart, this.#rangeEnd)));
      this.#range = null;
      this.#rangeStart = 0;
      this.#rangeEnd = 0;
    }
    if (this.reply === "") return;
    const bytes = Buffer.from(this.reply);
    this.reply = "";
    this.#share(bytes);
  }

  /** The last word of a connection: it follows what the client is owed, unless it does not take that. */
  override send(text: string): void {
    if (this.reason === "slow") {
      this.reply = "";
      this.#range = null;
      super.send(text);
      return;
    }
    if (this.state === "closed" || this.shutDown) return;
    this.reply += text;
    // Not to be taken for one that is owed nothing, and ended before the turn is.
    this.stage();
    this.#owes(this);
  }

  /** Lets this turn's bytes leave, or, with a batch, once that is kept. */
  settle(batch: number | null): void {
    this.work = 0;
    if (batch === null && this.outbox.bytes === 0 && this.#write()) return;
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

  #share(bytes: Buffer): void {
    const shared = new SharedBytes(bytes, bytes.length, this.#pins);
    shared.pin();
    this.#put(shared, bytes.length);
  }

  #put(shared: SharedBytes, bytes: number): void {
    this.outbox.push(shared, 0, bytes);
    this.outbox.held += bytes;
    this.#fresh += bytes;
  }

  /**
   * With nothing before them, answers of one kind need no buffer of their own
   * unless the socket is full. @returns whether that was so
   */
  #write(): boolean {
    const { reply, wire } = this;
    const range = this.#range;
    if (range !== null && reply !== "") return false;
    if (range === null && reply === "") return true;
    const start = this.#rangeStart;
    const length = range === null ? Buffer.byteLength(reply) : this.#rangeEnd - start;
    const written = range === null ? wire.write(reply) : wire.write(range, start, length);
    const taken = Math.max(0, written);
    if (taken < length) this.stage();
    this.#range = null;
    this.#rangeStart = 0;
    this.#rangeEnd = 0;
    this.reply = "";
    this.bytesOut += taken;
    if (taken === length) return true;
    this.outbox.held -= length;
    this.#fresh = 0;
    if (taken > 0) this.outbox.took(taken);
    this.outbox.blocked = true;
    return true;
  }
}
