/** The kinds of values in the file of a scenario. Each is null where it is not given. */
import { isTable } from "../../../../config/layer.ts";
import { option, type Option } from "../../../../config/option.ts";

type Given<T> = Option<T | null>;

function given<T>(
  allowed: string,
  about: string,
  read: (found: unknown) => T | undefined,
): Given<T> {
  return option<T | null>(null, allowed, about, {}, read);
}

/** An option without a value of its own. */
export function orNone<T>(one: Option<T>): Given<T> {
  return { ...one, initial: null };
}

const MOST_SECONDS = 86_400;

/** Seconds, read as milliseconds. */
export function seconds(about: string): Given<number> {
  return given(`a number of seconds above 0, up to ${MOST_SECONDS}`, about, (found) =>
    typeof found === "number" && found > 0 && found <= MOST_SECONDS ? found * 1000 : undefined,
  );
}

/** A text that is not empty. */
export function filled(about: string): Given<string> {
  return given("text that is not empty", about, (found) =>
    typeof found === "string" && found !== "" ? found : undefined,
  );
}

/** One text or several. */
export function several(about: string): Given<readonly string[]> {
  return given("a text, or a list of texts", about, (found) => {
    const list = typeof found === "string" ? [found] : found;
    return Array.isArray(list) && list.length > 0 && list.every((one) => typeof one === "string")
      ? (list as string[])
      : undefined;
  });
}

/** A program and its arguments. */
export function command(about: string): Given<readonly string[]> {
  return given("a command as a text, or as a list of texts", about, (found) => {
    const words = typeof found === "string" ? wordsOf(found) : found;
    if (!Array.isArray(words) || !words.every((word) => typeof word === "string")) return undefined;
    return words[0] ? (words as string[]) : undefined;
  });
}

/** The words of a command line, of which those in quotes may hold spaces; undefined when a quote does not end. */
function wordsOf(line: string): string[] | undefined {
  const words: string[] = [];
  let word: string | null = null;
  let quote = "";
  for (const character of line) {
    if (quote === "" && /\s/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else if (character === quote) quote = "";
    else if (quote === "" && (character === '"' || character === "'")) {
      quote = character;
      word ??= "";
    } else word = (word ?? "") + character;
  }
  if (quote !== "") return undefined;
  return word === null ? words : [...words, word];
}

/** What a text has to say. */
export interface Wording {
  /** As it stands in the file. */
  readonly text: string;
  fits(found: string): boolean;
}

/** Longer texts are matched as far as this: a regular expression may take longer than their length. */
const LONGEST_MATCHED = 20_000;

/** A part of a text, or a regular expression between slashes. */
export function wording(about: string): Given<Wording> {
  return given("a part of the text, or a regular expression as /won|lost/i", about, (found) => {
    if (found instanceof RegExp) return matching(String(found), new RegExp(found));
    if (typeof found !== "string" || found === "") return undefined;
    const [, source, flags] = /^\/(.+)\/([a-z]*)$/s.exec(found) ?? [];
    if (source === undefined) return { text: found, fits: (text) => text.includes(found) };
    try {
      return matching(found, new RegExp(source, flags?.replace(/[gy]/g, "")));
    } catch {
      return undefined;
    }
  });
}

function matching(text: string, pattern: RegExp): Wording {
  return {
    text,
    fits: (found) => found.slice(0, LONGEST_MATCHED).search(pattern) >= 0,
  };
}

/** Data of an action. */
export function data(about: string): Given<object | string> {
  return given('a table, a text with JSON, or "random"', about, (found) =>
    isTable(found) || (typeof found === "string" && found !== "") ? found : undefined,
  );
}

export function table(about: string): Given<Readonly<Record<string, unknown>>> {
  return given("a table", about, (found) => (isTable(found) ? found : undefined));
}

export function tables(about: string): Given<readonly Readonly<Record<string, unknown>>[]> {
  return given("a list of tables that is not empty", about, (found) =>
    Array.isArray(found) && found.length > 0 && found.every(isTable) ? found : undefined,
  );
}

export function code<F>(about: string): Given<F> {
  return given("a function, in a file in TypeScript", about, (found) =>
    typeof found === "function" ? (found as F) : undefined,
  );
}
