import { expect, test } from "bun:test";
import { ALL, EscapedText, WIDEST } from "../lib/services/collector/escape.ts";

/** Writes a text amid others, as a line has it. */
function written(text: Buffer, before: number, most = ALL): { line: string; characters: number } {
  const from = Buffer.concat([Buffer.alloc(before, "<"), text, Buffer.from(">>>>>>>>")]);
  const out = Buffer.alloc(before + text.length * WIDEST, "-");
  const escaped = new EscapedText();
  const end = escaped.write(from, before, before + text.length, out, before, most);
  expect(out.toString("utf8", 0, before)).toBe("-".repeat(before));
  return { line: out.toString("utf8", before, end), characters: escaped.characters };
}

/** What a character becomes in a line, told in another way. */
function expected(character: string): string {
  const code = character.codePointAt(0) as number;
  if (!/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u.test(character)) return character;
  const short = ({ "\n": "\\n", "\r": "\\r", "\t": "\\t" } as Record<string, string>)[character];
  const digits = code.toString(16);
  return short ?? (code < 0x80 ? `\\x${digits.padStart(2, "0")}` : `\\u${digits.padStart(4, "0")}`);
}

const ODD = ["\u00e9", "\u20ac", "\u{1f600}", "\u2028", "\u2069", "\u202e", "\u061c", "\u0085"];

test("any character is written right wherever it stands, and however its text lies in memory", () => {
  const ascii = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code));
  for (const character of [...ascii, ...ODD]) {
    for (let place = 0; place <= 9; place++) {
      const text = Buffer.from(`${"a".repeat(place)}${character}${"b".repeat(9 - place)}`);
      const line = `${"a".repeat(place)}${expected(character)}${"b".repeat(9 - place)}`;
      for (let before = 0; before < 4; before++) {
        expect(written(text, before)).toEqual({ line, characters: [...line].length });
      }
    }
  }
});

test("bytes that are no UTF-8 become one character, wherever they stand", () => {
  for (let place = 0; place <= 9; place++) {
    const [first, rest] = ["a".repeat(place), "b".repeat(9 - place)];
    for (const bytes of [[0xff], [0x80], [0xe2, 0x82], [0xf0, 0x9f, 0x98]]) {
      const text = Buffer.concat([Buffer.from(first), Buffer.from(bytes), Buffer.from(rest)]);
      const line = `${first}\ufffd${rest}`;
      expect(written(text, 1)).toEqual({ line, characters: 10 });
    }
  }
});

test("a text is cut after any number of characters, and never within an escape", () => {
  for (const character of ["x", "\n", "\u0000", ...ODD]) {
    for (let place = 0; place <= 9; place++) {
      const whole = `${"a".repeat(place)}${character}${"b".repeat(9 - place)}`;
      for (let most = 0; most <= 16; most++) {
        let line = "";
        for (const each of whole) {
          if ([...line].length + [...expected(each)].length > most) break;
          line += expected(each);
        }
        expect(written(Buffer.from(whole), 3, most).line).toBe(line);
      }
    }
  }
});
