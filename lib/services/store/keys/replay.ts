import { isUtf8 } from "node:buffer";
import type { KeySpace } from "./key-space.ts";
import { applyRecord, checkRecord, clockOf, type Time } from "./records.ts";

const NEWLINE = 10;
const SPACE = 32;
const QUOTE = 34;
const COMMA = 44;
const MINUS = 45;
const ZERO = 48;
const NINE = 57;
const BACKSLASH = 92;
const CLOSE = 93;

const SET = Buffer.from('["set","');
/** Most digits of a number; a double always keeps that many. */
const MAX_DIGITS = 15;

/** Parts of a record that sets a value, by their places. */
const set = { name: 0, nameEnd: 0, version: 0, wall: 0, value: 0, valueEnd: 0 };

/**
 * Applies records that were read back, lines of JSON. Most of them set a value:
 * these are read byte by byte, and the value is taken as it stands there.
 * @returns the number of records
 * @throws Error for a record that this version does not write
 */
export function applyLines(space: KeySpace, clock: Time, lines: Buffer): number {
  const apply = () => {
    const { name, nameEnd, version, wall, value, valueEnd } = set;
    space.load(lines, name, nameEnd, value, valueEnd, version, clockOf(clock, wall));
  };
  return eachLine(lines, apply, (record) => applyRecord(space, clock, record));
}

/** Looks whether `applyLines` would take records. @returns their number @throws Error for one that it would not */
export function checkLines(lines: Buffer): number {
  return eachLine(lines, () => {}, checkRecord);
}

/** @param onSet called for a record that sets a value, with its parts in `set` */
function eachLine(
  lines: Buffer,
  onSet: () => void,
  onOther: (record: readonly unknown[]) => void,
): number {
  // Bytes that are no UTF-8 are replaced by the parser, and must not get into names by themselves.
  const isText = isUtf8(lines);
  let count = 0;
  for (let start = 0; start < lines.length; count++) {
    let end = lines.indexOf(NEWLINE, start);
    if (end < 0) end = lines.length;
    if (isText && isSet(lines, start, end)) onSet();
    else {
      const record: unknown = JSON.parse(lines.toString("utf8", start, end));
      if (!Array.isArray(record)) throw new Error("a record is not an array");
      onOther(record);
    }
    start = end + 1;
  }
  return count;
}

// Set by `whole`: the number, and the place behind it.
let number = 0;
let behind = 0;

/** Looks for the parts of `set`. @returns false for a line of any other form */
function isSet(line: Buffer, start: number, end: number): boolean {
  for (let i = 0; i < SET.length; i++) if (line[start + i] !== SET[i]) return false;
  set.name = start + SET.length;
  set.nameEnd = plainEnd(line, set.name, end);
  if (set.nameEnd <= set.name || line[set.nameEnd + 1] !== COMMA) return false;
  if (!whole(line, set.nameEnd + 2) || line[behind] !== COMMA) return false;
  set.version = number;
  if (!whole(line, behind + 1) || line[behind] !== COMMA) return false;
  set.wall = number;
  set.value = behind + 1;
  set.valueEnd = end - 1;
  return line[set.valueEnd] === CLOSE && isValue(line, set.value, set.valueEnd);
}

/** The place of the quote that ends a text without anything escaped; -1 for any other. */
function plainEnd(line: Buffer, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    const byte = line[at] as number;
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH || byte < SPACE) return -1;
  }
  return -1;
}

/** Reads a number of up to `MAX_DIGITS` digits into `number` and `behind`. @returns false where there is none */
function whole(line: Buffer, start: number): boolean {
  let at = start;
  number = 0;
  for (; isDigit(line[at] as number); at++) number = 10 * number + (line[at] as number) - ZERO;
  behind = at;
  const digits = at - start;
  return digits > 0 && digits <= MAX_DIGITS && (digits === 1 || line[start] !== ZERO);
}

/** True if this is a value in JSON, and nothing else. */
function isValue(line: Buffer, start: number, end: number): boolean {
  const first = line[start] as number;
  if (first === QUOTE && plainEnd(line, start + 1, end) === end - 1) return true;
  if (first === MINUS || isDigit(first)) {
    const digits = first === MINUS ? start + 1 : start;
    if (whole(line, digits) && behind === end) return true;
  }
  try {
    JSON.parse(line.toString("utf8", start, end));
    return true;
  } catch {
    return false;
  }
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}
