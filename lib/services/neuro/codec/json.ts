import { endOfString, exceeds } from "../../../host/content.ts";
import { type Diagnostic, diagnose, shown } from "../diagnostics.ts";

/** The deepest nesting of a message. */
const MOST_LEVELS = 128;
/** The most documents of one frame that are read. */
const MOST_DOCUMENTS = 1000;
/** The longest document in which raw controls are taken as meant: it is gone through once for each kind of them. */
const LONGEST_MENDED = 2 ** 20;

const [TAB, SPACE, QUOTE] = [0x09, 0x20, 0x22];
const [BRACKET, BRACKET_END, BRACE, BRACE_END] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Takes what is found wrong. */
export type Tell = (diagnostic: Diagnostic) => void;

/** The JSON documents of a frame, in order. What is not quite JSON is taken as meant where that is clear. */
export function documentsOf(frame: string, tell: Tell): unknown[] {
  let text = frame;
  if (text.startsWith("\ufeff")) {
    tell(diagnose("byte_order_mark", {}));
    text = text.slice(1);
  }
  const end = lengthWithoutNuls(text);
  if (end < text.length) {
    tell(diagnose("trailing_nul", {}));
    text = text.slice(0, end);
  }
  if (isTooDeep(text)) {
    tell(diagnose("too_deep", { most: MOST_LEVELS }));
    return [];
  }
  try {
    return [JSON.parse(text)];
  } catch (error) {
    return severalIn(text, error, tell);
  }
}

/** Where a text ends without the NUL characters at its end, and the white space around them. */
function lengthWithoutNuls(text: string): number {
  let end = text.length;
  let at = end;
  for (; at > 0; at--) {
    const code = text.charCodeAt(at - 1);
    if (code === 0) end = at - 1;
    else if (!isSpace(code)) break;
  }
  return end;
}

/** The documents of a frame that is not one of them. */
function severalIn(text: string, error: unknown, tell: Tell): unknown[] {
  const found: unknown[] = [];
  let hasControls = false;
  let start = afterSpace(text, 0);
  let wrong: unknown = text.length === start ? new Error("it is empty") : null;
  while (start < text.length && wrong === null) {
    if (found.length === MOST_DOCUMENTS) {
      wrong = new Error(`it holds more than ${MOST_DOCUMENTS} documents`);
      break;
    }
    const end = endOfDocument(text, start);
    const document = text.slice(start, end);
    try {
      found.push(JSON.parse(document));
    } catch {
      const mended = document.length > LONGEST_MENDED ? document : withoutControls(document);
      try {
        found.push(JSON.parse(mended));
        hasControls = true;
      } catch (second) {
        wrong = found.length === 0 && mended === document ? error : second;
      }
    }
    start = afterSpace(text, end);
  }
  if (wrong !== null) {
    // What stands beside something broken may be broken too.
    tell(diagnose("not_json", { why: whyOf(wrong) }));
    return [];
  }
  if (hasControls) tell(diagnose("raw_control", {}));
  if (found.length > 1) tell(diagnose("several_documents", { count: found.length }));
  return found;
}

function whyOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return shown(message.replace(/^JSON Parse error: /, ""));
}

function isSpace(code: number): boolean {
  return code === SPACE || (code >= TAB && code <= 0x0d);
}

function afterSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && (isSpace(text.charCodeAt(at)) || text.charCodeAt(at) === 0)) at++;
  return at;
}

/** Where a document that begins at `start` ends; after it when it is not whole. */
function endOfDocument(text: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      if (depth === 0) return at;
      continue;
    }
    if (code === BRACE || code === BRACKET) {
      // A number or a word ends where something else begins.
      if (depth === 0 && at > start) return at;
      depth++;
    } else if (code === BRACE_END || code === BRACKET_END) {
      depth--;
      if (depth <= 0) return at + 1;
    } else if (depth === 0 && at > start && isSpace(code)) return at;
    at++;
  }
  return text.length;
}

/** True if JSON is nested deeper than a message may be. */
export function isTooDeep(text: string): boolean {
  return exceeds(text, MOST_LEVELS);
}

/** What stands for each control in JSON. */
const ESCAPED = Array.from({ length: SPACE }, (_, code): [string, string] => [
  String.fromCharCode(code),
  `\\u${code.toString(16).padStart(4, "0")}`,
]);
/** Those that may stand between the parts of a document. */
const SPACES = ESCAPED.filter(([control]) => "\t\n\r".includes(control));
const OTHERS = ESCAPED.filter((one) => !SPACES.includes(one));

/** A document with the controls in its strings escaped. */
function withoutControls(document: string): string {
  // One kind after the other: a text of nothing but controls takes no longer than others.
  const text = escaped(document, OTHERS);
  const parts: string[] = [];
  let kept = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', kept)) {
    const end = endOfString(text, at);
    parts.push(text.slice(kept, at), escaped(text.slice(at, end), SPACES));
    kept = end;
  }
  return parts.join("") + text.slice(kept);
}

function escaped(text: string, controls: typeof ESCAPED): string {
  let done = text;
  for (const [control, escape] of controls) {
    if (done.includes(control)) done = done.replaceAll(control, escape);
  }
  return done;
}
