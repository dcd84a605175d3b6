/**
 * Changes single keys of a TOML text and keeps everything else byte for byte:
 * comments, order, blank lines, line endings. The text must parse.
 */

import { parse } from "smol-toml";
import type { Problem } from "./layer.ts";
import type { Option } from "./option.ts";
import { nest, optionPaths } from "./paths.ts";
import { read } from "./read.ts";
import { tomlValue } from "./render.ts";
import type { settings } from "./table.ts";
import { type TomlPair, type TomlTable, tomlTables } from "./positions/toml.ts";

/** The options that a key on the command line means. */
export interface Target {
  /** One option, or all of a section, each with its dotted path. */
  readonly options: readonly (readonly [path: string, option: Option<unknown>])[];
  readonly isSection: boolean;
}

/** A pair with the tables it is in. */
interface Standing {
  readonly pair: TomlPair;
  readonly table: TomlTable;
  /** The pair whose inline table holds it, or null. */
  readonly holder: TomlPair | null;
}

/** The options that a key names, also by an alias; or the problem that there are none, as `read` words it. */
export function targetOf(entries: typeof settings, key: string, where: string): Target | Problem {
  const all = [...optionPaths(entries)];
  const one = all.find(([path, option]) => spellings(path, option).includes(key));
  if (one) return { options: [one], isSection: false };
  const below = all.filter(([path]) => path.startsWith(`${key}.`));
  if (below.length > 0) return { options: below, isSection: true };
  const layer = { name: where, values: nest(key.split("."), 0) };
  return read(entries, [layer]).problems[0] as Problem;
}

/** The value of an option in a file, as written, or undefined. */
export function foundAt(values: object, path: string, option: Option<unknown>): unknown {
  const table = tableOf(values, path);
  const name = Object.keys(table).findLast((key) => namesOf(path, option).includes(key));
  return name === undefined ? undefined : table[name];
}

/** Deletes an option from the values of a file, under all its names. */
export function forget(values: object, path: string, option: Option<unknown>): void {
  for (const name of namesOf(path, option)) delete tableOf(values, path)[name];
}

/** The table of an option among the values of a file, or an empty one. */
function tableOf(values: object, path: string): Record<string, unknown> {
  let table: unknown = values;
  for (const word of path.split(".").slice(0, -1)) {
    table = (table as Record<string, unknown>)[word] ?? {};
  }
  return typeof table === "object" ? (table as Record<string, unknown>) : {};
}

/** The text with the key at this dotted path set: in its place, or in that of its commented default, or on a new line. */
export function setKey(
  text: string,
  path: string,
  option: Option<unknown>,
  value: unknown,
): string {
  const tables = tomlTables(text);
  const written = writtenValue(value);
  const standing = standingPair(tables, path, option);
  if (standing) return splice(text, standing.pair.value, standing.pair.end, written);
  const words = path.split(".");
  const table = words.slice(0, -1);
  const pair = (above: readonly string[]) => `${words.slice(above.length).join(".")} = ${written}`;
  // TOML: neither a header nor a dotted key may add to an inline table.
  const holder = everyPair(tables).findLast(
    (one) => one.pair.inline && isWithin(table, one.pair.path),
  )?.pair;
  if (holder) return addInline(text, holder, pair(holder.path));
  const header = tables.find((one) => isSame(one.path, table));
  if (header) {
    const shown = uncommented(text, tables, header, namesOf(path, option), written);
    return shown ?? addToTable(text, tables, header, pair(table));
  }
  // TOML: a header must not name a table that dotted keys have made.
  const dotted = everyPair(tables).findLast(
    (one) => one.table.path.length < table.length && isWithin(one.pair.path, table),
  );
  if (dotted) return addBelow(text, dotted.pair, pair(dotted.table.path));
  const eol = eolOf(text);
  const gap = text === "" ? "" : text.endsWith("\n") ? eol : eol + eol;
  return `${text}${gap}[${table.join(".")}]${eol}${pair(table)}${eol}`;
}

/** The text without the key at this dotted path; a line of its own becomes a comment that shows the default. */
export function unsetKey(text: string, path: string, option: Option<unknown>): string {
  const standing = standingPair(tomlTables(text), path, option);
  if (!standing) return text;
  return unsetKey(without(text, standing, option.initial), path, option);
}

/** The text with only the last of the spellings of the key at this dotted path, which is the one that counts. */
export function keepOne(text: string, path: string, option: Option<unknown>): string {
  const tables = tomlTables(text);
  const other = standingPairs(tables, path, option).at(-2);
  return other ? keepOne(without(text, other, option.initial), path, option) : text;
}

function without(text: string, { pair, table, holder }: Standing, initial: unknown): string {
  const { start, end, path } = pair;
  if (holder) return cutInline(text, holder, pair);
  if (path.length > table.path.length + 1) {
    const from = start - indentAt(text, start).length;
    return splice(text, from, lineEnd(text, end) + eolAt(text, lineEnd(text, end)).length, "");
  }
  const shown = initial === null ? "" : ` ${writtenValue(initial)}`;
  return splice(text, start, end, `# ${path.at(-1)} =${shown}`);
}

/** All pairs; those in inline tables follow the pair that holds them. */
function everyPair(tables: readonly TomlTable[]): Standing[] {
  const all: Standing[] = [];
  const add = (table: TomlTable, pairs: readonly TomlPair[], holder: TomlPair | null) => {
    for (const pair of pairs) {
      all.push({ pair, table, holder });
      add(table, pair.inner, pair);
    }
  };
  for (const table of tables) add(table, table.pairs, null);
  return all;
}

/** The pair that gives a key its value: the last, if it has several spellings in the text. */
function standingPair(
  tables: readonly TomlTable[],
  path: string,
  option: Option<unknown>,
): Standing | undefined {
  return standingPairs(tables, path, option).at(-1);
}

/** All pairs of a key, one for each of its spellings in the text. */
function standingPairs(
  tables: readonly TomlTable[],
  path: string,
  option: Option<unknown>,
): Standing[] {
  const spelled = spellings(path, option).map((spelling) => spelling.split("."));
  return everyPair(tables).filter(({ pair }) => spelled.some((one) => isSame(one, pair.path)));
}

/** The names of a key in its table: its own, then its aliases. */
function namesOf(path: string, option: Option<unknown>): string[] {
  return [path.slice(path.lastIndexOf(".") + 1), ...(option.aliases ?? [])];
}

/** All dotted paths of a key. */
function spellings(path: string, option: Option<unknown>): string[] {
  const table = path.slice(0, path.lastIndexOf(".") + 1);
  return namesOf(path, option).map((name) => table + name);
}

/** The text with the line `# key = value` of a table turned into one that sets the key, or null if there is none. */
function uncommented(
  text: string,
  tables: readonly TomlTable[],
  table: TomlTable,
  names: readonly string[],
  written: string,
): string | null {
  const next = tables[tables.indexOf(table) + 1]?.start ?? text.length;
  const line = new RegExp(`(?<=^|\\n)([ \\t]*)# ((?:${names.join("|")}) =)([^\\r\\n]*)`, "g");
  line.lastIndex = table.end;
  for (let found = line.exec(text); found && found.index < next; found = line.exec(text)) {
    const { index } = found;
    const [whole, indent, key, rest] = found as unknown as [string, string, string, string];
    const after = afterValue(rest);
    const isText = table.pairs.some(({ value, end }) => value < index && index < end);
    if (after === null || isText) continue;
    return splice(text, index, index + whole.length, `${indent}${key} ${written}${after}`);
  }
  return null;
}

/** The rest of a line after `key =`, without the value if there is one; null if the line is not TOML. */
function afterValue(rest: string): string | null {
  if (/^\s*(?:#|$)/.test(rest)) return rest.trimEnd();
  try {
    const text = `x =${rest}`;
    parse(text);
    return text.slice(tomlTables(text)[0]?.pairs[0]?.end);
  } catch {
    return null;
  }
}

function addInline(text: string, { value, inner }: TomlPair, pair: string): string {
  const last = inner.at(-1);
  if (last) return splice(text, last.end, last.end, `, ${pair}`);
  const gap = text[value + 1] === "}" ? " " : "";
  return splice(text, value + 1, value + 1, ` ${pair}${gap}`);
}

function cutInline(text: string, { inner }: TomlPair, pair: TomlPair): string {
  const own = commaAfter(text, pair.end);
  if (own !== null) {
    let blanks = own + 1;
    while (isSpace(text, blanks)) blanks++;
    return splice(splice(text, own, blanks, ""), pair.start, pair.end, "");
  }
  const from = pair.start - indentAt(text, pair.start).length;
  const before = inner[inner.indexOf(pair) - 1];
  const cut = splice(text, from, pair.end, "");
  if (!before) return cut;
  const comma = commaAfter(text, before.end) as number;
  return splice(cut, comma, comma + 1, "");
}

/** The offset of the comma that follows `at`, after blanks and comments, or null. */
function commaAfter(text: string, at: number): number | null {
  while (/[\s#]/.test(text[at] ?? "")) at = text[at] === "#" ? lineEnd(text, at) : at + 1;
  return text[at] === "," ? at : null;
}

function addToTable(
  text: string,
  tables: readonly TomlTable[],
  table: TomlTable,
  pair: string,
): string {
  const last = table.pairs.at(-1);
  if (last) return addBelow(text, last, pair);
  if (table.path.length > 0) return addBelow(text, table, pair);
  const eol = eolOf(text);
  const next = tables[1];
  if (!next) return `${text}${text === "" || text.endsWith("\n") ? "" : eol}${pair}${eol}`;
  const header = next.start - indentAt(text, next.start).length;
  // Comments right above a header belong to it, unless the text begins with them.
  const above = commentsAbove(text, header);
  const at = above === 0 ? header : above;
  return splice(text, at, at, pair + eol + eol);
}

/** The text with one more line, below a pair or a header and indented like it. */
function addBelow(text: string, above: { start: number; end: number }, pair: string): string {
  const at = lineEnd(text, above.end);
  return splice(text, at, at, eolOf(text) + indentAt(text, above.start) + pair);
}

function writtenValue(value: unknown): string {
  // The one control character that JSON leaves as it is and TOML does not allow.
  return tomlValue(value).replaceAll("\x7f", "\\u007f");
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && isWithin(a, b);
}

/** True if a path begins with another one. */
function isWithin(path: readonly string[], outer: readonly string[]): boolean {
  return outer.every((word, i) => path[i] === word);
}

function splice(text: string, from: number, to: number, inserted: string): string {
  return text.slice(0, from) + inserted + text.slice(to);
}

function eolOf(text: string): string {
  return eolAt(text, lineEnd(text, 0)) || "\n";
}

/** The line ending at this offset, or "" at the end of the text. */
function eolAt(text: string, at: number): string {
  return text[at] === "\r" ? "\r\n" : text.slice(at, at + 1);
}

/** The offset of the end of the line around `at`. */
function lineEnd(text: string, at: number): number {
  const newline = text.indexOf("\n", at);
  if (newline < 0) return text.length;
  return text[newline - 1] === "\r" ? newline - 1 : newline;
}

/** The spaces and tabs right before this offset. */
function indentAt(text: string, at: number): string {
  let start = at;
  while (isSpace(text, start - 1)) start--;
  return text.slice(start, at);
}

/** The offset of the first of the comment lines right above a line; the line's own if there are none. */
function commentsAbove(text: string, start: number): number {
  let above = start;
  while (above > 0) {
    const line = above < 2 ? 0 : text.lastIndexOf("\n", above - 2) + 1;
    let at = line;
    while (isSpace(text, at)) at++;
    if (text[at] !== "#") break;
    above = line;
  }
  return above;
}

function isSpace(text: string, at: number): boolean {
  return text[at] === " " || text[at] === "\t";
}
