import { basename, dirname, join } from "node:path";
import { type Disk, removeSync } from "../../../host/disk.ts";

/** The ending of a rotated file that is compressed. */
export const COMPRESSED = ".zst";

const AGE = /^\.(0|[1-9]\d{0,4})(\.zst)?$/;

/** A rotated file. */
export interface OldFile {
  readonly path: string;
  /** 0 for the newest one. */
  readonly age: number;
  readonly isCompressed: boolean;
}

/** The path of a rotated file: `.0` is the newest. */
export function backupPath(path: string, age: number): string {
  return `${path}.${age}`;
}

/**
 * The rotated files that are there, the newest first; some ages may be missing.
 * While a file is there compressed and not, only the one that is not counts.
 * @throws the system's error
 */
export function oldFilesOf(disk: Pick<Disk, "readdirSync">, path: string): OldFile[] {
  const byAge = new Map<number, OldFile>();
  for (const name of namesIn(disk, dirname(path))) {
    const found = name.startsWith(basename(path)) && AGE.exec(name.slice(basename(path).length));
    if (!found) continue;
    const age = Number(found[1]);
    const isCompressed = found[2] !== undefined;
    if (isCompressed && byAge.has(age)) continue;
    byAge.set(age, { path: join(dirname(path), name), age, isCompressed });
  }
  return [...byAge.values()].sort((a, b) => a.age - b.age);
}

/**
 * Gives the rotated files the ages from 0 on, in their order: a rotation that
 * was cut short leaves a gap, at which whoever counts the files would stop.
 * @throws the system's error: some have moved then, and their order stays
 */
export function closeGaps(disk: Disk, path: string): void {
  for (const [age, file] of oldFilesOf(disk, path).entries()) {
    if (file.age !== age) disk.renameSync(file.path, pathAt(path, age, file));
  }
}

/** The path of a rotated file at another age. */
function pathAt(path: string, age: number, { isCompressed }: OldFile): string {
  return backupPath(path, age) + (isCompressed ? COMPRESSED : "");
}

function namesIn(disk: Pick<Disk, "readdirSync">, folder: string): string[] {
  try {
    return disk.readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/**
 * Moves the file to `.0`, which becomes `.1` and so on; what is more than `keep`
 * files goes. With `keep` 0 the file itself goes.
 * @throws the system's error: then some may have moved already, and none is lost
 */
export function moveAside(disk: Disk, path: string, keep: number): void {
  const files = new Map(oldFilesOf(disk, path).map((file) => [file.age, file]));
  // Only up to the first gap: a rotation that fails half way must not remove one more old file at each attempt.
  let gap = 0;
  while (gap < keep && files.has(gap)) gap++;
  if (gap === keep && keep > 0) removeSync(disk, (files.get(--gap) as OldFile).path);
  for (let age = gap; age > 0; age--) {
    const file = files.get(age - 1) as OldFile;
    disk.renameSync(file.path, pathAt(path, age, file));
  }
  if (keep === 0) disk.unlinkSync(path);
  else disk.renameSync(path, backupPath(path, 0));
  for (const { age, path: old } of files.values()) if (age >= keep) removeSync(disk, old);
}
