import type { Clock } from "../../host/clock.ts";
import type { Pinned } from "../../net/outbox.ts";
import { Hold, type RelayClient } from "./client.ts";
import type { Senders } from "./senders.ts";

export interface BacklogBounds {
  readonly outbox_bytes: number;
  readonly total_outbox_bytes: number;
  readonly stall_ms: number;
}

/**
 * Bounds the bytes that wait for all members together. Above the bound every
 * sender pauses until readers have caught up, so that a flood loses nothing;
 * readers that do not catch up are closed one after the other.
 *
 * Senders pause when the pinned buffers pass `total_outbox_bytes`, or when a
 * member that is still reading has a quarter of its own outbox filled. Without
 * the second rule, members that lag evenly would each reach their own bound long
 * before the total does, since they share the buffers. A quarter leaves room for
 * what is on its way at that moment: an eighth gathered and a line of half an
 * outbox.
 */
export class Backlog {
  /** Times that senders have been paused. */
  pauses = 0;
  #pausedSince: number | null = null;
  #cancelLook: () => void = () => {};
  readonly #crowded = new Set<RelayClient>();
  readonly #members: ReadonlySet<RelayClient>;
  readonly #pinned: Pinned;
  readonly #clock: Clock;
  readonly #bounds: () => BacklogBounds;
  readonly #senders: Senders;
  readonly #closeSlow: (client: RelayClient) => void;
  readonly #resumed: () => void;

  /** @param resumed called when the members have caught up */
  constructor(
    members: ReadonlySet<RelayClient>,
    pinned: Pinned,
    clock: Clock,
    senders: Senders,
    bounds: () => BacklogBounds,
    closeSlow: (client: RelayClient) => void,
    resumed: () => void,
  ) {
    this.#members = members;
    this.#pinned = pinned;
    this.#clock = clock;
    this.#bounds = bounds;
    this.#senders = senders;
    this.#closeSlow = closeSlow;
    this.#resumed = resumed;
  }

  get paused(): boolean {
    return this.#pausedSince !== null;
  }

  /** The time since which senders are paused, clock milliseconds; null while they are not. */
  get pausedSince(): number | null {
    return this.#pausedSince;
  }

  /** More bytes wait for a member. */
  grew(client: RelayClient): void {
    const { outbox_bytes, stall_ms } = this.#bounds();
    if (client.outbox.bytes > outbox_bytes) {
      this.#closeSlow(client);
    } else if (client.outbox.bytes > outbox_bytes / 4) {
      // Nobody pauses for a member that takes nothing at all: it is closed at its own bound.
      const reads = this.#clock.now() - client.tookAt < stall_ms;
      if (reads) this.#crowded.add(client);
    }
  }

  /** Fewer bytes wait for a member, or (`gone`) it is closed. */
  shrank(client: RelayClient, gone: boolean): void {
    if (this.#crowded.size > 0) {
      const low = client.outbox.bytes <= this.#bounds().outbox_bytes / 8;
      if (gone || low) this.#crowded.delete(client);
    }
    this.#maybeResume();
  }

  /** Pauses everybody when the bounds say so; called after each turn. */
  check(): void {
    const over = this.#pinned.bytes > this.#bounds().total_outbox_bytes;
    if (this.#pausedSince !== null || (!over && this.#crowded.size === 0)) return;
    this.#pausedSince = this.#clock.now();
    this.pauses++;
    for (const client of this.#members) client.bytesAtLook = client.outbox.bytes;
    this.#senders.hold(Hold.backlog);
    this.#lookLater();
  }

  /** Pauses a member that joins while senders are paused. */
  joined(client: RelayClient): void {
    if (this.paused) client.hold(Hold.backlog);
  }

  #lookLater(): void {
    this.#cancelLook();
    this.#cancelLook = this.#clock.after(this.#bounds().stall_ms, () => this.#look());
  }

  #look(): void {
    if (this.#pausedSince === null) return;
    for (const client of this.#crowded) {
      if (client.tookAt < this.#pausedSince) this.#crowded.delete(client);
    }
    let worst: RelayClient | null = null;
    for (const client of this.#members) {
      if (client.outbox.bytes > (worst?.outbox.bytes ?? 0)) worst = client;
    }
    const stuck = worst !== null && worst.outbox.bytes > worst.bytesAtLook / 2;
    for (const client of this.#members) client.bytesAtLook = client.outbox.bytes;
    if (worst !== null && stuck) this.#closeSlow(worst);
    this.#maybeResume();
    if (this.paused) this.#lookLater();
  }

  #maybeResume(): void {
    if (this.#pausedSince === null || this.#crowded.size > 0) return;
    if (this.#pinned.bytes >= this.#bounds().total_outbox_bytes / 2) return;
    this.#pausedSince = null;
    this.#cancelLook();
    // Lines that were held may fill the readers again, and pause everybody.
    this.#senders.release(Hold.backlog, () => this.paused);
    if (!this.paused) this.#resumed();
  }
}
