import { MAX_DIGITS } from "./ordered.ts";

const [MINUS, POINT, ZERO, NINE] = [45, 46, 48, 57];
const POWERS = Array.from({ length: MAX_DIGITS + 1 }, (_, power) => 10 ** power);

/** The same as `rankOf`, of a name in UTF-8: `bytes` from `start` to `end`. Makes no text, since a search in a list asks it of one name after the other. */
export function rankIn(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start] as number;
  // Most names begin with a letter.
  if (first > NINE || first < MINUS) return NaN;
  const isNegative = first === MINUS;
  let at = isNegative ? start + 1 : start;
  const whole = at;
  let number = 0;
  for (; at < end && isDigit(bytes[at] as number); at++) {
    number = 10 * number + (bytes[at] as number) - ZERO;
  }
  let digits = at - whole;
  // A zero at the beginning is the number 0 alone.
  if (digits > 0 && bytes[whole] === ZERO)
    return digits === 1 && at === end && !isNegative ? 0 : NaN;
  let fraction = 0;
  if (at < end) {
    if (bytes[at] !== POINT) return NaN;
    for (at++; at < end && isDigit(bytes[at] as number); at++, fraction++) {
      number = 10 * number + (bytes[at] as number) - ZERO;
    }
    if (at < end || fraction === 0 || bytes[end - 1] === ZERO) return NaN;
    digits += fraction;
  }
  if (digits === 0 || digits > MAX_DIGITS) return NaN;
  // Both are exact, so that the quotient is the double that is nearest.
  const value = number / (POWERS[fraction] as number);
  return isNegative ? -value : value;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}
