/** Tries that are remembered. */
const MOST_TRIES = 20;
/** After so many failures in a row the endpoint is taken to be out of order. */
const IN_A_ROW = 3;

/** How the last tries to ask an endpoint went. */
export class Tries {
  /** Why each of them failed, or null; the newest last. */
  readonly #last: (string | null)[] = [];

  succeeded(): void {
    this.#add(null);
  }

  failed(why: string): void {
    this.#add(why);
  }

  #add(why: string | null): void {
    this.#last.push(why);
    if (this.#last.length > MOST_TRIES) this.#last.shift();
  }

  /** Why the endpoint does not answer at present, or null. */
  get trouble(): string | null {
    const newest = this.#last.slice(-IN_A_ROW);
    if (newest.length < IN_A_ROW || newest.includes(null)) return null;
    const failed = this.#last.filter((why) => why !== null).length;
    return `${newest.at(-1)}, ${failed} of the last ${this.#last.length} tries`;
  }
}
