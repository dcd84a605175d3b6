import type { RoadEnd } from "../batch.ts";
import type { RoomBar } from "../order.ts";
import type { RoomBars } from "./nodes/bars.ts";
import { Counts, type Gap } from "./counts.ts";
import { type Entry, entryOf } from "./entry.ts";
import type { Joined } from "./server/joined.ts";
import type { Kicks } from "./nodes/kicks.ts";
import type { Life } from "./life.ts";
import type { Nodes } from "./nodes/nodes.ts";
import { Own } from "./own.ts";
import { parsed } from "./parsed.ts";
import type { Sent, SentEntries } from "./sent.ts";

/** The most lines that are told as lost at once: whoever writes numbers of their own could make it any. */
const MOST_LOST = 1e9;

/** What is done with what arrives, besides its delivery. */
export interface Arriving {
  /** An entry of this node has its place. */
  settled(sent: Sent): void;
  /** This node's sign of life has come back. */
  seen(): void;
  /** Something in the stream is no entry of a node. */
  foreign(why: string): void;
  /** Somebody else has written in the name of this node's life. */
  forged(why: string): void;
  /** This node's next life has begun, and what it has sent is numbered anew. */
  begun(): void;
  lost(lines: number): void;
  /** Another node has told of itself. */
  heard(): void;
  /** Words of other nodes were missed, besides lines. */
  missed(): void;
  /** Another node has barred somebody. */
  barred(bar: RoomBar, life: string): void;
  /** Another node wants a client closed. */
  kick(id: number, ask: number, life: string): void;
}

/** Takes the entries of the stream, in order, each once. */
export class Arrivals {
  readonly #counts = new Counts();
  readonly #life: Life;
  readonly #end: RoadEnd;
  readonly #own: Own;
  readonly #nodes: Nodes;
  readonly #bars: RoomBars;
  readonly #kicks: Kicks;
  readonly #arriving: Arriving;
  readonly #mostLine: () => number;
  readonly #now: () => number;
  #isIn = false;
  /** All that the server had seen up to the entry by which this node last joined. */
  #joined: Joined | null = null;
  /** The id of the last sign of life of this node. */
  #sign = "";

  constructor(
    life: Life,
    end: RoadEnd,
    parts: { sent: SentEntries; nodes: Nodes; bars: RoomBars; kicks: Kicks },
    arriving: Arriving,
    mostLine: () => number,
    now: () => number,
  ) {
    this.#life = life;
    this.#end = end;
    this.#own = new Own(life, parts.sent);
    this.#nodes = parts.nodes;
    this.#bars = parts.bars;
    this.#kicks = parts.kicks;
    this.#arriving = arriving;
    this.#mostLine = mostLine;
    this.#now = now;
  }

  /** This node has joined, for the first time or again. @returns the quarantines that it has to impose again */
  joined(joined: Joined): readonly RoomBar[] {
    if (this.#isIn) this.#joined = joined;
    else this.#counts.begin(joined.heads);
    this.#isIn = true;
    const now = this.#now();
    this.#nodes.hearsAgain(now);
    for (const { name, life, silentMs, told } of joined.nodes) {
      if (!this.#life.isOwn(life)) this.#nodes.heard(name, life, parsed(told), now - silentMs);
    }
    const again = this.#bars.inForce(this.#end, joined, now);
    // The entry may have come before the answer.
    if (this.#sign === joined.id) this.#reach(joined.id);
    return again;
  }

  /** Takes an entry, or whatever stands in its place. @returns false if it has to be read once more, later */
  take(found: unknown): boolean {
    const entry = entryOf(found, this.#mostLine());
    if (typeof entry === "string") {
      this.#arriving.foreign(entry);
      return true;
    }
    if (this.#life.isEnding && entry.life === this.#life.next && entry.kind === "here") {
      // Nothing is to come of the life before.
      this.#counts.reach(this.#life.begin(), this.#own.begin());
      this.#arriving.begun();
    }
    if (entry.life === this.#life.name) return this.#takeOwn(entry);
    this.#other(entry);
    return true;
  }

  #takeOwn(entry: Entry): boolean {
    const found = this.#own.take(entry);
    if (found === "later") return false;
    if ("forged" in found) {
      this.#arriving.forged(found.forged);
      return true;
    }
    for (const sent of found.settled) this.#arriving.settled(sent);
    if (entry.kind === "here") this.#signOfLife(entry.id);
    return true;
  }

  #signOfLife(id: string): void {
    this.#sign = id;
    this.#nodes.hears(this.#now());
    this.#arriving.seen();
    this.#reach(id);
  }

  #reach(id: string): void {
    if (this.#joined?.id !== id) return;
    // There may be very many lives: the members are told once.
    const all = { entries: 0, lines: 0 };
    for (const [life, head] of this.#joined.heads) {
      if (this.#life.isOwn(life)) continue;
      const gap = this.#counts.reach(life, head);
      all.entries += gap.entries;
      all.lines += gap.lines;
    }
    this.#joined = null;
    this.#tell(all);
  }

  #other(entry: Entry): void {
    const { kind, life, number, before, text } = entry;
    if (kind === "here" || kind === "left") {
      this.#tell(this.#counts.reach(life, { number, lines: before }));
      if (kind === "here") this.#correct(entry);
      const { name, info } = (parsed(text) ?? {}) as { name?: unknown; info?: object };
      this.#nodes.heard(`${name}`, life, { ...info, left: kind === "left" }, this.#now());
      this.#arriving.heard();
      return;
    }
    const gap = this.#counts.take(entry);
    if (gap === null) return;
    this.#tell(gap);
    if (kind === "lines") this.#end.foreign(text, entry.lines);
    else this.#word(entry);
  }

  #correct(entry: Entry): void {
    const lines = this.#counts.corrected(entry, this.#now());
    if (lines === null) return;
    this.#arriving.foreign("a number that its node has not reached");
    this.#tell({ entries: 1, lines });
  }

  #word({ kind, life, text }: Entry): void {
    if (kind === "bar") {
      const bar = this.#bars.imposed(this.#end, text);
      if (bar !== null) this.#arriving.barred(bar, life);
      return;
    }
    if (kind === "lift") return this.#bars.lifted(this.#end, text);
    const { to, id, ask, address } = (parsed(text) ?? {}) as Record<string, unknown>;
    if (to !== this.#life.name) return;
    if (kind === "kicked") this.#kicks.answered({ ask, address });
    else if (typeof id === "number" && typeof ask === "number") this.#arriving.kick(id, ask, life);
  }

  #tell({ entries, lines }: Gap): void {
    if (lines > 0) this.#arriving.lost(Math.min(lines, MOST_LOST));
    if (entries > 0) this.#arriving.missed();
  }
}
