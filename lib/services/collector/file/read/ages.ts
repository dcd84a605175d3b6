import * as fs from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { failure } from "../../../../host/disk.ts";
import { COMPRESSED, type OldFile, oldFilesOf } from "../names.ts";
import { sequenceOf } from "./reading.ts";
import { unpackedIn } from "./unpacked.ts";

/** Bytes in which the number of a line stands. */
const HEAD = 64;
/** Times that a file is looked for that somebody moves meanwhile. */
const MOST_TRIES = 20;
/** The age of the file that is written. */
export const CURRENT = -1;

/** A file of a log where it was when somebody looked. */
type Named = Pick<OldFile, "path" | "age">;

/** One file of a log, open: what is renamed or removed meanwhile is still read. */
export interface OpenFile {
  readonly path: string;
  /** `CURRENT`, 0 for the newest rotated file, and so on; a rotation makes it older. */
  readonly age: number;
  readonly handle: FileHandle;
  readonly isCompressed: boolean;
  /** The number of its first entry; -1 where its first line has none. */
  readonly first: number;
}

/**
 * Opens the newest file whose first entry has a number below `before`, as far
 * as numbers fall with age. Whoever calls it closes it.
 * @param from an age that no such file is younger than
 * @returns null when there is none. Rejects with the system's error
 */
export async function openBefore(
  path: string,
  before: number,
  from: number,
): Promise<OpenFile | null> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const all = namesOf(path);
    const files = all.filter(({ age }) => age >= from);
    const index = await indexBefore(files, before);
    if (index === files.length) {
      // A rotation may have moved the oldest one behind them.
      if (namesOf(path).length <= all.length) return null;
      continue;
    }
    const file = index === null ? null : await openAt(files[index] as Named);
    if (file !== null && file.first < before) return file;
    // Files were moved between two looks.
    await file?.handle.close();
  }
  throw failure("its files are moved too often");
}

/** The files of a log, the newest first. */
function namesOf(path: string): Named[] {
  return [{ path, age: CURRENT }, ...oldFilesOf(fs, path)];
}

/** The index of that file, or the one behind the last; null when a file is not there any more. */
async function indexBefore(files: readonly Named[], before: number): Promise<number | null> {
  let isGone = false;
  const isYounger = async (file: Named) => {
    const opened = await openAt(file);
    await opened?.handle.close();
    // While a file is rotated there may be no current one for a moment.
    if (opened === null && file.age !== CURRENT) isGone = true;
    return opened === null || opened.first >= before;
  };
  // Old files may be many: steps that double, then halves.
  let [young, old] = [-1, 0];
  for (let step = 1; old < files.length && (await isYounger(files[old] as Named)); step *= 2) {
    young = old;
    old += step;
  }
  old = Math.min(old, files.length);
  while (old - young > 1) {
    const middle = young + Math.floor((old - young) / 2);
    if (await isYounger(files[middle] as Named)) young = middle;
    else old = middle;
  }
  return isGone ? null : old;
}

/** Opens a file; null when it is gone. One that is empty begins behind all others. */
async function openAt({ path, age }: Named): Promise<OpenFile | null> {
  let handle: FileHandle;
  try {
    handle = await open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    const isCompressed = path.endsWith(COMPRESSED);
    const head = isCompressed ? await unpackedHead(handle) : await headOf(handle);
    const first = head.length === 0 ? Infinity : (sequenceOf(head) ?? -1);
    return { path, age, handle, isCompressed, first };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function headOf(handle: FileHandle): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD), 0, HEAD, 0);
  return buffer.subarray(0, bytesRead);
}

async function unpackedHead(handle: FileHandle): Promise<Buffer> {
  for await (const piece of unpackedIn(handle)) return piece;
  return Buffer.alloc(0);
}
