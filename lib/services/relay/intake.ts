import { isUtf8 } from "node:buffer";
import type { Config } from "../../config/table.ts";
import type { Clock } from "../../host/clock.ts";
import { endOfPiece } from "../../net/lines.ts";
import type { RelayClient } from "./client.ts";
import { envelope, exceeds, NOTICES, oversizeNotice } from "./envelope.ts";
import type { Order } from "./order/order.ts";
import { portionOf } from "./order/portions.ts";
import type { Pacing } from "./pacing.ts";
import type { Monitor } from "./pressure.ts";
import type { Refusals } from "./refusals.ts";
import type { Traffic } from "./traffic.ts";

/** Characters of notices that are gathered before they are sent. */
const NOTICE_BATCH = 64 * 1024;
/** Characters of envelopes that are gathered before they are encoded, and bytes of lines that are decoded at a time. */
const TEXT_BATCH = 64 * 1024;
const NEWLINE = 10;

/** The guarded backend's measures against senders whose lines go to many clients. */
export interface Guard {
  readonly monitor: Monitor;
  readonly pacing: Pacing;
}

/** Takes the lines of clients: each is refused with a notice, or put into an envelope and relayed. */
export class Intake {
  readonly counts = {
    lines_in: 0,
    lines_blank: 0,
    lines_relayed: 0,
    refused_rate: 0,
    refused_oversize: 0,
    refused_utf8: 0,
  };
  readonly #members: ReadonlySet<RelayClient>;
  readonly #order: Order;
  readonly #guard: Guard | null;
  readonly #traffic: Traffic;
  readonly #refusals: Refusals;
  readonly #clock: Clock;
  readonly #config: () => Config;

  /** @param guard null in the plain backend, which has no rate limit either */
  constructor(
    members: ReadonlySet<RelayClient>,
    order: Order,
    guard: Guard | null,
    traffic: Traffic,
    refusals: Refusals,
    clock: Clock,
    config: () => Config,
  ) {
    this.#members = members;
    this.#order = order;
    this.#guard = guard;
    this.#traffic = traffic;
    this.#refusals = refusals;
    this.#clock = clock;
    this.#config = config;
  }

  /** Lines that were refused, for any reason. */
  get refused(): number {
    const { refused_rate, refused_oversize, refused_utf8 } = this.counts;
    return refused_rate + refused_oversize + refused_utf8;
  }

  /** The other clients that a line goes to, on all engines of the room. */
  get fanOut(): number {
    return this.#members.size - 1 + this.#order.elsewhere;
  }

  /** Relays whole lines for as long as the client may be read. @returns the bytes taken */
  lines(client: RelayClient, block: Buffer): number {
    client.lastMessageAt = this.#clock.now();
    const delayMs = this.#guard?.pacing.delayFor(this.fanOut) ?? 0;
    const taken = delayMs > 0 ? this.#paced(client, block, delayMs) : this.#atOnce(client, block);
    this.#sendNotices(client);
    return taken;
  }

  /** Refuses a line that was too long to be kept. */
  oversize(client: RelayClient): void {
    client.lastMessageAt = this.#clock.now();
    if (this.#counted(client)) this.#tooLong(client);
    this.#sendNotices(client);
  }

  #atOnce(client: RelayClient, block: Buffer): number {
    let taken = 0;
    while (taken < block.length && client.reading) {
      const end = endOfPiece(block, taken, TEXT_BATCH);
      const piece = taken === 0 && end === block.length ? block : block.subarray(taken, end);
      taken += this.#relay(client, piece);
    }
    return taken;
  }

  /** Relays lines one by one, with a wait after each; lines that are not relayed, such as heartbeats, cause no wait. */
  #paced(client: RelayClient, block: Buffer, delayMs: number): number {
    let taken = 0;
    while (taken < block.length && client.reading) {
      const before = this.counts.lines_relayed;
      taken += this.#relay(client, block.subarray(taken, block.indexOf(NEWLINE, taken) + 1));
      if (this.counts.lines_relayed > before) this.#guard?.pacing.wait(client, delayMs);
    }
    return taken;
  }

  /** Relays lines until the client is held. @returns their bytes */
  #relay(client: RelayClient, block: Buffer): number {
    const lines = decoded(block);
    const { relay } = this.#config();
    const { max_line_bytes: maxBytes } = relay;
    const batch = Math.min(TEXT_BATCH, portionOf(relay));
    const { fanOut } = this;
    const goesNowhere = fanOut === 0 && !this.#order.shared;
    const logged = this.#traffic.wanted;
    let text = "";
    let relayed = 0;
    let appended = 0;
    let taken = block.length;
    for (let i = 0; i < lines.length; i++) {
      if (!this.#counted(client)) continue;
      let line = lines[i] as string | null;
      if (line === null) {
        this.counts.refused_utf8++;
        this.#refuse(client, NOTICES.utf8, "utf8", "it is not valid UTF-8");
        continue;
      }
      if (line.endsWith("\r")) line = line.slice(0, -1);
      if (line === "") {
        this.counts.lines_blank++;
        continue;
      }
      const out = envelope(client.prefix, line);
      if (exceeds(out, maxBytes)) {
        this.#tooLong(client);
        continue;
      }
      relayed++;
      if (logged) this.#traffic.add(client.address, line);
      if (client.onLine) client.onLine(line);
      if (goesNowhere) continue;
      text += out;
      if (text.length < batch) continue;
      this.#order.append(client, text, relayed - appended);
      text = "";
      appended = relayed;
      if (client.reading) continue;
      taken = lengthOfLines(block, i + 1);
      break;
    }
    if (text !== "") this.#order.append(client, text, relayed - appended);
    this.counts.lines_relayed += relayed;
    if (this.#guard !== null && relayed > 0) {
      const capacity = this.#config().hyper_parameters.queue_monitor_capacity;
      this.#guard.monitor.stage(client, fanOut, relayed, capacity);
    }
    return taken;
  }

  /** Counts one line. @returns false if it is beyond the rate, and has been refused */
  #counted(client: RelayClient): boolean {
    client.messagesIn++;
    this.counts.lines_in++;
    if (this.#guard === null) return true;
    const limit = this.#config().hyper_parameters.rate_limit_msgs_per_minute;
    if (client.rate.allows(client.lastMessageAt, limit)) return true;
    this.counts.refused_rate++;
    this.#refuse(client, NOTICES.rate, "rate", `there were more than ${limit} in a minute`);
    return false;
  }

  #tooLong(client: RelayClient): void {
    this.counts.refused_oversize++;
    const most = this.#config().relay.max_line_bytes;
    this.#refuse(
      client,
      oversizeNotice(most),
      "oversize",
      `with its envelope it has more than ${most} bytes`,
    );
  }

  /** Counts a refused line. Its notice is sent only if nothing waits for the client, so that notices cannot pile up. */
  #refuse(client: RelayClient, notice: string, code: string, why: string): void {
    this.#refusals.refused(client, code, why);
    if (client.outbox.bytes > 0) return;
    client.notices += notice;
    if (client.notices.length > NOTICE_BATCH) this.#sendNotices(client);
  }

  #sendNotices(client: RelayClient): void {
    if (client.notices === "") return;
    const { notices } = client;
    client.notices = "";
    client.send(notices);
  }
}

/** Bytes of the first `count` lines of a block. */
function lengthOfLines(block: Buffer, count: number): number {
  let end = 0;
  for (let i = 0; i < count; i++) end = block.indexOf(NEWLINE, end) + 1;
  return end;
}

/** The lines of a block, which ends with a newline; null for each that is not UTF-8. */
function decoded(block: Buffer): (string | null)[] {
  if (isUtf8(block)) {
    const lines = block.toString("utf8").split("\n");
    lines.pop();
    return lines;
  }
  const lines: (string | null)[] = [];
  for (let start = 0; start < block.length;) {
    const newline = block.indexOf(NEWLINE, start);
    const line = block.subarray(start, newline);
    lines.push(isUtf8(line) ? line.toString("utf8") : null);
    start = newline + 1;
  }
  return lines;
}
