import type { RoadEnd } from "../batch.ts";
import type { RoomBars } from "./nodes/bars.ts";
import { Counts, type Gap } from "./counts.ts";
import { type Entry, entryOf } from "./entry.ts";
import type { Joined } from "./server/joined.ts";
import type { Kicks } from "./nodes/kicks.ts";
import type { Nodes } from "./nodes/nodes.ts";
import { parsed } from "./parsed.ts";
import type { Sent, SentEntries } from "./sent.ts";

/** What is done with what arrives, besides its delivery. */
export interface Arriving {
  /** An entry of this node has its place. */
  settled(sent: Sent): void;
  /** This node's sign of life has come back. */
  seen(): void;
  /** Something in the stream is no entry of a node. */
  foreign(why: string): void;
  lost(lines: number): void;
  /** Another node has told of itself. */
  heard(): void;
  /** Words of other nodes were missed, besides lines. */
  missed(): void;
  /** Another node wants a client closed. */
  kick(id: number, ask: number, life: string): void;
}

/** Takes the entries of the stream, in order, each once. */
export class Arrivals {
  readonly #counts = new Counts();
  readonly #life: string;
  readonly #end: RoadEnd;
  readonly #sent: SentEntries;
  readonly #nodes: Nodes;
  readonly #bars: RoomBars;
  readonly #kicks: Kicks;
  readonly #arriving: Arriving;
  readonly #mostLine: () => number;
  readonly #now: () => number;
  #isIn = false;
  /** All that the server had seen up to the entry by which this node last joined. */
  #joined: Joined | null = null;

  constructor(
    life: string,
    end: RoadEnd,
    parts: { sent: SentEntries; nodes: Nodes; bars: RoomBars; kicks: Kicks },
    arriving: Arriving,
    mostLine: () => number,
    now: () => number,
  ) {
    this.#life = life;
    this.#end = end;
    this.#sent = parts.sent;
    this.#nodes = parts.nodes;
    this.#bars = parts.bars;
    this.#kicks = parts.kicks;
    this.#arriving = arriving;
    this.#mostLine = mostLine;
    this.#now = now;
  }

  /** This node has joined, for the first time or again. */
  joined(joined: Joined): void {
    if (this.#isIn) this.#joined = joined;
    else this.#counts.begin(joined.heads);
    this.#isIn = true;
    const now = this.#now();
    this.#nodes.hears(now);
    for (const { name, life, silentMs, told } of joined.nodes) {
      if (life !== this.#life) this.#nodes.heard(name, life, parsed(told), now - silentMs);
    }
    this.#bars.inForce(this.#end, joined.bars);
  }

  take(found: unknown): void {
    const entry = entryOf(found, this.#mostLine());
    if (typeof entry === "string") this.#arriving.foreign(entry);
    else if (entry.life === this.#life) this.#own(entry);
    else this.#other(entry);
  }

  #own({ id, kind, number }: Entry): void {
    if (number > this.#sent.number) {
      this.#arriving.foreign("a number that this node has not reached");
      return;
    }
    // Those before it that have not been read are in the stream no more.
    for (const sent of this.#sent.takeTo(number)) this.#arriving.settled(sent);
    if (kind !== "here") return;
    this.#nodes.hears(this.#now());
    this.#arriving.seen();
    if (this.#joined?.id !== id) return;
    // There may be very many lives: the members are told once.
    const all = { entries: 0, lines: 0 };
    for (const [life, head] of this.#joined.heads) {
      if (life === this.#life) continue;
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

  #word({ kind, life, text }: Entry): void {
    if (kind === "bar") return this.#bars.imposed(this.#end, text);
    if (kind === "lift") return this.#bars.lifted(this.#end, text);
    const { to, id, ask, address } = (parsed(text) ?? {}) as Record<string, unknown>;
    if (to !== this.#life) return;
    if (kind === "kicked") this.#kicks.answered({ ask, address });
    else if (typeof id === "number" && typeof ask === "number") this.#arriving.kick(id, ask, life);
  }

  #tell({ entries, lines }: Gap): void {
    if (lines > 0) this.#arriving.lost(lines);
    if (entries > 0) this.#arriving.missed();
  }
}
