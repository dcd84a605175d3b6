import { expect } from "bun:test";
import { parse } from "smol-toml";
import { foundAt } from "../lib/config/edit.ts";
import type { Option } from "../lib/config/option.ts";
import { optionPaths } from "../lib/config/paths.ts";
import { settings } from "../lib/config/table.ts";

/** Every option, by its path. */
export const options = new Map<string, Option<unknown>>(optionPaths(settings));

/** The values in a text, by dotted path. */
export function valuesOf(text: string): Record<string, unknown> {
  const values = parse(text);
  const found = [...options].map(
    ([path, option]) => [path, foundAt(values, path, option)] as const,
  );
  const given = found.filter(([, value]) => value !== undefined);
  // No key stands there twice, and no other.
  expect(leaves(values)).toBe(given.length);
  return Object.fromEntries(given);
}

function leaves(values: object): number {
  const count = (value: unknown) =>
    typeof value === "object" && !Array.isArray(value) ? leaves(value as object) : 1;
  return Object.values(values).reduce((sum, value) => sum + count(value), 0);
}
