import { utimesSync } from "node:fs";
import { dirname } from "node:path";
import { reasonOf } from "../../../config/reason.ts";
import type { Clock } from "../../../host/clock.ts";
import {
  type Disk,
  isFailure,
  removeSync,
  syncFolderSync,
  synced,
  writeAll,
} from "../../../host/disk.ts";
import { closeGaps, COMPRESSED, type OldFile, oldFilesOf } from "./names.ts";
import { Packing } from "./packing.ts";

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
/** Bytes that are compressed at a time. */
const PIECE = 256 * 1024;
const DAY_MS = 86_400_000;

/**
 * Compresses rotated files and removes old ones, away from the writing. The
 * newest rotated file stays as it is: a start may read its last line.
 */
export class OldFiles {
  readonly #path: string;
  readonly #options: OldFileOptions;
  readonly #stop: () => void;
  readonly #closing = new AbortController();
  #compressing: Promise<void> | null = null;
  #hasFailed = false;

  /** Removes what an earlier run has left unfinished, and closes the gaps that it has left. @throws the system's error */
  constructor(path: string, options: OldFileOptions) {
    const { disk, clock } = options;
    this.#path = path;
    this.#options = options;
    removeSync(disk, this.#unfinished);
    for (const { path: old, isCompressed } of oldFilesOf(disk, path)) {
      // It was compressed, and not yet removed.
      if (!isCompressed) removeSync(disk, old + COMPRESSED);
    }
    try {
      closeGaps(disk, path);
    } catch (error) {
      // Nobody here minds them, and the next rotation closes one.
      this.#failed(error);
    }
    this.#stop = clock.every(LOOK_MS, () => this.look());
  }

  /** Does what is due; compressing goes on behind it. */
  look(): void {
    try {
      this.#removeOld();
      if (!this.#options.settings().compresses || this.#compressing !== null) return;
      const next = oldFilesOf(this.#options.disk, this.#path).findLast(
        ({ age, isCompressed }) => age > 0 && !isCompressed,
      );
      if (next !== undefined) this.#begin(next);
      else this.#hasFailed = false;
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Gives up what is under way: the next start begins it anew. */
  async close(): Promise<void> {
    this.#stop();
    this.#closing.abort();
    await this.#compressing;
  }

  get #unfinished(): string {
    return `${this.#path}.compressing`;
  }

  #begin(file: OldFile): void {
    this.#compressing = this.#compress(file)
      .catch((error) => {
        removeSync(this.#options.disk, this.#unfinished);
        if (!this.#closing.signal.aborted) this.#failed(error);
      })
      .finally(() => {
        this.#compressing = null;
      });
  }

  /** The compressed file is on disk before it takes its name, and has it before the other one goes. */
  async #compress(file: OldFile): Promise<void> {
    const { disk } = this.#options;
    const source = disk.openSync(file.path, "r");
    try {
      const before = disk.fstatSync(source);
      await this.#pack(source);
      // A rotation may have moved it on meanwhile, or removed it.
      const now = oldFilesOf(disk, this.#path).find(({ path }) => {
        const { dev, ino } = disk.statSync(path);
        return dev === before.dev && ino === before.ino;
      });
      if (now === undefined || disk.fstatSync(source).size !== before.size) {
        return removeSync(disk, this.#unfinished);
      }
      const seconds = disk.statSync(now.path).mtimeMs / 1000;
      utimesSync(this.#unfinished, seconds, seconds);
      const packed = now.path + COMPRESSED;
      disk.renameSync(this.#unfinished, packed);
      try {
        syncFolderSync(disk, dirname(this.#path));
        disk.unlinkSync(now.path);
      } catch (error) {
        // Two files of the same lines would be read twice.
        removeSync(disk, packed);
        throw error;
      }
      this.#hasFailed = false;
    } finally {
      disk.closeSync(source);
    }
  }

  /** Writes an open file, compressed, to the unfinished one, and syncs it. */
  async #pack(source: number): Promise<void> {
    const { disk } = this.#options;
    const { signal } = this.#closing;
    const out = disk.openSync(this.#unfinished, "w");
    const packing = new Packing();
    try {
      let at = 0;
      for (let from = 0; ;) {
        const piece = Buffer.allocUnsafe(PIECE);
        const read = disk.readSync(source, piece, 0, PIECE, from);
        from += read;
        const packed = read > 0 ? await packing.add(piece.subarray(0, read)) : await packing.end();
        await writeAll(disk, out, packed, at);
        at += packed.length;
        signal.throwIfAborted();
        if (read === 0) break;
      }
      await synced(disk, out);
      signal.throwIfAborted();
    } finally {
      packing.close();
      disk.closeSync(out);
    }
  }

  #failed(error: unknown): void {
    if (!isFailure(error)) throw error;
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    const why = reasonOf(error);
    this.#options.tell(`cannot tidy the rotated files of ${this.#path}: ${why}`, "WARNING");
  }

  #removeOld(): void {
    const { disk, clock, settings, tell } = this.#options;
    const { days, mostBytes } = settings();
    if (days === 0 && mostBytes === 0) return;
    const latest = clock.wall() - days * DAY_MS;
    const files = oldFilesOf(disk, this.#path).map(({ path }) => ({ path, ...sizeOf(disk, path) }));
    let bytes = files.reduce((sum, { size }) => sum + size, 0);
    const [old, more]: [string[], string[]] = [[], []];
    try {
      for (const { path, size, mtimeMs } of files.toReversed()) {
        const isOld = days > 0 && mtimeMs < latest;
        if (!isOld && !(mostBytes > 0 && bytes > mostBytes)) return;
        disk.unlinkSync(path);
        bytes -= size;
        (isOld ? old : more).push(path);
      }
    } finally {
      // How many there are is in the hand of those who send: they are told together.
      if (old.length > 0) tell(`${listOf(old)} removed: older than ${days} days`, "INFO");
      if (more.length > 0)
        tell(`${listOf(more)} removed: all have more than ${mostBytes} bytes`, "INFO");
    }
  }
}

/** @param paths of at least one file, the oldest first */
function listOf(paths: readonly string[]): string {
  const [oldest = ""] = paths;
  return paths.length === 1 ? `${oldest} is` : `${oldest} to ${paths.at(-1)} are`;
}

function sizeOf(disk: Disk, path: string): { readonly size: number; readonly mtimeMs: number } {
  const { size, mtimeMs } = disk.statSync(path);
  return { size, mtimeMs };
}
