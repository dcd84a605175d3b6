import { hashedLine } from "./chain.ts";
import type { Widths } from "./columns.ts";
import { LineReading } from "./written.ts";

/** A question to the lines of a log. */
export interface Search {
  /** Only entries of this level or a more severe one; 0 for all. */
  readonly level: number;
  /** Only lines that contain this text; "" for all. */
  readonly text: string;
  /** Lines end in a hash, in which no text is looked for. */
  readonly chained: boolean;
}

/** The bytes of a line that a text is looked for in. */
function searched(line: Buffer, chained: boolean): Buffer {
  return chained ? (hashedLine(line)?.content ?? line) : line;
}

/** Answers whether lines match a question. */
export class Matcher {
  readonly #level: number;
  readonly #text: Buffer;
  readonly #chained: boolean;
  readonly #reading: LineReading;

  constructor({ level, text, chained }: Search, widths: Widths) {
    this.#level = level;
    this.#text = Buffer.from(text);
    this.#chained = chained;
    this.#reading = new LineReading(widths);
  }

  matches(line: Buffer): boolean {
    const { length } = this.#text;
    if (length > 0 && !searched(line, this.#chained).includes(this.#text)) return false;
    return this.#level === 0 || this.#reading.level(line) >= this.#level;
  }
}

const NEWLINE = 10;

/** Finds the lines of a block that contain a text, whose letters A to Z may be in any case. */
export class TextSearch {
  /** The text as it stands in lines of columns and, where it differs, in JSON; in lower case. */
  readonly #forms: readonly string[];
  /** The same, of the bytes of UTF-8 a character each. */
  readonly #needles: readonly string[];
  readonly #isAscii: boolean;
  readonly #chained: boolean;

  /** @param text "" finds all lines @param chained true where lines end in a hash, which it does not look into */
  constructor(text: string, chained = false) {
    const forms = text === "" ? [] : [text, JSON.stringify(text).slice(1, -1)];
    this.#forms = [...new Set(forms)].map((form) => form.toLowerCase());
    this.#needles = [...new Set(forms)].map((form) => lower(Buffer.from(form)));
    this.#chained = chained;
    this.#isAscii = Buffer.byteLength(text) === text.length;
  }

  /** @param block whole lines @returns of each line that may contain it the first byte and the one after its last, in order */
  linesIn(block: Buffer): number[] {
    if (this.#needles.length === 0) return linesOf(block);
    const text = lower(block);
    const found = this.#needles.map((needle) => linesWith(needle, text));
    return found.length === 1 ? (found[0] as number[]) : inOrder(found);
  }

  /** Says of a line that was found whether it contains the text: bytes of other letters may be alike in lower case, and its hash may have been found. */
  isIn(line: Buffer): boolean {
    if (this.#isAscii && !this.#chained) return true;
    if (this.#needles.length === 0) return true;
    const bytes = searched(line, this.#chained);
    const text = this.#isAscii ? lower(bytes) : bytes.toString().toLowerCase();
    return this.#forms.some((form) => text.includes(form));
  }
}

/** Bytes as a character each, so that places in the text are places in the bytes. */
function lower(bytes: Buffer): string {
  return bytes.toString("latin1").toLowerCase();
}

function linesOf(block: Buffer): number[] {
  const places: number[] = [];
  for (let start = 0; start < block.length;) {
    const newline = block.indexOf(NEWLINE, start);
    const end = newline < 0 ? block.length : newline;
    places.push(start, end);
    start = end + 1;
  }
  return places;
}

function linesWith(needle: string, text: string): number[] {
  const places: number[] = [];
  for (let at = text.indexOf(needle); at >= 0;) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    places.push(text.lastIndexOf("\n", at) + 1, end);
    at = text.indexOf(needle, end + 1);
  }
  return places;
}

/** The lines of several lists, each once. */
function inOrder(lists: readonly (readonly number[])[]): number[] {
  const ends = new Map<number, number>();
  for (const places of lists) {
    for (let i = 0; i < places.length; i += 2)
      ends.set(places[i] as number, places[i + 1] as number);
  }
  return [...ends].toSorted(([a], [b]) => a - b).flat();
}
