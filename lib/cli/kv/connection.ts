import type { Socket } from "bun";
import { type Clock, systemClock } from "../../host/clock.ts";
import { printable } from "../../host/content.ts";
import { StartError } from "../../host/errors.ts";
import { type LineSink, LineSplitter } from "../../net/lines.ts";
import { tokenIn } from "../../net/token.ts";
import { Connection, inTime, notThere } from "../connection.ts";
import type { Destination } from "../destination.ts";

/** The variable of the environment that holds a token of the store. */
export const STORE_TOKEN_VARIABLE = "SUMMONER_STORE_TOKEN";

/** Bytes of a line; longer than any answer of a store. */
const LINE_BYTES = 2 ** 29;

/** An error that the store answered. */
export class Refused extends StartError {
  readonly code: string;

  constructor(code: string, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

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
   * @throws StartError of one line when no store accepts this client
   */
  static async open(
    to: Destination,
    tokenFile: string | null,
    clock: Clock = systemClock,
  ): Promise<StoreConnection> {
    const token = tokenFile === null ? null : tokenFor(tokenFile, `${to.service}.token_file`);
    const inbox = new Inbox();
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

  /** The next line that comes. @throws StartError when the store closes the connection */
  async next(): Promise<Line> {
    if (this.#lines.length === 0) this.#lines = await this.#inbox.take();
    const text = this.#lines.shift();
    if (text === undefined) throw new StartError(`${this.address} has closed the connection`);
    const holds = objectIn(text);
    if (holds === null) throw this.#noStore();
    if (holds["event"] !== "closed") return { text, holds };
    const why = printable(`${holds["message"]}`);
    throw new StartError(`${this.address} has closed the connection: ${why}`);
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
    const { code, message } = answer["error"] as { code: string; message: string };
    const hint =
      code === "AUTH_REQUIRED"
        ? `; set ${STORE_TOKEN_VARIABLE} or ${this.#to.service}.token_file`
        : "";
    return new Refused(printable(`${code}`), printable(`${message}`) + hint);
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

function objectIn(text: string): Line["holds"] | null {
  try {
    const found = JSON.parse(text);
    return typeof found === "object" && found !== null ? found : null;
  } catch {
    return null;
  }
}

/** Lines that have come and were not taken yet; while there are any, nothing more is read. */
class Inbox implements LineSink {
  readonly #splitter = new LineSplitter();
  #lines: string[] = [];
  #paused: Pick<Socket, "resume"> | null = null;
  #ended = false;
  #wake = () => {};

  hear(bytes: Buffer, socket: Pick<Socket, "pause" | "resume">): void {
    this.#splitter.feed(undefined, bytes, LINE_BYTES, this);
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
