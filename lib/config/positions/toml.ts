/**
 * The positions of the keys of a TOML text. The text has already been parsed
 * without error, so the syntax is trusted.
 */

import { parse } from "smol-toml";
import { Positions } from "./positions.ts";
import { MAX_DEPTH, Scanner, TooDeep } from "./scanner.ts";

/** One `key = value` of a TOML text, by the offsets of its parts. */
export interface TomlPair {
  /** Its whole path: that of its table, then its own dotted key. What is in an array of tables has its number there, from 0, as a key. */
  readonly path: readonly string[];
  /** The offset of the key. */
  readonly start: number;
  /** The offset of the value. */
  readonly value: number;
  /** The offset of the end of the value. */
  readonly end: number;
  /** True if the value is an inline table. */
  readonly inline: boolean;
  /** The pairs in the inline tables of the value. */
  readonly inner: readonly TomlPair[];
}

/** A table of a TOML text, from its header to the next one. The first is the top of the text, which has no header. */
export interface TomlTable {
  readonly path: readonly string[];
  /** The offset of its header. */
  readonly start: number;
  /** The offset of the end of its header. */
  readonly end: number;
  readonly pairs: readonly TomlPair[];
}

const SPACE = /[ \t]*/y;
const BARE_KEY = /[A-Za-z0-9_-]+/y;
const SCALAR = /[^\s,#\]}]+(?: \d[^\s,#\]}]*)?/y;

/** All tables of a TOML text that has been parsed without error, in order. @throws TooDeep */
export function tomlTables(text: string): TomlTable[] {
  return tablesOf(new Scanner(text));
}

/** Positions of all keys and tables of a TOML text. @throws TooDeep */
export function tomlPositions(text: string): Positions {
  const scan = new Scanner(text);
  const top = new Positions();
  const noteAll = (pairs: readonly TomlPair[]) => {
    for (const { path, start, inner } of pairs) {
      note(path, start);
      noteAll(inner);
    }
  };
  const note = (path: readonly string[], start: number) => {
    const position = scan.position(start);
    let within = top;
    for (const key of path) within = within.note(key, position);
  };
  for (const { path, start, pairs } of tablesOf(scan)) {
    note(path, start);
    noteAll(pairs);
  }
  return top;
}

function tablesOf(scan: Scanner): TomlTable[] {
  const tables: TomlTable[] = [];
  const arrays = new Arrays();
  do tables.push(takeTable(scan, tables.length === 0 ? null : arrays));
  while (!scan.done);
  return tables;
}

/** The arrays of tables of a text so far. */
class Arrays {
  /** The number of tables in each, by its path as text. */
  readonly #sizes = new Map<string, number>();

  /** The path of a table with the numbers of the tables that it is in. */
  pathOf(header: readonly string[], isItem: boolean): string[] {
    const path: string[] = [];
    for (const [at, key] of header.entries()) {
      path.push(key);
      const name = JSON.stringify(path);
      const begins = isItem && at === header.length - 1;
      const size = (this.#sizes.get(name) ?? 0) + (begins ? 1 : 0);
      if (size === 0) continue;
      this.#sizes.set(name, size);
      path.push(String(size - 1));
    }
    return path;
  }
}

/** @param arrays null for the top of the text, which has no header */
function takeTable(scan: Scanner, arrays: Arrays | null): TomlTable {
  const start = scan.at;
  let path: string[] = [];
  if (arrays !== null) {
    const brackets = scan.take(/\[+/y);
    path = arrays.pathOf(takeKey(scan, []), brackets.length > 1);
    scan.take(/\]+/y);
  }
  const end = scan.at;
  const pairs: TomlPair[] = [];
  for (scan.takeBlank(); !scan.done && scan.peek() !== "["; scan.takeBlank()) {
    pairs.push(takePair(scan, path));
  }
  return { path, start, end, pairs };
}

function takePair(scan: Scanner, table: readonly string[]): TomlPair {
  const start = scan.at;
  const path = takeKey(scan, table);
  scan.take(/=/y);
  scan.take(SPACE);
  const value = scan.at;
  const inline = scan.peek() === "{";
  const inner: TomlPair[] = [];
  takeValue(scan, path, inner);
  return { path, start, value, end: scan.at, inline, inner };
}

/** @returns the path of a key in a table */
function takeKey(scan: Scanner, table: readonly string[]): string[] {
  const start = scan.at;
  const path = [...table];
  do {
    scan.take(SPACE);
    path.push(takeWord(scan));
    scan.take(SPACE);
    if (path.length > MAX_DEPTH) throw new TooDeep(scan.position(start));
  } while (scan.take(/\./y) !== "");
  return path;
}

function takeWord(scan: Scanner): string {
  if (scan.peek() === "'") return scan.takeQuoted("'", false)?.slice(1, -1) ?? "";
  if (scan.peek() !== '"') return scan.take(BARE_KEY);
  const quoted = scan.takeQuoted('"', true);
  // TOML has escapes that JSON lacks, so its own parser reads the key.
  return Object.keys(parse(`${quoted} = 0`))[0] as string;
}

/** Passes a value. `inner` gets the pairs of its inline tables. */
function takeValue(scan: Scanner, path: readonly string[], inner: TomlPair[]): void {
  scan.take(SPACE);
  if (scan.take(/\[/y)) {
    let items = 0;
    for (scan.takeBlank(); !scan.done && scan.peek() !== "]"; scan.takeBlank()) {
      takeItem(scan, [...path, String(items++)], inner);
    }
    scan.at++;
  } else if (scan.take(/\{/y)) {
    for (scan.takeBlank(); !scan.done && scan.peek() !== "}"; scan.takeBlank()) {
      inner.push(takePair(scan, path));
    }
    scan.at++;
  } else if (!takeText(scan) && scan.take(SCALAR) === "") {
    scan.at++;
  }
}

/** Passes an item of an array. An inline table counts as a pair, whose key is its number. */
function takeItem(scan: Scanner, path: readonly string[], pairs: TomlPair[]): void {
  const start = scan.at;
  const inline = scan.peek() === "{";
  const inner: TomlPair[] = [];
  takeValue(scan, path, inline ? inner : pairs);
  if (inline) pairs.push({ path, start, value: start, end: scan.at, inline, inner });
}

/** Passes a text in quotes. @returns true if there is one here */
function takeText(scan: Scanner): boolean {
  const quote = scan.peek();
  if (quote !== '"' && quote !== "'") return false;
  const long = quote.repeat(3);
  const isLong = scan.starts(long);
  scan.takeQuoted(isLong ? long : quote, quote === '"');
  // Up to two quotes may stand right before the three that end it (TOML 1.0).
  while (isLong && scan.peek() === quote) scan.at++;
  return true;
}
