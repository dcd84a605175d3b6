import { type Disk, removeSync } from "../../../host/disk.ts";

/** The ending of a rotated file that is compressed. */
export const COMPRESSED = ".zst";

/** The path of a rotated file: `.0` is the newest. */
export function backupPath(path: string, age: number): string {
  return `${path}.${age}`;
}

/** The file of an age, compressed or not; null when there is none. */
export function backupAt(disk: Disk, path: string, age: number): string | null {
  const plain = backupPath(path, age);
  if (exists(disk, plain)) return plain;
  return exists(disk, plain + COMPRESSED) ? plain + COMPRESSED : null;
}

/**
 * Moves the file to `.0`, which becomes `.1` and so on; the oldest of `keep`
 * files goes. With `keep` 0 the file itself goes.
 * @throws the system's error: then some may have moved already, and none is lost
 */
export function moveAside(disk: Disk, path: string, keep: number): void {
  if (keep === 0) {
    disk.unlinkSync(path);
    return;
  }
  // Only up to the first gap: a rotation that fails half way must not remove one more old file at each attempt.
  let gap = 0;
  while (gap < keep - 1 && backupAt(disk, path, gap) !== null) gap++;
  if (gap === keep - 1) removeBackup(disk, path, gap);
  for (let age = gap; age > 0; age--) {
    const from = backupAt(disk, path, age - 1);
    if (from === null) continue;
    const ending = from.endsWith(COMPRESSED) ? COMPRESSED : "";
    disk.renameSync(from, backupPath(path, age) + ending);
  }
  disk.renameSync(path, backupPath(path, 0));
  for (let age = keep; backupAt(disk, path, age) !== null; age++) removeBackup(disk, path, age);
}

/** Removes a rotated file if it is there, compressed or not. */
export function removeBackup(disk: Disk, path: string, age: number): void {
  removeSync(disk, backupPath(path, age));
  removeSync(disk, backupPath(path, age) + COMPRESSED);
}

export function exists(disk: Disk, path: string): boolean {
  try {
    disk.statSync(path);
    return true;
  } catch {
    return false;
  }
}
