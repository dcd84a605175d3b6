import { type Pinned, Shared } from "../../net/outbox.ts";
import type { RelayClient } from "./client.ts";

/** Where a turn's bytes are gathered; a turn that fills it is sent before its time. */
const ARENA_BYTES = 1024 * 1024;

/**
 * Sends lines to all members but their sender. What arrives in one turn of the
 * event loop is encoded once into one buffer, in the order of arrival, and
 * leaves with one write per member, so that all members see the same order. A
 * member that sent lines itself gets the ranges around its own.
 */
export class Broadcast {
  readonly #members: ReadonlySet<RelayClient>;
  readonly #pinned: Pinned;
  readonly #waits: (client: RelayClient) => void;
  readonly #flushed: () => void;
  readonly #senders: RelayClient[] = [];
  #arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
  #turn: Shared;
  #used = 0;
  #scheduled = false;

  /**
   * @param waits called when bytes have to wait for a member, before the next member gets its own
   * @param flushed called after each turn
   */
  constructor(
    members: ReadonlySet<RelayClient>,
    pinned: Pinned,
    waits: (client: RelayClient) => void,
    flushed: () => void,
  ) {
    this.#members = members;
    this.#pinned = pinned;
    this.#waits = waits;
    this.#flushed = flushed;
    this.#turn = new Shared(this.#arena, 0, pinned);
  }

  /** Takes whole envelopes of one sender; they leave at the end of this turn. */
  add(sender: RelayClient, envelopes: string): void {
    const most = envelopes.length * 3;
    if (this.#used + most > this.#arena.length) this.#makeRoom(most);
    const start = this.#used;
    this.#used += this.#arena.write(envelopes, start, "utf8");
    const { own } = sender;
    if (own.length === 0) this.#senders.push(sender);
    if (own.at(-1) === start) own[own.length - 1] = this.#used;
    else own.push(start, this.#used);
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.flush();
      });
    }
  }

  /** Sends what has been gathered. */
  flush(): void {
    const used = this.#used;
    if (used === 0) return;
    const arena = this.#arena;
    const turn = this.#turn;
    this.#used = 0;
    turn.size = used;
    for (const client of this.#members) {
      const { outbox, own } = client;
      if (own.length > 0) this.#pushAround(client, turn, used);
      else if (outbox.bytes === 0 && !outbox.blocked) {
        const taken = client.socket.write(arena, 0, used);
        if (taken === used) {
          client.bytesOut += used;
          continue;
        }
        outbox.push(turn, 0, used);
        outbox.blocked = true;
        if (taken > 0) {
          outbox.took(taken);
          client.bytesOut += taken;
        }
      } else outbox.push(turn, 0, used);
      if (client.flush()) continue;
      outbox.unpin();
      this.#waits(client);
    }
    for (const sender of this.#senders) sender.own.length = 0;
    this.#senders.length = 0;
    if (turn.refs > 0) this.#keep(turn, used);
    this.#flushed();
  }

  /** A member's own lines do not come back to it. */
  #pushAround({ outbox, own }: RelayClient, turn: Shared, used: number): void {
    let from = 0;
    for (let i = 0; i < own.length; i += 2) {
      outbox.push(turn, from, own[i] as number);
      from = own[i + 1] as number;
    }
    outbox.push(turn, from, used);
  }

  /** Somebody has to wait: what waits moves into a buffer of just its size, and the arena is free again. */
  #keep(turn: Shared, used: number): void {
    turn.bytes = Buffer.allocUnsafeSlow(used);
    this.#arena.copy(turn.bytes, 0, 0, used);
    turn.pin();
    this.#turn = new Shared(this.#arena, 0, this.#pinned);
  }

  #makeRoom(most: number): void {
    this.flush();
    if (most <= this.#arena.length) return;
    this.#arena = Buffer.allocUnsafeSlow(most);
    this.#turn = new Shared(this.#arena, 0, this.#pinned);
  }
}
