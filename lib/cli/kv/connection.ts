import { cut } from "../../config/shown.ts";
import { type Clock, systemClock } from "../../host/clock.ts";
import { printable } from "../../host/content.ts";
import { messageOf, StartError } from "../../host/errors.ts";
import { isSafe } from "../../library/store/client.ts";
import { Link } from "../../library/store/link.ts";
import {
  LineTooLong,
  type LinkOptions,
  NoStore,
  StoreLate,
  StoreRefused,
} from "../../library/store/options.ts";
import type { Listener, Wanted } from "../../library/store/events.ts";
import { Subscription } from "../../library/store/subscription.ts";
import { tokenIn } from "../../net/admission/token.ts";
import { doubtOf, headerFor, notThere, PATIENCE_MS } from "../client/connection.ts";
import type { Destination } from "../client/destination.ts";
import type { Shape } from "../client/shape.ts";
import { nestingOf } from "./nesting.ts";

/** The variable of the environment that holds a token of the store. */
export const STORE_TOKEN_VARIABLE = "SUMMONER_STORE_TOKEN";

/** The longest line in bytes that a store sends, unless its settings let more wait for a client. */
const LINE_BYTES = 16 * 2 ** 20;
/** The most bytes that fit into a text. */
const LINE_BYTES_MAX = 2 ** 29;
/** More levels than a store's lines have; a text of a hundred thousand could not be written again. */
const NESTING = 1000;
/** The most characters of an error that are shown. */
const SAID = 1000;
/** Milliseconds that an answer may take, with the return of a server that is away. */
const ANSWER_MS = 60_000;
/** Connections in a row that break without an answer before it gives up. */
const FRUITLESS = 3;

/** An error that the store answered. */
export class Refused extends StartError {
  readonly code: string;

  constructor(code: string, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

/** A request as a line. */
export interface RequestLine {
  readonly line: string;
  /** True if it changes nothing, and may be asked again. */
  readonly isSafe: boolean;
}

/** A request. @param json fields whose values are JSON already; their numbers stay as written */
export function request(
  fields: { readonly action: string; readonly [name: string]: unknown },
  json: Record<string, string> = {},
): RequestLine {
  const members = Object.entries(json).map(([name, text]) => `,"${name}":${text}`);
  const line = `${JSON.stringify(fields).slice(0, -1)}${members.join("")}}\n`;
  return { line, isSafe: isSafe(fields.action) };
}

type Fields = Parameters<typeof request>[0];

/** The store as the command line speaks to it, by the library's client: what only reads goes on after a restart of the server. */
export class StoreConnection {
  readonly address: string;
  readonly #to: Destination;
  readonly #options: LinkOptions & { readonly lineBytes: number };
  readonly #link: Link;
  #fruitless = 0;

  /**
   * Connects with the first request.
   * @param tokenFile the token file of the settings, or ""; null shows no token at all
   * @param outboxBytes the bytes that may wait for a client by the settings
   * @throws StartError of one line when there is no token in the file
   */
  constructor(
    to: Destination,
    tokenFile: string | null,
    clock: Clock = systemClock,
    outboxBytes = 0,
  ) {
    const { host, port, tls } = to;
    const token = tokenFile === null ? null : tokenFor(tokenFile, `${to.service}.token_file`);
    this.#to = to;
    this.#options = {
      host,
      port,
      ...(token !== null && { token }),
      ...(tls && { tls, doubt: (socket, error) => doubtOf(to, socket, error) }),
      header: (socket) => headerFor(to, socket),
      mustBeThere: true,
      patienceMs: PATIENCE_MS,
      deadlineMs: ANSWER_MS,
      lineBytes: Math.min(Math.max(LINE_BYTES, outboxBytes), LINE_BYTES_MAX),
      clock,
    };
    const opened = () => void this.#fruitless++;
    const lost = (why: Error) => {
      if (this.#fruitless >= FRUITLESS) this.#link.close(why);
    };
    this.#link = new Link(this.#options, { opened, heard() {}, lost, ended() {} }, false);
    this.address = this.#link.address;
  }

  /** The same, once a store has accepted it. @throws StartError of one line when none does */
  static async open(
    ...where: ConstructorParameters<typeof StoreConnection>
  ): Promise<StoreConnection> {
    const store = new StoreConnection(...where);
    try {
      await store.ask({ action: "PING" });
    } catch (error) {
      store.close();
      throw error;
    }
    return store;
  }

  /**
   * Sends one request. @returns the result
   * @throws Refused when the store refuses it
   */
  async ask(fields: Fields, json: Record<string, string> = {}): Promise<unknown> {
    for await (const result of this.askAll([request(fields, json)])) {
      if (result instanceof Refused) throw result;
      return result;
    }
  }

  /** Sends several requests at once. Each result, or Refused, is read from the store when the caller asks for it. */
  async *askAll(requests: readonly RequestLine[]): AsyncGenerator<unknown> {
    const outcomes: (() => unknown)[] = [];
    let wake = () => {};
    for (const one of requests) {
      this.#link.ask(one, (error, result, line = "") => {
        outcomes.push(() => this.#outcomeOf(error, result, line));
        this.#link.hold();
        wake();
      });
    }
    try {
      for (const _ of requests) {
        while (outcomes.length === 0) {
          const { promise, resolve } = Promise.withResolvers<void>();
          wake = resolve;
          this.#link.goOn();
          await promise;
        }
        yield (outcomes.shift() as () => unknown)();
      }
    } finally {
      this.#link.goOn();
    }
  }

  /** Listens to a channel or to keys. */
  subscribe(
    wanted: Wanted,
    listener: Listener,
    onConnection: NonNullable<LinkOptions["onConnection"]>,
  ): Subscription {
    return new Subscription({ ...this.#options, onConnection }, wanted, listener);
  }

  close(): void {
    this.#link.close();
  }

  #outcomeOf(error: Error | null, result: unknown, line: string): unknown {
    if (error === null) {
      this.#fruitless = 0;
      if (nestingOf(line).depth > NESTING) throw this.#noStore();
      return result;
    }
    const failure = this.failureOf(error);
    if (!(failure instanceof Refused)) throw failure;
    this.#fruitless = 0;
    return failure;
  }

  /** An error of the client, in the words of this command line. */
  failureOf(error: Error): StartError {
    if (error instanceof NoStore) return this.#noStore();
    if (error instanceof LineTooLong) return this.#tooLong();
    if (error instanceof StoreLate) return new StartError(`${this.address}: ${error.message}`);
    if (!(error instanceof StoreRefused)) return new StartError(said(messageOf(error)));
    const { code, message } = error;
    const hint =
      code === "AUTH_REQUIRED"
        ? `; set ${STORE_TOKEN_VARIABLE} or ${this.#to.service}.token_file`
        : "";
    return new Refused(said(code), said(message.slice(code.length + 2)) + hint);
  }

  /** A result of this shape. @throws StartError when it is not, which shows that this is no store */
  checked<T>(result: unknown, shape: Shape<T>): T {
    if (!shape(result)) throw this.#noStore();
    return result;
  }

  #tooLong(): StartError {
    return new StartError(
      `${this.address} sends a line of more than ${this.#options.lineBytes} bytes, the bound of ${this.#to.service}.outbox_bytes here`,
    );
  }

  #noStore(): StartError {
    return notThere(this.#to, "it does not answer as one");
  }
}

function tokenFor(file: string, key: string): string | null {
  const variable = process.env[STORE_TOKEN_VARIABLE];
  if (variable) return variable;
  return file === "" ? null : tokenIn(file, key);
}

/** A text of the store, in one line. */
function said(text: string): string {
  return cut(printable(text), SAID);
}
