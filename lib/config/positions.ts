import type { Position } from "./scanner.ts";

/** Where the keys of a configuration text stand, table by table. The parsers give values without positions. */
export class Positions {
  /** Where it stands itself; undefined at the top of the text. */
  readonly own: Position | undefined;
  readonly inner = new Map<string, Positions>();

  constructor(own?: Position) {
    this.own = own;
  }

  /** Where the key at a path stands, or undefined. */
  at(path: readonly string[]): Position | undefined {
    const [key, ...rest] = path;
    return key === undefined ? this.own : this.inner.get(key)?.at(rest);
  }

  /** Notes a key of this table, unless it stands before. @returns what is in it */
  note(key: string, position: Position): Positions {
    let noted = this.inner.get(key);
    if (noted === undefined) this.inner.set(key, (noted = new Positions(position)));
    return noted;
  }
}
