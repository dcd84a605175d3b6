import * as fs from "node:fs";
import { dirname, resolve } from "node:path";
import { removeSync, syncFolderSync } from "../disk.ts";

/**
 * A file that has its name only once it is whole and on disk. One that has the
 * name already stays until then. A device or a pipe is written as it is.
 */
export class WholeFile {
  /** Bytes written. */
  size = 0;
  readonly #path: string;
  /** Where the bytes are until the file is whole. */
  readonly #writing: string;
  readonly #fd: number;
  #isOpen = true;

  /** @throws the system's error */
  constructor(path: string) {
    const there = fs.statSync(path, { throwIfNoEntry: false });
    // What a link leads to is replaced, and not the link.
    this.#path = there === undefined ? path : fs.realpathSync(path);
    const isFile = there === undefined || there.isFile();
    this.#writing = isFile ? `${this.#path}.unfinished` : this.#path;
    this.#fd = fs.openSync(this.#writing, "w", 0o600);
  }

  /** Adds bytes at its end. @throws the system's error */
  write(bytes: Uint8Array | string): void {
    fs.writeFileSync(this.#fd, bytes);
    this.size += typeof bytes === "string" ? Buffer.byteLength(bytes) : bytes.length;
  }

  /** Gives the file its name, in the place of one that has it. @throws the system's error */
  finish(): void {
    if (this.#writing === this.#path) return this.#close();
    fs.fdatasyncSync(this.#fd);
    this.#close();
    fs.renameSync(this.#writing, this.#path);
    syncFolderSync(fs, dirname(resolve(this.#path)));
  }

  /** Removes what has not got its name. */
  abandon(): void {
    this.#close();
    if (this.#writing !== this.#path) removeSync(fs, this.#writing);
  }

  #close(): void {
    if (this.#isOpen) fs.closeSync(this.#fd);
    this.#isOpen = false;
  }
}

/** Writes a file by `fill`, and gives it its name once that has returned true. @throws what `fill` throws; the system's error */
export async function writeWhole(
  path: string,
  fill: (file: WholeFile) => boolean | Promise<boolean>,
): Promise<void> {
  const file = new WholeFile(path);
  let isThere = false;
  try {
    if (!(await fill(file))) return;
    file.finish();
    isThere = true;
  } finally {
    if (!isThere) file.abandon();
  }
}
