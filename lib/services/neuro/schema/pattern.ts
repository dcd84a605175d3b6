/**
 * Patterns of schemas. A pattern is a regular expression of a game's, which may
 * take for ever on some texts: it is checked only where its time is bounded by
 * what it is made of, and texts are made for it from its parts.
 */
import type { Random } from "../random.ts";

type Part =
  | { readonly kind: "one"; readonly characters: readonly (readonly [from: number, to: number])[] }
  | { readonly kind: "row"; readonly parts: readonly Part[] }
  | { readonly kind: "either"; readonly options: readonly Part[] }
  | { readonly kind: "repeat"; readonly part: Part; readonly min: number; readonly max: number }
  | { readonly kind: "edge" };

type Ranges = (readonly [number, number])[];

const LONGEST_PATTERN = 500;
/** Steps that checking the texts of one piece of data may take at most. */
export const MOST_STEPS = 10_000_000;
/** A pattern that takes more steps on a text of so many characters is not checked at all. */
const USUAL_LENGTH = 40;
/** Parts of a pattern, with its bounded repeats written out. */
const MOST_PARTS = 10_000;
/** How often what may be repeated without end is repeated in a text that is made. */
const FEW = 4;

/** A pattern whose time is bounded. */
export interface Pattern {
  /** How many steps checking a text of so many characters takes at most. */
  steps(length: number): number;
  /** A text that meets it, as far as its edges and the lengths of others allow. */
  make(random: Random): string;
}

/** A pattern, or why it is not checked. */
export function patternOf(source: string): Pattern | string {
  if (source.length > LONGEST_PATTERN) return `it is longer than ${LONGEST_PATTERN} characters`;
  try {
    RegExp(source, "u");
  } catch {
    return "it is no regular expression with the flag u";
  }
  let part: Part;
  try {
    part = new Reader(source).read();
  } catch (error) {
    if (error instanceof Unread) return `it has ${error.message}`;
    throw error;
  }
  if (weight(part) > MOST_PARTS) return "it repeats too much";
  // Without an edge at its beginning it is tried from every character on.
  const isTriedOnce = part.kind === "row" && source.startsWith("^");
  const steps = (length: number) =>
    source.length + effort(part, length).steps * (isTriedOnce ? 1 : length + 1);
  if (!(steps(USUAL_LENGTH) <= MOST_STEPS)) return "it may take too long on some texts";
  return { steps, make: (random) => made(part, random) };
}

// --- reading

/** Part of a pattern that is not read. */
class Unread extends Error {}

const DIGITS: Ranges = [[0x30, 0x39]];
const LETTERS: Ranges = [
  [0x61, 0x7a],
  [0x41, 0x5a],
];
const WORD: Ranges = [...LETTERS, ...DIGITS, [0x5f, 0x5f]];
const SPACES: Ranges = [[0x20, 0x20]];
const PRINTED: Ranges = [[0x20, 0x7e]];

const CLASSES: Readonly<Record<string, Ranges>> = {
  d: DIGITS,
  w: WORD,
  s: SPACES,
  D: LETTERS,
  W: SPACES,
  S: WORD,
};
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 };

class Reader {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  read(): Part {
    return this.#either();
  }

  get #next(): string {
    return this.#source[this.#at] ?? "";
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #either(): Part {
    const options = [this.#row()];
    while (this.#take("|")) options.push(this.#row());
    return options.length === 1 ? (options[0] as Part) : { kind: "either", options };
  }

  #row(): Part {
    const parts: Part[] = [];
    while (this.#next !== "" && this.#next !== "|" && this.#next !== ")") {
      parts.push(this.#repeated(this.#single()));
    }
    return { kind: "row", parts };
  }

  #single(): Part {
    if (this.#take("^") || this.#take("$")) return { kind: "edge" };
    if (this.#take("(")) return this.#group();
    if (this.#take("[")) return this.#class();
    if (this.#take(".")) return { kind: "one", characters: PRINTED };
    if (this.#take("\\")) {
      if (this.#take("b") || this.#take("B")) return { kind: "edge" };
      return { kind: "one", characters: this.#escaped() };
    }
    return { kind: "one", characters: exactly(this.#character()) };
  }

  #group(): Part {
    if (this.#take("?")) {
      const named = /^<[A-Za-z_$][\w$]*>/.exec(this.#source.slice(this.#at))?.[0];
      if (!this.#take(named ?? ":")) throw new Unread("a look around");
    }
    const part = this.#either();
    this.#take(")");
    return part;
  }

  #class(): Part {
    const isNegated = this.#take("^");
    const found: Ranges = [];
    while (!this.#take("]")) {
      const from = this.#member();
      const isRange = this.#next === "-" && this.#source[this.#at + 1] !== "]";
      if (isRange && from.length === 1 && from[0]?.[0] === from[0]?.[1]) {
        this.#take("-");
        found.push([from[0]?.[0] as number, this.#member()[0]?.[1] as number]);
      } else found.push(...from);
    }
    const characters = isNegated ? outside(found) : found;
    if (characters.length === 0) throw new Unread("a class of no characters");
    return { kind: "one", characters };
  }

  #member(): Ranges {
    return this.#take("\\") ? this.#escaped() : exactly(this.#character());
  }

  #character(): number {
    const code = this.#source.codePointAt(this.#at) as number;
    this.#at += code > 0xffff ? 2 : 1;
    return code;
  }

  /** What a backslash and what follows it stand for. */
  #escaped(): Ranges {
    const letter = String.fromCodePoint(this.#character());
    const known = CLASSES[letter];
    if (known !== undefined) return known;
    const control = CONTROLS[letter];
    if (control !== undefined) return exactly(control);
    if (letter === "p" || letter === "P") {
      this.#at = this.#source.indexOf("}", this.#at) + 1;
      return letter === "p" ? LETTERS : DIGITS;
    }
    const hex = { x: /^[\da-f]{2}/i, u: /^(?:[\da-f]{4}|\{[\da-f]+\})/i }[letter];
    if (hex !== undefined) {
      const digits = hex.exec(this.#source.slice(this.#at))?.[0] ?? "";
      this.#at += digits.length;
      return exactly(Number.parseInt(digits.replace(/[{}]/g, ""), 16));
    }
    if (/[\dk]/.test(letter)) throw new Unread("a reference to what it found before");
    return exactly(letter.codePointAt(0) as number);
  }

  #repeated(part: Part): Part {
    const found = /^(?:[*+?]|\{(\d+)(,)?(\d*)\})\??/.exec(this.#source.slice(this.#at));
    if (found === null) return part;
    const [all, least, comma, most] = found as unknown as [string, ...(string | undefined)[]];
    this.#at += all.length;
    if (least === undefined) {
      return {
        kind: "repeat",
        part,
        min: all[0] === "+" ? 1 : 0,
        max: all[0] === "?" ? 1 : Infinity,
      };
    }
    const min = Number(least);
    const max = comma === undefined ? min : most === "" ? Infinity : Number(most);
    return { kind: "repeat", part, min, max };
  }
}

function exactly(code: number): Ranges {
  return [[code, code]];
}

/** Printed characters that are in none of these ranges. */
function outside(ranges: Ranges): Ranges {
  const found: Ranges = [];
  for (let code = 0x20; code <= 0x7e; code++) {
    if (!ranges.some(([from, to]) => code >= from && code <= to)) found.push([code, code]);
  }
  return found;
}

// --- how long it takes

/** What is taken on the way through a part of a pattern, from one place in a text on. */
interface Effort {
  /** Places in the text that it may end at, each as often as it comes there. */
  readonly ways: number;
  /** Characters that are looked at for that. */
  readonly steps: number;
}

/** @param length characters of the text */
function effort(part: Part, length: number): Effort {
  switch (part.kind) {
    case "one":
    case "edge":
      return { ways: 1, steps: 1 };
    case "row": {
      let [ways, steps] = [1, 1];
      for (const one of part.parts) {
        const inner = effort(one, length);
        steps += ways * inner.steps;
        ways *= inner.ways;
      }
      return { ways, steps };
    }
    case "either": {
      const all = part.options.map((one) => effort(one, length));
      const sum = (key: keyof Effort) => all.reduce((whole, one) => whole + one[key], 0);
      return { ways: sum("ways"), steps: sum("steps") };
    }
    case "repeat": {
      const { min, max } = part;
      const inner = effort(part.part, length);
      if (inner.ways === 1) {
        const times = Math.min(max, length + 1);
        return {
          ways: Math.max(1, times - Math.min(min, times) + 1),
          steps: 1 + times * inner.steps,
        };
      }
      if (max === 1) return { ways: inner.ways + 1 - min, steps: inner.steps + 1 };
      // What can go several ways each time may take for ever.
      const ways = inner.ways ** max;
      return { ways: ways + 1, steps: 1 + max * ways * inner.steps };
    }
  }
}

/** How many parts it has when its repeats are written out as far as they are bounded. */
function weight(part: Part): number {
  switch (part.kind) {
    case "one":
    case "edge":
      return 1;
    case "row":
      return part.parts.reduce((sum, one) => sum + weight(one), 1);
    case "either":
      return part.options.reduce((sum, one) => sum + weight(one), 1);
    case "repeat":
      return weight(part.part) * (part.max === Infinity ? part.min + 1 : part.max);
  }
}

// --- making texts

const LONGEST_MADE = 100_000;

function made(part: Part, random: Random): string {
  let text = "";
  const add = (one: Part): void => {
    if (text.length > LONGEST_MADE) return;
    switch (one.kind) {
      case "edge":
        break;
      case "one": {
        const [from, to] = random.pick(one.characters);
        text += String.fromCodePoint(random.whole(from, Math.max(from, to)));
        break;
      }
      case "row":
        for (const inner of one.parts) add(inner);
        break;
      case "either":
        add(random.pick(one.options));
        break;
      case "repeat": {
        const count = random.whole(one.min, Math.min(one.max, one.min + FEW));
        for (let i = 0; i < count && text.length <= LONGEST_MADE; i++) add(one.part);
      }
    }
  };
  add(part);
  return text;
}
