/** A name that nobody can know before it is written. */
const newName = () => Buffer.from(crypto.getRandomValues(new Uint8Array(9))).toString("base64url");

/**
 * The name under which this run of the node writes: it tells it from all others,
 * so that nothing of an earlier one is mixed up with it. When somebody else
 * writes under it, the node takes another one, and counts from the beginning;
 * all that it has written before its first sign of life under the new name is of
 * the old one.
 */
export class Life {
  #name = newName();
  /** The names that it has given up since it last began anew. */
  #left: string[] = [];
  #next: string | null = null;

  /** The name of all that has come back so far. */
  get name(): string {
    return this.#name;
  }

  /** The name under which it joins. */
  get next(): string {
    return this.#next ?? this.#name;
  }

  /** The names that it has given up, until the next one has begun. */
  get left(): readonly string[] {
    return this.#left;
  }

  get isEnding(): boolean {
    return this.#next !== null;
  }

  isOwn(name: string): boolean {
    return name === this.#name || name === this.#next || this.#left.includes(name);
  }

  end(): void {
    this.#left.push(this.next);
    this.#next = newName();
  }

  /** The next name begins. @returns the one before */
  begin(): string {
    const before = this.#name;
    this.#name = this.next;
    this.#next = null;
    this.#left = [];
    return before;
  }
}
