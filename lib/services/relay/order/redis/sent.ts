import type { Batch } from "../batch.ts";
import type { Kind } from "./entry.ts";

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
}

/** The numbered entries of this node that are on their way, in order. */
export class SentEntries {
  readonly #entries: Sent[] = [];
  #number = 0;
  #lines = 0;
  /** The number of the last batch that was put here. */
  #batch = 0;
  /** The last entry that has come back. */
  #settled = { number: 0, lines: 0 };

  get settled(): { readonly number: number; readonly lines: number } {
    return this.#settled;
  }

  /** The number of the last one that was put here. */
  get number(): number {
    return this.#number;
  }

  get first(): Sent | undefined {
    return this.#entries[0];
  }

  /** Lines of this node so far. */
  get lines(): number {
    return this.#lines;
  }

  put(kind: Kind, text: string, at: number, more: readonly string[] = []): Sent {
    return this.#put(kind, text, 0, at, more);
  }

  putBatch({ number, text, lines }: Batch, at: number): Sent {
    this.#batch = number;
    return this.#put("lines", text, lines, at, []);
  }

  /** Puts the batches here that were not yet. @returns these */
  putMissing(batches: readonly Batch[], at: number): readonly Sent[] {
    const missing = batches.filter(({ number }) => number > this.#batch);
    return missing.map((batch) => this.putBatch(batch, at));
  }

  /** The entries after this number. */
  after(number: number): readonly Sent[] {
    return this.#entries.filter((sent) => sent.number > number);
  }

  /** Takes the entries up to this number out: they have their place. */
  *takeTo(number: number): Generator<Sent> {
    for (let sent = this.first; sent !== undefined && sent.number <= number; sent = this.first) {
      this.#entries.shift();
      this.#settled = { number: sent.number, lines: sent.before + sent.lines };
      yield sent;
    }
  }

  #put(kind: Kind, text: string, lines: number, at: number, more: readonly string[]): Sent {
    const sent = { kind, number: ++this.#number, before: this.#lines, lines, text, more, at };
    this.#lines += lines;
    this.#entries.push(sent);
    return sent;
  }
}
