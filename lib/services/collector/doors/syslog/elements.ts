import { type Attributes, MOST_VALUES, noAttributes, type Value } from "../attributes.ts";

const [SPACE, QUOTE, EQUALS, BACKSLASH] = [0x20, 0x22, 0x3d, 0x5c];
const [BRACKET, BRACKET_END] = [0x5b, 0x5d];

/**
 * Reads structured data (RFC 5424, 6.3), from its first bracket: `[id name="value" ...]`,
 * one element behind the other. Each becomes an object by its id; a name that comes
 * several times has a list. @returns the index after it, or null when it is none, or has too many values: then nothing was read
 */
export function readElements(
  bytes: Buffer,
  start: number,
  end: number,
  attributes: Attributes,
): number | null {
  const elements = noAttributes();
  let at = start;
  let left = MOST_VALUES;
  while (at < end && bytes[at] === BRACKET) {
    if (--left < 0) return null;
    const idEnd = endOfName(bytes, at + 1, end);
    if (idEnd === at + 1) return null;
    const id = bytes.toString("utf8", at + 1, idEnd);
    const named = (elements[id] as Attributes | undefined) ?? noAttributes();
    elements[id] = named;
    const pairs = readPairs(bytes, idEnd, end, named, left);
    if (pairs === null) return null;
    at = pairs.end;
    left -= pairs.count;
  }
  Object.assign(attributes, elements);
  return at;
}

/** @returns the index after the closing bracket, and the pairs before it; null when there is none, or more pairs than `most` */
function readPairs(
  bytes: Buffer,
  start: number,
  end: number,
  named: Attributes,
  most: number,
): { readonly end: number; readonly count: number } | null {
  let at = start;
  let count = 0;
  while (at < end && bytes[at] === SPACE) {
    while (at < end && bytes[at] === SPACE) at++;
    if (bytes[at] === BRACKET_END) break;
    if (++count > most) return null;
    const nameEnd = endOfName(bytes, at, end);
    if (nameEnd === at || bytes[nameEnd] !== EQUALS || bytes[nameEnd + 1] !== QUOTE) return null;
    const valueEnd = endOfValue(bytes, nameEnd + 2, end);
    if (valueEnd === null) return null;
    add(named, bytes.toString("utf8", at, nameEnd), valueIn(bytes, nameEnd + 2, valueEnd));
    at = valueEnd + 1;
  }
  return at < end && bytes[at] === BRACKET_END ? { end: at + 1, count } : null;
}

function endOfName(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const byte = bytes[at] as number;
    if (byte <= SPACE || byte === EQUALS || byte === QUOTE || byte === BRACKET_END) break;
    at++;
  }
  return at;
}

/** The index of the quote that ends a value, or null. */
function endOfValue(bytes: Buffer, start: number, end: number): number | null {
  let at = start;
  while (at < end) {
    if (bytes[at] === QUOTE) return at;
    at += bytes[at] === BACKSLASH ? 2 : 1;
  }
  return null;
}

function valueIn(bytes: Buffer, start: number, end: number): string {
  const value = bytes.toString("utf8", start, end);
  // A backslash before anything else stands for itself.
  return value.includes("\\") ? value.replace(/\\(["\\\]])/g, "$1") : value;
}

function add(named: Attributes, name: string, value: string): void {
  const before = named[name];
  if (before === undefined) named[name] = value;
  else if (Array.isArray(before)) (before as Value[]).push(value);
  else named[name] = [before, value];
}
