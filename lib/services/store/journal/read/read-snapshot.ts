import { crc32 } from "node:zlib";
import { Batches } from "./batches.ts";
import { FIRST_LINE, firstLine, hex14, hex8, type Link, snapshotName, wordsOf } from "../format.ts";
import type { Pieces } from "./pieces.ts";
import type { Survey } from "./survey.ts";

/** The first line of a snapshot. @param after the last batch of the journals that it stands for */
export function snapshotLine(id: string, generation: number, after: Link): string {
  return firstLine("snapshot", [id, hex14(generation), hex14(after.number), hex8(after.crc)]);
}

/** The last line of a snapshot: without it, it is not whole. */
export function endLine(batches: number, records: number, last: number): string {
  const text = `end ${hex14(batches)} ${hex14(records)} ${hex8(last)}`;
  return `${text} ${hex8(crc32(text))}\n`;
}
export const END_LINE = endLine(0, 0, 0).length;

/** What the first line of a snapshot says. */
export interface SnapshotHead {
  readonly id: string;
  readonly generation: number;
  readonly after: Link;
  /** The checksum that the first batch carries, and the place of that batch. */
  readonly crc: number;
  readonly start: number;
}

/** Reads the first line; null when it is damaged. @throws NewerError */
export function snapshotHead(pieces: Pieces, path: string): SnapshotHead | null {
  const line = pieces.line(0, FIRST_LINE);
  const words = line === null ? null : wordsOf("snapshot", line, path);
  if (line === null || words === null) return null;
  const [id, generation, number, crc] = words as [string, string, string, string];
  return {
    id,
    generation: parseInt(generation, 16),
    after: { number: parseInt(number, 16), crc: parseInt(crc, 16) },
    crc: crc32(line),
    start: line.length + 1,
  };
}

/** True if a snapshot has its first and its last line. */
export function looksWhole(pieces: Pieces, path: string): boolean {
  return snapshotHead(pieces, path) !== null && endsAt(pieces, pieces.size - END_LINE);
}

/** True if there is a last line at a place, and nothing behind it. */
function endsAt(pieces: Pieces, at: number): boolean {
  if (at < 0 || at + END_LINE !== pieces.size) return false;
  const end = pieces.read(at, END_LINE)?.toString("latin1") ?? "";
  const cut = end.lastIndexOf(" ");
  return end.startsWith("end ") && end.slice(cut + 1, -1) === hex8(crc32(end.slice(0, cut)));
}

/**
 * Reads every whole batch of a snapshot, also behind damaged ones: no batch needs another.
 * @returns the batch that the journals go on from; null when that is lost
 */
export function readSnapshot(
  survey: Survey,
  id: string | null,
  generation: number,
  name = snapshotName(generation),
): Link | null {
  return survey.reading(name, (pieces, path) => {
    survey.snapshotSize = pieces.size;
    const head = snapshotHead(pieces, path);
    if (head === null) {
      survey.damaged(name, pieces.size === 0 ? "is empty" : "has a damaged first line");
    } else if ((id !== null && head.id !== id) || head.generation !== generation) {
      survey.damaged(name, "is another snapshot, that does not belong here");
    }
    const batches = new Batches(pieces, head?.start ?? 0);
    const before = survey.records;
    const damages = survey.damages.length;
    let last: Link | null = head && { number: 0, crc: head.crc };
    let count = 0;
    for (;;) {
      const batch = batches.peek();
      if (batch !== null) {
        if (last !== null && (batch.number !== last.number + 1 || batch.before !== last.crc)) {
          survey.damaged(name, `does not go on from batch ${last.number} at byte ${batches.at}`);
        }
        survey.apply(path, batch.number, batch.records);
        last = { number: batch.number, crc: batch.crc };
        count++;
        batches.pass(batch);
        continue;
      }
      const isDamaged = survey.damages.length > damages;
      // Its counts cannot fit any more.
      if (isDamaged && endsAt(pieces, batches.at)) break;
      if (last !== null && !isDamaged) {
        const end = endLine(count, survey.records - before, last.crc);
        const found = pieces.read(batches.at, Math.min(END_LINE, pieces.size - batches.at));
        const isEnd = found?.toString("latin1") === end;
        if (isEnd && batches.at + END_LINE === pieces.size) break;
        if (isEnd) {
          survey.damaged(name, `goes on behind its end, at byte ${batches.at + END_LINE}`);
          break;
        }
      }
      const at = batches.at;
      const goesOn = batches.skip();
      if (goesOn) survey.damaged(name, `is damaged from byte ${at} to ${batches.at}`);
      else {
        if (pieces.size > 0)
          survey.damaged(name, `is damaged or cut at byte ${at} of ${pieces.size}`);
        break;
      }
      last = null;
    }
    return head?.after ?? null;
  });
}
