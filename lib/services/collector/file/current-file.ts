import { AppendFile } from "../../../host/append/append-file.ts";
import { type Disk, failure } from "../../../host/disk.ts";

/** Bytes of the end of a line that are looked at. */
export const ENDING = 64;

/** The file that lines are written to at present, and how much of it is known to be on disk. */
export class CurrentFile {
  readonly #file: AppendFile;
  #onDisk: number;
  /** Its name is on disk, too. */
  #isNamed = false;

  /** Opens a file, or makes it and what is missing of its folder. @throws the system's error */
  constructor(disk: Disk, path: string) {
    this.#file = new AppendFile(disk, path);
    this.#onDisk = this.size;
  }

  get size(): number {
    return this.#file.size;
  }

  /** True once the file has no name any more: what is in it goes with it. */
  get isRemoved(): boolean {
    return this.#file.isRemoved;
  }

  /** True when the path leads somewhere else. */
  get isElsewhere(): boolean {
    return this.#file.isElsewhere;
  }

  /** Appends what the disk takes of a range. @returns the bytes taken @throws the system's error */
  append(bytes: Buffer, start: number, end: number): number {
    return this.#file.append(bytes, start, end);
  }

  /** Looks whether somebody has emptied it in place. @returns true if it is shorter than what was written */
  shrank(): boolean {
    const before = this.#file.size;
    if (this.#file.isElsewhere || this.#file.size === before) return false;
    this.#onDisk = Math.min(this.#onDisk, this.#file.size);
    return true;
  }

  /** Bytes that are known to be on disk, to the end of a line. */
  get onDisk(): number {
    return this.#onDisk;
  }

  /** Without durability: what is written up to here counts as if it were on disk. */
  keep(upTo: number): void {
    this.#onDisk = upTo;
  }

  /**
   * Syncs it, and the first time its name. Rejects with the system's error, and
   * when it was removed.
   * @param upTo its size, to the end of a line: this much is on disk then
   */
  async sync(upTo: number): Promise<void> {
    await this.#file.sync();
    if (!this.#isNamed) await this.#syncName();
    if (this.isRemoved) throw failure("somebody has removed it");
    this.#onDisk = Math.min(upTo, this.size);
  }

  async #syncName(): Promise<void> {
    try {
      await this.#file.syncFolder();
      this.#isNamed = true;
    } catch (error) {
      // The name that somebody has given it elsewhere is theirs to keep.
      if (!this.isElsewhere) throw error;
    }
  }

  /** Takes away what is not known to be on disk. @throws the system's error */
  cutToDisk(): void {
    this.#file.cut(this.#onDisk);
  }

  /** Takes away a line that was cut short, if it can: else the next start does. */
  cutLine(begun: number): void {
    if (begun === 0) return;
    try {
      this.#file.cut(this.size - begun);
    } catch {
      // The next start moves it aside.
    }
  }

  /** The last bytes of the line that ends at a position, without its newline; none if they cannot be read. */
  ending(at: number): Buffer {
    const bytes = Buffer.alloc(Math.max(0, Math.min(ENDING, at - 1)));
    try {
      return bytes.subarray(0, this.#file.read(bytes, at - 1 - bytes.length));
    } catch {
      return bytes.subarray(0, 0);
    }
  }

  close(): void {
    this.#file.close();
  }
}
