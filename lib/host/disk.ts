/** The calls to the file system that files which must not be lost need: `node:fs`, unless a test watches them or makes one fail. */
export interface Disk {
  openSync(path: string, flags: string): number;
  closeSync(fd: number): void;
  fstatSync(fd: number): { size: number; dev: number; ino: number; nlink: number };
  readSync(fd: number, bytes: Buffer, offset: number, length: number, position: number): number;
  /** @param position null appends, to a file that was opened for that */
  writeSync(
    fd: number,
    bytes: Buffer,
    offset: number,
    length: number,
    position: number | null,
  ): number;
  write(
    fd: number,
    bytes: Buffer,
    offset: number,
    length: number,
    position: number,
    then: (error: Error | null, written: number) => void,
  ): void;
  ftruncateSync(fd: number, length: number): void;
  fdatasync(fd: number, then: (error: Error | null) => void): void;
  fdatasyncSync(fd: number): void;
  fsync(fd: number, then: (error: Error | null) => void): void;
  fsyncSync(fd: number): void;
  copyFileSync(from: string, to: string): void;
  statSync(path: string): { size: number; dev: number; ino: number; mtimeMs: number };
  renameSync(from: string, to: string): void;
  unlink(path: string, then: (error: Error | null) => void): void;
  unlinkSync(path: string): void;
  mkdirSync(path: string, options: { recursive: true }): string | undefined;
  readdirSync(path: string): string[];
}

/** Windows cannot open a folder, and makes its names durable by itself. */
const FOLDERS_OPEN = process.platform !== "win32";

/** Makes the names in a folder durable: a file that was synced can still lose its name. @throws the system's error */
export function syncFolderSync(disk: Disk, folder: string): void {
  if (!FOLDERS_OPEN) return;
  const fd = disk.openSync(folder, "r");
  try {
    disk.fsyncSync(fd);
  } finally {
    disk.closeSync(fd);
  }
}

/** The same on the thread pool. Rejects with the system's error. */
export async function syncFolder(disk: Disk, folder: string): Promise<void> {
  if (!FOLDERS_OPEN) return;
  const fd = disk.openSync(folder, "r");
  try {
    await done((then) => disk.fsync(fd, then));
  } finally {
    disk.closeSync(fd);
  }
}

/** Syncs a file on the thread pool. Rejects with the system's error. */
export function synced(disk: Disk, fd: number): Promise<void> {
  return done((then) => disk.fdatasync(fd, then));
}

function done(call: (then: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => (error ? reject(error) : resolve()));
  });
}

/** Removes a file if it can. The next start ignores a file that stays, and tries again. */
export function removeSync(disk: Disk, path: string): void {
  try {
    disk.unlinkSync(path);
  } catch {
    // Usually there is no such file.
  }
}

/** The same on the thread pool, since a large file takes time. Never rejects. */
export function remove(disk: Disk, path: string): Promise<void> {
  return new Promise((resolve) => disk.unlink(path, () => resolve()));
}

/** Writes all bytes at a position. @throws the system's error */
export function writeAllSync(disk: Disk, fd: number, bytes: Buffer, position: number): void {
  for (let at = 0; at < bytes.length;) {
    at += some(disk.writeSync(fd, bytes, at, bytes.length - at, position + at));
  }
}

/** Writes all bytes at a position on the thread pool. Rejects with the system's error. */
export async function writeAll(
  disk: Disk,
  fd: number,
  bytes: Buffer,
  position: number,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await new Promise<number>((resolve, reject) => {
      disk.write(fd, bytes, at, bytes.length - at, position + at, (error, written) =>
        error ? reject(error) : resolve(some(written)),
      );
    });
  }
}

/** Bytes that were taken. @throws Error when there were none: retries might never end */
export function some(written: number): number {
  if (written === 0) throw failure("nothing was written");
  return written;
}

/** A failure of the disk that the system has no error for. */
export function failure(message: string): Error {
  return Object.assign(new Error(message), { code: "EIO" });
}

/** True if an error came from the disk, not from a bug. */
export function isFailure(error: unknown): boolean {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).code === "string";
}
