import type { Clock } from "../../host/clock.ts";
import { Hold, type StoreClient } from "./client.ts";
import type { Surroundings } from "./commands/command.ts";
import type { Plan } from "./commands/command.ts";
import { COMMANDS, PLANS, unknownAction } from "./commands/commands.ts";
import type { Keys } from "./keys/keys.ts";
import { altersNumber, doubt } from "./commands/numbers.ts";
import { Refusal, TOO_LARGE } from "./refusal.ts";
import { FULL } from "./roles.ts";
import { Answers, takePlain } from "./commands/shortcut.ts";
import { BLANK, Lines, parseLines } from "./commands/requests.ts";

/** What one client may cost in one turn; a request costs one, and more where many keys are looked at. */
const SHARE = 10_000;
/** A client that is owed so many bytes is read again once it has taken most of them. */
const OWED = 256 * 1024;

const BAD_REQUEST = new Refusal("BAD_REQUEST", "a request is an object with a text as its action");
const AUTH_REQUIRED = new Refusal("AUTH_REQUIRED", "show a token with AUTH first");
const NUMBER_RANGE = new Refusal(
  "NUMBER_RANGE",
  "the line holds a number that a double would alter",
);
const TOO_DEEP = new Refusal("TOO_DEEP", "the line holds a value that is nested too deep");

const NEWLINE = 10;

type Raw = Readonly<Record<string, unknown>>;

/** What serving needs to know of the store. */
export interface Terms {
  maxLineBytes(): number;
  outboxBytes(): number;
  /** The keys of clients, where they are served. */
  readonly keys: Keys | null;
  /** A client has had its share of the turn: it is to be resumed in the next one. */
  busy(client: StoreClient): void;
}

/** Answers lines, in order, each client within its share. */
export class Server {
  requests = 0;
  refused = 0;
  /** Answers of this turn, in bytes. */
  readonly answers = new Answers();
  /** Requests that went the shortest way. */
  #gets = 0;
  #sets = 0;
  readonly #at: Surroundings;
  readonly #json: boolean;
  readonly #clock: Clock;
  readonly #terms: Terms;
  readonly #counts = new Map<Plan, number>([...PLANS.values()].map((plan) => [plan, 0]));

  constructor(at: Surroundings, mode: "store" | "json" | "echo", clock: Clock, terms: Terms) {
    this.#at = at;
    this.#json = mode === "json";
    this.#clock = clock;
    this.#terms = terms;
  }

  /** How often each action was asked for. */
  counts(): Record<string, number> {
    const plain: Record<string, number> = { GET: this.#gets, SET: this.#sets };
    const named = Object.keys(COMMANDS).map((action) => [
      `requests_${action.toLowerCase()}`,
      (this.#counts.get(PLANS.get(action) as Plan) ?? 0) + (plain[action] ?? 0),
    ]);
    return Object.fromEntries(named);
  }

  /** @returns how many bytes were taken: fewer than all where the client has had its share, or is owed too much */
  lines(client: StoreClient, block: Buffer): number {
    const most = this.#terms.maxLineBytes();
    if (!this.#mayBegin(client)) return 0;
    client.lastMessageAt = this.#clock.now();
    if (block.length - 1 <= most) return this.#serve(client, block);
    // Some line of it may be too long, or it is only many lines.
    let start = 0;
    while (start < block.length && this.#mayBegin(client)) {
      const end = block.indexOf(NEWLINE, start) + 1;
      if (end - start - 1 > most) this.oversize(client);
      else this.#serve(client, block.subarray(start, end));
      start = end;
    }
    return start;
  }

  oversize(client: StoreClient): void {
    client.lastMessageAt = this.#clock.now();
    client.messagesIn++;
    this.requests++;
    const { maxLineBytes } = this.#terms;
    this.#refuse(client, new Refusal("TOO_LONG", `a line has at most ${maxLineBytes()} bytes`), "");
    this.#at.owes(client);
  }

  /** Holds a client that is owed much, or has had its share of the turn. @returns whether it did */
  limit(client: StoreClient): boolean {
    if (client.owed > this.#most) client.hold(Hold.outbox);
    if (client.work > SHARE) {
      client.hold(Hold.turn);
      this.#terms.busy(client);
    }
    return !client.reading;
  }

  /** Whether a client has taken enough to be read again. */
  hasRoom(client: StoreClient): boolean {
    return client.owed < this.#most / 2;
  }

  get #most(): number {
    return Math.min(OWED, this.#terms.outboxBytes() / 4);
  }

  /** @returns how many bytes of whole lines were served, at least one line */
  #serve(client: StoreClient, block: Buffer): number {
    this.#at.owes(client);
    const start = this.#servePlain(client, block);
    if (start === block.length) {
      this.#mayGoOn(client);
      return start;
    }
    if (start > 0 && !this.#mayGoOn(client)) return start;
    const rest = start === 0 ? block : block.subarray(start);
    const requests = parseLines(rest);
    const lines = new Lines(rest);
    const count = requests.length;
    for (let i = 0; i < count; i++) {
      const request = requests[i];
      if (request === BLANK) continue;
      client.messagesIn++;
      this.requests++;
      client.work++;
      if (this.#json) this.#answerJson(client, request, lines, i);
      else this.#answer(client, request as Raw, lines, i);
      // It may have been closed by what it was sent on its own account.
      if (client.state !== "open") break;
      if (!this.#mayGoOn(client)) return start + lines.startOf(i + 1);
    }
    return block.length;
  }

  /** Whether a client may be served at all. */
  #mayBegin(client: StoreClient): boolean {
    if (client.finishing) return client.owed <= this.#terms.outboxBytes();
    return client.reading;
  }

  /** Whether a client may be served on; if not, it is held, unless nothing of it will be served later. */
  #mayGoOn(client: StoreClient): boolean {
    if (client.work <= SHARE && client.owed <= this.#most) return true;
    return client.finishing ? this.#mayBegin(client) : !this.limit(client);
  }

  /** @returns where the first line begins that is still to be served */
  #servePlain(client: StoreClient, block: Buffer): number {
    const { keys } = this.#terms;
    let at = 0;
    while (keys !== null && client.role === FULL && client.owed < this.#most) {
      this.answers.makeRoom();
      const { bytes, used } = this.answers;
      const longest = this.#terms.outboxBytes();
      const { gets, sets, end } = takePlain(keys, block, at, this.answers, this.#most, longest);
      if (end === at) break;
      at = end;
      client.answer(bytes, used, this.answers.used);
      client.messagesIn += gets + sets;
      client.work += gets + sets;
      this.requests += gets + sets;
      this.#gets += gets;
      this.#sets += sets;
    }
    return at;
  }

  #answerJson(client: StoreClient, request: unknown, lines: Lines, index: number): void {
    if (request instanceof Refusal) this.#refuse(client, request, "");
    else client.reply += `${lines.text(index).replace(/\r$/, "")}\n`;
  }

  #answer(client: StoreClient, request: Raw, lines: Lines, index: number): void {
    const isObject = typeof request === "object" && request !== null;
    const action = isObject ? request["action"] : undefined;
    const plan = typeof action === "string" ? PLANS.get(action) : undefined;
    const id = isObject ? this.#idOf(request["id"], lines, index) : "";
    if (id instanceof Refusal) {
      this.#refuse(client, id, "");
      return;
    }
    if (plan === undefined) {
      this.#refuse(client, unplanned(request, action), id);
      return;
    }
    this.#counts.set(plan, (this.#counts.get(plan) as number) + 1);
    const refusal = this.#check(client, plan, request, lines, index);
    const answer = refusal ?? plan.command.run(request, client, this.#at);
    client.work += this.#at.keys.takeVisits();
    if (answer instanceof Refusal || this.#isTooLong(answer)) {
      client.follows = "";
      this.#refuse(client, answer instanceof Refusal ? answer : TOO_LARGE, id);
      return;
    }
    client.reply += `{${answer}${id}}\n`;
    if (client.follows === "") return;
    client.reply += client.follows;
    client.follows = "";
  }

  #check(
    client: StoreClient,
    plan: Plan,
    request: Raw,
    lines: Lines,
    index: number,
  ): Refusal | null {
    if (client.role === null && !plan.command.open) return AUTH_REQUIRED;
    const refusal = plan.check(request);
    if (refusal !== null) return refusal;
    switch (plan.doubt(request)) {
      case "depth":
        return TOO_DEEP;
      case "number":
        return altersNumber(lines.text(index)) ? NUMBER_RANGE : null;
      default:
        return null;
    }
  }

  #isTooLong(answer: string): boolean {
    const most = this.#terms.outboxBytes();
    // A character is three bytes at most.
    return 3 * answer.length > most && Buffer.byteLength(answer) > most;
  }

  /** What follows the answer to tell which request it is for, or why that cannot be told. */
  #idOf(id: unknown, lines: Lines, index: number): string | Refusal {
    if (id === undefined) return "";
    if (typeof id === "string") return `,"id":${JSON.stringify(id)}`;
    const found = doubt(id);
    if (found === "depth") return TOO_DEEP;
    if (found === "number" && altersNumber(lines.text(index))) return NUMBER_RANGE;
    return `,"id":${JSON.stringify(id)}`;
  }

  #refuse(client: StoreClient, { body }: Refusal, id: string): void {
    this.refused++;
    client.reply += `{${body}${id}}\n`;
  }
}

function unplanned(request: unknown, action: unknown): Refusal {
  if (request instanceof Refusal) return request;
  return typeof action === "string" ? unknownAction(action) : BAD_REQUEST;
}
