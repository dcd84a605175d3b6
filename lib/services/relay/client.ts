import type { Accepted, CloseReason } from "../../net/client.ts";
import { LineClient } from "../../net/line-clients.ts";
import type { Pinned } from "../../net/outbox.ts";
import { Rate } from "../../net/admission/rate.ts";
import { envelopePrefix } from "./envelope.ts";

/** Reasons not to read a client of the relay, besides its greeting. */
export const Hold = {
  /** Throttle or flow control. */
  pressure: 2,
  /** Too many bytes wait for all readers together. */
  backlog: 4,
  /** The order of the room takes no lines. */
  order: 8,
} as const;

/** A client of the relay. */
export class RelayClient extends LineClient {
  readonly rate = new Rate();
  /** The beginning of each of its envelopes. */
  readonly prefix: string;
  /** The ranges of this turn's buffer that it sent itself, as start, end, start, end ... */
  readonly own: number[] = [];
  /** The time when the log last named it for a refused line; clock milliseconds. */
  namedAt = -Infinity;
  /** Notices for refused lines that have not been sent yet. */
  notices = "";
  /** Fan-outs that the monitor has not taken yet. */
  readonly staged: number[] = [];
  /** The end of its last hold by the relay, which may be still to come; clock milliseconds. */
  heldUntil = 0;
  /** The beginning of the holds of which the last one is that; clock milliseconds. */
  pacedSince = -Infinity;
  /** Unsent bytes at the last look for stalled readers. */
  bytesAtLook = 0;
  /** Called with each relayed line of it, for the program that embeds the relay. */
  onLine: ((line: string) => void) | null = null;
  /** Called once with the reason when it is closed. */
  onClosed: ((reason: CloseReason) => void) | null = null;

  constructor(accepted: Accepted, pinned: Pinned) {
    super(accepted, pinned);
    this.prefix = envelopePrefix(this.address);
  }
}
