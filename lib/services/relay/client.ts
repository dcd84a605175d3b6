import type { Socket } from "bun";
import { Client, type CloseReason } from "../../net/client.ts";
import { type LineSink, LineSplitter } from "../../net/lines.ts";
import type { Pinned } from "../../net/outbox.ts";
import { Rate } from "../../net/rate.ts";
import { envelopePrefix } from "./envelope.ts";

/** Who takes a client's lines; the relay. */
export interface LineTaker {
  lines(client: RelayClient, block: Buffer): void;
  oversize(client: RelayClient): void;
}

/** A client of the relay. */
export class RelayClient extends Client implements LineSink {
  readonly splitter = new LineSplitter();
  readonly rate = new Rate();
  /** What each of its envelopes starts with. */
  readonly prefix: string;
  /** The ranges of this turn's buffer that it sent itself, as start, end, start, end ... */
  readonly own: number[] = [];
  /** Lines that were read but not relayed yet, since it was held amid a chunk; null is one that is not UTF-8. */
  waiting: (string | null)[] = [];
  /** Notices for refused lines, sent at the end of the chunk that earned them. */
  notices = "";
  /** Fan-outs that the monitor has not taken yet. */
  readonly staged: number[] = [];
  /** When throttle or flow control ends; clock milliseconds. */
  pausedUntil = 0;
  /** Unsent bytes at the last look for stalled readers. */
  bytesAtLook = 0;
  /** Called with each line it sends, for the program that embeds the relay. */
  observer: ((line: string) => void) | null = null;
  /** Called once with the reason when it is closed. */
  farewell: ((reason: CloseReason) => void) | null = null;
  readonly #taker: LineTaker;

  constructor(
    socket: Socket<unknown>,
    ip: string,
    port: number,
    now: number,
    pinned: Pinned,
    taker: LineTaker,
  ) {
    super(socket, ip, port, now, pinned);
    this.prefix = envelopePrefix(this.address);
    this.#taker = taker;
  }

  lines(block: Buffer): void {
    this.#taker.lines(this, block);
  }

  oversize(): void {
    this.#taker.oversize(this);
  }
}
