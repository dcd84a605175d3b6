/** Plain data, as it becomes JSON; nothing in it is null. */
export type Data = { readonly [name: string]: unknown };

/**
 * A copy of a value as it becomes JSON, so that what a service goes on changing
 * stays as it was told. What is null or undefined is left out of objects.
 */
export function settled(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(settled);
  const copy: Record<string, unknown> = {};
  for (const [name, one] of Object.entries(value)) {
    if (one !== undefined && one !== null) copy[name] = settled(one);
  }
  return copy;
}

/**
 * What has to be merged into `before` to make it `after` (RFC 7396): of objects
 * the members that differ, null for those that are gone; all else whole.
 * Undefined when they are the same.
 */
export function difference(before: unknown, after: unknown): unknown {
  if (!isObject(before) || !isObject(after)) return same(before, after) ? undefined : after;
  let found: Record<string, unknown> | undefined;
  for (const name of Object.keys(after)) {
    const one = difference(before[name], after[name]);
    if (one !== undefined) (found ??= {})[name] = one;
  }
  for (const name of Object.keys(before)) {
    if (!Object.hasOwn(after, name)) (found ??= {})[name] = null;
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
  if (isObject(before) && isObject(after)) return difference(before, after) === undefined;
  return before === after;
}
