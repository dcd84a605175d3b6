import { ENVELOPE_START } from "../../envelope.ts";
import { BATCH_CHARACTERS } from "../batch.ts";

/** The kinds of entries: lines; word of a quarantine, a kick or its outcome; a node's sign of life, its good-bye. */
const KINDS = ["lines", "bar", "lift", "kick", "kicked", "here", "left"] as const;

export type Kind = (typeof KINDS)[number];

/** An entry of a room's stream. */
export interface Entry {
  readonly id: string;
  /** The life of the node that it is from. */
  readonly life: string;
  /** Counts the entries of that life, from 1; of signs of life, the number of the last entry before. */
  readonly number: number;
  /** The lines of that life before it. */
  readonly before: number;
  readonly lines: number;
  readonly kind: Kind;
  readonly text: string;
}

/** The names of an entry's fields, in order. */
const FIELDS = ["n", "i", "b", "c", "k", "l", "t"];
/** The most characters of an entry without lines. */
const MOST_WORDS = 4096;
const LIFE = /^[\w-]{1,32}$/;
const NUMBER = /^\d{1,15}$/;

/**
 * What came from the stream as an entry. Whoever knows the server's password can
 * write to the stream, so nothing is taken for granted.
 * @param mostLine the longest envelope in bytes @returns what is wrong with it, in words, when it is none
 */
export function entryOf(found: unknown, mostLine: number): Entry | string {
  if (!Array.isArray(found) || typeof found[0] !== "string") return "no entry";
  const [id, fields] = found as [string, unknown];
  if (!Array.isArray(fields) || fields.length !== 2 * FIELDS.length) return "other fields";
  if (!FIELDS.every((name, i) => fields[2 * i] === name)) return "other fields";
  const values = fields.filter((_, i) => i % 2 === 1);
  if (!values.every((value) => typeof value === "string")) return "other fields";
  const [life, number, before, lines, word, bytes, text] = values as [
    ...[string, string, string, string, string, string, string],
  ];
  const kind = KINDS.find((one) => one === word);
  if (kind === undefined) return "an unknown kind";
  if (!LIFE.test(life)) return "an unknown node";
  if (![number, before, lines].every((one) => NUMBER.test(one))) return "no numbers";
  const entry = {
    id,
    life,
    number: Number(number),
    before: Number(before),
    lines: Number(lines),
    kind,
    text,
  };
  const fault = kind === "lines" ? linesFault(entry, mostLine) : wordsFault(entry);
  if (fault !== null) return fault;
  // What is not UTF-8 has become such a character by now.
  if (text.includes("\ufffd") && Buffer.byteLength(text) !== Number(bytes)) return "not UTF-8";
  return entry;
}

function wordsFault({ lines, text }: Entry): string | null {
  if (lines !== 0) return "lines where there are none";
  return text.length > MOST_WORDS ? "too large" : null;
}

/** The fault of a text that should be so many whole envelopes, none of which is too long. */
function linesFault({ text, lines }: Entry, mostLine: number): string | null {
  if (text.length > 2 * BATCH_CHARACTERS + mostLine) return "too large";
  if (lines === 0 || lines > text.length) return "another number of lines";
  let at = 0;
  for (let line = 0; line < lines; line++) {
    if (!text.startsWith(ENVELOPE_START, at)) return "no envelopes";
    const end = text.indexOf("\n", at) + 1;
    if (end === 0) return "no whole envelopes";
    const longest = 3 * (end - at);
    if (longest > mostLine && Buffer.byteLength(text.slice(at, end)) > mostLine) return "too large";
    at = end;
  }
  return at === text.length ? null : "another number of lines";
}
