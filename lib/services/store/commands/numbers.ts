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
  // In a loop over names, each index of a list would become a text.
  if (Array.isArray(value)) {
    for (const item of value) {
      const inner = doubt(item, depth + 1);
      if (inner === "depth") return inner;
      found ??= inner;
    }
    return found;
  }
  for (const name in value) {
    const inner = doubt((value as Record<string, unknown>)[name], depth + 1);
    if (inner === "depth") return inner;
    found ??= inner;
  }
  return found;
}

/** True if lists and objects in a line are nested deeper than `levels`; told by its bytes, without parsing it. */
export function nestsBeyond(line: Buffer, levels: number): boolean {
  let depth = 0;
  for (let at = 0; at < line.length; at++) {
    const byte = line[at];
    if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      if (++depth > levels) return true;
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--;
    else if (byte === QUOTE) {
      at = textEnd(line, at);
      if (at < 0) return false;
    }
  }
  return false;
}

/** The position of the quote that ends the text that begins at `start`, or -1. */
function textEnd(line: Buffer, start: number): number {
  let end = start;
  for (;;) {
    end = line.indexOf(QUOTE, end + 1);
    let before = end;
    while (line[before - 1] === BACKSLASH) before--;
    if (end < 0 || (end - before) % 2 === 0) return end;
  }
}

const QUOTE = 34;
const PLUS = 43;
const MINUS = 45;
const POINT = 46;
const ZERO = 48;
const NINE = 57;
const BACKSLASH = 92;
const SMALL_E = 101;
const LARGE_E = 69;
const OPEN_LIST = 91;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

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

export function isDigit(code: number): boolean {
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
