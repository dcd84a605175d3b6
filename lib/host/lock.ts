import { createHash } from "node:crypto";
import { readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { reasonOf } from "../config/reason.ts";
import { type Disk, syncFolderSync } from "./disk.ts";
import { StartError } from "./errors.ts";
import { libc } from "./system/libc.ts";

/** LOCK_EX | LOCK_NB, from <sys/file.h>. */
const EXCLUSIVE_AT_ONCE = 2 | 4;
// From <sys/socket.h>.
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;

/**
 * A place on disk that this process has for itself. Two things hold it, which
 * the kernel lets go when the process ends, however it ends: a file that is
 * locked, for every process that sees this disk, and a name that only one
 * socket of the machine can have, since somebody may remove that file or move its folder.
 * Linux only; elsewhere nothing is locked.
 */
export class Lock {
  readonly #disk: Disk;
  readonly #file: number;
  #socket: number | null = null;

  /**
   * @param path of the file that is locked
   * @param what is locked, for the error
   * @throws StartError in one line
   */
  constructor(disk: Disk, path: string, what: string) {
    this.#disk = disk;
    try {
      makeFolder(disk, resolve(dirname(path)));
      this.#file = disk.openSync(path, "a");
    } catch (error) {
      throw new StartError(`cannot write ${what}: ${reasonOf(error)}`);
    }
    if (process.platform !== "linux") return;
    this.#socket = socketOf(nameOf(path));
    if (this.#socket === null || libc().flock(this.#file, EXCLUSIVE_AT_ONCE) !== 0) {
      this.release();
      throw new StartError(`cannot use ${what}: another process has it`);
    }
  }

  /** Lets others have it. */
  release(): void {
    try {
      this.#disk.closeSync(this.#file);
    } catch {
      // It is closed all the same.
    }
    if (this.#socket !== null && this.#socket >= 0) libc().close(this.#socket);
    this.#socket = null;
  }
}

/**
 * Makes a folder if it is missing and locks it: two journals in one folder
 * would write over each other.
 * @throws StartError in one line
 */
export function lockFolder(disk: Disk, folder: string): Lock {
  return new Lock(disk, join(folder, "lock"), folder);
}

/**
 * Locks a file by another one beside it, and makes their folder if it is missing.
 * @throws StartError in one line
 */
export function lockFile(disk: Disk, path: string): Lock {
  return new Lock(disk, `${path}.lock`, path);
}

/** True if a folder that is there is locked at present. */
export function isLocked(disk: Disk, folder: string): boolean {
  if (process.platform !== "linux") return false;
  let fd: number;
  try {
    fd = disk.openSync(join(folder, "lock"), "r");
  } catch {
    return false;
  }
  const isFree = libc().flock(fd, EXCLUSIVE_AT_ONCE) === 0;
  disk.closeSync(fd);
  return !isFree;
}

/** The name of the socket for a path, whatever is there at present. */
function nameOf(path: string): string {
  const whole = join(realpathSync(dirname(path)), basename(path));
  return `summoner-lock-${createHash("sha256").update(whole).digest("hex")}`;
}

/** A socket of this name in the abstract namespace. @returns null when another one has the name; -1 when there can be none */
function socketOf(name: string): number | null {
  const socket = libc().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return socket;
  // A `sockaddr_un` whose name begins with NUL is no file.
  const address = Buffer.concat([
    new Uint8Array(Uint16Array.of(AF_UNIX).buffer),
    Buffer.from(`\0${name}`),
  ]);
  if (libc().bind(socket, address, address.length) === 0) return socket;
  libc().close(socket);
  // Where a sandbox forbids such names the file has to do.
  return isTaken(name) ? null : -1;
}

function isTaken(name: string): boolean {
  try {
    return readFileSync("/proc/net/unix", "utf8").includes(`@${name}`);
  } catch {
    return true;
  }
}

/** Makes a folder and what is missing above it, durably. */
function makeFolder(disk: Disk, folder: string): void {
  const topmost = disk.mkdirSync(folder, { recursive: true });
  if (topmost === undefined) return;
  for (let made = folder; made.length >= topmost.length; made = dirname(made)) {
    syncFolderSync(disk, dirname(made));
  }
}
