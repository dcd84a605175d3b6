import * as fs from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { backupAt, COMPRESSED } from "./names.ts";
import { sequenceOf } from "./reading.ts";
import { unpackedIn } from "./unpacked.ts";

/** Bytes in which the number of a line stands. */
const HEAD = 64;
/** Times that a file is looked for that somebody moves meanwhile. */
const MOST_TRIES = 5;
/** The age of the file that is written. */
export const CURRENT = -1;

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
    const age = await ageBefore(path, before, from);
    const file = await openAt(path, age);
    if (file !== null && file.first < before) return file;
    await file?.handle.close();
    // Only at the end of all files there is none; else it was moved between two looks.
    if (file === null && backupAt(fs, path, age) === null) return null;
  }
  return null;
}

/** The age of that file, or the one behind the oldest. */
async function ageBefore(path: string, before: number, from: number): Promise<number> {
  const isYounger = async (age: number) => {
    const file = await openAt(path, age);
    await file?.handle.close();
    // While a file is rotated there may be no current one for a moment.
    return file === null ? age === CURRENT : file.first >= before;
  };
  // Old files may be many: steps that double, then halves.
  let [young, old] = [from - 1, from];
  for (let step = 1; await isYounger(old); step *= 2) {
    young = old;
    old += step;
  }
  while (old - young > 1) {
    const middle = young + Math.floor((old - young) / 2);
    if (await isYounger(middle)) young = middle;
    else old = middle;
  }
  return old;
}

/** Opens the file of an age; null when there is none. The current one, while it is empty, begins behind all others. */
async function openAt(path: string, age: number): Promise<OpenFile | null> {
  const at = age === CURRENT ? path : backupAt(fs, path, age);
  if (at === null) return null;
  let handle: FileHandle;
  try {
    handle = await open(at);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    const isCompressed = at.endsWith(COMPRESSED);
    const head = isCompressed ? await unpackedHead(handle) : await headOf(handle);
    const first = head.length === 0 ? Infinity : (sequenceOf(head) ?? -1);
    return { path: at, age, handle, isCompressed, first };
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
