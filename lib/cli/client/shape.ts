/**
 * Shapes of answers. Whoever holds a server's port may answer anything, so an
 * answer is used only if it has the shape that a Summoner server gives it.
 */
export type Shape<T> = (found: unknown) => found is T;

export const text: Shape<string> = (found) => typeof found === "string";
export const number: Shape<number> = (found) => typeof found === "number";
export const flag: Shape<boolean> = (found) => typeof found === "boolean";

export const anything: Shape<unknown> = (_found): _found is unknown => true;

/** A value of this shape, or null. */
export function orNull<T>(shape: Shape<T>): Shape<T | null> {
  return (found) => found === null || shape(found);
}

/** A value of this shape, or none. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return (found) => found === undefined || shape(found);
}

export function list<T>(shape: Shape<T>): Shape<readonly T[]> {
  return (found): found is readonly T[] => Array.isArray(found) && found.every(shape);
}

/** An object whose values all have this shape, under any keys. */
export function record<T>(shape: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return (found): found is Readonly<Record<string, T>> =>
    isObject(found) && Object.values(found).every(shape);
}

/** An object with at least these members. */
export function object<T extends object>(members: {
  readonly [K in keyof T]-?: Shape<T[K]>;
}): Shape<T> {
  const shapes = Object.entries(members) as [string, Shape<unknown>][];
  return (found): found is T => isObject(found) && shapes.every(([key, fits]) => fits(found[key]));
}

function isObject(found: unknown): found is Record<string, unknown> {
  return typeof found === "object" && found !== null && !Array.isArray(found);
}
