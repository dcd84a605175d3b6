import type { Socket } from "bun";
import type { ClientColumns } from "../host/client-page.ts";
import { addressText } from "../host/service.ts";
import { Outbox, type Pinned, Shared } from "./outbox.ts";

/** Why a client was closed. Every close has one of these; they are counted. */
export const CLOSE_REASONS = {
  eof: "the client ended the connection",
  reset: "the connection broke",
  idle: "it sent nothing for too long",
  slow: "it did not take what was sent to it",
  pressure: "the backpressure policy disconnected it",
  quarantined: "it is in quarantine",
  limit: "too many clients",
  denied: "its address may not connect",
  handshake: "it did not complete the TLS handshake",
  refused: "the program that embeds this server refused it",
  kicked: "an operator closed it",
  shutdown: "the server is stopping",
  bug: "serving it failed",
} as const;

export type CloseReason = keyof typeof CLOSE_REASONS;

/**
 * The life of a client: `greeting` (accepted, not served yet), `open`,
 * `closing` (dead to the service; what is owed still leaves), `closed`.
 */
export type ClientState = "greeting" | "open" | "closing" | "closed";

/** Why a client is not read; it is read again when no reason is left. */
export const Hold = {
  /** Its greeting has not finished. */
  greeting: 1,
  /** Throttle or flow control. */
  pressure: 2,
  /** Too much waits for everybody's readers. */
  backlog: 4,
  /** It has had its share of this turn. */
  turn: 8,
  /** Too much waits for it. */
  outbox: 16,
} as const;

export type Hold = (typeof Hold)[keyof typeof Hold];

let lastId = 0;

/** A client as an operator sees it. */
export const CLIENT_COLUMNS: ClientColumns<Client> = {
  id: ({ id }) => id,
  address: ({ address }) => address,
  state: ({ state, reading }) => (state === "open" && !reading ? "paused" : state),
  ageSeconds: ({ bornAt }, now) => Math.floor((now - bornAt) / 1000),
  messagesIn: ({ linesIn }) => linesIn,
  bytesIn: ({ bytesIn }) => bytesIn,
  bytesOut: ({ bytesOut }) => bytesOut,
  outboxBytes: ({ outbox }) => outbox.bytes,
};

/** One accepted connection: its state, counters and outbox. Services extend it with theirs. */
export class Client {
  readonly id = ++lastId;
  readonly socket: Socket<unknown>;
  readonly ip: string;
  readonly port: number;
  /** `ip:port`, IPv6 in brackets. */
  readonly address: string;
  /** Clock milliseconds. */
  readonly bornAt: number;
  /** When its last line ended; clock milliseconds. */
  lastLineAt: number;
  state: ClientState = "greeting";
  reason: CloseReason | null = null;
  linesIn = 0;
  bytesIn = 0;
  bytesOut = 0;
  readonly outbox = new Outbox();
  /** Bytes that arrived while the client was not read. */
  readonly held: Buffer[] = [];
  /** The client has sent its FIN: it may still read, but nothing more comes. */
  peerEnded = false;
  /** Our FIN has been sent. */
  shutDown = false;
  /** When a closing client is cut, whatever it is owed; clock milliseconds. */
  closeBy = Infinity;
  /** When its socket last took bytes; clock milliseconds. */
  tookAt: number;
  #holds = 0;
  readonly #pinned: Pinned;

  constructor(socket: Socket<unknown>, ip: string, port: number, now: number, pinned: Pinned) {
    this.socket = socket;
    this.ip = ip;
    this.port = port;
    this.address = addressText(ip, port);
    this.bornAt = now;
    this.lastLineAt = now;
    this.tookAt = now;
    this.#pinned = pinned;
  }

  get reading(): boolean {
    return this.#holds === 0;
  }

  isHeld(why: Hold): boolean {
    return (this.#holds & why) !== 0;
  }

  /** Stops reading from the client: TCP backpressure reaches its sender. */
  hold(why: Hold): void {
    if (this.#holds === 0 && this.state !== "closed") this.socket.pause();
    this.#holds |= why;
  }

  /** Takes one reason away. @returns whether the client is read again because of this */
  release(why: Hold): boolean {
    if (!this.isHeld(why)) return false;
    this.#holds &= ~why;
    if (this.#holds !== 0 || this.state === "closed") return false;
    this.socket.resume();
    return true;
  }

  /** Takes all reasons away: what a dead client still sends is read and thrown away. */
  releaseAll(): void {
    if (this.#holds !== 0 && this.state !== "closed") this.socket.resume();
    this.#holds = 0;
  }

  /** Sends text of its own to this client, after what already waits. */
  send(text: string): void {
    if (this.state === "closed" || this.shutDown) return;
    const bytes = Buffer.from(text);
    const shared = new Shared(bytes, bytes.length, this.#pinned);
    shared.pin();
    this.outbox.push(shared, 0, bytes.length);
    this.flush();
  }

  /** Writes what waits, unless the socket is known to be full. @returns whether nothing waits any more */
  flush(): boolean {
    const { outbox } = this;
    if (outbox.bytes === 0) return true;
    if (outbox.blocked) return false;
    const before = outbox.bytes;
    const emptied = outbox.flush(this.socket);
    this.bytesOut += before - outbox.bytes;
    return emptied;
  }
}
