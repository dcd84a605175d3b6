import type { Head } from "./counts.ts";
import type { Entry } from "./entry.ts";
import { isAfter } from "./ids.ts";
import type { Life } from "./life.ts";
import type { Sent, SentEntries } from "./sent.ts";

/** What an entry of this node's own life turns out to be. */
export type Found =
  /** The entries that have their place by it, in order. */
  | { readonly settled: readonly Sent[] }
  /** Somebody else has written it, with the reason why that is known. */
  | { readonly forged: string }
  /** It cannot be said yet: the server's answers to what was sent before it are still to come. */
  | "later";

/**
 * Takes the entries of this node's own life as they come back.
 *
 * Whoever knows the server's password can write in the name of a life. The other
 * nodes cannot tell: they take each number once, and what they have passed over
 * they take no more. So this counts as they do, by which it knows what of it has
 * reached them and what has not.
 */
export class Own {
  readonly #life: Life;
  readonly #sent: SentEntries;
  /** The last entry of this life that the others have taken. */
  #taken: Head = { number: 0, lines: 0 };

  constructor(life: Life, sent: SentEntries) {
    this.#life = life;
    this.#sent = sent;
  }

  take(entry: Entry): Found {
    const { number, before, lines, kind } = entry;
    const isSign = kind === "here" || kind === "left";
    const known = this.#taken;
    // It comes again, or too late.
    if (number <= known.number && !(isSign && before > known.lines)) return { settled: [] };
    const why = this.#fault(entry, isSign);
    if (why === "later") return why;
    this.#taken = isSign
      ? { number: Math.max(number, known.number), lines: Math.max(before, known.lines) }
      : { number, lines: Math.max(before + lines, known.lines) };
    if (why !== null) return { forged: why };
    if (!this.#life.isEnding) return { settled: [...this.#sent.takeTo(number)] };
    // Those before it have been passed over: they are sent again.
    const sent = isSign ? null : this.#sent.sameAs(entry);
    if (sent === null) return { settled: [] };
    if (sent === this.#sent.first) return { settled: [...this.#sent.takeTo(number)] };
    sent.isThere = true;
    return { settled: [] };
  }

  /** The next life has begun. @returns the last entry of the one before that the others have taken */
  begin(): Head {
    const taken = this.#taken;
    this.#taken = { number: 0, lines: 0 };
    this.#sent.renumber();
    return taken;
  }

  /** The reason why this node has not written an entry that the others take now; null if it has. */
  #fault(entry: Entry, isSign: boolean): string | null {
    const { id, number, before } = entry;
    if (number > this.#sent.given) return "a number that this node has not reached";
    if (!this.#life.isEnding) {
      // Where they are in the stream no more, they were there before it.
      for (const sent of this.#sent.between(this.#taken.number, isSign ? number : number - 1)) {
        if (sent.id === null) return "later";
        if (isAfter(sent.id, id)) return "a number before its turn";
      }
    }
    const isMine = isSign
      ? this.#sent.linesAt(number) === before
      : this.#sent.sameAs(entry) !== null;
    return isMine ? null : "what this node has not sent under its number";
  }
}
