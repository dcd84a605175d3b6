import type { Accepted, CloseReason } from "../../net/client.ts";
import { LineClient } from "../../net/line-clients.ts";
import type { Pinned } from "../../net/outbox.ts";
import { Rate } from "../../net/rate.ts";
import { envelopePrefix } from "./envelope.ts";

/** Why a client of the relay is not read, besides its greeting. */
export const Hold = {
  /** Throttle or flow control. */
  pressure: 2,
  /** Too much waits for everybody's readers. */
  backlog: 4,
} as const;

/** A client of the relay. */
export class RelayClient extends LineClient {
  readonly rate = new Rate();
  /** What each of its envelopes starts with. */
  readonly prefix: string;
  /** The ranges of this turn's buffer that it sent itself, as start, end, start, end ... */
  readonly own: number[] = [];
  /** When it was last named in the log for a refused line; clock milliseconds. */
  namedAt = -Infinity;
  /** Notices for refused lines that have not been sent yet. */
  notices = "";
  /** Fan-outs that the monitor has not taken yet. */
  readonly staged: number[] = [];
  /** Until when it is not read, or was not, by the relay's own doing; clock milliseconds. */
  heldUntil = 0;
  /** Unsent bytes at the last look for stalled readers. */
  bytesAtLook = 0;
  /** Called with each line of it that is relayed, for the program that embeds the relay. */
  onLine: ((line: string) => void) | null = null;
  /** Called once with the reason when it is closed. */
  onClosed: ((reason: CloseReason) => void) | null = null;

  constructor(accepted: Accepted, pinned: Pinned) {
    super(accepted, pinned);
    this.prefix = envelopePrefix(this.address);
  }
}
