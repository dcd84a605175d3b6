import type { Config } from "../../config/table.ts";
import { type Pinned, SharedBytes } from "../../net/outbox.ts";
import { type Sending, Sends } from "../../net/sends/sends.ts";
import type { Backlog } from "./backlog.ts";
import type { RelayClient } from "./client.ts";

/** Size of the buffer in which a turn's bytes are gathered. */
const ARENA_BYTES = 1024 * 1024;

/**
 * Sends lines to all members but their sender. What arrives in one turn of the
 * event loop is encoded once into one buffer, in the order of arrival, and
 * leaves with one send per member, so that all members see the same order. A
 * member that sent lines itself gets the bytes around its own.
 */
export class Broadcast implements Sending<RelayClient> {
  readonly #members: ReadonlySet<RelayClient>;
  readonly #pinned: Pinned;
  readonly #backlog: Backlog;
  readonly #sends: Sends<RelayClient>;
  readonly #turnBytes: () => number;
  readonly #senders: RelayClient[] = [];
  /** Members that have not taken all bytes of this turn. */
  readonly #waiting: RelayClient[] = [];
  /** Envelopes that came in while a turn was being sent. */
  #late: Parameters<Broadcast["add"]>[] = [];
  #flushing = false;
  /** Lines that were sent or queued, once for each recipient. */
  deliveries = 0;
  #arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
  #turn: SharedBytes;
  #used = 0;
  #scheduled = false;

  /**
   * @param backlog told after each turn of the members that have not taken all of it
   * @param turnBytes bytes after which a turn is sent before its end
   * @throws StartError when its sends cannot leave as they are to
   */
  constructor(
    members: ReadonlySet<RelayClient>,
    pinned: Pinned,
    config: Config,
    host: ConstructorParameters<typeof Sends>[1],
    backlog: Backlog,
    turnBytes: () => number,
  ) {
    this.#members = members;
    this.#pinned = pinned;
    this.#sends = new Sends(config, host, this);
    this.#backlog = backlog;
    this.#turnBytes = turnBytes;
    this.#turn = new SharedBytes(this.#arena, 0, pinned);
  }

  /**
   * Takes whole envelopes of one sender; they leave at the end of this turn.
   * @param sender null if it is no client of this relay @param lines the number of envelopes
   */
  add(sender: RelayClient | null, envelopes: string, lines: number): void {
    if (this.#flushing) {
      this.#late.push([sender, envelopes, lines]);
      return;
    }
    const isMember = sender !== null && this.#members.has(sender);
    this.deliveries += lines * (this.#members.size - (isMember ? 1 : 0));
    const most = envelopes.length * 3;
    if (this.#used + most > this.#arena.length) this.#makeRoom(most);
    const start = this.#used;
    this.#used += this.#arena.write(envelopes, start, "utf8");
    if (sender !== null) this.#exclude(sender, start);
    if (this.#used >= this.#turnBytes()) {
      this.flush();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.flush();
      });
    }
  }

  /** Sends the bytes gathered so far. */
  flush(): void {
    const used = this.#used;
    if (used === 0 || this.#flushing) return;
    const turn = this.#turn;
    turn.size = used;
    this.#flushing = true;
    for (const client of this.#members) this.#send(client, turn);
    this.#sends.leave();
    this.#flushing = false;
    this.#used = 0;
    for (const sender of this.#senders) sender.own.length = 0;
    this.#senders.length = 0;
    if (turn.refs > 0) this.#keep(turn);
    for (const client of this.#waiting.splice(0)) this.#backlog.grew(client);
    this.#backlog.check();
    const late = this.#late;
    this.#late = [];
    for (const [sender, envelopes, lines] of late) this.add(sender, envelopes, lines);
  }

  /** What was gathered from `start` on does not go to its sender. */
  #exclude(sender: RelayClient, start: number): void {
    const { own } = sender;
    if (own.length === 0) this.#senders.push(sender);
    if (own.at(-1) === start) own[own.length - 1] = this.#used;
    else own.push(start, this.#used);
  }

  #send(client: RelayClient, turn: SharedBytes): void {
    const { outbox, own } = client;
    if (own.length === 0 && outbox.bytes === 0) {
      this.#sends.range(client, turn.bytes, 0, turn.size);
      return;
    }
    if (own.length > 0) this.#pushAround(client, turn);
    else outbox.push(turn, 0, turn.size);
    this.#sends.outbox(client);
  }

  /** A member has not taken all bytes of the turn. */
  keep({ outbox }: RelayClient, _: Buffer, start: number, length: number): void {
    outbox.push(this.#turn, start, start + length);
  }

  waits(client: RelayClient): void {
    client.outbox.unpin();
    this.#waiting.push(client);
  }

  /** A member's own lines do not come back to it. */
  #pushAround({ outbox, own }: RelayClient, turn: SharedBytes): void {
    let from = 0;
    for (let i = 0; i < own.length; i += 2) {
      outbox.push(turn, from, own[i] as number);
      from = own[i + 1] as number;
    }
    outbox.push(turn, from, turn.size);
  }

  /** Moves a turn that somebody still waits for into a buffer of its own size, so that the arena is free again. */
  #keep(turn: SharedBytes): void {
    turn.bytes = Buffer.allocUnsafeSlow(turn.size);
    this.#arena.copy(turn.bytes, 0, 0, turn.size);
    turn.pin();
    this.#turn = new SharedBytes(this.#arena, 0, this.#pinned);
  }

  #makeRoom(most: number): void {
    this.flush();
    if (most <= this.#arena.length) return;
    this.#arena = Buffer.allocUnsafeSlow(most);
    this.#turn = new SharedBytes(this.#arena, 0, this.#pinned);
  }
}
