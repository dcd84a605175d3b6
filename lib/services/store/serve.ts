import type { Clock } from "../../host/clock.ts";
import { Hold } from "../../net/client.ts";
import type { StoreClient } from "./client.ts";
import type { Surroundings } from "./command.ts";
import { type Plan } from "./command.ts";
import { COMMANDS, PLANS, unknownAction } from "./commands.ts";
import { altersNumber, doubt } from "./numbers.ts";
import { Refusal } from "./refusal.ts";
import { BLANK, lineAt, linesFrom, parseLines } from "./requests.ts";

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

type Raw = Readonly<Record<string, unknown>>;

/** What serving needs to know of the store. */
export interface Terms {
  maxLineBytes(): number;
  outboxBytes(): number;
  /** Whether nobody needs a token. */
  isOpen(): boolean;
  /** A client has had its share of the turn: it is to be resumed in the next one. */
  busy(client: StoreClient): void;
}

/** Answers lines, in order, each client within its share. */
export class Server {
  requests = 0;
  refused = 0;
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
    const named = Object.keys(COMMANDS).map((action) => [
      `requests_${action.toLowerCase()}`,
      this.#counts.get(PLANS.get(action) as Plan) ?? 0,
    ]);
    return Object.fromEntries(named);
  }

  lines(client: StoreClient, block: Buffer): void {
    client.lastLineAt = this.#clock.now();
    if (client.waiting.length > 0 || !client.reading) client.waiting.push(Buffer.from(block));
    else this.#serve(client, block, false);
  }

  oversize(client: StoreClient): void {
    client.lastLineAt = this.#clock.now();
    if (client.waiting.length > 0 || !client.reading) client.waiting.push(null);
    else this.#tooLong(client);
  }

  /** @param all whether to go on when the client is held, since nothing will come later */
  resumed(client: StoreClient, all: boolean): void {
    while (client.waiting.length > 0 && (client.reading || all) && client.state === "open") {
      if (all && client.owed > this.#terms.outboxBytes()) return;
      const block = client.waiting.shift();
      if (block) this.#serve(client, block, all);
      else this.#tooLong(client);
    }
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

  #tooLong(client: StoreClient): void {
    const { maxLineBytes } = this.#terms;
    this.#refuse(client, new Refusal("TOO_LONG", `a line has at most ${maxLineBytes()} bytes`), "");
    client.linesIn++;
    this.requests++;
    this.#at.owes(client);
  }

  #serve(client: StoreClient, block: Buffer, all: boolean): void {
    const requests = parseLines(block);
    const count = requests.length;
    this.#at.owes(client);
    for (let i = 0; i < count; i++) {
      const request = requests[i];
      if (request === BLANK) continue;
      client.linesIn++;
      this.requests++;
      client.work++;
      if (this.#json) this.#answerJson(client, request, block, i);
      else this.#answer(client, request as Raw, block, i);
      // In the midst of a turn only what is costly is looked at.
      if (client.work <= SHARE && client.owed <= this.#most) continue;
      if (client.state !== "open") return;
      if (all ? client.owed <= this.#terms.outboxBytes() : !this.limit(client)) continue;
      if (i + 1 < count) client.waiting.unshift(Buffer.from(linesFrom(block, i + 1)));
      return;
    }
  }

  #answerJson(client: StoreClient, request: unknown, block: Buffer, index: number): void {
    if (request instanceof Refusal) this.#refuse(client, request, "");
    else client.reply += `${lineAt(block, index).replace(/\r$/, "")}\n`;
  }

  #answer(client: StoreClient, request: Raw, block: Buffer, index: number): void {
    const isObject = typeof request === "object" && request !== null;
    const action = isObject ? request["action"] : undefined;
    const plan = typeof action === "string" ? PLANS.get(action) : undefined;
    const id = isObject ? this.#idOf(request["id"]) : "";
    if (plan === undefined) {
      this.#refuse(client, unplanned(request, action), id ?? "");
      return;
    }
    this.#counts.set(plan, (this.#counts.get(plan) as number) + 1);
    const refusal = id === null ? TOO_DEEP : this.#check(client, plan, request, block, index);
    const answer = refusal ?? plan.command.run(request, client, this.#at);
    if (answer instanceof Refusal) {
      this.#refuse(client, answer, id ?? "");
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
    block: Buffer,
    index: number,
  ): Refusal | null {
    if (client.role === null && !plan.command.open) return AUTH_REQUIRED;
    const refusal = plan.check(request);
    if (refusal !== null) return refusal;
    switch (plan.doubt(request)) {
      case "depth":
        return TOO_DEEP;
      case "number":
        return altersNumber(lineAt(block, index)) ? NUMBER_RANGE : null;
      default:
        return null;
    }
  }

  /** What follows the answer to tell which request it is for; null when that cannot be told. */
  #idOf(id: unknown): string | null {
    switch (typeof id) {
      case "undefined":
        return "";
      case "string":
        return `,"id":${JSON.stringify(id)}`;
      case "object":
        return doubt(id) === "depth" ? null : `,"id":${JSON.stringify(id)}`;
      default:
        return `,"id":${id}`;
    }
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
