import { basename } from "node:path";
import { parse, TomlDate, TomlError } from "smol-toml";
import { nearest } from "./nearest.ts";
import type { Option } from "./option.ts";
import { JsonSyntaxError, jsonPositions, type Positions, tomlPositions } from "./positions.ts";
import { contradictions } from "./contradictions.ts";
import { nest, optionPaths } from "./paths.ts";
import type { Entries, Section, Values } from "./section.ts";
import type { Config, settings } from "./table.ts";

/** Something wrong with a configuration: where it stands, and what to do about it. */
export interface Problem {
  /** `summoner.toml:12:1`, or the argument that brought it, as `--set`. */
  readonly where: string;
  readonly message: string;
}

/** One source of settings. Later layers win over earlier ones. */
export interface Layer {
  /** What a person calls it: a file's name, `--set`, `--port`. */
  readonly name: string;
  readonly values: Readonly<Record<string, unknown>>;
  readonly positions?: Positions;
  /** The reference's own format, in which unknown keys are ignored (with a warning) and null means the default. */
  readonly reference?: boolean;
}

/** A configuration as read: with problems it must not be used. */
export interface Reading<C = Config> {
  readonly config: C;
  /** Where each value that is not a default came from, by dotted path. */
  readonly origins: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/** The settings of a text in TOML or, by the name's ending, the reference's JSON; or why it cannot be parsed. */
export function parseLayer(path: string, content: string): Layer | Problem {
  const name = basename(path);
  return path.toLowerCase().endsWith(".json") ? parseJson(name, content) : parseToml(name, content);
}

function parseToml(name: string, content: string): Layer | Problem {
  try {
    return { name, values: parse(content), positions: tomlPositions(content) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split("\n")[0]?.replace("Invalid TOML document: ", "");
    return {
      where: `${name}:${error.line}:${error.column}`,
      message: `not valid TOML: ${reason}\n${error.codeblock.trimEnd()}`,
    };
  }
}

function parseJson(name: string, content: string): Layer | Problem {
  try {
    const positions = jsonPositions(content);
    const values: unknown = JSON.parse(content);
    if (isTable(values)) return { name, values, positions, reference: true };
    return {
      where: name,
      message: `found ${describe(values)}; allowed: an object`,
    };
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    const { line, column } = error.position;
    return {
      where: `${name}:${line}:${column}`,
      message: `not valid JSON: ${error.message}`,
    };
  }
}

/** A layer from one `--set key.path=value`; the value is TOML, a bare word being a string. */
export function setLayer(argument: string): Layer | Problem {
  const split = argument.indexOf("=");
  if (split < 1) {
    return {
      where: "--set",
      message: `found ${argument}; allowed: key.path=value`,
    };
  }
  const path = argument.slice(0, split).trim().split(".");
  const word = argument.slice(split + 1).trim();
  let value: unknown = word;
  try {
    const parsed = parse(`value = ${word}`).value;
    if (!(parsed instanceof TomlDate)) value = parsed;
  } catch {}
  return { name: "--set", values: nest(path, value) };
}

/**
 * Reads layers against a table: every problem at once, none thrown.
 * @param anyFile whether a configuration was given at all; without one the shipped values are the defaults
 */
export function read<E extends typeof settings>(
  entries: E,
  layers: readonly Layer[],
  anyFile: boolean,
): Reading<Values<E>> {
  const reader = new Reader(entries);
  for (const layer of layers) reader.layer(layer, entries, layer.values, []);
  const config = reader.build(entries, "", anyFile) as Values<E>;
  if (reader.problems.length === 0) {
    for (const { key, message, reference } of contradictions(entries, config)) {
      const where = reader.where.get(key) ?? "default";
      const lenient = reference && reader.fromReference.has(key);
      (lenient ? reader.warnings : reader.problems).push({
        where,
        message: `${key}: ${message}`,
      });
    }
  }
  return {
    config,
    origins: reader.where,
    problems: reader.problems,
    warnings: reader.warnings,
  };
}

/** Reads one layer against any table of its own: the values, or every problem. */
export function readTable<E extends Entries>(
  entries: E,
  layer: Layer,
): { readonly values: Values<E>; readonly problems: readonly Problem[] } {
  const reader = new Reader(entries);
  reader.layer(layer, entries, layer.values, []);
  return { values: reader.build(entries, "", true) as Values<E>, problems: reader.problems };
}

class Reader {
  readonly problems: Problem[] = [];
  readonly warnings: Problem[] = [];
  readonly where = new Map<string, string>();
  readonly fromReference = new Set<string>();
  readonly #given = new Map<string, unknown>();
  /** Full path by last word, for a key that stands in the wrong table; of several the one that is least deep. */
  readonly #paths = new Map<string, string>();

  constructor(entries: Entries) {
    for (const [path, option] of optionPaths(entries)) {
      const names = [path.slice(path.lastIndexOf(".") + 1), ...(option.aliases ?? [])];
      for (const name of names) {
        const other = this.#paths.get(name);
        if (other === undefined || depth(path) < depth(other)) this.#paths.set(name, path);
      }
    }
  }

  layer(
    layer: Layer,
    entries: Entries,
    values: Readonly<Record<string, unknown>>,
    table: readonly string[],
  ): void {
    for (const [key, found] of Object.entries(values)) {
      const [name, entry] = lookUp(entries, key);
      const written = [...table, key].join(".");
      const at = layer.positions?.get(written);
      const where = at ? `${layer.name}:${at.line}:${at.column}` : layer.name;
      if (entry === undefined) {
        const list = layer.reference ? this.warnings : this.problems;
        const fate = layer.reference ? "ignored, unknown key" : "unknown key";
        list.push({
          where,
          message: `${written}: ${fate}${this.#meant(entries, key)}`,
        });
        continue;
      }
      if (found === null && layer.reference && !acceptsNull(entry)) continue;
      const path = [...table, name].join(".");
      if (entry.kind === "section") {
        if (isTable(found)) this.layer(layer, entry.entries, found, [...table, name]);
        else {
          const message = `${written}: found ${describe(found)}; allowed: a table of settings`;
          this.problems.push({ where, message });
        }
        continue;
      }
      const value: unknown = entry.read(found);
      if (value === undefined) {
        const shown = entry.secret ? "something else" : describe(found);
        const word = typeof found === "string" && nearest(found, entry.words ?? []);
        const meant = word ? `; did you mean "${word}"?` : "";
        const message = `${written}: found ${shown}; allowed: ${entry.allowed}${meant}`;
        this.problems.push({ where, message });
        continue;
      }
      this.#given.set(path, value);
      this.where.set(path, where);
      if (layer.reference) this.fromReference.add(path);
      else this.fromReference.delete(path);
    }
  }

  build(entries: Entries, prefix: string, anyFile: boolean): Record<string, unknown> {
    const built: Record<string, unknown> = {};
    for (const [key, entry] of Object.entries(entries)) {
      const path = prefix + key;
      if (entry.kind === "section") {
        built[key] = this.build(entry.entries, `${path}.`, anyFile);
      } else if (this.#given.has(path)) {
        built[key] = this.#given.get(path);
      } else {
        built[key] = anyFile ? entry.initial : (entry.shipped ?? entry.initial);
      }
    }
    return built;
  }

  /** "; did you mean X?" for a key that is not known. */
  #meant(entries: Entries, key: string): string {
    const here = nearest(key, Object.keys(entries));
    if (here) return `; did you mean ${here}?`;
    const word = nearest(key, this.#paths.keys());
    const elsewhere = word === undefined ? undefined : this.#paths.get(word);
    return elsewhere === undefined ? "" : `; did you mean ${elsewhere}?`;
  }
}

function depth(path: string): number {
  return path.split(".").length;
}

function lookUp(
  entries: Entries,
  key: string,
): [name: string, entry: Option<unknown> | Section | undefined] {
  if (Object.hasOwn(entries, key)) return [key, entries[key]];
  for (const [name, entry] of Object.entries(entries)) {
    if (entry.kind === "option" && entry.aliases?.includes(key)) return [name, entry];
  }
  return [key, undefined];
}

function acceptsNull(entry: Option<unknown> | Section): boolean {
  return entry.kind === "option" && entry.read(null) !== undefined;
}

function isTable(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof TomlDate)
  );
}

function describe(found: unknown): string {
  if (typeof found === "string") return `${JSON.stringify(found)} (text)`;
  if (typeof found === "number") return `${found} (a number)`;
  if (typeof found === "boolean") return `${found}`;
  if (Array.isArray(found)) return `${JSON.stringify(found)} (a list)`;
  if (found instanceof TomlDate) return `${found.toISOString()} (a date)`;
  if (found === null) return "null";
  return isTable(found) ? "a table" : typeof found;
}
