import { Positions } from "./positions.ts";
import { MAX_DEPTH, type Position, Scanner, TooDeep } from "./scanner.ts";

/** An error in a JSON text, with its position. */
export class JsonSyntaxError extends Error {
  readonly position: Position;

  constructor(position: Position, expected: string, found: string) {
    super(`expected ${expected}, found ${found}`);
    this.position = position;
  }
}

const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const BLANK = /[ \t\r\n]*/y;
// oxlint-disable-next-line no-control-regex
const BAD_IN_STRING = /[\x00-\x1f]|\\(?!["\\/bfnrt]|u[0-9a-fA-F]{4})/;

/**
 * Positions of all keys of a JSON text.
 * @throws JsonSyntaxError, since the error of `JSON.parse` has no position
 * @throws TooDeep
 */
export function jsonPositions(text: string): Positions {
  const scan = new Scanner(text);
  const top = new Positions();
  takeValue(scan, top, 0);
  scan.take(BLANK);
  if (!scan.done) throw unexpected(scan, "the end");
  return top;
}

function takeValue(scan: Scanner, within: Positions, depth: number): void {
  scan.take(BLANK);
  const first = scan.peek();
  if (first === "{") takeItems(scan, "}", depth, () => takePair(scan, within, depth));
  else if (first === "[") takeItems(scan, "]", depth, () => takeValue(scan, within, depth + 1));
  else if (first === '"') takeString(scan, "a text that ends");
  else takeToken(scan, SCALAR, "a value");
}

function takeItems(scan: Scanner, close: "}" | "]", depth: number, item: () => void): void {
  if (depth >= MAX_DEPTH) throw new TooDeep(scan.position());
  scan.at++;
  scan.take(BLANK);
  if (scan.peek() === close) {
    scan.at++;
    return;
  }
  const next = close === "}" ? /[,}]/y : /[,\]]/y;
  do item();
  while (takeToken(scan, next, `"," or "${close}"`) === ",");
}

function takePair(scan: Scanner, within: Positions, depth: number): void {
  scan.take(BLANK);
  const position = scan.position();
  const key = JSON.parse(takeString(scan, "a key in double quotes")) as string;
  takeToken(scan, /:/y, '":"');
  takeValue(scan, within.renote(key, position), depth + 1);
}

/** Passes `pattern` with the blanks around it. @throws JsonSyntaxError that names the character found instead */
function takeToken(scan: Scanner, pattern: RegExp, expected: string): string {
  scan.take(BLANK);
  const token = scan.take(pattern);
  if (token === "") throw unexpected(scan, expected);
  scan.take(BLANK);
  return token;
}

function takeString(scan: Scanner, expected: string): string {
  const start = scan.at;
  const token = scan.peek() === '"' ? scan.takeQuoted('"', true) : null;
  // With each escaped backslash as two spaces, every backslash left begins an escape.
  if (token === null || BAD_IN_STRING.test(token.replaceAll("\\\\", "  "))) {
    scan.at = start;
    throw unexpected(scan, expected);
  }
  return token;
}

function unexpected(scan: Scanner, expected: string): JsonSyntaxError {
  const found = scan.done ? "the end" : JSON.stringify(scan.peek());
  return new JsonSyntaxError(scan.position(), expected, found);
}
