import { join } from "node:path";
import { reasonOf } from "../../../config/reason.ts";
import { type Disk, removeSync } from "../../../host/disk.ts";
import { Batches, parse } from "./batches.ts";
import { generationOf, SNAPSHOT, UNFINISHED } from "./snapshot.ts";

/** The state of a journal's folder. */
export interface Recovered {
  /** Generation of the journal to go on with. */
  generation: number;
  /** The position of its next batch; null when there is no such file yet. */
  position: number | null;
  /** Generations before it that the snapshot does not cover. */
  older: number[];
  /** Bytes of batches in all of these journals. */
  size: number;
  /** Bytes of the snapshot. */
  snapshotSize: number;
}

export function journalName(generation: number): string {
  return `journal.${generation}`;
}

/**
 * Reads the records of a folder in order and repairs the damage of a crash.
 * Damaged parts are reported, copied aside and skipped; the store starts
 * without them.
 * @throws the system's error when a file cannot be read or repaired
 */
export function recover(
  disk: Disk,
  folder: string,
  apply: (record: unknown[]) => void,
  note: (message: string) => void,
): Recovered {
  const names = disk.readdirSync(folder);
  if (names.includes(UNFINISHED)) removeSync(disk, join(folder, UNFINISHED));
  let first = 1;
  let snapshotSize = 0;
  if (names.includes(SNAPSHOT)) {
    const snapshot = readSnapshot(disk, join(folder, SNAPSHOT), apply, note);
    first = snapshot.first ?? 1;
    snapshotSize = snapshot.size;
  }
  const older: number[] = [];
  let size = 0;
  let last: { generation: number; end: number | null } | null = null;
  for (const generation of generations(names)) {
    const path = join(folder, journalName(generation));
    if (generation < first) {
      removeSync(disk, path);
      continue;
    }
    if (last !== null) older.push(last.generation);
    const end = readJournal(disk, path, apply, note);
    size += end ?? 0;
    last = { generation, end };
  }
  if (last === null) return { generation: first, position: null, older, size, snapshotSize };
  if (last.end !== null) {
    return { generation: last.generation, position: last.end, older, size, snapshotSize };
  }
  older.push(last.generation);
  return { generation: last.generation + 1, position: null, older, size, snapshotSize };
}

/** The generations of the journals among the names in a folder, in order. */
function generations(names: string[]): number[] {
  return names
    .flatMap((name) => /^journal\.([1-9][0-9]{0,14})$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** Reads every whole batch of a snapshot, also behind damaged ones: no batch depends on another. */
function readSnapshot(
  disk: Disk,
  path: string,
  apply: (record: unknown[]) => void,
  note: (message: string) => void,
): { first: number | null; size: number } {
  const fd = disk.openSync(path, "r");
  try {
    const batches = new Batches(disk, fd);
    let first: number | null = null;
    let lost = 0;
    while (batches.at < batches.size) {
      const from = batches.at;
      const payload = batches.next();
      if (payload !== null) {
        const records = parse(payload);
        if (from === 0) {
          first = generationOf(records[0] as unknown[]);
          if (first !== null) records.shift();
        }
        records.forEach(apply);
      } else {
        const found = batches.skip();
        lost += (found ? batches.at : batches.size) - from;
        if (!found) break;
      }
    }
    if (lost > 0) note(`${path} is damaged: ${lost} bytes are lost; ${keepAside(disk, path).told}`);
    return { first, size: batches.size };
  } finally {
    disk.closeSync(fd);
  }
}

/** @returns the position of the next batch, or null when nothing may be written to this file */
function readJournal(
  disk: Disk,
  path: string,
  apply: (record: unknown[]) => void,
  note: (message: string) => void,
): number | null {
  const fd = disk.openSync(path, "r+");
  try {
    const batches = new Batches(disk, fd);
    for (let payload = batches.next(); payload !== null; payload = batches.next()) {
      parse(payload).forEach(apply);
    }
    const end = batches.at;
    if (end === batches.size) return end;
    const clean = batches.endsInZeros();
    if (!clean) {
      const cut = `${path}: the last ${batches.size - end} bytes are not a whole batch and were cut off`;
      if (batches.skip()) {
        const { kept, told } = keepAside(disk, path);
        if (!kept) {
          note(`${path} is damaged ${batches.size - end} bytes before its end; ${told}`);
          return null;
        }
        note(`${cut}, though there are whole ones among them; ${told}`);
      } else note(cut);
    }
    disk.ftruncateSync(fd, end);
    // After another crash, the bytes cut off must not come back behind the batches that are written next.
    if (!clean) disk.fdatasyncSync(fd);
    return end;
  } finally {
    disk.closeSync(fd);
  }
}

/** Copies a damaged file aside, so that it can be examined. */
function keepAside(disk: Disk, path: string): { kept: boolean; told: string } {
  const aside = `${path}.damaged`;
  try {
    disk.copyFileSync(path, aside);
    return { kept: true, told: `the file as it was is in ${aside}` };
  } catch (error) {
    removeSync(disk, aside);
    return { kept: false, told: `it could not be copied to ${aside}: ${reasonOf(error)}` };
  }
}
