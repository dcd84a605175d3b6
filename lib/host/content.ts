/** Text of clients, made safe for a log and a terminal. */

/**
 * Characters that neither a terminal nor a log may get raw, besides the controls
 * below U+0020: DEL and C1 command terminals, U+2028 and U+2029 end a line for
 * some readers, and the rest change the order in which the text around them is
 * shown.
 */
const UNSAFE = "\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069";
const IN_TEXT = new RegExp(`[\\x00-\\x08\\x0a-\\x1f${UNSAFE}]`, "g");
const IN_JSON = new RegExp(`[\\r\\n${UNSAFE}]`, "g");

/** The escapes made so far, by character. */
const ESCAPED = new Map<string, string>();

/** Text on one line, safe for a log and a terminal: controls and characters that reorder text are escaped, as `\x1b`. */
export function printable(text: string): string {
  return text.replace(IN_TEXT, (character) => {
    if (character === "\n") return "\\n";
    return character < "\u0100" ? `\\x${unicode(character).slice(4)}` : unicode(character);
  });
}

/** JSON text on one line: line breaks between its tokens become spaces, unsafe characters JSON's escapes. */
export function oneLine(json: string): string {
  return json.replace(IN_JSON, (character) => (character < " " ? " " : unicode(character)));
}

/** `\u202e` for the character. */
function unicode(character: string): string {
  let escaped = ESCAPED.get(character);
  if (escaped === undefined) {
    escaped = `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
    ESCAPED.set(character, escaped);
  }
  return escaped;
}

/** The first characters of a text, as a text of its own: a slice would keep the whole in memory. */
export function firstOf(text: string, most: number): string {
  return text.length <= most ? text : Buffer.from(text.slice(0, most)).toString();
}

/** At most this many characters of a text, and how many more there are. */
export function beginning(text: string, most: number): string {
  const more = text.length - most;
  return more > 0 ? `${text.slice(0, most).toWellFormed()} ... and ${more} more characters` : text;
}

/** Text of a client as JSON: itself when it is JSON, so that integers of any size survive; otherwise a JSON string. */
export function contentAsJson(content: string): string {
  try {
    JSON.parse(content);
    return content;
  } catch {
    return JSON.stringify(content);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The end of a JSON string that begins at `quote`: after its closing quote, or the end of the text when it has none. */
export function endOfString(text: string, quote: number): number {
  // A regular expression would recurse for each character, and fail on a long string.
  let at = quote + 1;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    at += code === BACKSLASH ? 2 : 1;
  }
  return text.length;
}

const [OPEN, CLOSE] = [new Set([0x5b, 0x7b]), new Set([0x5d, 0x7d])];

const COLON = 0x3a;

/**
 * True if the lists and objects of a JSON text are nested more than `levels`
 * deep, or it has more than `parts` keys, lists and objects; the text need not be valid.
 */
export function exceeds(text: string, levels: number, parts = Infinity): boolean {
  let depth = 0;
  let found = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at) - 1;
    else if (OPEN.has(code)) {
      if (++depth > levels || ++found > parts) return true;
    } else if (CLOSE.has(code)) depth--;
    else if (code === COLON && ++found > parts) return true;
  }
  return false;
}

/** JSON that came from elsewhere, with every text in it made printable, the keys too. @throws SyntaxError */
export function parsePrintable(json: string): unknown {
  return JSON.parse(json, (_key, value: unknown) => {
    if (typeof value === "string") return printable(value);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [printable(key), one]));
  });
}
