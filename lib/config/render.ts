import { markdownTable } from "./markdown.ts";
import type { Option } from "./option.ts";
import { optionPaths, valueAt } from "./paths.ts";
import { type Reading } from "./read.ts";
import type { Entries } from "./section.ts";

const WIDTH = 78;
/** The most columns of a list on one line; formatters break longer ones. */
const LIST_WIDTH = 80;

/** A value in TOML. */
export function tomlValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(tomlValue).join(", ")}]`;
  return JSON.stringify(value);
}

/**
 * The commented file: every option with its words; those at their default are commented out.
 * @param values the values that it sets, by dotted path
 */
export function renderToml(
  entries: Entries,
  values: ReadonlyMap<string, unknown> = new Map(),
): string {
  const head = [
    "# The configuration of a Summoner server.",
    "# A line that starts with '# key =' shows a default; remove the # to change it.",
  ];
  return `${[...head, ...tomlTable(entries, [], values)].join("\n")}\n`;
}

function tomlTable(
  entries: Entries,
  path: readonly string[],
  values: ReadonlyMap<string, unknown>,
): string[] {
  const lines: string[] = [];
  for (const [key, entry] of Object.entries(entries)) {
    if (entry.kind !== "option") continue;
    const obvious = entry.allowed === "text" || entry.allowed === "true or false";
    const allowed = obvious ? "" : ` Allowed: ${entry.allowed}.`;
    lines.push("", ...comment(entry.about + allowed));
    const given = values.get([...path, key].join("."));
    const value = given ?? entry.initial;
    if (value === null) lines.push(`# ${key} =`);
    else if (given === undefined) lines.push(`# ${key} = ${tomlValue(value)}`);
    else lines.push(...tomlPair(key, value));
  }
  for (const [key, entry] of Object.entries(entries)) {
    if (entry.kind !== "section") continue;
    const inner = [...path, key];
    lines.push("", ...comment(entry.about), `[${inner.join(".")}]`);
    lines.push(...tomlTable(entry.entries, inner, values));
  }
  return lines;
}

/** A key with its value; a list that is too long for one line takes a line for each item. */
function tomlPair(key: string, value: unknown): string[] {
  const line = `${key} = ${tomlValue(value)}`;
  if (!Array.isArray(value) || line.length <= LIST_WIDTH) return [line];
  return [`${key} = [`, ...value.map((item) => `  ${tomlValue(item)},`), "]"];
}

function comment(sentence: string): string[] {
  const lines: string[] = [];
  let line = "#";
  for (const word of sentence.split(" ")) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = "#";
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

/**
 * The reference of settings as Markdown, one table for each section. For sections of a service that
 * override those of the whole server there is only a sentence.
 * @param names keys and sections of the top level; all if not given
 */
export function renderReference(
  entries: Entries,
  names: readonly string[] = Object.keys(entries),
): string {
  const wanted = Object.fromEntries(names.map((name) => [name, entries[name] as Entries[string]]));
  return `${referenceOf("Top level", "", wanted, [], entries).join("\n").trim()}\n`;
}

function referenceOf(
  title: string,
  about: string,
  entries: Entries,
  path: readonly string[],
  all: Entries,
): string[] {
  const lines: string[] = [];
  const rows: string[][] = [];
  const own: string[] = [];
  const overriding: string[] = [];
  for (const [key, entry] of Object.entries(entries)) {
    if (entry.kind === "option") rows.push(referenceRow(key, entry));
    else if (path.length > 0 && all[key]?.kind === "section") overriding.push(key);
    else {
      const deeper = [...path, key];
      own.push(...referenceOf(named(deeper), entry.about, entry.entries, deeper, all));
    }
  }
  if (rows.length > 0) {
    lines.push(`### ${title}`, "");
    if (about !== "") lines.push(about, "");
    lines.push(...markdownTable([["Key", "Default", "Allowed", "Meaning"], ...rows]), "");
  }
  if (overriding.length > 0) {
    const these = overriding.map((key) => named([...path, key])).join(" and ");
    const those = overriding.map((key) => named([key])).join(" and ");
    lines.push(
      `${these} have the keys of ${those}, for this service alone; a key not given there follows those of the whole server.`,
      "",
    );
  }
  return [...lines, ...own];
}

/** The header of a section, as code. */
function named(path: readonly string[]): string {
  return `\`[${path.join(".")}]\``;
}

function referenceRow(key: string, option: Option<unknown>): string[] {
  const names = [key, ...(option.aliases ?? [])].map((name) => `\`${name}\``);
  const initial = option.initial === null ? "not given" : `\`${tomlValue(option.initial)}\``;
  const restart = option.live ? "" : " (restart)";
  return [names.join(", "), initial, option.allowed, option.about + restart];
}

/** A value that may be shown: stars in place of a secret, or of the secret part of it. */
export function masked(option: Option<unknown>, value: unknown): unknown {
  if (!option.secret || value === null || value === "") return value;
  return option.masked?.(value) ?? "********";
}

/** A copy of a configuration that may be shown: its secrets are masked. */
export function maskedConfig<C extends object>(entries: Entries, config: C): C {
  const shown = structuredClone(config);
  for (const [path, option] of optionPaths(entries)) {
    const dot = path.lastIndexOf(".");
    const table = dot < 0 ? shown : valueAt(shown, path.slice(0, dot));
    const key = path.slice(dot + 1);
    Object.assign(table as object, { [key]: masked(option, valueAt(config, path)) });
  }
  return shown;
}

/** The effective values, one on each line with its origin; secrets are masked. */
export function renderEffective(entries: Entries, reading: Reading<object>): string {
  const rows = [...optionPaths(entries)].map(([path, option]) => {
    const value = valueAt(reading.config, path);
    const shown = value === null ? "(not given)" : tomlValue(masked(option, value));
    return [`${path} = ${shown}`, reading.origins.get(path) ?? "default"] as const;
  });
  const width = Math.min(60, Math.max(...rows.map(([left]) => left.length)));
  return `${rows.map(([left, origin]) => `${left.padEnd(width)}  # ${origin}`).join("\n")}\n`;
}
