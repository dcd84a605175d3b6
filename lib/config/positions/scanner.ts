/** A position in a text, one-based as in editors; columns count UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** The deepest nesting of a configuration; settings nest three deep. */
export const MAX_DEPTH = 32;

/** A text whose values nest too deep. */
export class TooDeep extends Error {
  readonly position: Position;

  constructor(position: Position) {
    super(`nested more than ${MAX_DEPTH} deep`);
    this.position = position;
  }
}

const SPACE = /[\s,]+/y;

/** Goes through a text once, from its start to its end. */
export class Scanner {
  at = 0;
  readonly text: string;
  readonly #lineStarts: number[] = [0];

  constructor(text: string) {
    this.text = text;
    for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) {
      this.#lineStarts.push(i + 1);
    }
  }

  get done(): boolean {
    return this.at >= this.text.length;
  }

  peek(): string {
    return this.text[this.at] ?? "";
  }

  starts(word: string): boolean {
    return this.text.startsWith(word, this.at);
  }

  /** Passes the text that `pattern` (sticky) matches here. @returns it, or "" */
  take(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text)?.[0] ?? "";
    this.at += match.length;
    return match;
  }

  /** Passes white space, commas, and comments from # to the end of their line. */
  takeBlank(): void {
    for (;;) {
      this.take(SPACE);
      if (this.peek() !== "#") return;
      const end = this.text.indexOf("\n", this.at);
      this.at = end < 0 ? this.text.length : end;
    }
  }

  /**
   * Passes a text in quotes that begins here.
   * @param escapes true if a backslash escapes the next character
   * @returns the text with its quotes; null if it does not end
   */
  takeQuoted(quote: string, escapes: boolean): string | null {
    // A pattern would recurse at each character, and find nothing in a long text.
    const { text, at: start } = this;
    let at = start + quote.length;
    while (at < text.length && !(text[at] === quote[0] && text.startsWith(quote, at))) {
      at += escapes && text[at] === "\\" ? 2 : 1;
    }
    const ends = at < text.length;
    this.at = ends ? at + quote.length : text.length;
    return ends ? text.slice(start, this.at) : null;
  }

  /** The line and column of an offset. */
  position(at = this.at): Position {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lineStarts[middle] as number) <= at) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: at - (this.#lineStarts[low] as number) + 1 };
  }
}
