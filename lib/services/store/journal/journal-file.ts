import { type Disk, some, synced, writeAllSync } from "../../../host/disk.ts";

/** Bytes of zeros that are written at a time. */
export const STEP = 1024 * 1024;

const ZEROS = Buffer.alloc(STEP);

/**
 * A file of batches, which are written over zeros that are already there: so a
 * full disk shows before a record is accepted, not after.
 */
export class JournalFile {
  readonly path: string;
  readonly generation: number;
  /** The position of the first batch, behind the first line. */
  readonly start: number;
  /** The position of the next batch. */
  position: number;
  /** Size of the file in bytes, batches and zeros. */
  room: number;
  readonly #disk: Disk;
  readonly #fd: number;

  /**
   * Opens a file to go on in it.
   * @param start the position of its first batch
   * @param position the position of the next one
   * @throws the system's error
   */
  constructor(disk: Disk, path: string, generation: number, start: number, position: number) {
    this.path = path;
    this.generation = generation;
    this.start = start;
    this.position = this.room = position;
    this.#disk = disk;
    this.#fd = disk.openSync(path, "r+");
  }

  /** Makes a file with its first line. It is not synced yet. @throws the system's error */
  static make(disk: Disk, path: string, generation: number, line: string): JournalFile {
    const bytes = Buffer.from(line);
    const fd = disk.openSync(path, "w");
    try {
      writeAllSync(disk, fd, bytes, 0);
    } finally {
      disk.closeSync(fd);
    }
    return new JournalFile(disk, path, generation, bytes.length, bytes.length);
  }

  /** True if no batch has been written to it. */
  get isFresh(): boolean {
    return this.position === this.start;
  }

  /** Writes zeros up to `end`; when the disk refuses, `room` tells how far it came. @throws the system's error */
  grow(end: number): void {
    while (this.room < end) {
      const length = Math.min(ZEROS.length, end - this.room);
      this.room += some(this.#disk.writeSync(this.#fd, ZEROS, 0, length, this.room));
    }
  }

  /** Grows to `wanted`, or as far as the disk allows if that is at least `needed`. @returns null, or the error; nothing has changed then */
  extend(needed: number, wanted: number): unknown {
    const before = this.room;
    try {
      this.grow(wanted);
    } catch (error) {
      if (this.room >= needed) return null;
      this.cut(before);
      return error;
    }
    return null;
  }

  /** Gives back the zeros beyond `end`. */
  cut(end: number): void {
    try {
      this.#disk.ftruncateSync(this.#fd, end);
      this.room = end;
    } catch {
      // Zeros that stay are recognised when the file is loaded.
    }
  }

  /** Writes the next batch; the next attempt writes over the remains of a failed one. @throws the system's error */
  write(batch: Buffer): void {
    writeAllSync(this.#disk, this.#fd, batch, this.position);
    this.position += batch.length;
    this.room = Math.max(this.room, this.position);
  }

  /** Syncs on the thread pool. Rejects with the system's error. */
  sync(): Promise<void> {
    return synced(this.#disk, this.#fd);
  }

  /** @throws the system's error */
  syncSync(): void {
    this.#disk.fdatasyncSync(this.#fd);
  }

  close(): void {
    try {
      this.#disk.closeSync(this.#fd);
    } catch {
      // It is closed all the same, and only the syncs tell what is on disk.
    }
  }
}

/** Syncs a file that is not written any more. @throws the system's error */
export function syncAgain(disk: Disk, path: string): void {
  const fd = disk.openSync(path, "r+");
  try {
    disk.fdatasyncSync(fd);
  } finally {
    disk.closeSync(fd);
  }
}
