import { count } from "../../../../../host/count.ts";
import type { Clock } from "../../../../../host/clock.ts";
import type { Log } from "../../../../../host/log.ts";

/** Milliseconds for which lost lines are told of. */
const LOST_TOLD_MS = 60_000;
/** Milliseconds between two words of them in the log. */
const LOST_LOGGED_MS = 1000;
const FOREIGN_TOLD_MS = 60_000;
/** The most reasons of one cut in the log. */
const MOST_REASONS = 5;

/** What is wrong between this node and its room: the log says it once, and health for as long as it lasts. */
export class Trouble {
  /** Times that this node was cut off. */
  cuts = 0;
  lostLines = 0;
  foreignEntries = 0;
  readonly #room: string;
  readonly #server: string;
  readonly #clock: Clock;
  readonly #log: Log;
  #now: { readonly reason: string; readonly since: number } | null = null;
  /** The reasons of this cut that the log has. */
  readonly #reasons = new Set<string>();
  #lost = { at: -Infinity, lines: 0 };
  #untold = 0;
  #lostTold = -Infinity;
  #forgedTold = -Infinity;
  #foreignTold = { at: -Infinity, entries: 0 };

  /** @param server its URL without secrets */
  constructor(room: string, server: string, clock: Clock, log: Log) {
    this.#room = room;
    this.#server = server;
    this.#clock = clock;
    this.#log = log;
  }

  /** The reason why no lines pass at present. */
  get now(): { readonly reason: string; readonly since: number } | null {
    return this.#now;
  }

  /** The server cannot be used; or still not, for perhaps another reason. */
  began(reason: string): void {
    const text = `${this.#server}: ${reason}`;
    if (this.#now === null) {
      this.cuts++;
      this.#log.warning(`room ${this.#room}: cut off; ${text}. Senders wait until it is back`);
      this.#reasons.clear();
    } else if (!this.#reasons.has(reason) && this.#reasons.size < MOST_REASONS) {
      // What an operator can do shows in the later ones: another password, a server that is full.
      this.#log.warning(`room ${this.#room}: still cut off; ${text}`);
    }
    this.#reasons.add(reason);
    this.#now = { reason: text, since: this.#now?.since ?? this.#clock.now() };
  }

  /** @param server the one that is there now */
  over(server: string): void {
    if (this.#now === null) return;
    const seconds = ((this.#clock.now() - this.#now.since) / 1000).toFixed(1);
    this.#log.warning(`room ${this.#room}: ${server} is back, after ${seconds} s`);
    this.#now = null;
  }

  lost(lines: number): void {
    const now = this.#clock.now();
    this.lostLines = Math.min(this.lostLines + lines, Number.MAX_SAFE_INTEGER);
    const isLong = now - this.#lost.at >= LOST_TOLD_MS;
    this.#lost = { at: now, lines: (isLong ? 0 : this.#lost.lines) + lines };
    this.#untold += lines;
    if (now - this.#lostTold >= LOST_LOGGED_MS) this.tellLost();
  }

  /** Logs the losses that are not in the log yet: there may be many a second. */
  tellLost(): void {
    if (this.#untold === 0) return;
    this.#log.error(
      `room ${this.#room}: ${count(this.#untold, "line")} of others never came and cannot be had any more`,
    );
    this.#untold = 0;
    this.#lostTold = this.#clock.now();
  }

  /** Something stands in the stream that no node has written. */
  foreign(why: string): void {
    this.foreignEntries++;
    const now = this.#clock.now();
    if (now - this.#foreignTold.at < FOREIGN_TOLD_MS) return;
    const more = this.foreignEntries - this.#foreignTold.entries;
    this.#foreignTold = { at: now, entries: this.foreignEntries };
    const what = more === 1 ? "an entry" : `${more} entries`;
    this.#log.warning(
      `room ${this.#room}: skipped ${what} of the stream that no relay of this room writes; the last: ${why}`,
    );
  }

  /** Somebody else has written in the name of this node. */
  forged(why: string): void {
    this.foreignEntries++;
    const now = this.#clock.now();
    if (now - this.#forgedTold < FOREIGN_TOLD_MS) return;
    this.#forgedTold = now;
    this.#log.warning(
      `room ${this.#room}: somebody else writes to the stream in the name of this node: ${why}. It goes on under another life, and sends again what the others have not taken`,
    );
  }

  /** The lines that were lost within the last minute, in words; null when there were none. */
  get losses(): string | null {
    const { at, lines } = this.#lost;
    if (this.#clock.now() - at >= LOST_TOLD_MS) return null;
    return `${count(lines, "line")} of other nodes were lost within the last minute`;
  }
}
