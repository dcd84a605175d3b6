import { isUtf8 } from "node:buffer";
import { Refusal, TOO_DEEP } from "../refusal.ts";
import { alteredNumbers, type Doubt, isDigit, mayHoldLong, nestsBeyond } from "./numbers.ts";

/** Most lines that are parsed at once: a client that has to wait before the last of them has the others parsed again. */
const AT_ONCE = 128;
/** A line of more bytes than this is parsed by itself, and its nesting is looked at before. */
const LONG = 4096;
/** Levels at which a long line is not parsed at all. Most that are refused as too deep have fewer, and are answered with their id. */
const FAR_TOO_DEEP = 1024;

const TAB = 9;
const NEWLINE = 10;
const RETURN = 13;
const SPACE = 32;
const QUOTE = 34;
const MINUS = 45;
const OPEN_LIST = 91;
const CLOSE_LIST = 93;
const SMALL_E = 101;
const FALSE = 102;
const SMALL_L = 108;
const NULL = 110;
const TRUE = 116;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;
/** The first byte of a byte order mark in UTF-8; no JSON begins with it. */
const MARK = 0xef;

/** Stands for an empty line: a heartbeat, which is not answered. */
export const BLANK = Symbol("blank");

const NOT_JSON = new Refusal("MALFORMED", "the line is not JSON");
const NOT_UTF8 = new Refusal("MALFORMED", "the line is not valid UTF-8");

/** The next lines of a block, at least one, by their numbers from 0. They must be asked for in order, but for the one before, so that no line is searched for twice. */
export class Requests {
  readonly count: number;
  readonly bytes: number;
  readonly #block: Buffer;
  /** What the lines hold; null when each is parsed when it is asked for. */
  readonly #values: readonly unknown[] | null;
  /** The line that was searched last for numbers, and those found. */
  #searched = -1;
  #altered: ReadonlySet<number> | null = null;
  #index = 0;
  #start = 0;
  /** The position of the line before. */
  #before = 0;

  /**
   * @param start the position of a line in a block of whole lines; the last byte is a newline
   * @param anyDepth true if lines are only sent back
   */
  constructor(block: Buffer, start: number, anyDepth: boolean) {
    let end = block.indexOf(NEWLINE, start) + 1;
    let count = 1;
    while (count < AT_ONCE && end < block.length && end - start <= count * LONG) {
      const next = block.indexOf(NEWLINE, end) + 1;
      if (next - end > LONG) break;
      end = next;
      count++;
    }
    this.count = count;
    this.bytes = end - start;
    this.#block = start === 0 && end === block.length ? block : block.subarray(start, end);
    this.#values = parseAll(this.#block, count, anyDepth);
  }

  /** What a line holds, `BLANK`, or the refusal of a line that is not JSON. */
  at(index: number): unknown {
    if (this.#values !== null) return this.#values[index];
    return parseLine(this.line(index));
  }

  /** The position of a line from the first; for the one after the last, the end. */
  startOf(index: number): number {
    if (index === this.#index - 1) return this.#before;
    for (; this.#index < index; this.#index++) {
      this.#before = this.#start;
      this.#start = this.#block.indexOf(NEWLINE, this.#start) + 1;
    }
    return this.#start;
  }

  /** The numbers in a line that would not come back as they were, as far as there is a doubt about them; null when there are none. */
  altered(index: number, doubt: Doubt): ReadonlySet<number> | null {
    if (this.#searched === index) return this.#altered;
    const start = this.startOf(index);
    const end = this.startOf(index + 1) - 1;
    if (doubt !== "odd" && !(doubt === "number" && mayHoldLong(this.#block, start, end)))
      return null;
    this.#altered = alteredNumbers(this.#block, start);
    this.#searched = index;
    return this.#altered;
  }

  /** The bytes of a line without its newline. */
  line(index: number): Buffer {
    const start = this.startOf(index);
    return this.#block.subarray(start, this.#block.indexOf(NEWLINE, start));
  }
}

/** The position of the first line from `start` on that is not empty, or the end of the block. */
export function afterBlank(block: Buffer, start: number): number {
  let after = start;
  for (let at = start; at < block.length && isSpace(block[at] as number); at++) {
    if (block[at] === NEWLINE) after = at + 1;
  }
  return after;
}

/** Parses all lines at once; null when one of them is empty or not JSON. */
function parseAll(block: Buffer, count: number, anyDepth: boolean): readonly unknown[] | null {
  if (!anyDepth && count === 1 && block.length > LONG && nestsBeyond(block, FAR_TOO_DEEP)) {
    return [isUtf8(block) ? TOO_DEEP : NOT_UTF8];
  }
  // parseChunk is fastest, but it skips empty lines and a byte order mark, replaces
  // bytes that are not UTF-8, and stops at text that is not JSON. These conditions
  // show that it did none of that.
  if (block[0] === MARK || (count === 1 && !mayBeJson(block))) return null;
  const { values, error } = Bun.JSONL.parseChunk(block);
  return error === null && values.length === count && isUtf8(block) ? values : null;
}

function parseLine(line: Buffer): unknown {
  if (!isUtf8(line)) return NOT_UTF8;
  const text = line.toString();
  // An error that is thrown costs more than most requests.
  if (!mayBeJson(line)) return text.trim() === "" ? BLANK : NOT_JSON;
  try {
    return JSON.parse(text);
  } catch {
    return NOT_JSON;
  }
}

/** False if the first and the last byte, other than space, show that this is not JSON. */
function mayBeJson(bytes: Buffer): boolean {
  let start = 0;
  let end = bytes.length - 1;
  while (start <= end && isSpace(bytes[start] as number)) start++;
  while (start < end && isSpace(bytes[end] as number)) end--;
  if (start > end) return false;
  const last = bytes[end] as number;
  switch (bytes[start]) {
    case OPEN_OBJECT:
      return last === CLOSE_OBJECT;
    case OPEN_LIST:
      return last === CLOSE_LIST;
    case QUOTE:
      return last === QUOTE && end > start;
    case TRUE:
    case FALSE:
      return last === SMALL_E;
    case NULL:
      return last === SMALL_L;
    case MINUS:
      return isDigit(last);
    default:
      return isDigit(bytes[start] as number) && isDigit(last);
  }
}

function isSpace(byte: number): boolean {
  return byte === SPACE || byte === NEWLINE || byte === RETURN || byte === TAB;
}
