import type { Accepted, CloseReason } from "../../net/client.ts";
import { LineClient } from "../../net/line-clients.ts";
import { type Pinned, SharedBytes } from "../../net/outbox.ts";
import { covers, type Path, type Pattern, textOf } from "./keys/path.ts";
import type { Sends } from "../../net/sends/sends.ts";
import type { Answers } from "./commands/answers.ts";
import type { Role } from "./roles.ts";

const line = (reason: CloseReason, message: string) =>
  `${JSON.stringify({ event: "closed", reason, message })}\n`;

/** The last line of a client that is turned away or closed, by the reason. */
export const NOTICES = {
  limit: line("limit", "the server has too many clients; try again later"),
  perAddress: line("limit", "there are too many clients from your address"),
  denied: line("denied", "your address may not connect"),
  token: line("denied", "your token is not valid any more"),
  idle: line("idle", "you have sent nothing for too long"),
  unfinished: line("unfinished", "your unfinished lines take too much of the server's memory"),
  slow: line("slow", "you do not take what you are sent"),
  kicked: line("kicked", "an operator closed the connection"),
  shutdown: line("shutdown", "the server is stopping"),
} as const;

export type Notices = Readonly<Record<keyof typeof NOTICES, string>>;

/** No notices: in mode `echo` the server sends nothing of its own. */
export const NO_NOTICES: Notices = {
  limit: "",
  perAddress: "",
  denied: "",
  token: "",
  idle: "",
  unfinished: "",
  slow: "",
  kicked: "",
  shutdown: "",
};

/** Reasons not to read a client of the store. */
export const Hold = {
  /** It has had its share of this turn. */
  turn: 2,
  /** Too many bytes wait for it. */
  outbox: 4,
} as const;

/** The turn; at its end it sends a client all that it is owed. */
export interface Owing {
  owes(client: StoreClient): void;
}

/** Bytes in the outbox that wait for a batch of the journal. */
interface Mark {
  readonly batch: number;
  readonly bytes: number;
}

/** A subscription of a client, to the messages of channels or to changes of keys. */
export interface Subscription {
  readonly kind: "channel" | "keys";
  readonly pattern: Pattern;
}

/** What a subscription to keys sends before it sends changes as they happen. */
export interface CatchUp {
  /** True once all has been sent. */
  readonly done: boolean;
  /** The next lines; some may be none. */
  slice(): readonly string[];
  /** True if a change of this key must be sent now; otherwise it will be in a later slice. */
  hasPassed(path: Path): boolean;
}

/** The name of a subscription among those of its client. */
export function nameOf({ kind, pattern: { path, below } }: Subscription): string {
  return `${kind} ${textOf(below ? [...path, "*"] : path)}`;
}

/** A client of the store. */
export class StoreClient extends LineClient {
  /** Text it is owed, after all that is in its outbox and the range below. */
  reply = "";
  /** Lines that follow the answer that is being made. */
  follows = "";
  /** Its rights; null before AUTH. */
  role: Role | null;
  /** Digest of the token it has shown, in hex. */
  token: string | null = null;
  /** Its subscriptions, by `nameOf`. */
  readonly subscriptions = new Map<string, Subscription>();
  /** Those that are catching up, by `nameOf`, in the order in which they do. */
  readonly catchUps = new Map<string, CatchUp>();
  /** The number of patterns among them. */
  patterns = 0;
  /** Its cost in this turn: one for each request, and more for one that looks at many names or clients. */
  work = 0;
  /** True once it has ended its side: it is closed when all its requests are served and all answers taken. */
  ending = false;
  /** A buffer of the turn's answers; the client is owed the range below of it, after all that is in its outbox. */
  #range: Buffer | null = null;
  #rangeStart = 0;
  #rangeEnd = 0;
  /** Bytes put into its outbox in this turn. */
  #fresh = 0;
  readonly #marks: Mark[] = [];
  readonly #turn: Owing;
  readonly #pins: Pinned;

  constructor(accepted: Accepted, pinned: Pinned, role: Role | null, turn: Owing) {
    super(accepted, pinned);
    this.role = role;
    this.#turn = turn;
    this.#pins = pinned;
  }

  /** Bytes that wait for it, roughly: text that is not encoded yet counts by its characters. */
  get owed(): number {
    return this.outbox.bytes + this.#rangeEnd - this.#rangeStart + this.reply.length;
  }

  /** True if it hears of a change of a key later, in what it is catching up on, and by no other subscription now. */
  isBehind(path: Path, tree: boolean): boolean {
    if (this.catchUps.size === 0) return false;
    for (const [name, { kind, pattern }] of this.subscriptions) {
      if (kind !== "keys" || !covers(pattern, path, tree)) continue;
      if (this.catchUps.get(name)?.hasPassed(path) !== false) return false;
    }
    return true;
  }

  /** Answers it with a range of bytes, which must not change until the end of the turn. */
  answer(bytes: Buffer, start: number, end: number): void {
    const follows = this.reply === "" && this.#range === bytes && this.#rangeEnd === start;
    if (!follows) {
      this.stage();
      this.#range = bytes;
      this.#rangeStart = start;
    }
    this.#rangeEnd = end;
  }

  /** Sends it a shared line after its answers so far, at the end of the turn. */
  push(shared: SharedBytes, bytes: number): void {
    this.stage();
    this.#put(shared, bytes);
    this.#turn.owes(this);
  }

  /** Moves its answers of this turn into its outbox. */
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

  /** Sends a notice after what it is owed; a client closed as `slow` gets it instead of its answers. */
  override send(text: string): void {
    if (this.reason === "slow") {
      this.#clearAnswers();
      super.send(text);
      return;
    }
    if (this.state === "closed" || this.shutDown) return;
    this.reply += text;
    // In the outbox at once: a closing client with an empty one is ended.
    this.stage();
    this.#turn.owes(this);
  }

  /** Ends the turn: what it is owed leaves with `sends`, or, with a batch, when `letGo` is called for that batch. */
  settle(batch: number | null, sends: Sends<StoreClient>, answers: Answers): void {
    this.work = 0;
    if (batch === null && this.outbox.bytes === 0 && this.#sendRange(sends, answers)) return;
    this.stage();
    const bytes = this.#fresh;
    this.#fresh = 0;
    // Behind answers that wait, these wait too: answers come in order.
    const waitsFor = batch ?? this.#marks.at(-1)?.batch ?? null;
    if (waitsFor === null) this.outbox.held -= bytes;
    else this.#marks.push({ batch: waitsFor, bytes });
    sends.outbox(this);
  }

  /** Puts a range of the turn's answers into its outbox, which is empty: its wire has not taken all of it. */
  keep(bytes: Buffer, start: number, length: number): void {
    this.#share(Buffer.from(bytes.subarray(start, start + length)));
    this.outbox.held = 0;
    this.#fresh = 0;
  }

  /** Lets bytes leave that wait for batches up to this one; the caller flushes. @returns true once nothing waits for a batch */
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

  #clearAnswers(): void {
    this.#range = null;
    this.#rangeStart = 0;
    this.#rangeEnd = 0;
    this.reply = "";
  }

  /**
   * Sends the answers of this turn without a buffer of their own. This works
   * when nothing waits before them and they are only text or only a range.
   * @returns false when it does not work: nothing is sent
   */
  #sendRange(sends: Sends<StoreClient>, answers: Answers): boolean {
    if (this.reply !== "") {
      if (this.#range !== null || !answers.add(this.reply)) return false;
      this.#range = answers.bytes;
      this.#rangeEnd = answers.used;
      this.#rangeStart = answers.added;
    }
    const range = this.#range;
    const [start, length] = [this.#rangeStart, this.#rangeEnd - this.#rangeStart];
    this.#clearAnswers();
    if (range !== null) sends.range(this, range, start, length);
    return true;
  }
}
