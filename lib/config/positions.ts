/**
 * Where each key of a configuration text stands. The parsers give values
 * without positions; this scanner finds them in a text that has already been
 * parsed without error, so it may trust the syntax.
 */

import { parse } from "smol-toml";

/** One-based, as editors count; columns count UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Positions by dotted path, as `logger.log_level`. */
export type Positions = ReadonlyMap<string, Position>;

class Scanner {
  at = 0;
  readonly found = new Map<string, Position>();
  readonly #text: string;
  readonly #lineStarts: number[] = [0];

  constructor(text: string) {
    this.#text = text;
    for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) {
      this.#lineStarts.push(i + 1);
    }
  }

  get done(): boolean {
    return this.at >= this.#text.length;
  }

  peek(): string {
    return this.#text[this.at] ?? "";
  }

  starts(word: string): boolean {
    return this.#text.startsWith(word, this.at);
  }

  /** Passes everything that `pattern` (sticky) matches here and returns it. */
  take(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.#text)?.[0] ?? "";
    this.at += match.length;
    return match;
  }

  position(at: number): Position {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lineStarts[middle] as number) <= at) low = middle;
      else high = middle - 1;
    }
    return {
      line: low + 1,
      column: at - (this.#lineStarts[low] as number) + 1,
    };
  }

  /** Notes a key and, where they have not been seen, the tables it implies. */
  note(path: readonly string[], at: number): void {
    for (let length = 1; length <= path.length; length++) {
      const key = path.slice(0, length).join(".");
      if (!this.found.has(key)) this.found.set(key, this.position(at));
    }
  }
}

/** One `key = value` of a TOML text, by the offsets of its parts. */
export interface TomlPair {
  /** Its whole path, through its table and its dots. */
  readonly path: readonly string[];
  /** Where the key begins. */
  readonly start: number;
  /** Where the value begins. */
  readonly value: number;
  /** Where the value ends. */
  readonly end: number;
  /** Whether the value is an inline table. */
  readonly inline: boolean;
  /** What stands in the inline tables of the value. */
  readonly inner: readonly TomlPair[];
}

/** A table as it stands in a TOML text, from its header to the next one. The first is the top of the text, which has no header. */
export interface TomlTable {
  readonly path: readonly string[];
  /** Where its header begins. */
  readonly start: number;
  /** Where its header ends. */
  readonly end: number;
  readonly pairs: readonly TomlPair[];
}

const BLANK = /(?:[\s,]|#[^\n]*)*/y;
const TOML_SPACE = /[ \t]*/y;
const TOML_KEY = /"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+/y;
const TOML_VALUE =
  /"""(?:[^\\]|\\[^])*?"""+|'''[^]*?'''+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s,#\]}]+(?: \d[^\s,#\]}]*)?/y;

function tomlKey(scan: Scanner): string[] {
  const path: string[] = [];
  do {
    scan.take(TOML_SPACE);
    const key = scan.take(TOML_KEY);
    path.push(...Object.keys(parse(`${key} = 0`)));
    scan.take(TOML_SPACE);
  } while (scan.take(/\./y) !== "");
  return path;
}

/** Passes a value. @returns what stands in its inline tables */
function tomlValue(scan: Scanner, path: readonly string[]): TomlPair[] {
  const inner: TomlPair[] = [];
  scan.take(TOML_SPACE);
  if (scan.take(/\[/y)) {
    for (scan.take(BLANK); !scan.done && scan.peek() !== "]"; scan.take(BLANK)) {
      for (const pair of tomlValue(scan, path)) inner.push(pair);
    }
    scan.at++;
  } else if (scan.take(/\{/y)) {
    for (scan.take(BLANK); !scan.done && scan.peek() !== "}"; scan.take(BLANK)) {
      inner.push(tomlPair(scan, path));
    }
    scan.at++;
  } else if (scan.take(TOML_VALUE) === "") {
    scan.at++;
  }
  return inner;
}

function tomlPair(scan: Scanner, table: readonly string[]): TomlPair {
  const start = scan.at;
  const path = [...table, ...tomlKey(scan)];
  scan.take(/=/y);
  scan.take(TOML_SPACE);
  const value = scan.at;
  const inline = scan.peek() === "{";
  const inner = tomlValue(scan, path);
  return { path, start, value, end: scan.at, inline, inner };
}

function tomlTable(scan: Scanner, isTop: boolean): TomlTable {
  const start = scan.at;
  let path: string[] = [];
  if (!isTop) {
    scan.take(/\[+/y);
    path = tomlKey(scan);
    scan.take(/\]+/y);
  }
  const end = scan.at;
  const pairs: TomlPair[] = [];
  for (scan.take(BLANK); !scan.done && scan.peek() !== "["; scan.take(BLANK)) {
    pairs.push(tomlPair(scan, path));
  }
  return { path, start, end, pairs };
}

/** All tables of a TOML text that has been parsed without error, in order. */
export function tomlTables(text: string): TomlTable[] {
  const scan = new Scanner(text);
  const tables: TomlTable[] = [];
  do tables.push(tomlTable(scan, tables.length === 0));
  while (!scan.done);
  return tables;
}

/** Positions of all keys and tables of a TOML text. */
export function tomlPositions(text: string): Positions {
  const scan = new Scanner(text);
  const note = ({ path, start, inner }: TomlPair) => {
    scan.note(path, start);
    inner.forEach(note);
  };
  for (const { path, start, pairs } of tomlTables(text)) {
    scan.note(path, start);
    pairs.forEach(note);
  }
  return scan.found;
}

/** A JSON text that ends or goes on where it must not. */
export class JsonSyntaxError extends Error {
  readonly position: Position;

  constructor(position: Position, expected: string, found: string) {
    super(`expected ${expected}, found ${found}`);
    this.position = position;
  }
}

// oxlint-disable-next-line no-control-regex
const JSON_STRING = /"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const JSON_SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const JSON_BLANK = /[ \t\r\n]*/y;

/** Passes `pattern` with the blanks around it, or says what stands there instead. */
function jsonToken(scan: Scanner, pattern: RegExp, expected: string): string {
  scan.take(JSON_BLANK);
  const token = scan.take(pattern);
  if (token === "") {
    const found = scan.done ? "the end" : JSON.stringify(scan.peek());
    throw new JsonSyntaxError(scan.position(scan.at), expected, found);
  }
  scan.take(JSON_BLANK);
  return token;
}

function jsonValue(scan: Scanner, path: readonly string[]): void {
  scan.take(JSON_BLANK);
  if (scan.peek() === "{") jsonItems(scan, "}", () => jsonPair(scan, path));
  else if (scan.peek() === "[") jsonItems(scan, "]", () => jsonValue(scan, path));
  else if (scan.peek() === '"') jsonToken(scan, JSON_STRING, "a text that ends");
  else jsonToken(scan, JSON_SCALAR, "a value");
}

function jsonItems(scan: Scanner, close: "}" | "]", item: () => void): void {
  scan.at++;
  scan.take(JSON_BLANK);
  if (scan.peek() === close) {
    scan.at++;
    return;
  }
  const next = close === "}" ? /[,}]/y : /[,\]]/y;
  do item();
  while (jsonToken(scan, next, `"," or "${close}"`) === ",");
}

function jsonPair(scan: Scanner, path: readonly string[]): void {
  scan.take(JSON_BLANK);
  const at = scan.at;
  const key = JSON.parse(jsonToken(scan, JSON_STRING, "a key in double quotes")) as string;
  scan.note([...path, key], at);
  jsonToken(scan, /:/y, '":"');
  jsonValue(scan, [...path, key]);
}

/**
 * Positions of all keys of a JSON text.
 * @throws JsonSyntaxError, since `JSON.parse` does not tell where an error stands
 */
export function jsonPositions(text: string): Positions {
  const scan = new Scanner(text);
  jsonValue(scan, []);
  scan.take(JSON_BLANK);
  if (!scan.done) {
    const found = JSON.stringify(scan.peek());
    throw new JsonSyntaxError(scan.position(scan.at), "the end", found);
  }
  return scan.found;
}
