import { join } from "node:path";
import { crc32 } from "node:zlib";
import { type Disk, remove, synced, syncFolder, writeAll } from "../../../host/disk.ts";
import { batchOf } from "./batch.ts";
import { type Link, snapshotName } from "./format.ts";
import { endLine, snapshotLine } from "./read/read-snapshot.ts";

/** The name of a snapshot that is not whole yet. */
export const UNFINISHED = "snapshot.tmp";

/** The content of a snapshot, one piece after the other. */
export class SnapshotText {
  readonly head: Buffer;
  #last: Link;
  #records = 0;
  #hasEnded = false;

  /** @param after the last batch of the journals that it stands for */
  constructor(id: string, generation: number, after: Link) {
    const line = snapshotLine(id, generation, after);
    this.head = Buffer.from(line);
    this.#last = { number: 0, crc: crc32(line.slice(0, -1)) };
  }

  /** The batch of a slice of records, which may be empty; for null, the end. */
  after(slice: string | null): Buffer {
    if (slice === "") return Buffer.alloc(0);
    const { number, crc } = this.#last;
    if (slice === null) return Buffer.from(endLine(number, this.#records, crc));
    for (let at = slice.indexOf("\n"); at >= 0; at = slice.indexOf("\n", at + 1)) this.#records++;
    const { bytes, link } = batchOf(slice, this.#last);
    this.#last = link;
    return bytes;
  }

  /** The next piece of the slices that a call gives; null behind the end. */
  next(slices: () => string | null): Buffer | null {
    if (this.#hasEnded) return null;
    const slice = slices();
    this.#hasEnded = slice === null;
    return this.after(slice);
  }
}

export interface SnapshotTerms {
  readonly id: string;
  /** That of the journal that comes after it. */
  readonly generation: number;
  /** The last batch of the journals before that. */
  readonly after: Link;
  /** The next slice of records, or null at the end. */
  readonly next: () => string | null;
  /** Asked between slices. */
  readonly abandoned: () => boolean;
  /**
   * Asked at the end; false when the journal after it is not on disk up to the
   * last slice. The slices are from different moments, and only that journal
   * makes them consistent.
   */
  readonly caughtUp: () => Promise<boolean>;
}

/**
 * Writes a snapshot, with its name, durably. It is in force once the manifest
 * names it. The event loop runs between two slices.
 * @returns its length in bytes, or null when it was abandoned; an unfinished file is removed
 */
export async function writeSnapshot(
  disk: Disk,
  folder: string,
  terms: SnapshotTerms,
): Promise<number | null> {
  const path = join(folder, UNFINISHED);
  const fd = disk.openSync(path, "w");
  let size: number | null = null;
  try {
    size = await writeSlices(disk, fd, terms);
    if (!(await terms.caughtUp()) || terms.abandoned()) size = null;
  } finally {
    disk.closeSync(fd);
    if (size === null) await remove(disk, path);
  }
  if (size === null) return null;
  try {
    disk.renameSync(path, join(folder, snapshotName(terms.generation)));
  } catch (error) {
    await remove(disk, path);
    throw error;
  }
  await syncFolder(disk, folder);
  return size;
}

async function writeSlices(disk: Disk, fd: number, terms: SnapshotTerms): Promise<number | null> {
  const { id, generation, after, next, abandoned } = terms;
  const text = new SnapshotText(id, generation, after);
  let size = 0;
  for (let bytes: Buffer | null = text.head; bytes !== null; bytes = text.next(next)) {
    await writeAll(disk, fd, bytes, size);
    size += bytes.length;
    if (abandoned()) return null;
  }
  await synced(disk, fd);
  return abandoned() ? null : size;
}
