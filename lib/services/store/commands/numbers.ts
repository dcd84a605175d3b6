import { endOfString } from "../../../host/content.ts";

/** Deepest nesting of a value. */
export const MAX_NESTING = 128;

/** A doubt about a value: a double may have altered a number in it, or it is nested too deep. */
export type Doubt = "number" | "depth" | null;

/** Looks for nesting beyond `MAX_NESTING`, and otherwise for numbers that a double may have altered. */
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

const QUOTE = 34;
const PLUS = 43;
const MINUS = 45;
const POINT = 46;
const ZERO = 48;
const NINE = 57;
const SMALL_E = 101;
const LARGE_E = 69;

const INTEGER = /^-?\d+$/;

/**
 * True if a text of JSON holds a number that is infinite as a double, or an
 * integer that a double alters. The text is read by hand: a regular expression
 * for strings and numbers gives up within a long string.
 */
export function altersNumber(json: string): boolean {
  for (let at = 0; at < json.length;) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(json, at);
    } else if (code === MINUS || isDigit(code)) {
      const end = numberEnd(json, at);
      if (isAltered(json.slice(at, end))) return true;
      at = end;
    } else at++;
  }
  return false;
}

function isAltered(token: string): boolean {
  const number = Number(token);
  if (!Number.isFinite(number)) return true;
  if (Number.isSafeInteger(number) || !INTEGER.test(token)) return false;
  return BigInt(token) !== BigInt(number);
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

/** The end of the number that begins at `start`. */
function numberEnd(json: string, start: number): number {
  for (let at = start + 1; at < json.length; at++) {
    const code = json.charCodeAt(at);
    const isPart =
      isDigit(code) ||
      code === POINT ||
      code === SMALL_E ||
      code === LARGE_E ||
      code === PLUS ||
      code === MINUS;
    if (!isPart) return at;
  }
  return json.length;
}
