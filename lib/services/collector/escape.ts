import { LastView } from "./last-view.ts";

const HEX = Buffer.from("0123456789abcdef");
const REPLACEMENT = Buffer.from("\ufffd");
const BACKSLASH = 0x5c;
/** The letter of the escapes that have one: `\n`, `\r` and `\t`; 0 for others. */
function letterOf(code: number): number {
  if (code === 0x0a) return 0x6e;
  if (code === 0x0d) return 0x72;
  return code === 0x09 ? 0x74 : 0;
}

/** The top bit of each of four bytes. */
const TOPS = 0x80808080 | 0;

/** As many characters as there are: a whole number, for the compiler. */
export const ALL = 2 ** 30;

/** Bytes of output that a byte of a text can become at most: `\x1b`. */
export const WIDEST = 4;

/**
 * Characters that are escaped: controls, separators of lines that some programs
 * know, and those that change the direction of what follows.
 */
function isEscaped(code: number): boolean {
  return (
    code < 0x20 ||
    (code >= 0x7f && code <= 0x9f) ||
    code === 0x061c ||
    code === 0x200e ||
    code === 0x200f ||
    (code >= 0x2028 && code <= 0x202e) ||
    (code >= 0x2066 && code <= 0x2069)
  );
}

/**
 * Writes texts so that they stay on their line: what is not UTF-8 becomes
 * U+FFFD, controls become `\n`, `\r`, `\t`, `\xNN` or `\uNNNN`.
 */
export class EscapedText {
  /** The number of characters that were written last: an escape has as many as it has letters. */
  characters = 0;

  readonly #from = new LastView();
  readonly #out = new LastView();
  /** The first index after the character that was written last. */
  #next = 0;

  /**
   * @param out has room for `WIDEST` bytes for each byte of the text
   * @param most characters at most; the text is cut before the character or escape that would be over
   * @returns the first index after what was written
   */
  write(from: Buffer, start: number, end: number, out: Buffer, at: number, most: number): number {
    const text = this.#from.of(from);
    const line = this.#out.of(out);
    let index = start | 0;
    let to = at | 0;
    this.characters = 0;
    for (;;) {
      const begun = index;
      const left = most - this.characters;
      const plainEnd = left < end - index ? index + left : end;
      // Printable ASCII stands for itself: four bytes at once, since this is where most of the time for a line goes.
      for (const last = plainEnd - 4; index <= last; index += 4, to += 4) {
        const four = text.getInt32(index, true);
        if (!isPlain(four)) break;
        line.setInt32(to, four, true);
      }
      while (index < plainEnd) {
        const byte = from[index] as number;
        if (byte < 0x20 || byte > 0x7e) break;
        out[to++] = byte;
        index++;
      }
      this.characters += index - begun;
      if (index === end || this.characters === most) return to;
      const written = this.#writeOther(from, index, end, out, to, most - this.characters);
      if (written === to) return to;
      to = written;
      index = this.#next;
    }
  }

  /** Writes one character that may not be plain, unless it takes more than `most`. */
  #writeOther(
    from: Buffer,
    index: number,
    end: number,
    out: Buffer,
    at: number,
    most: number,
  ): number {
    const byte = from[index] as number;
    const length = byte < 0x80 ? 1 : sequenceAt(from, index, end);
    if (length < 0) {
      this.characters++;
      this.#next = index - length;
      return at + REPLACEMENT.copy(out, at);
    }
    this.#next = index + length;
    const code = length === 1 ? byte : codeAt(from, index, length);
    if (isEscaped(code)) {
      const letters = letterOf(code) !== 0 ? 2 : code < 0x80 ? 4 : 6;
      if (letters > most) return at;
      this.characters += letters;
      return escape(code, letters, out, at);
    }
    this.characters++;
    for (let k = 0; k < length; k++) out[at + k] = from[index + k] as number;
    return at + length;
  }
}

/** True if four bytes are all printable ASCII: none is below 0x20, or 0x7f, or above. */
function isPlain(four: number): boolean {
  // As 32 bits each time: the compiler takes what may be more for no whole number.
  return (((four - 0x20202020) | 0 | ((four + 0x01010101) | 0) | four) & TOPS) === 0;
}

function escape(code: number, letters: number, out: Buffer, at: number): number {
  out[at] = BACKSLASH;
  if (letters === 2) {
    out[at + 1] = letterOf(code);
    return at + 2;
  }
  out[at + 1] = letters === 4 ? 0x78 : 0x75;
  for (let k = 2; k < letters; k++) {
    out[at + k] = HEX[(code >> (4 * (letters - 1 - k))) & 15] as number;
  }
  return at + letters;
}

/**
 * The length of the character of UTF-8 that begins at a byte of 0x80 or more
 * (The Unicode Standard, table 3-7); where there is none, minus the number
 * of bytes that become one U+FFFD: the longest part of a character, as in the
 * Encoding Standard.
 */
function sequenceAt(from: Buffer, index: number, end: number): number {
  const first = from[index] as number;
  let length: number;
  let lowest = 0x80;
  let highest = 0xbf;
  if (first >= 0xc2 && first <= 0xdf) length = 2;
  else if (first >= 0xe0 && first <= 0xef) {
    length = 3;
    if (first === 0xe0) lowest = 0xa0;
    if (first === 0xed) highest = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4;
    if (first === 0xf0) lowest = 0x90;
    if (first === 0xf4) highest = 0x8f;
  } else return -1;
  for (let k = 1; k < length; k++) {
    const next = index + k < end ? (from[index + k] as number) : 0;
    if (next < lowest || next > highest) return -k;
    lowest = 0x80;
    highest = 0xbf;
  }
  return length;
}

/** The code point of a character of two to four bytes. */
function codeAt(from: Buffer, index: number, length: number): number {
  let code = (from[index] as number) & (0x7f >> length);
  for (let k = 1; k < length; k++) code = (code << 6) | ((from[index + k] as number) & 0x3f);
  return code;
}
