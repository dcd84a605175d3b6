import { isUtf8 } from "node:buffer";
import { Refusal } from "../refusal.ts";

const NEWLINE = 10;
/** The first byte of a byte order mark in UTF-8; no JSON begins with it. */
const MARK = 0xef;

/** Stands for an empty line: a heartbeat, which is not answered. */
export const BLANK = Symbol("blank");

const NOT_JSON = new Refusal("MALFORMED", "the line is not JSON");
const NOT_UTF8 = new Refusal("MALFORMED", "the line is not valid UTF-8");

/**
 * Parses each line of a block: to JSON, `BLANK` or a refusal.
 * @param block whole lines; the last byte is a newline
 */
export function parseLines(block: Buffer): unknown[] {
  // parseChunk is fastest, but it skips empty lines and a byte order mark, replaces
  // bytes that are not UTF-8, and stops at text that is not JSON. These conditions
  // show that it did none of that.
  if (block[0] !== MARK) {
    const { values, error } = Bun.JSONL.parseChunk(block);
    if (error === null && values.length === countLines(block) && isUtf8(block)) return values;
  }
  const parsed: unknown[] = [];
  for (let start = 0; start < block.length;) {
    const end = block.indexOf(NEWLINE, start) + 1;
    parsed.push(parseLine(block.subarray(start, end)));
    start = end;
  }
  return parsed;
}

function parseLine(line: Buffer): unknown {
  if (!isUtf8(line)) return NOT_UTF8;
  const text = line.toString();
  try {
    return JSON.parse(text);
  } catch {
    return text.trim() === "" ? BLANK : NOT_JSON;
  }
}

/** The lines of a block by their numbers from 0. They must be asked for in order, so that no line is searched for twice. */
export class Lines {
  readonly #block: Buffer;
  #index = 0;
  #start = 0;

  constructor(block: Buffer) {
    this.#block = block;
  }

  /** The position of a line; for the one after the last, the end of the block. */
  startOf(index: number): number {
    for (; this.#index < index; this.#index++) {
      this.#start = this.#block.indexOf(NEWLINE, this.#start) + 1;
    }
    return this.#start;
  }

  /** The text of a line without its newline. */
  text(index: number): string {
    const start = this.startOf(index);
    return this.#block.toString("utf8", start, this.#block.indexOf(NEWLINE, start));
  }
}

function countLines(block: Buffer): number {
  let count = 0;
  for (let at = block.indexOf(NEWLINE); at >= 0; at = block.indexOf(NEWLINE, at + 1)) count++;
  return count;
}
