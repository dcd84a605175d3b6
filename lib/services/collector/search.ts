import type { Widths } from "./columns.ts";
import { levelOf, LEVELS } from "./levels.ts";

/** A question to the lines of a log. */
export interface Search {
  /** Only entries of this level or a more severe one; 0 for all. */
  readonly level: number;
  /** Only lines that contain this text; "" for all. */
  readonly text: string;
}

/** Answers whether lines match a question; it knows where the level stands in lines of columns. */
export class Matcher {
  readonly #search: Search;
  readonly #text: Buffer;
  readonly #before: number;
  readonly #levelWidth: number;

  constructor(search: Search, widths: Widths) {
    this.#search = search;
    this.#text = Buffer.from(search.text);
    this.#before = widths.timestamp + widths.hostname + widths.logger + 3;
    this.#levelWidth = widths.level;
  }

  matches(line: Buffer): boolean {
    if (this.#text.length > 0 && !line.includes(this.#text)) return false;
    return this.#search.level === 0 || this.level(line) >= this.#search.level;
  }

  /** The level of a line; that of an unknown name is the least. */
  level(line: Buffer): number {
    if (line[0] === 0x7b) {
      const name = /^\{"sequence":\d+,"level":"([A-Z0-9]+)"/.exec(
        line.toString("latin1", 0, 64),
      )?.[1];
      return levelOf(name ?? "") ?? 0;
    }
    // Columns hold characters, and this one stands behind three others; a timestamp may be longer than its column.
    const start = line.indexOf(0x20) + 1;
    const text = line.toString("utf8", start, start + 4 * (this.#before + this.#levelWidth));
    const characters = [...text];
    const at = characters.slice(this.#before, this.#before + this.#levelWidth).join("");
    const known = levelOf(at.trimEnd());
    if (known !== null) return known;
    const found = LEVELS.findLastIndex((name) =>
      text.includes(` ${name.slice(0, this.#levelWidth)} `),
    );
    return Math.max(0, found);
  }
}
