/** Deepest nesting of a value. */
export const MAX_NESTING = 128;

/** What a value of JSON may be that a double and our stack cannot carry safely. */
export type Doubt = "number" | "depth" | null;

/** Looks for nesting beyond `MAX_NESTING`, and else for numbers that may have been altered by becoming doubles. */
export function doubt(value: unknown, depth = 1): Doubt {
  if (typeof value === "number") {
    const exact =
      Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value));
    return exact ? null : "number";
  }
  if (typeof value !== "object" || value === null) return null;
  if (depth > MAX_NESTING) return "depth";
  let found: Doubt = null;
  for (const name in value) {
    const inner = doubt((value as Record<string, unknown>)[name], depth + 1);
    if (inner === "depth") return inner;
    found ??= inner;
  }
  return found;
}

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;
const INTEGER = /^-?\d+$/;

/** Whether a text of JSON holds a number that is without bound as a double, or an integer that is altered. */
export function altersNumber(text: string): boolean {
  for (const [token] of text.matchAll(TOKEN)) {
    if (token.startsWith('"')) continue;
    const number = Number(token);
    if (!Number.isFinite(number)) return true;
    if (Number.isSafeInteger(number) || !INTEGER.test(token)) continue;
    if (BigInt(token) !== BigInt(number)) return true;
  }
  return false;
}
