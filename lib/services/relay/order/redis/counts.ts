import type { Entry } from "./entry.ts";

/** The last entry of a node that is known, and its lines up to there. */
export interface Head {
  readonly number: number;
  readonly lines: number;
}

/** The most lives that are remembered; the ones that were silent longest are forgotten. */
const MOST_LIVES = 10_000;

/** What has been read of each life of each other node: what comes twice is known by it, and what never came. */
export class Counts {
  readonly #heads = new Map<string, Head>();

  /** What was there before this node joined. */
  begin(heads: ReadonlyMap<string, Head>): void {
    for (const [life, head] of heads) this.#set(life, head);
  }

  /** Counts an entry. @returns null if it has come before; otherwise the gap before it */
  take({ life, number, before, lines }: Entry): Gap | null {
    const known = this.#heads.get(life) ?? { number: 0, lines: 0 };
    if (number <= known.number) return null;
    this.#set(life, { number, lines: before + lines });
    return { entries: number - known.number - 1, lines: Math.max(0, before - known.lines) };
  }

  /** A life has come this far. @returns what of it has never come */
  reach(life: string, head: Head): Gap {
    const known = this.#heads.get(life) ?? { number: 0, lines: 0 };
    const entries = Math.max(0, head.number - known.number);
    const lines = Math.max(0, head.lines - known.lines);
    this.#set(life, { number: known.number + entries, lines: known.lines + lines });
    return { entries, lines };
  }

  #set(life: string, head: Head): void {
    this.#heads.delete(life);
    this.#heads.set(life, head);
    if (this.#heads.size <= MOST_LIVES) return;
    for (const oldest of this.#heads.keys()) {
      this.#heads.delete(oldest);
      break;
    }
  }
}

/** Entries that never came, and the lines in them. */
export interface Gap {
  readonly entries: number;
  readonly lines: number;
}
