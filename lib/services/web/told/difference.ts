/** Plain data, as it becomes JSON. */
export type Data = { readonly [name: string]: unknown };

/** Levels at which each member of a state is copied by itself. */
const LEVELS = 2;

/** The texts of the branches of copies. */
const texts = new WeakMap<object, string>();

/**
 * A copy of a value as it becomes JSON, so that what a service goes on changing stays as it was
 * told. Of a copy made before, `before`, it takes over the branches that are the same: they cost
 * no more than their text.
 */
export function settled(value: Data, before: unknown): Data {
  return copied(value, before, LEVELS) as Data;
}

function copied(value: unknown, before: unknown, levels: number): unknown {
  // Of numbers only those that JSON can hold.
  if (typeof value === "string" || Number.isFinite(value) || value === undefined) return value;
  if (levels > 0 && isObject(value)) return copiedMembers(value, before, levels);
  const text = JSON.stringify(value);
  if (isBranch(before) && texts.get(before) === text) return before;
  const copy: unknown = JSON.parse(text);
  if (isBranch(copy)) texts.set(copy, text);
  return copy;
}

function copiedMembers(value: Data, before: unknown, levels: number): Data {
  const known = isObject(before) ? before : {};
  const copy: Record<string, unknown> = {};
  let same = before !== undefined;
  let count = 0;
  for (const name of Object.keys(value)) {
    const one = copied(value[name], known[name], levels - 1);
    if (one === undefined) continue;
    copy[name] = one;
    count++;
    if (one !== known[name]) same = false;
  }
  return same && count === Object.keys(known).length ? known : copy;
}

/**
 * What has to be merged into `before` to make it `after` (RFC 7396): of objects
 * the members that differ, null for those that are gone; all else whole.
 * Undefined when they are the same. A member that is null counts as not there.
 */
export function difference(before: unknown, after: unknown): unknown {
  if (before === after) return undefined;
  if (!isObject(before) || !isObject(after)) return same(before, after) ? undefined : after;
  let found: Record<string, unknown> | undefined;
  for (const name of Object.keys(after)) {
    if (after[name] === null) continue;
    const one = difference(before[name], after[name]);
    if (one !== undefined) (found ??= {})[name] = one;
  }
  for (const name of Object.keys(before)) {
    if (before[name] !== null && (after[name] ?? null) === null) (found ??= {})[name] = null;
  }
  return found;
}

function isBranch(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isObject(value: unknown): value is Data {
  return isBranch(value) && !Array.isArray(value);
}

function same(before: unknown, after: unknown): boolean {
  if (Array.isArray(before) && Array.isArray(after)) {
    return before.length === after.length && before.every((one, i) => same(one, after[i]));
  }
  if (isObject(before) && isObject(after)) return difference(before, after) === undefined;
  return before === after;
}
