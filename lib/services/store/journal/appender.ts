import { reasonOf } from "../../../config/reason.ts";
import type { Clock } from "../../../host/clock.ts";
import { Batch, HEADER } from "./batch.ts";
import { type JournalFile, STEP } from "./journal-file.ts";

/** Milliseconds between two attempts on a disk that refuses. */
const RETRY_MS = 250;

export interface AppenderOptions {
  clock: Pick<Clock, "now" | "every">;
  /** Called once when writes begin to be refused, and once when they are taken again. */
  onTrouble: (message: string) => void;
}

/**
 * Writes records to the current file of the journal, a batch at a time, and
 * syncs it, with one sync at a time while the next batches gather.
 */
export class Appender {
  /** Batches written. */
  written = 0;
  /** Batches known to be on disk: never more than `written`. */
  synced = 0;
  syncs = 0;
  /** Bytes of batches written, with their headers. */
  bytes = 0;
  /** The reason why writes are refused, in words, or null. */
  trouble: string | null = null;
  /** True after a failed sync: what reached the disk is unknown until a snapshot covers it. */
  needsSnapshot = false;
  /** Called when more batches are known to be on disk: `synced` has grown. */
  onSynced = (): void => {};
  readonly #options: AppenderOptions;
  #file: JournalFile;
  readonly #batch = new Batch();
  /** Bytes of records that were reserved since the last write, appended or not. */
  #reserved = 0;
  #syncing: Promise<void> | null = null;
  /** True while no sync may begin. */
  #held = false;
  #ended = false;
  /** True while the batch waits for another attempt to write it. */
  #writeFailing = false;
  #endRetries = (): void => {};
  /** Each is called once, when a sync has ended or something has failed. */
  #onProgress: (() => void)[] = [];

  constructor(file: JournalFile, options: AppenderOptions) {
    this.#file = file;
    this.#options = options;
  }

  get generation(): number {
    return this.#file.generation;
  }

  /** True if something was appended that is not written yet. */
  get pending(): boolean {
    return this.#batch.length > 0;
  }

  /** True if nothing has been written to the current file. */
  get fresh(): boolean {
    return this.#file.position === 0;
  }

  /** Reserves room for `bytes` more bytes of records, until the next write. @returns true if they can surely be written */
  reserve(bytes: number): boolean {
    if (this.trouble !== null) return false;
    const reserved = Math.max(this.#reserved, this.#batch.length) + bytes;
    const end = this.#file.position + HEADER + reserved;
    if (end > this.#file.room && !this.#makeRoom(end)) return false;
    this.#reserved = reserved;
    return true;
  }

  /** Adds a record to the batch. @throws Error when it is not a line of `bytes` bytes, or after `close` */
  append(text: string, bytes: number): void {
    if (this.#ended) throw new Error("the journal is closed");
    this.#batch.append(text, bytes);
  }

  /** Writes the batch and begins a sync if none is under way. */
  write(): void {
    // A batch that the disk refused waits for the next attempt, and grows meanwhile.
    if (!this.#writeFailing && !this.#ended) this.#writeBatch();
  }

  /** Lets no sync begin until `switchTo` or `release`; resolves when none is under way. */
  async hold(): Promise<void> {
    this.#held = true;
    await this.#syncing;
  }

  release(): void {
    this.#held = false;
    this.#sync();
  }

  /**
   * Resolves with true once everything appended so far is on disk, with false
   * when that is not sure, since writing or syncing fails or has ended.
   */
  async caughtUp(): Promise<boolean> {
    const batches = this.written + (this.pending ? 1 : 0);
    while (this.synced < batches) {
      if (this.#ended || this.#writeFailing || this.needsSnapshot) return false;
      await new Promise<void>((resolve) => this.#onProgress.push(resolve));
    }
    return true;
  }

  /** Goes on in another file, after syncing this one: a later record must not outlive an earlier one. Only while held. */
  switchTo(fresh: JournalFile): void {
    const old = this.#file;
    this.write();
    old.cut(old.position);
    try {
      if (!this.needsSnapshot) {
        old.syncSync();
        this.syncs++;
        this.synced = this.written;
      }
    } catch (error) {
      this.#syncFailed(error);
    }
    old.close();
    this.#file = fresh;
    this.release();
    this.onSynced();
  }

  /** A snapshot holds all up to this batch: it no longer matters which batches reached the disk. */
  coveredUpTo(batches: number): void {
    this.needsSnapshot = false;
    this.synced = batches;
    this.#retry();
    this.#sync();
    this.onSynced();
  }

  /** Writes, syncs, gives back unused room and closes the file. @returns bytes of records that could not be written */
  async close(): Promise<number> {
    this.#ended = true;
    this.#progressed();
    this.#writeBatch();
    this.#endRetries();
    while (this.#syncing !== null) await this.#syncing;
    this.#file.cut(this.#file.position);
    this.#file.close();
    return this.#batch.length;
  }

  #makeRoom(end: number): boolean {
    const error = this.#file.extend(end, Math.max(end, this.#file.room + STEP));
    if (error === null) return true;
    // When only records longer than a step do not fit, shorter ones are still taken.
    if (end <= this.#file.position + STEP || !this.#hasStep()) this.#fail("write", error);
    return false;
  }

  /** Makes room for a step after the last batch. @returns false when the disk refuses */
  #hasStep(): boolean {
    const end = this.#file.position + STEP;
    return this.#file.extend(end, end) === null;
  }

  #writeBatch(): void {
    if (this.#batch.length > 0) {
      const batch = this.#batch.sealed();
      try {
        this.#file.write(batch);
      } catch (error) {
        this.#writeFailing = true;
        this.#fail("write", error);
        return;
      }
      this.#writeFailing = false;
      this.written++;
      this.bytes += batch.length;
      this.#batch.clear();
    }
    this.#reserved = 0;
    this.#sync();
  }

  #sync(): void {
    const batches = this.written;
    if (batches === this.synced || this.#syncing !== null) return;
    if (this.#held || this.needsSnapshot) return;
    this.#syncing = this.#file.sync().then(
      () => {
        this.#syncing = null;
        this.syncs++;
        this.synced = batches;
        this.#sync();
        this.onSynced();
        this.#progressed();
      },
      (error) => {
        this.#syncing = null;
        this.#syncFailed(error);
      },
    );
  }

  #progressed(): void {
    for (const resolve of this.#onProgress.splice(0)) resolve();
  }

  /** Waits for a snapshot: the kernel may have dropped what it could not write, and report success for this file the next time. */
  #syncFailed(error: unknown): void {
    this.needsSnapshot = true;
    this.#fail("sync", error);
  }

  #fail(what: "write" | "sync", error: unknown): void {
    this.#progressed();
    const first = this.trouble === null;
    this.trouble = `cannot ${what}: ${reasonOf(error)}`;
    if (!first) return;
    const message = `cannot ${what} ${this.#file.path}: ${reasonOf(error)}; writes are refused`;
    this.#options.onTrouble(message);
    if (!this.#ended) this.#endRetries = this.#options.clock.every(RETRY_MS, () => this.#retry());
  }

  /** Tries again, and ends the trouble once there is room for a step: with less it would soon return. */
  #retry(): void {
    if (this.trouble === null || this.needsSnapshot) return;
    this.#writeBatch();
    if (this.#writeFailing || !this.#hasStep()) return;
    this.#endRetries();
    this.trouble = null;
    this.#options.onTrouble(`writing ${this.#file.path} again`);
  }
}
