import type { Entry } from "./entry.ts";
import { isAfter } from "./ids.ts";
import { SILENCE_MS } from "./script.ts";

/** The last entry of a node that is known, and its lines up to there. */
export interface Head {
  readonly number: number;
  readonly lines: number;
}

/** What has been read of a life. */
interface Known {
  number: number;
  lines: number;
  /** The id of its last sign of life. */
  sign: string;
  /** Its signs of life, one after the other, that were before that number, and the time of the first. */
  before: number;
  beforeSince: number;
  /** Lines in entries that were taken for old since the last one that was not. */
  old: number;
}

/** The most lives that are remembered; the ones that were silent longest are forgotten. */
const MOST_LIVES = 10_000;
/** Signs of life before the number that is known, after which that cannot be its own. */
const MOST_BEFORE = 4;

/** What has been read of each life of each other node: what comes twice is known by it, and what never came. */
export class Counts {
  readonly #lives = new Map<string, Known>();

  /** What was there before this node joined. */
  begin(heads: ReadonlyMap<string, Head>): void {
    for (const [life, head] of heads) this.#renew(life, head);
  }

  /** Counts an entry. @returns null if it has come before; otherwise the gap before it */
  take({ life, number, before, lines }: Entry): Gap | null {
    const known = this.#known(life);
    if (number <= known.number) {
      known.old += lines;
      return null;
    }
    const gap = { entries: number - known.number - 1, lines: Math.max(0, before - known.lines) };
    this.#renew(life, { number, lines: Math.max(known.lines, before + lines) });
    return gap;
  }

  /** A life has come this far. @returns what of it has never come */
  reach(life: string, head: Head): Gap {
    const known = this.#known(life);
    const entries = Math.max(0, head.number - known.number);
    const lines = Math.max(0, head.lines - known.lines);
    // By this they are told.
    known.old = Math.max(0, known.old - lines);
    this.#renew(life, { number: known.number + entries, lines: known.lines + lines });
    return { entries, lines };
  }

  /**
   * A node tells how far its life has come. Where it goes on telling less than is
   * known, somebody else has written that, and what it sent was taken for old.
   * @returns the lines that it sent meanwhile; null while the number may be right
   */
  corrected({ life, id, number, before }: Entry, now: number): number | null {
    const known = this.#known(life);
    // It may be read again.
    if (known.sign !== "" && !isAfter(id, known.sign)) return null;
    known.sign = id;
    if (number >= known.number) {
      [known.before, known.old] = [0, 0];
      return null;
    }
    if (known.before++ === 0) known.beforeSince = now;
    if (known.before < MOST_BEFORE || now - known.beforeSince < SILENCE_MS) return null;
    const { old } = known;
    [known.before, known.old] = [0, 0];
    this.#renew(life, { number, lines: before });
    return old;
  }

  #known(life: string): Known {
    const none = () => ({ number: 0, lines: 0, sign: "", before: 0, beforeSince: 0, old: 0 });
    return this.#lives.get(life) ?? none();
  }

  #renew(life: string, { number, lines }: Head): void {
    const known = Object.assign(this.#known(life), { number, lines });
    this.#lives.delete(life);
    this.#lives.set(life, known);
    if (this.#lives.size <= MOST_LIVES) return;
    for (const oldest of this.#lives.keys()) {
      this.#lives.delete(oldest);
      break;
    }
  }
}

/** Entries that never came, and the lines in them. */
export interface Gap {
  readonly entries: number;
  readonly lines: number;
}
