import type { Batch } from "../batch.ts";
import type { Head } from "./counts.ts";
import type { Entry, Kind } from "./entry.ts";

/** An entry of this node that has not come back. */
export interface Sent {
  readonly kind: Kind;
  readonly number: number;
  /** The lines of this node before it. */
  readonly before: number;
  readonly lines: number;
  readonly text: string;
  /** Further arguments of the script. */
  readonly more: readonly string[];
  /** The time when it was put here; clock milliseconds. */
  readonly at: number;
  /** The id under which the server has it; null until that has answered. */
  id: string | null;
  /** The others have it already, by another number. */
  isThere: boolean;
}

/** The id of what the server had before this node joined again: before all that it takes from then on. */
const BEFORE = "0-0";
const NONE: Head = { number: 0, lines: 0 };

/** The numbered entries of this node that are on their way, in order. */
export class SentEntries {
  #entries: Sent[] = [];
  #number = 0;
  #lines = 0;
  /** Lines of all lives. */
  #allLines = 0;
  /** The number of the last batch that was put here. */
  #batch = 0;
  /** The last number that the server was given. */
  #given = 0;
  /** The last entry that has come back. */
  #settled = NONE;

  get settled(): Head {
    return this.#settled;
  }

  get given(): number {
    return this.#given;
  }

  get first(): Sent | undefined {
    return this.#entries[0];
  }

  /** Lines of this node so far. */
  get lines(): number {
    return this.#allLines;
  }

  /** Lines that are on their way. */
  get unsettled(): number {
    return this.#entries.reduce((sum, { lines }) => sum + lines, 0);
  }

  put(kind: Kind, text: string, at: number, more: readonly string[] = []): Sent {
    return this.#put({ kind, text, lines: 0, more, at });
  }

  putBatch({ number, text, lines }: Batch, at: number): Sent {
    this.#batch = number;
    this.#allLines += lines;
    return this.#put({ kind: "lines", text, lines, more: [], at });
  }

  /** Puts the batches here that were not yet. @returns these */
  putMissing(batches: readonly Batch[], at: number): readonly Sent[] {
    const missing = batches.filter(({ number }) => number > this.#batch);
    return missing.map((batch) => this.putBatch(batch, at));
  }

  /** The entries that the server has not got, of which it has those up to this number. */
  after(number: number): readonly Sent[] {
    for (const sent of this.#entries) if (sent.number <= number) sent.id ??= BEFORE;
    return this.#entries.filter((sent) => sent.number > number && !sent.isThere);
  }

  /** The server is given an entry. */
  gives(sent: Sent): void {
    sent.id = null;
    this.#given = Math.max(this.#given, sent.number);
  }

  /** The entries after one number up to another. */
  between(after: number, upto: number): readonly Sent[] {
    const { first } = this;
    if (first === undefined || first.number > upto) return [];
    return this.#entries.filter(
      ({ number, isThere }) => number > after && number <= upto && !isThere,
    );
  }

  /** The entry as which it was sent here; null if it was not. */
  sameAs({ kind, number, before, lines, text }: Entry): Sent | null {
    const found = this.#with(number);
    if (found?.kind !== kind || found.before !== before || found.lines !== lines) return null;
    // What is no UTF-16 comes back as something else.
    return found.text === text || found.text.toWellFormed() === text ? found : null;
  }

  /** The lines of this node up to an entry that has not come back, or the last one that has; null if there is no such. */
  linesAt(number: number): number | null {
    if (number === this.#settled.number) return this.#settled.lines;
    const found = this.#with(number);
    return found === undefined ? null : found.before + found.lines;
  }

  /** Takes the entries up to this number out: they have their place. */
  *takeTo(number: number): Generator<Sent> {
    for (let sent = this.first; sent !== undefined && sent.number <= number; sent = this.first) {
      this.#entries.shift();
      if (!sent.isThere) this.#settled = { number: sent.number, lines: sent.before + sent.lines };
      yield sent;
    }
  }

  /** Numbers all from the beginning, for another life. */
  renumber(): void {
    const all = this.#entries;
    this.#entries = [];
    [this.#number, this.#lines, this.#given, this.#settled] = [0, 0, 0, NONE];
    for (const sent of all) {
      if (!sent.isThere) this.#put(sent);
      // It comes after those that were sent before it.
      else this.#entries.push({ ...sent, number: this.#number });
    }
  }

  /** The entry that has a number. There may be very many, and as many are looked for. */
  #with(number: number): Sent | undefined {
    let [low, high] = [0, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#entries[middle] as Sent).number < number) low = middle + 1;
      else high = middle;
    }
    // Those that are there already come after the one whose number they have.
    const found = this.#entries[low];
    return found?.number === number && !found.isThere ? found : undefined;
  }

  #put(of: Pick<Sent, "kind" | "text" | "lines" | "more" | "at">): Sent {
    const numbers = { number: ++this.#number, before: this.#lines };
    const sent = { ...of, ...numbers, id: null, isThere: false };
    this.#lines += of.lines;
    this.#entries.push(sent);
    return sent;
  }
}
