import type { Position } from "./scanner.ts";

/** Where the keys of a configuration text stand, table by table. The parsers give values without positions. */
export class Positions {
  /** Where it stands itself; undefined at the top of the text. */
  readonly own: Position | undefined;
  /** Whether the same key stands before, so that this one takes its place. */
  readonly again: boolean;
  readonly inner = new Map<string, Positions>();

  constructor(own?: Position, again = false) {
    this.own = own;
    this.again = again;
  }

  /** What is known of the key at a path, or undefined. */
  at(path: readonly string[]): Positions | undefined {
    const [key, ...rest] = path;
    return key === undefined ? this : this.inner.get(key)?.at(rest);
  }

  /** Notes a key of this table, unless it stands before. @returns what is in it */
  note(key: string, position: Position): Positions {
    return this.inner.get(key) ?? this.#set(key, new Positions(position));
  }

  /** Notes a key of this table, in place of what stands before. @returns what is in it */
  renote(key: string, position: Position): Positions {
    return this.#set(key, new Positions(position, this.inner.has(key)));
  }

  #set(key: string, noted: Positions): Positions {
    this.inner.set(key, noted);
    return noted;
  }
}
