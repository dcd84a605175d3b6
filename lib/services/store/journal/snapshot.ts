import { join } from "node:path";
import { type Disk, remove, synced, syncFolder, writeAll } from "../../../host/disk.ts";
import { batchOf } from "./batch.ts";

/** Names of the snapshot in its folder, and of one that is not whole yet. */
export const SNAPSHOT = "snapshot";
export const UNFINISHED = "snapshot.tmp";

/** The first record of a snapshot: the generation of the journal that comes after it. */
export function snapshotHeader(generation: number): string {
  return `${JSON.stringify([SNAPSHOT, generation])}\n`;
}

/** The generation in a snapshot's first record, or null. */
export function generationOf(record: unknown[]): number | null {
  const [name, generation] = record;
  return name === SNAPSHOT && typeof generation === "number" ? generation : null;
}

/**
 * Writes a snapshot beside the old one, and replaces that once all of it is on
 * disk. The event loop runs between two slices.
 * @param generation of the journal that comes after it
 * @param next the next slice of records, or null at the end
 * @param abandoned asked between slices
 * @param caughtUp asked at the end; false when the journal after it is not on disk up to the last slice.
 * The slices are from different moments, and only that journal makes them consistent
 * @returns its length in bytes, or null when it was abandoned; an unfinished file is removed
 */
export async function writeSnapshot(
  disk: Disk,
  folder: string,
  generation: number,
  next: () => string | null,
  abandoned: () => boolean,
  caughtUp: () => Promise<boolean>,
): Promise<number | null> {
  const path = join(folder, UNFINISHED);
  const fd = disk.openSync(path, "w");
  let size: number | null = null;
  try {
    size = await writeSlices(disk, fd, generation, next, abandoned);
    if (!(await caughtUp()) || abandoned()) size = null;
  } finally {
    disk.closeSync(fd);
    if (size === null) await remove(disk, path);
  }
  if (size === null) return null;
  try {
    disk.renameSync(path, join(folder, SNAPSHOT));
  } catch (error) {
    await remove(disk, path);
    throw error;
  }
  await syncFolder(disk, folder);
  return size;
}

async function writeSlices(
  disk: Disk,
  fd: number,
  generation: number,
  next: () => string | null,
  abandoned: () => boolean,
): Promise<number | null> {
  let size = 0;
  for (let slice: string | null = snapshotHeader(generation); slice !== null; slice = next()) {
    if (slice !== "") {
      const batch = batchOf(slice);
      await writeAll(disk, fd, batch, size);
      size += batch.length;
    }
    if (abandoned()) return null;
  }
  await synced(disk, fd);
  return abandoned() ? null : size;
}
