import { dirname, join, resolve } from "node:path";
import { reasonOf } from "../config/reason.ts";
import { StartError } from "./errors.ts";
import { libc } from "./libc.ts";
import { type Disk, syncFolderSync } from "./disk.ts";

/** LOCK_EX | LOCK_NB, from <sys/file.h>. */
const EXCLUSIVE_AT_ONCE = 2 | 4;

/**
 * Makes a folder if it is missing and locks it: two journals in one folder
 * would write over each other. The kernel unlocks it when the descriptor is
 * closed or the process ends, however it ends. Linux only; elsewhere nothing is locked.
 * @returns the descriptor that holds the lock
 * @throws StartError in one line
 */
export function lockFolder(disk: Disk, folder: string): number {
  return lock(disk, join(folder, "lock"), folder);
}

/**
 * Locks a file by another one beside it, and makes their folder if it is missing.
 * @returns the descriptor that holds the lock
 * @throws StartError in one line
 */
export function lockFile(disk: Disk, path: string): number {
  return lock(disk, `${path}.lock`, path);
}

/** @param what is locked, for the error */
function lock(disk: Disk, path: string, what: string): number {
  let fd: number;
  try {
    makeFolder(disk, resolve(dirname(path)));
    fd = disk.openSync(path, "a");
  } catch (error) {
    throw new StartError(`cannot write ${what}: ${reasonOf(error)}`);
  }
  if (process.platform === "linux" && libc().flock(fd, EXCLUSIVE_AT_ONCE) !== 0) {
    disk.closeSync(fd);
    throw new StartError(`cannot use ${what}: another process has it`);
  }
  return fd;
}

/** Makes a folder and what is missing above it, durably. */
function makeFolder(disk: Disk, folder: string): void {
  const topmost = disk.mkdirSync(folder, { recursive: true });
  if (topmost === undefined) return;
  for (let made = folder; made.length >= topmost.length; made = dirname(made)) {
    syncFolderSync(disk, dirname(made));
  }
}
