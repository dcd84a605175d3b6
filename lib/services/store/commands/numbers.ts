/** Deepest nesting of a value. */
export const MAX_NESTING = 128;

/**
 * A doubt about a value: it is nested too deep, or it holds a number, which a
 * double may have altered: an `odd` one however short it was written (0 may have
 * been `-0` or `1e-400`), any other only if it had many digits.
 */
export type Doubt = "number" | "odd" | "depth" | null;

/** Numbers closer to 0 than this, or farther from it than `FAR`, are odd. */
const [NEAR, FAR] = [1e-99, 1e99];

/** Looks for nesting beyond `MAX_NESTING`, and otherwise for numbers. */
export function doubt(value: unknown, depth = 1): Doubt {
  if (typeof value === "number") {
    const size = Math.abs(value);
    return size >= NEAR && size <= FAR ? "number" : "odd";
  }
  if (typeof value !== "object" || value === null) return null;
  if (depth > MAX_NESTING) return "depth";
  let found: Doubt = null;
  // In a loop over names, each index of a list would become a text.
  if (Array.isArray(value)) {
    for (const item of value) {
      const inner = doubt(item, depth + 1);
      if (inner === "depth") return inner;
      found = graver(found, inner);
    }
    return found;
  }
  for (const name in value) {
    const inner = doubt((value as Record<string, unknown>)[name], depth + 1);
    if (inner === "depth") return inner;
    found = graver(found, inner);
  }
  return found;
}

/** The one of two doubts, neither of which is about the depth, that demands the closer look. */
export function graver(one: Doubt, other: Doubt): Doubt {
  return one === "odd" || other === null ? one : other;
}

/** True if a value, nested no deeper than `MAX_NESTING`, holds one of these numbers. */
export function holdsAny(value: unknown, numbers: ReadonlySet<number>): boolean {
  if (typeof value === "number") return numbers.has(value);
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).some((inner) => holdsAny(inner, numbers));
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

const NEWLINE = 10;
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

/** Most bytes of a number whose digits are surely few enough for a double. */
const SHORT = 15;
/** Most digits of an exponent with which such a number is surely within a double's range. */
const SHORT_EXPONENT = 2;
/** Significant digits that tell each double from all others. */
const TELLING = 17;

/**
 * True if there may be a number of more bytes than `SHORT` from `start` to `end`:
 * every such number is met by looking at one byte in so many.
 */
export function mayHoldLong(block: Buffer, start: number, end: number): boolean {
  for (let at = start + SHORT; at < end; at += SHORT + 1) {
    if (!isPartOfNumber(block[at] as number)) continue;
    let first = at;
    let last = at;
    while (first > start && isPartOfNumber(block[first - 1] as number)) first--;
    while (last + 1 < end && isPartOfNumber(block[last + 1] as number)) last++;
    if (last - first >= SHORT) return true;
    // The next one to be met begins behind this one.
    at = last;
  }
  return false;
}

/**
 * The numbers in a line of JSON that would not come back as they were, each as
 * the double that it became; null when there are none. The bytes are read one
 * by one: a regular expression gives up within a long text.
 * @param start the position of the line, which ends with a newline or the block
 */
export function alteredNumbers(block: Buffer, start: number): ReadonlySet<number> | null {
  let altered: Set<number> | null = null;
  const { length } = block;
  for (let at = start; at < length;) {
    const byte = block[at] as number;
    if (byte === QUOTE) {
      at = afterText(block, at);
    } else if (byte === MINUS || isDigit(byte)) {
      const end = numberEnd(block, at);
      if (!isShort(block, at, end)) {
        const token = block.toString("latin1", at, end);
        const number = Number(token);
        if (!comesBack(token, number)) (altered ??= new Set()).add(number);
      }
      at = end;
    } else if (byte === NEWLINE) return altered;
    else at++;
  }
  return altered;
}

/** The position after the text that begins at `start`. */
function afterText(block: Buffer, start: number): number {
  const { length } = block;
  for (let at = start + 1; at < length; at++) {
    const byte = block[at];
    if (byte === QUOTE) return at + 1;
    if (byte === BACKSLASH) at++;
  }
  return length;
}

/** The end of the number that begins at `start`. */
function numberEnd(block: Buffer, start: number): number {
  let at = start + 1;
  while (isPartOfNumber(block[at] as number)) at++;
  return at;
}

function isPartOfNumber(byte: number): boolean {
  return (
    isDigit(byte) ||
    byte === POINT ||
    byte === SMALL_E ||
    byte === LARGE_E ||
    byte === PLUS ||
    byte === MINUS
  );
}

/** True for a number that a double surely keeps, by its length. */
function isShort(block: Buffer, start: number, end: number): boolean {
  if (end - start > SHORT || (block[start] === MINUS && block[start + 1] === ZERO)) return false;
  for (let at = end - 1; at > start; at--) {
    const byte = block[at] as number;
    if (byte >= LARGE_E) return end - at - 1 <= SHORT_EXPONENT;
  }
  return true;
}

/**
 * True if a number comes back as the same number, or is a fraction of no more
 * digits than tell doubles apart, which comes back as the same double.
 */
function comesBack(token: string, number: number): boolean {
  if (!Number.isFinite(number) || Object.is(number, -0)) return false;
  const shown = String(number);
  if (shown === token) return true;
  const sent = decimalOf(token);
  if (isSame(sent, decimalOf(shown))) return true;
  const { length } = sent.digits;
  if (Number.isInteger(number) || length > TELLING) return false;
  return isSame(sent, decimalOf(number.toPrecision(length)));
}

/** A number without its sign: 0.DIGITS times ten to the power of `exponent`; without digits, 0. */
interface Decimal {
  /** The first and the last are not 0. */
  readonly digits: string;
  readonly exponent: number;
}

function decimalOf(token: string): Decimal {
  const start = token.charCodeAt(0) === MINUS ? 1 : 0;
  const [mantissa = "", power = "0"] = token.slice(start).toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const all = whole + fraction;
  let first = 0;
  let end = all.length;
  while (first < end && all.charCodeAt(first) === ZERO) first++;
  while (end > first && all.charCodeAt(end - 1) === ZERO) end--;
  return { digits: all.slice(first, end), exponent: whole.length - first + Number(power) };
}

function isSame(one: Decimal, other: Decimal): boolean {
  if (one.digits !== other.digits) return false;
  return one.digits === "" || one.exponent === other.exponent;
}

export function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}
