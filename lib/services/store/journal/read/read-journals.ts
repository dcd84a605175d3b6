import { Batches, type ReadBatch } from "./batches.ts";
import { FIRST_LINE, firstLine, hex14, journalName, type Link, wordsOf } from "../format.ts";
import type { Pieces } from "./pieces.ts";
import type { JournalFound, Survey } from "./survey.ts";

/** The first line of a journal. */
export function journalLine(id: string, generation: number): string {
  return firstLine("journal", [id, hex14(generation)]);
}

/** The place of the first batch of a journal, and what its first line says; null when that is damaged. @throws NewerError */
export function journalHead(pieces: Pieces, path: string) {
  const line = pieces.line(0, FIRST_LINE);
  const words = line === null ? null : wordsOf("journal", line, path);
  if (line === null || words === null) return null;
  const [id, generation] = words as [string, string];
  return { id, generation: parseInt(generation, 16), start: line.length + 1 };
}

/** True if there is a whole batch anywhere in a journal. */
export function holdsBatches(survey: Survey, name: string): boolean {
  return (
    survey.reading(name, (pieces, path) => {
      const batches = new Batches(pieces, journalHead(pieces, path)?.start ?? 0);
      return batches.peek() !== null || batches.skip();
    }) ?? false
  );
}

/**
 * Reads journals, in order, as one chain of batches.
 *
 * A crash leaves a torn end: whatever was written and not synced may be missing
 * or half there, also behind a gap when the power was cut. So where the chain
 * breaks, it is asked for a proof that the next batch had been on disk: the
 * mark says so, or a batch further on, which tells what was known to be on disk
 * when it was written. With a proof it is damage. Without one, no change from
 * there on was promised to be on disk, and it is a torn end.
 */
export class JournalReader {
  readonly #survey: Survey;
  readonly #id: string | null;
  /** The journals to be read. */
  readonly #names: readonly string[];
  /** All up to this batch had been on disk. */
  #proven: number;
  #hasLooked = false;

  constructor(
    survey: Survey,
    id: string | null,
    generations: readonly number[],
    mark: Link | null,
  ) {
    this.#survey = survey;
    this.#id = id;
    this.#names = generations.map(journalName);
    this.#proven = mark?.number ?? 0;
    for (const generation of generations) {
      const name = journalName(generation);
      survey.reading(name, (pieces, path) => this.#begin(name, generation, pieces, path));
    }
    for (const [index, found] of survey.journals.entries()) {
      if (survey.torn === null) survey.reading(found.name, (pieces) => this.#read(index, pieces));
    }
    this.#judgeEnd(mark);
  }

  #begin(name: string, generation: number, pieces: Pieces, path: string): void {
    const head = journalHead(pieces, path);
    if (head === null) {
      const what = pieces.size === 0 ? "is empty" : "has a damaged first line";
      this.#survey.damaged(name, what);
    } else if ((this.#id !== null && head.id !== this.#id) || head.generation !== generation) {
      this.#survey.damaged(name, "is another journal, that does not belong here");
      return;
    }
    const start = head?.start ?? 0;
    this.#survey.journals.push({ name, generation, start, end: start, size: pieces.size });
  }

  #read(index: number, pieces: Pieces): void {
    const survey = this.#survey;
    const found = survey.journals[index] as JournalFound;
    const batches = new Batches(pieces, found.start);
    for (;;) {
      const batch = batches.peek();
      const { last } = survey;
      if (batch !== null && (last === null || follows(batch, last))) {
        this.#take(found, batches, batch);
        continue;
      }
      if (batch === null && (batches.at === pieces.size || batches.atZeros)) return;
      if (!this.#mayGoOn(index, batches, batch, pieces.size)) return;
    }
  }

  #take(found: JournalFound, batches: Batches, batch: ReadBatch): void {
    const survey = this.#survey;
    survey.apply(found.name, batch.number, batch.records);
    const { number, crc } = batch;
    survey.last = { number, crc };
    survey.highest = Math.max(survey.highest, number);
    batches.pass(batch);
    survey.journalSize += batches.at - found.end;
    found.end = batches.at;
  }

  /** Judges a break of the chain. @returns true if there is more to read in this file: after damage, at the next whole batch */
  #mayGoOn(index: number, batches: Batches, batch: ReadBatch | null, size: number): boolean {
    const survey = this.#survey;
    const { name } = survey.journals[index] as JournalFound;
    const from = batches.at;
    const expected = (survey.last?.number ?? survey.highest) + 1;
    const isDouble = batch !== null && batch.number <= expected;
    if (isDouble) {
      survey.damaged(name, `holds batch ${batch.number} at byte ${from}, which does not follow`);
      if (batch.number === expected) survey.last = null;
      else batches.pass(batch);
      return true;
    }
    if (!this.#hasLooked) this.#look(index, from);
    if (this.#proven < expected) {
      const holdsWhole = batch !== null || batches.skip();
      survey.torn = { index, from, bytes: size - from, holdsWhole };
      return false;
    }
    let found = batch ?? (batches.skip() ? batches.peek() : null);
    while (found !== null && found.number < expected) {
      batches.pass(found);
      found = batches.peek() ?? (batches.skip() ? batches.peek() : null);
    }
    survey.last = null;
    if (found === null) {
      survey.damaged(name, `is damaged from byte ${from} on, at batch ${expected}`);
      return false;
    }
    const lost = found.number - expected;
    const what =
      batch === null
        ? `is damaged from byte ${from} to ${batches.at}`
        : `has a gap at byte ${from}`;
    survey.damaged(name, `${what}: ${range(expected, lost)}`);
    return true;
  }

  /** Looks for whole batches from a place on, to the end of all journals, and what they prove. Once: they all stand behind the first break. */
  #look(index: number, from: number): void {
    this.#hasLooked = true;
    for (const [at, { name, start }] of this.#survey.journals.entries()) {
      if (at < index) continue;
      this.#survey.reading(name, (pieces) => {
        const batches = new Batches(pieces, at === index ? from : start);
        for (;;) {
          const batch = batches.peek();
          if (batch !== null) {
            this.#proven = Math.max(this.#proven, batch.synced);
            batches.pass(batch);
          } else if (!batches.skip()) return;
        }
      });
    }
  }

  #judgeEnd(mark: Link | null): void {
    const survey = this.#survey;
    if (mark === null) return;
    const { last } = survey;
    const name = survey.journals.at(-1)?.name ?? this.#names.at(-1) ?? "journal";
    survey.highest = Math.max(survey.highest, mark.number);
    if (last === null || last.number > mark.number) return;
    if (last.number < mark.number) {
      const lost = mark.number - last.number;
      const missing = range(last.number + 1, lost);
      survey.damaged(name, `ends too early: ${missing} ${lost === 1 ? "was" : "were"} on disk`);
    } else if (last.crc !== mark.crc) {
      survey.damaged(name, `does not end with the batch ${mark.number} that was on disk`);
    }
  }
}

function follows(batch: ReadBatch, last: Link): boolean {
  return batch.number === last.number + 1 && batch.before === last.crc;
}

/** Batches by their numbers, in words. */
function range(first: number, count: number): string {
  return count <= 1 ? `batch ${first}` : `batches ${first} to ${first + count - 1}`;
}
