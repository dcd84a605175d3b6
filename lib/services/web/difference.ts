/** Plain data, as it becomes JSON. */
export type Data = { readonly [name: string]: unknown };

/** A copy of a value as it becomes JSON, so that what a service goes on changing stays as it was told. */
export function settled(value: Data): Data {
  return JSON.parse(JSON.stringify(value)) as Data;
}

/** Levels at which whole branches are compared as text first: that costs little, and most of them are the same. */
const AS_TEXT = 3;

/**
 * What has to be merged into `before` to make it `after` (RFC 7396): of objects
 * the members that differ, null for those that are gone; all else whole.
 * Undefined when they are the same. A member that is null counts as not there.
 */
export function difference(before: unknown, after: unknown, level = 0): unknown {
  if (!isObject(before) || !isObject(after)) return same(before, after) ? undefined : after;
  if (level < AS_TEXT && JSON.stringify(before) === JSON.stringify(after)) return undefined;
  let found: Record<string, unknown> | undefined;
  for (const name of Object.keys(after)) {
    if (after[name] === null) continue;
    const one = difference(before[name], after[name], level + 1);
    if (one !== undefined) (found ??= {})[name] = one;
  }
  for (const name of Object.keys(before)) {
    if (before[name] !== null && (after[name] ?? null) === null) (found ??= {})[name] = null;
  }
  return found;
}

function isObject(value: unknown): value is Data {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function same(before: unknown, after: unknown): boolean {
  if (Array.isArray(before) && Array.isArray(after)) {
    return before.length === after.length && before.every((one, i) => same(one, after[i]));
  }
  if (isObject(before) && isObject(after)) return difference(before, after, AS_TEXT) === undefined;
  return before === after;
}
