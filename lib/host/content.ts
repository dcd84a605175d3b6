/** Text of clients, made safe for a log and a terminal. */

// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\x00-\x08\x0a-\x1f\x7f-\x9f]/g;

/** Escapes control characters: on a terminal they would be commands, and newlines would forge lines. */
export function printable(text: string): string {
  return text.replace(CONTROLS, (character) =>
    character === "\n" ? "\\n" : `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** JSON text on one line, without the control characters that JSON allows bare. */
export function oneLine(json: string): string {
  // oxlint-disable-next-line no-control-regex
  return json.replace(/[\r\n\x7f-\x9f]/g, (character) =>
    character < " " ? " " : `\\u00${character.charCodeAt(0).toString(16)}`,
  );
}

/** Text of a client as JSON: itself when it is JSON, so that integers of any size survive. */
export function contentAsJson(content: string): string {
  try {
    JSON.parse(content);
    return oneLine(content);
  } catch {
    return oneLine(JSON.stringify(content));
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Where a string of JSON that begins at a quote ends: after its closing quote, or at the end of a text that has none. */
export function endOfString(text: string, quote: number): number {
  // A pattern would recurse once a character, and find nothing in a long one.
  let at = quote + 1;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    at += code === BACKSLASH ? 2 : 1;
  }
  return text.length;
}
