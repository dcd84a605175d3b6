import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createZstdCompress } from "node:zlib";
import { dirname } from "node:path";
import { reasonOf } from "../../../config/reason.ts";
import type { Clock } from "../../../host/clock.ts";
import { type Disk, isFailure, removeSync, syncFolderSync } from "../../../host/disk.ts";
import { backupAt, backupPath, COMPRESSED, exists, removeBackup } from "./names.ts";

/** The settings for rotated files. */
export interface OldFileSettings {
  readonly compresses: boolean;
  /** Days after which a file is removed; 0 for never. */
  readonly days: number;
  /** Bytes that all rotated files may have together; 0 for any number. */
  readonly mostBytes: number;
}

export interface OldFileOptions {
  readonly disk: Disk;
  readonly clock: Pick<Clock, "every" | "wall">;
  readonly settings: () => OldFileSettings;
  readonly tell: (message: string, level: "WARNING" | "INFO") => void;
}

/** Milliseconds between two looks at the rotated files. */
const LOOK_MS = 5000;
const DAY_MS = 86_400_000;

/**
 * Compresses rotated files and removes old ones, away from the writing. The
 * newest rotated file stays as it is: a start reads its last line.
 */
export class OldFiles {
  readonly #path: string;
  readonly #options: OldFileOptions;
  readonly #stop: () => void;
  #compressing: Promise<void> | null = null;
  #isClosing = new AbortController();
  #hasFailed = false;

  /** Removes what an earlier run has left unfinished. */
  constructor(path: string, options: OldFileOptions) {
    this.#path = path;
    this.#options = options;
    removeSync(options.disk, this.#unfinished);
    for (let age = 0; backupAt(options.disk, path, age) !== null; age++) {
      const plain = backupPath(path, age);
      // It was compressed, and not yet removed.
      if (exists(options.disk, plain)) removeSync(options.disk, plain + COMPRESSED);
    }
    this.#stop = options.clock.every(LOOK_MS, () => this.look());
  }

  /** Does what is due; compressing goes on behind it. */
  look(): void {
    this.#removeOld();
    const { settings } = this.#options;
    if (!settings().compresses || this.#compressing !== null) return;
    const next = this.#nextPlain();
    if (next === null) return;
    this.#compressing = this.#compress(next)
      .catch((error) => this.#failed(error))
      .finally(() => {
        this.#compressing = null;
      });
  }

  /** Gives up what is under way: the next start begins it anew. */
  async close(): Promise<void> {
    this.#stop();
    this.#isClosing.abort();
    await this.#compressing;
  }

  get #unfinished(): string {
    return `${this.#path}.compressing`;
  }

  /** The age of the oldest file that is not compressed, besides the newest. */
  #nextPlain(): number | null {
    const { disk } = this.#options;
    let found: number | null = null;
    for (let age = 1; ; age++) {
      const file = backupAt(disk, this.#path, age);
      if (file === null) return found;
      if (!file.endsWith(COMPRESSED)) found = age;
    }
  }

  async #compress(age: number): Promise<void> {
    const { disk } = this.#options;
    const source = backupPath(this.#path, age);
    const { dev, ino } = disk.statSync(source);
    await pipeline(
      createReadStream(source),
      createZstdCompress(),
      createWriteStream(this.#unfinished, { flush: true }),
      { signal: this.#isClosing.signal },
    );
    // It may have been moved on by a rotation meanwhile, or removed.
    for (let at = age; ; at++) {
      const plain = backupPath(this.#path, at);
      if (backupAt(disk, this.#path, at) === null) return removeSync(disk, this.#unfinished);
      if (!exists(disk, plain)) continue;
      const found = disk.statSync(plain);
      if (found.dev !== dev || found.ino !== ino) continue;
      disk.renameSync(this.#unfinished, plain + COMPRESSED);
      syncFolderSync(disk, dirname(this.#path));
      disk.unlinkSync(plain);
      this.#hasFailed = false;
      return;
    }
  }

  #failed(error: unknown): void {
    removeSync(this.#options.disk, this.#unfinished);
    if (this.#isClosing.signal.aborted || this.#hasFailed) return;
    if (!isFailure(error)) throw error;
    this.#hasFailed = true;
    const why = reasonOf(error);
    this.#options.tell(`cannot compress the rotated files of ${this.#path}: ${why}`, "WARNING");
  }

  #removeOld(): void {
    const { disk, clock, settings } = this.#options;
    const { days, mostBytes } = settings();
    if (days === 0 && mostBytes === 0) return;
    const latest = clock.wall() - days * DAY_MS;
    let bytes = 0;
    let last = -1;
    const sizes: { size: number; mtimeMs: number }[] = [];
    for (;;) {
      const file = backupAt(disk, this.#path, last + 1);
      if (file === null) break;
      const found = disk.statSync(file);
      sizes.push(found);
      bytes += found.size;
      last++;
    }
    for (; last >= 0; last--) {
      const { size, mtimeMs } = sizes[last] as (typeof sizes)[number];
      const isOld = days > 0 && mtimeMs < latest;
      const isMuch = mostBytes > 0 && bytes > mostBytes;
      if (!isOld && !isMuch) return;
      removeBackup(disk, this.#path, last);
      bytes -= size;
      const why = isOld ? `it is older than ${days} days` : `all have more than ${mostBytes} bytes`;
      this.#options.tell(`${backupPath(this.#path, last)} is removed: ${why}`, "INFO");
    }
  }
}
