import { reasonOf } from "../../../config/reason.ts";
import { isFailure } from "../../../host/disk.ts";
import { CurrentFile } from "./current-file.ts";
import { moveAside } from "./names.ts";
import type { WriterOptions } from "./options.ts";

/** Milliseconds between two attempts. */
const SLOW_MS = 2000;

/** Puts full files aside. One that cannot be moved grows on, which is told once. */
export class Rotation {
  /** Files that were put aside. */
  rotations = 0;
  readonly #path: string;
  readonly #options: WriterOptions;
  #nextAt = 0;
  #hasFailed = false;

  constructor(path: string, options: WriterOptions) {
    this.#path = path;
    this.#options = options;
  }

  /** True while an attempt may be made. */
  get mayTry(): boolean {
    return this.#options.clock.now() >= this.#nextAt;
  }

  /** Moves the file at the path aside. @returns the file to go on in: the same one when that fails */
  rotate(file: CurrentFile): CurrentFile {
    const { disk, clock, settings, tell } = this.#options;
    try {
      moveAside(disk, this.#path, settings().backups);
      const fresh = new CurrentFile(disk, this.#path);
      this.rotations++;
      this.#hasFailed = false;
      return fresh;
    } catch (error) {
      if (!isFailure(error)) throw error;
      this.#nextAt = clock.now() + SLOW_MS;
      if (!this.#hasFailed) {
        tell(`cannot rotate ${this.#path}: ${reasonOf(error)}; it grows past its limit`, "ERROR");
      }
      this.#hasFailed = true;
      return file;
    }
  }
}
