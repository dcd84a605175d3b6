import type { Pieces } from "./pieces.ts";
import type { Survey } from "./survey.ts";

/** Names of the files of format 1. */
export const OLD_SNAPSHOT = "snapshot";
const OLD_JOURNAL = /^journal\.([1-9][0-9]{0,14})$/;

export const isOldName = (name: string): boolean => name === OLD_SNAPSHOT || OLD_JOURNAL.test(name);

/** `LENGTH CRC32\n`, and then LENGTH bytes of records. */
const HEADER = 18;
const FORM = /^[0-9a-f]{8} [0-9a-f]{8}\n$/;

/** Reads the batches of a file of format 1. */
class OldBatches {
  at = 0;
  readonly #pieces: Pieces;

  constructor(pieces: Pieces) {
    this.#pieces = pieces;
  }

  /** The records of the batch at this place; null when there is no whole one. */
  next(): Buffer | null {
    const header = this.#pieces.read(this.at, HEADER)?.toString("latin1");
    if (header === undefined || !FORM.test(header)) return null;
    const length = parseInt(header, 16);
    if (length === 0) return null;
    const records = this.#pieces.read(this.at + HEADER, length);
    if (records === null || Bun.hash.crc32(records) !== parseInt(header.slice(9), 16)) return null;
    this.at += HEADER + length;
    return records;
  }

  /** Moves to the next whole batch behind this place. @returns false when there is none */
  skip(): boolean {
    const before = this.at;
    const found = this.#pieces.find(before + 1, /[0-9a-f]{8} [0-9a-f]{8}\n/g, HEADER, (at) => {
      this.at = at;
      return this.next() !== null;
    });
    this.at = found < 0 ? before : found;
    return found >= 0;
  }
}

/**
 * Reads a folder of format 1. Its files are not tied together, so that less can
 * be told: a torn end of the last journal is what a crash leaves if no whole
 * batch stands behind it, and everything else is damage.
 */
export function readOldFolder(survey: Survey, names: readonly string[]): void {
  const generations = names
    .flatMap((name) => OLD_JOURNAL.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  const first = names.includes(OLD_SNAPSHOT) ? readOldSnapshot(survey) : 1;
  let expected = first;
  for (const generation of generations) {
    survey.generation = Math.max(survey.generation, generation);
    if (first !== null && generation < first) continue;
    for (; expected !== null && expected < generation; expected++) {
      const name = `journal.${expected}`;
      survey.damaged(name, "is missing");
      if (generation - expected > 3) expected = generation - 1;
    }
    readOldJournal(survey, `journal.${generation}`, generation === generations.at(-1));
    expected = generation + 1;
  }
  if (names.includes(OLD_SNAPSHOT) && first !== null && expected === first) {
    survey.damaged(`journal.${first}`, "is missing");
  }
}

/** @returns the generation of the journal that follows; null when that is lost */
function readOldSnapshot(survey: Survey): number | null {
  return survey.reading(OLD_SNAPSHOT, (pieces, path) => {
    const batches = new OldBatches(pieces);
    survey.snapshotSize = pieces.size;
    let first: number | null = null;
    while (batches.at < pieces.size) {
      const from = batches.at;
      let records = batches.next();
      if (records !== null) {
        if (from === 0) {
          const end = records.indexOf(10) + 1;
          const found = /^\["snapshot",(\d{1,15})\]\n$/.exec(records.toString("latin1", 0, end));
          if (found) {
            first = Number(found[1]);
            records = records.subarray(end);
          }
        }
        if (records.length > 0) survey.apply(path, 0, records);
        continue;
      }
      const goesOn = batches.skip();
      survey.damaged(
        OLD_SNAPSHOT,
        `is damaged from byte ${from} to ${goesOn ? batches.at : pieces.size}`,
      );
      if (!goesOn) break;
    }
    if (first === null) survey.damaged(OLD_SNAPSHOT, "does not begin as a snapshot");
    return first;
  });
}

function readOldJournal(survey: Survey, name: string, isLast: boolean): void {
  survey.reading(name, (pieces, path) => {
    const batches = new OldBatches(pieces);
    for (;;) {
      const from = batches.at;
      const records = batches.next();
      if (records !== null) {
        survey.apply(path, 0, records);
        survey.journalSize += batches.at - from;
        continue;
      }
      if (from === pieces.size || pieces.isZeroFrom(from)) return;
      const goesOn = batches.skip();
      if (!goesOn && isLast) {
        survey.journals.push({ name, generation: 0, start: 0, end: from, size: pieces.size });
        survey.torn = { index: 0, from, bytes: pieces.size - from, holdsWhole: false };
        return;
      }
      survey.damaged(name, `is damaged from byte ${from} to ${goesOn ? batches.at : pieces.size}`);
      if (!goesOn) return;
    }
  });
}
