import type { ClientColumns } from "../host/service/client-page.ts";
import { addressText } from "../host/service.ts";
import type { LastRefusals } from "./admission/last-refusals.ts";
import { Outbox, type Pinned, SharedBytes } from "./outbox.ts";
import { Recent } from "./admission/recent.ts";
import type { Wire } from "./wire.ts";

/** The reasons for closing a client. Every close has one of these; they are counted. */
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
  unfinished: "too much had come from its address that did not end",
  malformed: "what it sent is not what this service speaks",
  refused: "the program that embeds this server refused it",
  kicked: "an operator closed it",
  shutdown: "the server is stopping",
  bug: "serving it failed",
} as const;

export type CloseReason = keyof typeof CLOSE_REASONS;

/**
 * The life of a client: `greeting` (accepted, not served yet), `open`,
 * `closing` (dead to the service; the bytes owed to it still leave), `closed`.
 */
export type ClientState = "greeting" | "open" | "closing" | "closed";

/**
 * The reason to hold a client (not to read from it) until its greeting has
 * finished. Every reason is a bit of its own; those of a service begin at 2.
 */
export const GREETING = 1;

/** The reason to hold a client that has had its share: until the next turn of the event loop. */
export const RESTING = 1 << 30;

/** The reason to hold a client that gets its last answers before the server stops. */
export const SETTLING = 1 << 29;

/** The bytes that are read from a client before the others get their turn. */
export const SHARE_BYTES = 256 * 1024;

/** A connection that a door has accepted, with the id that it has from now on. */
export interface Accepted {
  /** Unique over all services. */
  readonly id: number;
  readonly wire: Wire;
  /** True if the wire is a TCP socket without TLS. */
  readonly isPlain: boolean;
  readonly ip: string;
  readonly port: number;
  /** Clock milliseconds. */
  readonly now: number;
  readonly refusals: LastRefusals;
}

/** The columns of a client that an operator sees. */
export const CLIENT_COLUMNS: ClientColumns<Client> = {
  id: ({ id }) => id,
  address: ({ address }) => address,
  state: ({ state, paused }) => (state === "open" && paused ? "paused" : state),
  ageSeconds: ({ acceptedAt }, now) => Math.floor((now - acceptedAt) / 1000),
  messagesIn: ({ messagesIn }) => messagesIn,
  messagesPerSecond: ({ messagesIn, recent }, now) => recent.messagesPerSecond(now, messagesIn),
  refused: ({ refused }) => refused,
  refusedPerSecond: ({ refused, recent }, now) => recent.refusedPerSecond(now, refused),
  bytesIn: ({ bytesIn }) => bytesIn,
  bytesOut: ({ bytesOut }) => bytesOut,
  outboxBytes: ({ outbox, wire }) => outbox.bytes + (wire.waiting ?? 0),
};

/** One accepted connection: its state, counters and outbox. Services extend it with theirs. */
export class Client {
  readonly id: number;
  readonly wire: Wire;
  /** True if the wire is a TCP socket without TLS: its bytes may be given to the kernel by its descriptor. */
  readonly isPlain: boolean;
  readonly ip: string;
  readonly port: number;
  /** `ip:port`, IPv6 in brackets. */
  readonly address: string;
  /** Clock milliseconds. */
  readonly acceptedAt: number;
  /** The time of its last message; clock milliseconds. */
  lastMessageAt: number;
  state: ClientState = "greeting";
  reason: CloseReason | null = null;
  messagesIn = 0;
  /** Its messages that were refused. */
  refused = 0;
  readonly recent: Recent;
  bytesIn = 0;
  bytesOut = 0;
  readonly outbox: Outbox;
  /** Bytes that have come and were not taken, since the client was held. */
  readonly held: Buffer[] = [];
  /** The client has sent its FIN: it may still read, but nothing more comes. */
  peerEnded = false;
  /** A send has failed because the connection is broken: whoever reads after it sees no error any more, only the end. */
  isBroken = false;
  /** Our FIN has been sent. */
  shutDown = false;
  /** Only the bytes that are here already are served, at once and in spite of every hold; later ones are not. */
  finishing = false;
  /** Bytes that may still be served before it rests; below 0 by what came together. */
  shareLeft = SHARE_BYTES;
  /** The time at which a closing client is cut, whatever it is owed; clock milliseconds. */
  closeBy = Infinity;
  /** The time at which its wire last took bytes; clock milliseconds. */
  tookAt: number;
  #holds = 0;
  readonly #pinned: Pinned;
  readonly #refusals: LastRefusals;

  constructor({ id, wire, isPlain, ip, port, now, refusals }: Accepted, pinned: Pinned) {
    this.id = id;
    this.wire = wire;
    this.isPlain = isPlain;
    this.ip = ip;
    this.port = port;
    this.address = addressText(ip, port);
    this.acceptedAt = now;
    this.lastMessageAt = now;
    this.tookAt = now;
    this.recent = new Recent(now);
    this.outbox = new Outbox(wire.whole);
    this.#pinned = pinned;
    this.#refusals = refusals;
  }

  /**
   * Counts a message of it that is refused, and remembers why.
   * @param code a short name for the reason @param words the reason
   */
  refuse(code: string, words: string): void {
    this.refused++;
    this.#refusals.note(this.id, this.lastMessageAt, code, words);
  }

  /** Memory that a message takes which has begun and not ended, where that counts towards the bound of all. */
  get unfinishedBytes(): number {
    return 0;
  }

  /** Drops the bytes that have come and were not served. */
  forget(): void {
    this.held.length = 0;
  }

  /** True while its bytes are served as they come. */
  get reading(): boolean {
    return this.state === "open" && (this.#holds === 0 || this.finishing);
  }

  /** True while it is held for more than the rest of a turn. */
  get paused(): boolean {
    return (this.#holds & ~RESTING) !== 0 && !this.finishing;
  }

  isHeld(why: number): boolean {
    return (this.#holds & why) !== 0;
  }

  /** Stops reading from the client: TCP backpressure reaches its sender. */
  hold(why: number): void {
    if (this.#holds === 0 && this.state !== "closed") this.wire.pause();
    this.#holds |= why;
  }

  /** Takes one reason away. @returns true if the client is read again because of this */
  release(why: number): boolean {
    if (!this.isHeld(why)) return false;
    this.#holds &= ~why;
    if (this.#holds !== 0 || this.state === "closed") return false;
    this.wire.resume();
    return true;
  }

  /** Takes all reasons away: the bytes that a closing client still sends are read and thrown away. */
  releaseAll(): void {
    if (this.#holds !== 0 && this.state !== "closed") this.wire.resume();
    this.#holds = 0;
  }

  /** Sends this client text, or bytes that nobody changes any more, after those that already wait. */
  send(message: string | Buffer): void {
    if (this.put(message)) this.flush();
  }

  /** Puts text or bytes behind those that wait; the caller sends them. @returns false if nothing is sent to it any more */
  put(message: string | Buffer): boolean {
    if (this.state === "closed" || this.shutDown) return false;
    const bytes = typeof message === "string" ? Buffer.from(message) : message;
    const shared = new SharedBytes(bytes, bytes.length, this.#pinned);
    shared.pin();
    this.outbox.push(shared, 0, bytes.length);
    return true;
  }

  /** Sends this client its last message: the reason that it is closed. */
  tell(notice: string): void {
    if (notice !== "") this.send(notice);
  }

  /** Forgets the bytes that wait, except the rest of a message that was sent in part. */
  keepBegun(): void {
    this.outbox.keepLine();
  }

  /** Writes the bytes that wait, unless the wire is known to be full. @returns true if nothing waits any more */
  flush(): boolean {
    const { outbox } = this;
    if (outbox.bytes === 0) return true;
    if (outbox.blocked) return false;
    const before = outbox.bytes;
    const emptied = outbox.flush(this.wire);
    this.bytesOut += before - outbox.bytes;
    return emptied;
  }
}
