import { type Disk, removeSync } from "../../../host/disk.ts";

/** The path of a rotated file: `.0` is the newest. */
export function backupPath(path: string, age: number): string {
  return `${path}.${age}`;
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
  while (gap < keep - 1 && exists(disk, backupPath(path, gap))) gap++;
  for (let age = gap; age > 0; age--) {
    disk.renameSync(backupPath(path, age - 1), backupPath(path, age));
  }
  disk.renameSync(path, backupPath(path, 0));
  for (let age = keep; exists(disk, backupPath(path, age)); age++) {
    removeSync(disk, backupPath(path, age));
  }
}

function exists(disk: Disk, path: string): boolean {
  try {
    disk.statSync(path);
    return true;
  } catch {
    return false;
  }
}
