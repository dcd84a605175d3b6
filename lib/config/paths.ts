import type { Option } from "./option.ts";
import type { Entries, Section } from "./section.ts";

/** All options of a table with their dotted paths, in order. */
export function* optionPaths(
  entries: Entries,
  prefix = "",
): Generator<[path: string, option: Option<unknown>]> {
  for (const [key, entry] of Object.entries(entries)) {
    if (entry.kind === "option") yield [prefix + key, entry];
    else yield* optionPaths(entry.entries, `${prefix}${key}.`);
  }
}

/** All sections of a table with their dotted paths, each before the sections in it. */
export function* sectionPaths(
  entries: Entries,
  prefix = "",
): Generator<[path: string, section: Section]> {
  for (const [key, entry] of Object.entries(entries)) {
    if (entry.kind !== "section") continue;
    yield [prefix + key, entry];
    yield* sectionPaths(entry.entries, `${prefix}${key}.`);
  }
}

/** The value at a dotted path of a configuration. */
export function valueAt(config: object, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], config);
}

/** Values by dotted path as tables in tables. The paths must be of the table of settings. */
export function nested(values: Iterable<readonly [path: string, value: unknown]>) {
  const whole: Record<string, unknown> = {};
  for (const [path, value] of values) {
    const keys = path.split(".");
    const last = keys.pop() as string;
    let table = whole;
    for (const key of keys) table = (table[key] ??= {}) as Record<string, unknown>;
    table[last] = value;
  }
  return whole;
}

/** `nest(["a", "b"], 1)` is `{ a: { b: 1 } }`. */
export function nest(path: readonly string[], value: unknown): Record<string, unknown> {
  return path.reduceRight((inner, key) => ({ [key]: inner }), value) as Record<string, unknown>;
}
