import type { Clock } from "../../host/clock.ts";
import { endOfPiece, type LineSink } from "../../net/lines.ts";
import { type Pinned, SharedBytes } from "../../net/outbox.ts";
import type { StoreClient } from "./client.ts";
import type { Parts, Plan } from "./commands/command.ts";
import { PLANS, unknownAction } from "./commands/commands.ts";
import type { RequestCounts } from "./commands/counts.ts";
import { inDoubt } from "./commands/in-doubt.ts";
import { doubt, holdsAny } from "./commands/numbers.ts";
import { afterBlank, BLANK, Requests } from "./commands/requests.ts";
import { takePlain } from "./commands/shortcut.ts";
import type { Keys } from "./keys/keys.ts";
import { Refusal, TOO_DEEP, TOO_LARGE } from "./refusal.ts";
import { FULL } from "./roles.ts";
import type { Turn } from "./turn.ts";

const BAD_REQUEST = new Refusal("BAD_REQUEST", "a request is an object with a text as its action");
const AUTH_REQUIRED = new Refusal("AUTH_REQUIRED", "show a token with AUTH first");
const NUMBER_RANGE = new Refusal(
  "NUMBER_RANGE",
  "the line holds a number that would not come back as it was",
);

/** Most bytes that are served before it is asked whether the client may be served on. */
const PIECE = 64 * 1024;
/** Longest line in bytes of a client that has not shown a token where one is needed. */
export const LINE_BEFORE_AUTH = 16 * 1024;
/** Bytes that cost as much as one request: to parse, and to answer without parsing. */
const PARSED = 32;
const PLAIN = 256;

type Raw = Readonly<Record<string, unknown>>;

/** Answers the requests of clients, in order, each client within its share of the turn. */
export class Serving implements LineSink<StoreClient> {
  readonly #parts: Parts;
  readonly #keys: Keys | null;
  readonly #turn: Turn;
  readonly #counts: RequestCounts;
  readonly #pinned: Pinned;
  readonly #clock: Clock;
  /** True in mode `json`, in which lines are only sent back. */
  readonly #json: boolean;

  /** @param keys the keys that plain requests ask for; null when every request is parsed */
  constructor(
    parts: Parts,
    keys: Keys | null,
    turn: Turn,
    counts: RequestCounts,
    pinned: Pinned,
    clock: Clock,
  ) {
    this.#parts = parts;
    this.#keys = keys;
    this.#turn = turn;
    this.#counts = counts;
    this.#pinned = pinned;
    this.#clock = clock;
    this.#json = parts.settings.store.mode === "json";
  }

  get maxLineBytes(): number {
    return this.#parts.settings.store.max_line_bytes;
  }

  mostLineBytes({ role }: StoreClient): number {
    const isUnknown = role === null && !this.#json;
    return isUnknown ? Math.min(LINE_BEFORE_AUTH, this.maxLineBytes) : this.maxLineBytes;
  }

  /** @returns the bytes taken: fewer than all when the client has had its share, or is owed too much */
  lines(client: StoreClient, block: Buffer): number {
    if (!this.#turn.mayBegin(client)) return 0;
    client.lastMessageAt = this.#clock.now();
    let start = 0;
    while (start < block.length && client.state === "open" && this.#turn.mayBegin(client)) {
      // A token among the lines lets longer ones follow.
      const most = this.mostLineBytes(client);
      const end = endOfPiece(block, start, Math.min(PIECE, most + 1));
      if (end - start - 1 > most) {
        this.oversize(client);
        start = end;
      } else {
        const piece = start === 0 && end === block.length ? block : block.subarray(start, end);
        start += this.#serve(client, piece);
      }
    }
    return start;
  }

  oversize(client: StoreClient): void {
    client.lastMessageAt = this.#clock.now();
    client.messagesIn++;
    this.#counts.all++;
    const most = this.mostLineBytes(client);
    const until = most < this.maxLineBytes ? " until a token is shown" : "";
    const message = `a line has at most ${most} bytes${until}`;
    client.work++;
    this.#refuse(client, new Refusal("TOO_LONG", message), "");
    this.#turn.owes(client);
    this.#turn.mayGoOn(client);
  }

  /** Sends bytes back as they are. @returns the bytes taken: all */
  echo(client: StoreClient, chunk: Buffer): number {
    client.lastMessageAt = this.#clock.now();
    const bytes = Buffer.from(chunk);
    const shared = new SharedBytes(bytes, bytes.length, this.#pinned);
    shared.pin();
    client.push(shared, bytes.length);
    this.#turn.mayGoOn(client);
    return chunk.length;
  }

  /** @returns the bytes of the lines that were served; none if the first must wait for the next turn */
  #serve(client: StoreClient, piece: Buffer): number {
    const turn = this.#turn;
    turn.owes(client);
    let at = this.#servePlain(client, piece);
    if (at > 0 && !turn.mayGoOn(client)) return at;
    while (at < piece.length) {
      const start = afterBlank(piece, at);
      client.work += Math.floor((start - at) / PARSED);
      at = start;
      if (at < piece.length) {
        const requests = new Requests(piece, at, this.#json);
        // All of them are parsed, also those that are not served in this turn.
        client.work += Math.floor(requests.bytes / PARSED);
        at += this.#serveParsed(client, requests);
      }
      if (client.state !== "open" || !turn.mayGoOn(client)) break;
    }
    return at;
  }

  /** @returns the bytes of the lines that were served; none if the first must wait for the next turn */
  #serveParsed(client: StoreClient, requests: Requests): number {
    for (let i = 0; i < requests.count; i++) {
      client.work++;
      const request = requests.at(i);
      if (request !== BLANK) {
        if (this.#mustWait(client, request)) return requests.startOf(i);
        client.messagesIn++;
        this.#counts.all++;
        if (this.#json) this.#answerJson(client, request, requests, i);
        else this.#answer(client, request as Raw, requests, i);
        // Its own request may have closed it, by publishing a message to itself that its outbox has no room for.
      }
      if (client.state !== "open" || !this.#turn.mayGoOn(client)) return requests.startOf(i + 1);
    }
    return requests.bytes;
  }

  /** True if a request must wait for the next turn; the client has had its share of this one then. */
  #mustWait(client: StoreClient, request: unknown): boolean {
    if (client.role === null || client.finishing || this.#json) return false;
    if (typeof request !== "object" || request === null) return false;
    const { action } = request as Raw;
    const waits = typeof action === "string" && PLANS.get(action)?.command.waits;
    if (!waits || !waits(request as Raw) || this.#parts.keys.settle()) return false;
    client.work += this.#parts.keys.takeVisits();
    return !this.#turn.mayGoOn(client);
  }

  /** Answers plain lines at the beginning of a block. @returns the position of the first line that is not served yet */
  #servePlain(client: StoreClient, block: Buffer): number {
    const keys = this.#keys;
    if (keys === null || client.role !== FULL || this.#parts.journal?.doubts) return 0;
    const { answers, mostOwed } = this.#turn;
    const longest = this.#parts.settings.store.outbox_bytes;
    let at = 0;
    while (client.owed < mostOwed) {
      answers.makeRoom();
      const { bytes, used } = answers;
      const { gets, sets, end } = takePlain(keys, block, at, answers, mostOwed, longest);
      if (end === at) break;
      client.work += Math.floor((end - at) / PLAIN);
      at = end;
      client.answer(bytes, used, answers.used);
      client.messagesIn += gets + sets;
      client.work += gets + sets;
      this.#counts.all += gets + sets;
      this.#counts.plainGets += gets;
      this.#counts.plainSets += sets;
    }
    return at;
  }

  #answerJson(client: StoreClient, request: unknown, lines: Requests, index: number): void {
    if (request instanceof Refusal) this.#refuse(client, request, "");
    else client.reply += `${lines.line(index).toString().replace(/\r$/, "")}\n`;
  }

  #answer(client: StoreClient, request: Raw, lines: Requests, index: number): void {
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
    this.#counts.count(plan);
    const refusal = this.#check(client, plan, request, lines, index);
    const answer = refusal ?? plan.command.run(request, client, this.#parts);
    client.work += this.#parts.keys.takeVisits();
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
    lines: Requests,
    index: number,
  ): Refusal | null {
    if (client.role === null && !plan.command.open) return AUTH_REQUIRED;
    const refusal = plan.check(request);
    if (refusal !== null) return refusal;
    const doubt = plan.doubt(request);
    if (doubt === "depth") return TOO_DEEP;
    if (doubt !== null && lines.altered(index, doubt) !== null) return NUMBER_RANGE;
    const { journal } = this.#parts;
    const { right } = plan.command;
    return journal && inDoubt(request["action"] as string, right, request, journal);
  }

  #isTooLong(answer: string): boolean {
    const most = this.#parts.settings.store.outbox_bytes;
    // A character is three bytes at most.
    return 3 * answer.length > most && Buffer.byteLength(answer) > most;
  }

  /** The request's id in the form of its answer, or the refusal of an id that cannot be sent back. */
  #idOf(id: unknown, lines: Requests, index: number): string | Refusal {
    if (id === undefined) return "";
    if (typeof id === "string") return `,"id":${JSON.stringify(id)}`;
    const found = doubt(id);
    if (found === "depth") return TOO_DEEP;
    const altered = found === null ? null : lines.altered(index, found);
    if (altered !== null && holdsAny(id, altered)) return NUMBER_RANGE;
    return `,"id":${JSON.stringify(id)}`;
  }

  #refuse(client: StoreClient, { code, message, body }: Refusal, id: string): void {
    if (this.#counts.countError(code)) client.refuse(code, message);
    client.reply += `{${body}${id}}\n`;
  }
}

function unplanned(request: unknown, action: unknown): Refusal {
  if (request instanceof Refusal) return request;
  return typeof action === "string" ? unknownAction(action) : BAD_REQUEST;
}
