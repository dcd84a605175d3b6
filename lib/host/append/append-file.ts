import { dirname } from "node:path";
import { type Disk, some, synced, syncFolder } from "../disk.ts";

/** Device and inode, which tell a file from another one at the same path. */
function identityOf({ dev, ino }: { dev: number; ino: number }): string {
  return `${dev}:${ino}`;
}

/** A file that only grows, with its folder. */
export class AppendFile {
  readonly path: string;
  /** Bytes in it. */
  size: number;
  readonly #disk: Disk;
  readonly #fd: number;
  readonly #identity: string;

  /** Opens a file, or makes it and what is missing of its folder. @throws the system's error */
  constructor(disk: Disk, path: string) {
    this.path = path;
    this.#disk = disk;
    disk.mkdirSync(dirname(path), { recursive: true });
    this.#fd = disk.openSync(path, "a+");
    const found = disk.fstatSync(this.#fd);
    this.size = found.size;
    this.#identity = identityOf(found);
  }

  /** Appends as much of a range as the disk takes in one call. @returns the bytes taken, at least 1 @throws the system's error */
  append(bytes: Buffer, start: number, end: number): number {
    const taken = some(this.#disk.writeSync(this.#fd, bytes, start, end - start, null));
    this.size += taken;
    return taken;
  }

  /** True once the file has no name any more: what is in it goes with it. */
  get isRemoved(): boolean {
    return this.#disk.fstatSync(this.#fd).nlink === 0;
  }

  /**
   * Looks at the path: whoever moved or removed the file, or put another one in
   * its place, wants a new one. One that was emptied in place is still this one,
   * and `size` is right again.
   */
  get isElsewhere(): boolean {
    try {
      const found = this.#disk.statSync(this.path);
      if (identityOf(found) !== this.#identity) return true;
      this.size = Math.min(this.size, found.size);
      return false;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return code === "ENOENT" || code === "ENOTDIR";
    }
  }

  /** Takes away all bytes from `size` on; a file that is shorter stays as it is. @throws the system's error */
  cut(size: number): void {
    const { size: before } = this.#disk.fstatSync(this.#fd);
    if (before > size) this.#disk.ftruncateSync(this.#fd, size);
    this.size = Math.min(before, size);
  }

  /** Reads a range. @returns the bytes read: fewer at the end of the file @throws the system's error */
  read(bytes: Buffer, position: number): number {
    return this.#disk.readSync(this.#fd, bytes, 0, bytes.length, position);
  }

  /** Syncs on the thread pool. Rejects with the system's error. */
  sync(): Promise<void> {
    return synced(this.#disk, this.#fd);
  }

  /** Makes the names in the file's folder durable. Rejects with the system's error. */
  syncFolder(): Promise<void> {
    return syncFolder(this.#disk, dirname(this.path));
  }

  close(): void {
    try {
      this.#disk.closeSync(this.#fd);
    } catch {
      // It is closed all the same, and only the syncs tell what is on disk.
    }
  }
}
