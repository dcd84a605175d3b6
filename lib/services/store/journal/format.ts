import { crc32 } from "node:zlib";
import { StartError } from "../../../host/errors.ts";

/**
 * The files of a folder, format 2:
 *
 *     manifest      the snapshot and the journals that belong together
 *     snapshot-G    all keys at one moment; the journals from G on follow it
 *     journal-G     batches of records, each chained to the one before, also across files
 *     mark-G        the number of a batch that is known to be on disk
 *     lock          locked while a server runs
 *
 * Each begins with a line that names its kind, the format and the folder's id,
 * and ends that line with a checksum. The names are not those of format 1, so
 * that an older program changes nothing here.
 */
export const FORMAT = 2;

export type Kind = "manifest" | "snapshot" | "journal" | "mark";

export const MANIFEST = "manifest";

export const journalName = (generation: number): string => `journal-${generation}`;
export const snapshotName = (generation: number): string => `snapshot-${generation}`;
export const markName = (generation: number): string => `mark-${generation}`;

/** The kind and generation of a file of this format, by its name; null for any other. */
export function named(name: string): { kind: Kind; generation: number } | null {
  const found = /^(snapshot|journal|mark)-([1-9][0-9]{0,14})$/.exec(name);
  return found && { kind: found[1] as Kind, generation: Number(found[2]) };
}

/** A batch and its checksum, which the next batch carries. */
export interface Link {
  readonly number: number;
  readonly crc: number;
}

/** Before the first batch of a folder. */
export const START: Link = { number: 0, crc: 0 };

/** Most bytes of a first line. */
export const FIRST_LINE = 160;

/** 32 bits as 8 digits. */
export const hex8 = (value: number): string => value.toString(16).padStart(8, "0");
/** A whole number below 2^53 as 14 digits. */
export const hex14 = (value: number): string => value.toString(16).padStart(14, "0");

/** A first line: its words, and their checksum. */
export function firstLine(kind: Kind, words: readonly string[]): string {
  const text = ["store", kind, FORMAT, ...words].join(" ");
  return `${text} ${hex8(crc32(text))}\n`;
}

/** The words of a first line; null when it is damaged. @throws NewerError when a newer version wrote it */
export function wordsOf(kind: Kind, line: string, path: string): string[] | null {
  const cut = line.lastIndexOf(" ");
  const text = line.slice(0, cut);
  const [first, found, format, ...words] = text.split(" ");
  if (first !== "store" || found !== kind || hex8(crc32(text)) !== line.slice(cut + 1)) return null;
  if (Number(format) > FORMAT) {
    throw new NewerError(`${path}: format ${format}; this version reads up to ${FORMAT}`);
  }
  return Number(format) === FORMAT ? words : null;
}

/** A newer version of the program wrote this: it is not damaged, and nothing of it may be lost or guessed. */
export class NewerError extends StartError {
  constructor(what: string) {
    super(`${what}: a newer version wrote it; nothing was changed`);
  }
}
