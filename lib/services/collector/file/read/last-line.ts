import { dirname } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { type Disk, isFailure, syncFolderSync } from "../../../../host/disk.ts";
import { ENDING } from "../current-file.ts";
import { oldFilesOf } from "../names.ts";
import { sequenceOf } from "./reading.ts";

const NEWLINE = 10;
/** Bytes that are looked at together, from the end. */
const PIECE = 64 * 1024;

/** What the log before this start says. */
export interface LastLine {
  /** The number of the next entry. */
  readonly next: number;
  /** Bytes of a line that was cut short, which were moved to a file of their own; 0 when there were none. */
  readonly torn: number;
  /** False when there was no room for that, and they are gone. */
  readonly isTornKept: boolean;
  /** The last bytes of the last line, without its newline; empty when there is none. */
  readonly ending: Buffer;
}

/** The end of a file. */
interface End {
  /** The number of its last entry; null when it has none. */
  readonly last: number | null;
  readonly ending: Buffer;
}

const NOTHING: End = { last: null, ending: Buffer.alloc(0) };

/**
 * Finds the number to go on with: behind that of the last line of the file, or
 * of the newest rotated one that has a line. A line that was cut short by a
 * crash is moved to `PATH.torn`.
 * @throws the system's error; Error when the last line has no number
 */
export function lastLine(disk: Disk, path: string): LastLine {
  return found(disk, path, true);
}

/**
 * Looks at the log as a start does, and changes nothing.
 * @throws what `lastLine` throws
 */
export function checkLastLine(disk: Disk, path: string): void {
  found(disk, path, false);
}

function found(disk: Disk, path: string, mends: boolean): LastLine {
  const { end, torn, isTornKept } = endAt(disk, path, mends);
  const { last, ending } = end.last === null ? newestOld(disk, path) : end;
  return { next: last === null ? 0 : last + 1, torn, isTornKept, ending };
}

function endAt(
  disk: Disk,
  path: string,
  mends: boolean,
): { readonly end: End } & Pick<LastLine, "torn" | "isTornKept"> {
  const none = { end: NOTHING, torn: 0, isTornKept: true };
  let fd: number;
  try {
    fd = disk.openSync(path, mends ? "r+" : "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return none;
    throw error;
  }
  try {
    const { size } = disk.fstatSync(fd);
    const whole = newlineBefore(disk, fd, size) + 1;
    const isTornKept = mends && whole < size ? moveTorn(disk, fd, path, whole, size) : true;
    return { end: endOf(disk, fd, path, whole), torn: size - whole, isTornKept };
  } finally {
    disk.closeSync(fd);
  }
}

function newestOld(disk: Disk, path: string): End {
  for (const { path: old, isCompressed } of oldFilesOf(disk, path)) {
    const end = isCompressed ? endOfPacked(disk, old) : endOfPlain(disk, old);
    if (end.last !== null) return end;
  }
  return NOTHING;
}

function endOfPlain(disk: Disk, path: string): End {
  const fd = disk.openSync(path, "r");
  try {
    const { size } = disk.fstatSync(fd);
    return endOf(disk, fd, path, newlineBefore(disk, fd, size) + 1);
  } finally {
    disk.closeSync(fd);
  }
}

/** The newest rotated file is not compressed, so this is for a log that somebody has taken others away from. */
function endOfPacked(disk: Disk, path: string): End {
  const fd = disk.openSync(path, "r");
  try {
    const packed = Buffer.alloc(disk.fstatSync(fd).size);
    disk.readSync(fd, packed, 0, packed.length, 0);
    const bytes = zstdDecompressSync(packed);
    const whole = bytes.lastIndexOf(NEWLINE);
    if (whole < 0) return NOTHING;
    const start = whole === 0 ? 0 : bytes.lastIndexOf(NEWLINE, whole - 1) + 1;
    return endIn(path, bytes.subarray(start, whole));
  } finally {
    disk.closeSync(fd);
  }
}

/** @param whole the position behind the last newline */
function endOf(disk: Disk, fd: number, path: string, whole: number): End {
  if (whole === 0) return NOTHING;
  const start = newlineBefore(disk, fd, whole - 1) + 1;
  const head = Buffer.alloc(Math.min(ENDING, whole - 1 - start));
  disk.readSync(fd, head, 0, head.length, start);
  const ending = Buffer.alloc(head.length);
  disk.readSync(fd, ending, 0, ending.length, whole - 1 - ending.length);
  return { last: endIn(path, head).last, ending };
}

/** @param line the last line, or its beginning */
function endIn(path: string, line: Buffer): End {
  const last = sequenceOf(line);
  if (last === null) {
    throw new Error(`${path} is no log of the collector: its last line has no number`);
  }
  return { last, ending: Buffer.from(line.subarray(-ENDING)) };
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

/** Keeps what a crash has left of a line if there is room for it, then cuts it off: it was never acknowledged. @returns true if it is kept */
function moveTorn(disk: Disk, fd: number, path: string, start: number, size: number): boolean {
  const isKept = keptTorn(disk, fd, path, start, size);
  disk.ftruncateSync(fd, start);
  disk.fsyncSync(fd);
  syncFolderSync(disk, dirname(path));
  return isKept;
}

function keptTorn(disk: Disk, fd: number, path: string, start: number, size: number): boolean {
  let torn: number | null = null;
  try {
    torn = disk.openSync(`${path}.torn`, "a");
    const piece = Buffer.alloc(PIECE);
    for (let at = start; at < size;) {
      const read = disk.readSync(fd, piece, 0, Math.min(PIECE, size - at), at);
      if (read === 0) break;
      for (let done = 0; done < read;) done += disk.writeSync(torn, piece, done, read - done, null);
      at += read;
    }
    disk.writeSync(torn, Buffer.from("\n"), 0, 1, null);
    disk.fsyncSync(torn);
    return true;
  } catch (error) {
    // A disk that is full must not keep a server from starting, which then waits for room.
    if (!isFailure(error)) throw error;
    return false;
  } finally {
    if (torn !== null) disk.closeSync(torn);
  }
}
