import { TEXTS, type TextName } from "../../entry.ts";

const WORD = 8;

/** Texts of a record by their names. */
export type Texts = Readonly<Partial<Record<TextName, string>>>;

/** A packed `LoggerMsg`. */
export function packedRecord(level: number, texts: Texts): Buffer {
  const data = Buffer.alloc(WORD);
  data.writeUInt16LE(level);
  return packed(
    message(
      data,
      TEXTS.map((name) => texts[name] ?? ""),
    ),
  );
}

/** A hello, which is not packed, of a client that wants to be told how many of its records are kept. */
export function helloWithAcks(name: string, host: string): Buffer {
  const data = Buffer.alloc(2 * WORD);
  data[0] = 1;
  return message(data, [name, host, "", "", "", ""]);
}

/** A message of one segment: its root has this data and these texts, of which an empty one is null. */
function message(data: Buffer, texts: readonly string[]): Buffer {
  const bodies = texts.map((text) => (text === "" ? null : paddedText(text)));
  const pointers = Buffer.alloc(texts.length * WORD);
  // In words: a pointer counts from the word behind it to what it points to.
  let at = texts.length;
  bodies.forEach((body, place) => {
    if (body === null) return;
    pointers.writeUInt32LE(((at - place - 1) << 2) | 1, place * WORD);
    pointers.writeUInt32LE((body.length << 3) | 2, place * WORD + 4);
    at += body.padded.length / WORD;
  });
  const table = Buffer.alloc(2 * WORD);
  table.writeUInt32LE(1 + data.length / WORD + at, 4);
  table.writeUInt16LE(data.length / WORD, WORD + 4);
  table.writeUInt16LE(texts.length, WORD + 6);
  return Buffer.concat([table, data, pointers, ...bodies.flatMap((body) => body?.padded ?? [])]);
}

/** A text with the NUL that ends it, filled up to whole words. */
function paddedText(text: string): { readonly length: number; readonly padded: Buffer } {
  const length = Buffer.byteLength(text) + 1;
  const padded = Buffer.alloc(Math.ceil(length / WORD) * WORD);
  padded.write(text);
  return { length, padded };
}

/**
 * Packs words: a tag of eight bits tells which bytes of a word are not zero, and
 * they follow. Behind a word of zeros stands how many more follow; behind a word
 * without any, how many words follow as they are.
 */
function packed(words: Buffer): Buffer {
  // Each word has a tag, and may have a count behind it.
  const out = Buffer.alloc(words.length + (words.length / WORD) * 2);
  let to = 0;
  for (let at = 0; at < words.length;) {
    const tagAt = to++;
    let tag = 0;
    for (let bit = 0; bit < WORD; bit++) {
      const byte = words[at++] as number;
      if (byte === 0) continue;
      tag |= 1 << bit;
      out[to++] = byte;
    }
    out[tagAt] = tag;
    if (tag !== 0 && tag !== 0xff) continue;
    // A word with one zero takes as many bytes either way, and a run goes on over it.
    const end = tag === 0 ? runEnd(words, at, WORD, WORD) : runEnd(words, at, 0, 1);
    out[to++] = (end - at) / WORD;
    if (tag === 0xff) to += words.copy(out, to, at, end);
    at = end;
  }
  return out.subarray(0, to);
}

/** The end of the words from a byte on that have so many zeros each, 255 words at most. */
function runEnd(words: Buffer, start: number, fewest: number, most: number): number {
  const last = Math.min(words.length, start + 255 * WORD);
  let at = start;
  for (; at < last; at += WORD) {
    let zeros = 0;
    for (let byte = at; byte < at + WORD; byte++) if (words[byte] === 0) zeros++;
    if (zeros < fewest || zeros > most) break;
  }
  return at;
}
