import type { Socket } from "bun";
import { cut } from "../../config/shown.ts";
import { type Clock, systemClock } from "../../host/clock.ts";
import { printable } from "../../host/content.ts";
import { StartError } from "../../host/errors.ts";
import { type LineSink, LineSplitter } from "../../net/lines.ts";
import { tokenIn } from "../../net/token.ts";
import { Connection, inTime, notThere } from "../connection.ts";
import type { Destination } from "../destination.ts";
import { object, type Shape, text } from "../shape.ts";
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

const errorShape = object<{ readonly code: string; readonly message: string }>({
  code: text,
  message: text,
});

/** An error that the store answered. */
export class Refused extends StartError {
  readonly code: string;

  constructor(code: string, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

/** The store has closed the connection, or it broke. */
export class Closed extends StartError {}

/** A line of the store: its text, and the JSON object in it. */
export interface Line {
  readonly text: string;
  readonly holds: Readonly<Record<string, unknown>>;
}

/** A request as a line. @param json fields whose values are JSON already; their numbers stay as written */
export function request(fields: Record<string, unknown>, json: Record<string, string> = {}) {
  const members = Object.entries(json).map(([name, text]) => `,"${name}":${text}`);
  return `${JSON.stringify(fields).slice(0, -1)}${members.join("")}}\n`;
}

/** A client of a server that has shown to be a store, and has been shown the token if there is one. */
export class StoreConnection {
  readonly address: string;
  readonly #to: Destination;
  readonly #connection: Connection;
  readonly #inbox: Inbox;
  #lines: string[] = [];

  /**
   * @param tokenFile the token file of the settings, or ""; null shows no token at all
   * @param outboxBytes the bytes that may wait for a client by the settings
   * @throws StartError of one line when no store accepts this client
   */
  static async open(
    to: Destination,
    tokenFile: string | null,
    clock: Clock = systemClock,
    outboxBytes = 0,
  ): Promise<StoreConnection> {
    const token = tokenFile === null ? null : tokenFor(tokenFile, `${to.service}.token_file`);
    const inbox = new Inbox(Math.min(Math.max(LINE_BYTES, outboxBytes), LINE_BYTES_MAX));
    const opened = await Connection.open(to, (bytes, socket) => inbox.hear(bytes, socket), clock);
    void opened.closed.then(() => inbox.end());
    const store = new StoreConnection(to, opened, inbox);
    try {
      await store.#greet(clock);
      if (token !== null) await store.ask({ action: "AUTH", token });
    } catch (error) {
      store.close();
      throw error;
    }
    return store;
  }

  private constructor(to: Destination, connection: Connection, inbox: Inbox) {
    this.#to = to;
    this.address = connection.address;
    this.#connection = connection;
    this.#inbox = inbox;
  }

  /**
   * Sends one request. @returns the result
   * @throws Refused when the store refuses it
   */
  async ask(fields: Record<string, unknown>, json: Record<string, string> = {}): Promise<unknown> {
    for await (const result of this.askAll([request(fields, json)])) {
      if (result instanceof Refused) throw result;
      return result;
    }
  }

  /** Sends several requests at once. Each result, or Refused, is read from the store when the caller asks for it. */
  async *askAll(requests: readonly string[]): AsyncGenerator<unknown> {
    // Not awaited yet: a store whose answers are not read stops reading requests.
    const written = this.#connection.write(Buffer.from(requests.join("")));
    for (const _ of requests) yield this.#outcomeOf((await this.next()).holds);
    await written;
  }

  /** The next line that comes. @throws Closed when the store closes the connection */
  async next(): Promise<Line> {
    if (this.#lines.length === 0) this.#lines = await this.#inbox.take();
    const line = this.#lines.shift();
    if (line === undefined) throw new Closed(`${this.address} has closed the connection`);
    const holds = objectIn(line);
    if (holds === null) {
      throw this.#inbox.overrun ? this.#tooLong() : this.#noStore();
    }
    if (holds["event"] !== "closed") return { text: line, holds };
    const why = said(holds["message"]) ?? "it does not say why";
    throw new Closed(`${this.address} has closed the connection: ${why}`);
  }

  close(): void {
    this.#connection.close();
  }

  /** Makes sure that this is a store before it gets a token or values: another service might pass them on. */
  async #greet(clock: Clock): Promise<void> {
    const pong = await inTime(this.ask({ action: "PING" }), this.#to, clock);
    if (pong !== "PONG") throw this.#noStore();
  }

  #outcomeOf(answer: Line["holds"]): unknown {
    if (!("error" in answer)) {
      if ("result" in answer) return answer["result"];
      throw this.#noStore();
    }
    const { error } = answer;
    if (!errorShape(error)) throw this.#noStore();
    const code = said(error.code) as string;
    const hint =
      code === "AUTH_REQUIRED"
        ? `; set ${STORE_TOKEN_VARIABLE} or ${this.#to.service}.token_file`
        : "";
    return new Refused(code, said(error.message) + hint);
  }

  /** A result of this shape. @throws StartError when it is not, which shows that this is no store */
  checked<T>(result: unknown, shape: Shape<T>): T {
    if (!shape(result)) throw this.#noStore();
    return result;
  }

  #tooLong(): StartError {
    return new StartError(
      `${this.address} sends a line of more than ${this.#inbox.lineBytes} bytes, the bound of ${this.#to.service}.outbox_bytes here`,
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

/** A text of the store, in one line; null for what is none. */
function said(found: unknown): string | null {
  return text(found) ? cut(printable(found), SAID) : null;
}

function objectIn(line: string): Line["holds"] | null {
  if (nestingOf(line).depth > NESTING) return null;
  try {
    const found = JSON.parse(line);
    return typeof found === "object" && found !== null ? found : null;
  } catch {
    return null;
  }
}

/** Lines that have come and were not taken yet; while there are any, nothing more is read. */
class Inbox implements LineSink {
  /** The longest line in bytes that it takes. */
  readonly lineBytes: number;
  /** True once a line was longer. */
  overrun = false;
  readonly #splitter = new LineSplitter();
  #lines: string[] = [];
  #paused: Pick<Socket, "resume"> | null = null;
  #ended = false;
  #wake = () => {};

  constructor(lineBytes: number) {
    this.lineBytes = lineBytes;
  }

  hear(bytes: Buffer, socket: Pick<Socket, "pause" | "resume">): void {
    this.#splitter.feed(undefined, bytes, this.lineBytes, this);
    if (this.#lines.length === 0) return;
    socket.pause();
    this.#paused = socket;
    this.#wake();
  }

  lines(_from: void, block: Buffer): number {
    const lines = block.toString().split("\n");
    lines.pop();
    this.#lines = this.#lines.concat(lines);
    return block.length;
  }

  oversize(): void {
    this.overrun = true;
    this.#lines.push("");
  }

  /** Nothing more will come. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** All lines that have come, at least one; none if nothing comes any more. */
  async take(): Promise<string[]> {
    while (this.#lines.length === 0 && !this.#ended) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      this.#paused?.resume();
      this.#paused = null;
      await promise;
    }
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }
}
