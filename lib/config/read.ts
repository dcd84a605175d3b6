import { contradictions } from "./contradictions.ts";
import { isTable, keyProblem, type Layer, type Problem, whereIn } from "./layer.ts";
import { nearest } from "./nearest.ts";
import { type Option, readAs } from "./option.ts";
import { optionPaths } from "./paths.ts";
import type { Entries, Section, Values } from "./section.ts";
import { describe, keyText } from "./shown.ts";
import type { Config, settings } from "./table.ts";

/** A configuration as read; if there are problems, it must not be used. */
export interface Reading<C = Config> {
  readonly config: C;
  /** The origin of each value that is not a default, by dotted path. */
  readonly origins: ReadonlyMap<string, string>;
  /** The dotted paths of settings whose given value is not allowed, so they have another one. */
  readonly refused: ReadonlySet<string>;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/** The most problems, and the most warnings, that are told; more are counted. */
const MOST_TOLD = 100;

/** Reads layers against the table of settings. Every problem is in the result, none is thrown. */
export function read<E extends typeof settings>(
  entries: E,
  layers: readonly Layer[],
): Reading<Values<E>> {
  const reader = new Reader(entries);
  for (const layer of layers) reader.layer(layer, entries, layer.values, []);
  const config = reader.build(entries, "") as Values<E>;
  const { none } = reader.problems;
  for (const { key, by, message, reference } of contradictions(entries, config)) {
    if (!none && !(by && reader.isSure([key, ...by]))) continue;
    const problem = keyProblem(key, message, reader.where.get(key));
    const lenient = reference && reader.fromReference.has(key);
    (lenient ? reader.warnings : reader.problems).add(problem.where, () => problem.message);
  }
  return {
    config,
    origins: reader.where,
    refused: reader.refused,
    problems: reader.problems.all(),
    warnings: reader.warnings.all(),
  };
}

/** Reads one layer against any table of entries, as that of a file of its own. Every problem is in the result. */
export function readTable<E extends Entries>(
  entries: E,
  layer: Layer,
): { readonly values: Values<E>; readonly problems: readonly Problem[] } {
  const reader = new Reader(entries);
  reader.layer(layer, entries, layer.values, []);
  return { values: reader.build(entries, "") as Values<E>, problems: reader.problems.all() };
}

/** Problems in the order in which they were found, up to a number that a person reads. */
class Complaints {
  readonly #told: Problem[] = [];
  #more = 0;

  get none(): boolean {
    return this.#told.length === 0;
  }

  add(where: string, message: () => string): void {
    if (this.#told.length < MOST_TOLD) this.#told.push({ where, message: message() });
    else this.#more++;
  }

  all(): Problem[] {
    if (this.#more === 0) return this.#told;
    const where = this.#told.at(-1)?.where.split(":")[0] as string;
    return [...this.#told, { where, message: `and ${this.#more} more`, count: this.#more }];
  }
}

class Reader {
  readonly problems = new Complaints();
  readonly warnings = new Complaints();
  readonly where = new Map<string, string>();
  readonly refused = new Set<string>();
  readonly fromReference = new Set<string>();
  /** The dotted paths of tables with a key that is not known, which may be a misspelt one. */
  readonly #unclear = new Set<string>();
  readonly #given = new Map<string, unknown>();
  /** Full paths by last word, for a key in the wrong table; of several the least deep. */
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
    const names = new Map<string, string>();
    for (const [key, found] of Object.entries(values)) {
      const [name, entry] = lookUp(entries, key);
      const place = [...table, key];
      const where = whereIn(layer, place);
      if (entry === undefined) {
        const list = layer.reference ? this.warnings : this.problems;
        const fate = layer.reference ? "ignored, unknown key" : "unknown key";
        list.add(where, () => `${keyText(place)}: ${fate}${this.#meant(entries, key)}`);
        this.#unclear.add(table.join("."));
        continue;
      }
      const other = names.get(name);
      if (other !== undefined) {
        this.problems.add(
          where,
          () => `${keyText(place)}: the same setting as ${other}, which stands here too; keep one`,
        );
        continue;
      }
      names.set(name, key);
      if (layer.positions?.at(place)?.again) {
        this.warnings.add(where, () => `${keyText(place)}: stands here twice; this one counts`);
      }
      if (found === null && layer.reference && !acceptsNull(entry)) continue;
      const path = [...table, name].join(".");
      if (entry.kind === "section") {
        if (isTable(found)) this.layer(layer, entry.entries, found, [...table, name]);
        else {
          this.problems.add(
            where,
            () => `${keyText(place)}: found ${describe(found)}; allowed: a table of settings`,
          );
        }
        continue;
      }
      const isReference = layer.reference === true;
      const value: unknown = readAs(entry, found, isReference);
      if (value === undefined) {
        this.refused.add(path);
        this.problems.add(where, () => `${keyText(place)}: ${refusal(entry, found)}`);
        continue;
      }
      const differs = entry.differs?.(value, isReference);
      if (differs) this.warnings.add(where, () => `${keyText(place)}: ${differs}`);
      this.#given.set(path, value);
      this.where.set(path, where);
      if (layer.reference) this.fromReference.add(path);
      else this.fromReference.delete(path);
    }
  }

  /** True if nothing that was given can mean that these settings have other values. */
  isSure(paths: readonly string[]): boolean {
    return paths.every(
      (path) => !this.refused.has(path) && !this.#unclear.has(path.slice(0, path.lastIndexOf("."))),
    );
  }

  build(entries: Entries, prefix: string): Record<string, unknown> {
    const built: Record<string, unknown> = {};
    for (const [key, entry] of Object.entries(entries)) {
      const path = prefix + key;
      if (entry.kind === "section") {
        built[key] = this.build(entry.entries, `${path}.`);
      } else {
        built[key] = this.#given.has(path) ? this.#given.get(path) : entry.initial;
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

/** The message for a value that is not allowed. */
function refusal(option: Option<unknown>, found: unknown): string {
  const { secret, hidesRefused, words = [], allowed } = option;
  const fault = secret ? option.fault?.(found) : null;
  if (fault) return `${fault}; allowed: ${allowed}`;
  const shown = secret || hidesRefused ? "something else" : refusedPart(option, found);
  const word = typeof found === "string" && nearest(found, words);
  return `found ${shown}; allowed: ${allowed}${word ? `; did you mean "${word}"?` : ""}`;
}

/** A refused value in a few words; of a list that holds texts, its first bad entry. */
function refusedPart({ badEntry }: Option<unknown>, found: unknown): string {
  const bad = badEntry?.(found) ?? -1;
  if (bad < 0) return describe(found);
  const list = found as readonly unknown[];
  return `${describe(list[bad])} as entry ${bad + 1} of ${list.length}`;
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
