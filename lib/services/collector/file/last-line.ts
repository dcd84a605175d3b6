import { type Disk, syncFolderSync } from "../../../host/disk.ts";
import { dirname } from "node:path";
import { backupPath } from "./names.ts";
import { sequenceOf } from "./reading.ts";

const NEWLINE = 10;
/** Bytes that are looked at together, from the end. */
const PIECE = 64 * 1024;

/** What the file before this start says. */
export interface LastLine {
  /** The number of the next entry. */
  readonly next: number;
  /** Bytes of a line that was cut short, which were moved to a file of their own; 0 when there were none. */
  readonly torn: number;
  /** The last bytes of the last line, without its newline; empty when there is none. */
  readonly ending: Buffer;
}

/** Bytes of an ending. */
const ENDING = 64;

/**
 * Finds the number to go on with: behind that of the last line of the file, or
 * of the newest rotated one when the file is empty. A line that was cut short by
 * a crash is moved to `PATH.torn`.
 * @throws the system's error; Error when the last line has no number
 */
export function lastLine(disk: Disk, path: string): LastLine {
  const found = numberIn(disk, path, true);
  const { last, ending } = found.last === null ? numberIn(disk, backupPath(path, 0), false) : found;
  return { next: last === null ? 0 : last + 1, torn: found.torn, ending };
}

function numberIn(
  disk: Disk,
  path: string,
  mends: boolean,
): { readonly last: number | null; readonly torn: number; readonly ending: Buffer } {
  const none = { last: null, torn: 0, ending: Buffer.alloc(0) };
  let fd: number;
  try {
    fd = disk.openSync(path, mends ? "r+" : "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return none;
    throw error;
  }
  try {
    const { size } = disk.fstatSync(fd);
    const end = newlineBefore(disk, fd, size) + 1;
    if (mends && end < size) moveTorn(disk, fd, path, end, size);
    if (end === 0) return { ...none, torn: size };
    const start = newlineBefore(disk, fd, end - 1) + 1;
    const head = Buffer.alloc(Math.min(ENDING, end - 1 - start));
    disk.readSync(fd, head, 0, head.length, start);
    const last = sequenceOf(head);
    if (last === null) {
      throw new Error(`${path} is no log of the collector: its last line has no number`);
    }
    const ending = Buffer.alloc(head.length);
    disk.readSync(fd, ending, 0, ending.length, end - 1 - ending.length);
    return { last, torn: size - end, ending };
  } finally {
    disk.closeSync(fd);
  }
}

/** The last newline before a position, or -1. */
function newlineBefore(disk: Disk, fd: number, position: number): number {
  const piece = Buffer.alloc(PIECE);
  for (let end = position; end > 0;) {
    const start = Math.max(0, end - PIECE);
    const read = disk.readSync(fd, piece, 0, end - start, start);
    const at = piece.subarray(0, read).lastIndexOf(NEWLINE);
    if (at >= 0) return start + at;
    end = start;
  }
  return -1;
}

/** Keeps what a crash has left of a line, then cuts it off: it was never acknowledged. */
function moveTorn(disk: Disk, fd: number, path: string, start: number, size: number): void {
  const torn = disk.openSync(`${path}.torn`, "a");
  try {
    const piece = Buffer.alloc(PIECE);
    for (let at = start; at < size;) {
      const read = disk.readSync(fd, piece, 0, Math.min(PIECE, size - at), at);
      if (read === 0) break;
      for (let done = 0; done < read;) done += disk.writeSync(torn, piece, done, read - done, null);
      at += read;
    }
    disk.writeSync(torn, Buffer.from("\n"), 0, 1, null);
    disk.fsyncSync(torn);
  } finally {
    disk.closeSync(torn);
  }
  disk.ftruncateSync(fd, start);
  disk.fsyncSync(fd);
  syncFolderSync(disk, dirname(path));
}
