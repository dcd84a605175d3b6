import type { Position } from "./scanner.ts";

/** The positions of the keys of a text, table by table; the parsers give values without positions. */
export class Positions {
  /** Its own position; undefined for the top of the text. */
  readonly own: Position | undefined;
  /** True if the same key stands before, and this one takes its place. */
  readonly again: boolean;
  readonly inner = new Map<string, Positions>();

  constructor(own?: Position, again = false) {
    this.own = own;
    this.again = again;
  }

  /** The positions of the key at a path, or undefined. */
  at(path: readonly string[]): Positions | undefined {
    const [key, ...rest] = path;
    return key === undefined ? this : this.inner.get(key)?.at(rest);
  }

  /** Notes a key of this table, unless it is noted already. @returns the positions in it */
  note(key: string, position: Position): Positions {
    return this.inner.get(key) ?? this.#set(key, new Positions(position));
  }

  /** Notes a key of this table, in place of an earlier one. @returns the positions in it */
  renote(key: string, position: Position): Positions {
    return this.#set(key, new Positions(position, this.inner.has(key)));
  }

  #set(key: string, noted: Positions): Positions {
    this.inner.set(key, noted);
    return noted;
  }
}
