import type { Keys } from "../keys/keys.ts";
import type { Answers } from "./answers.ts";

/**
 * Answers the two most frequent requests byte by byte, without parsing them: GET
 * of a key, and SET of a plain value for a key that has one, both with an id or
 * without. A line of any other form is left to the parser, which gives the same
 * answers.
 */

const NEWLINE = 10;
const SPACE = 32;
const QUOTE = 34;
const COMMA = 44;
const MINUS = 45;
const ZERO = 48;
const NINE = 57;
const BACKSLASH = 92;
const CLOSE = 125;
const CARET = 94;
const DELETE = 127;

const OPENING = Buffer.from('{"action":');
const GET = Buffer.from('"GET"');
const SET = Buffer.from('"SET"');
const KEY = Buffer.from('"key":');
const VALUE = Buffer.from('"value":');
const ID = Buffer.from('"id":');
const RESULT = Buffer.from('{"result":');
const OK = Buffer.from('{"result":"OK"');
/** Most digits of an integer; a double always keeps that many. */
const MAX_DIGITS = 15;

/** The lines answered, and (`end`) the position of the first line that was not. */
export interface Taken {
  gets: number;
  sets: number;
  end: number;
}

const taken: Taken = { gets: 0, sets: 0, end: 0 };

/**
 * Answers lines of a block for as long as they are plain and there is room.
 * @param start the position of a line
 * @param most bytes of answers after which it stops
 * @param longest most bytes of an answer; a longer one is left to the parser, and refused there
 * @returns the lines answered; valid until the next call
 */
export function takePlain(
  keys: Keys,
  block: Buffer,
  start: number,
  answers: Answers,
  most: number,
  longest: number,
): Taken {
  taken.gets = 0;
  taken.sets = 0;
  taken.end = start;
  const until = answers.used + most;
  while (taken.end < block.length && answers.used < until) {
    const next = takeLine(keys, block, taken.end, answers, longest);
    if (next < 0) return taken;
    taken.end = next;
  }
  return taken;
}

/** @returns the position of the next line, or -1 when this one is not plain */
function takeLine(
  keys: Keys,
  block: Buffer,
  start: number,
  answers: Answers,
  longest: number,
): number {
  if (!matches(block, start, OPENING)) return -1;
  let at = skip(block, start + OPENING.length);
  const isGet = matches(block, at, GET);
  if (!isGet && !matches(block, at, SET)) return -1;
  at = after(block, at + GET.length, COMMA);
  if (at < 0 || !matches(block, at, KEY)) return -1;
  at = skip(block, at + KEY.length);
  const name = at;
  const nameEnd = textEnd(block, at);
  if (nameEnd < 0 || block[name + 1] === CARET) return -1;
  const id = keys.lookup(block, name + 1, nameEnd - 1);
  if (id < 0) return -1;
  if (isGet) {
    if (!ends(block, nameEnd)) return -1;
    const { bytes } = answers;
    const length = RESULT.length + keys.lengthOf(id) + idLength() + 2;
    if (length > longest || answers.used + length > bytes.length) return -1;
    const to = write(RESULT, bytes, answers.used);
    finish(block, answers, to + keys.copy(id, bytes, to));
    taken.gets++;
    return lineEnd;
  }
  at = after(block, nameEnd, COMMA);
  if (at < 0 || !matches(block, at, VALUE)) return -1;
  at = skip(block, at + VALUE.length);
  const valueEnd = plainEnd(block, at);
  if (valueEnd < 0 || !ends(block, valueEnd)) return -1;
  const length = OK.length + idLength() + 2;
  if (length > longest || answers.used + length > answers.bytes.length) return -1;
  if (!keys.overwrite(id, block, name, nameEnd, at, valueEnd)) return -1;
  finish(block, answers, write(OK, answers.bytes, answers.used));
  taken.sets++;
  return lineEnd;
}

// Set by `ends`: the range of the id (0 to 0 without one) and the position of the next line.
let idStart = 0;
let idEnd = 0;
let lineEnd = 0;

/** True if the line ends here, or after an id that is a plain text or integer. */
function ends(block: Buffer, start: number): boolean {
  let at = start;
  idStart = 0;
  idEnd = 0;
  if (block[at] === COMMA) {
    at = skip(block, at + 1);
    if (!matches(block, at, ID)) return false;
    idStart = skip(block, at + ID.length);
    idEnd = plainEnd(block, idStart);
    at = idEnd;
  }
  if (at < 0 || block[at] !== CLOSE || block[at + 1] !== NEWLINE) return false;
  lineEnd = at + 2;
  return true;
}

/** Bytes that the id takes in the answer. */
function idLength(): number {
  return idEnd === 0 ? 0 : 1 + ID.length + idEnd - idStart;
}

/** Ends an answer, with the id if there is one. */
function finish(block: Buffer, answers: Answers, start: number): void {
  const { bytes } = answers;
  let to = start;
  if (idEnd > 0) {
    bytes[to++] = COMMA;
    to = write(ID, bytes, to);
    for (let i = idStart; i < idEnd; i++) bytes[to++] = block[i] as number;
  }
  bytes[to++] = CLOSE;
  bytes[to++] = NEWLINE;
  answers.used = to;
}

function matches(block: Buffer, at: number, word: Buffer): boolean {
  for (let i = 0; i < word.length; i++) {
    if (block[at + i] !== word[i]) return false;
  }
  return true;
}

/** The position after the space that many encoders put after a colon or a comma, if it is there. */
function skip(block: Buffer, at: number): number {
  return block[at] === SPACE ? at + 1 : at;
}

/** The position after the byte `mark` and a space after it, or -1 for another byte. */
function after(block: Buffer, at: number, mark: number): number {
  return block[at] === mark ? skip(block, at + 1) : -1;
}

/** The end of a text of plain ASCII, its quotes included, or -1 for anything else. */
function textEnd(block: Buffer, at: number): number {
  if (block[at] !== QUOTE) return -1;
  for (let i = at + 1; ; i++) {
    const byte = block[i] as number;
    if (byte === QUOTE) return i + 1;
    if (byte < SPACE || byte >= DELETE || byte === BACKSLASH) return -1;
  }
}

/** The end of an integer in JSON's own form, or -1 for anything else and for an integer that a double might alter. */
function integerEnd(block: Buffer, at: number): number {
  const first = block[at] === MINUS ? at + 1 : at;
  let i = first;
  while ((block[i] as number) >= ZERO && (block[i] as number) <= NINE) i++;
  const digits = i - first;
  if (digits === 0 || digits > MAX_DIGITS) return -1;
  // JSON allows no leading zeros, and -0 would be answered as 0.
  return block[first] === ZERO && (digits > 1 || first > at) ? -1 : i;
}

/** The end of a plain text or integer, or -1 for anything else. */
function plainEnd(block: Buffer, at: number): number {
  return block[at] === QUOTE ? textEnd(block, at) : integerEnd(block, at);
}

function write(word: Buffer, to: Buffer, at: number): number {
  for (let i = 0; i < word.length; i++) to[at + i] = word[i] as number;
  return at + word.length;
}
