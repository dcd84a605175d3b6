import * as fs from "node:fs";
import { join } from "node:path";
import { reasonOf } from "../../../config/reason.ts";
import { type Disk, isFailure, remove, syncFolder, syncFolderSync } from "../../../host/disk.ts";
import { StartError } from "../../../host/errors.ts";
import { type Lock, lockFolder } from "../../../host/lock.ts";
import { Appender, type AppenderOptions } from "./appender.ts";
import { JournalFile, STEP } from "./journal-file.ts";
import { journalName, recover } from "./recover.ts";
import { writeSnapshot } from "./snapshot.ts";

/** Milliseconds after a failed snapshot in which none is due. */
const SNAPSHOT_RETRY_MS = 10_000;

export interface JournalOptions extends AppenderOptions {
  /** Bytes of batches after which a snapshot is due, unless the last one is larger than that. */
  snapshotBytes: number;
  /** Told other news for the operator: the remains of a crash, a failed snapshot. */
  onNote: (message: string) => void;
  /** Default: `node:fs`. */
  disk?: Disk;
}

/** Counted since the journal was opened. */
export interface JournalCounters {
  batches: number;
  syncs: number;
  snapshots: number;
  /** Bytes of batches written, with their headers. */
  bytes: number;
}

/**
 * An append-only journal of records, each a JSON array on a line, in a folder:
 * `snapshot` and after it `journal.N`, `journal.N+1` and so on. The records
 * appended between two writes are one batch, which is on disk as a whole or not
 * at all.
 */
export class Journal {
  readonly folder: string;
  /** Called when more batches are known to be on disk: `synced` has grown. */
  onSynced = (): void => {};
  readonly #options: JournalOptions;
  readonly #disk: Disk;
  readonly #lock: Lock;
  /** Null before `load`. */
  #appender: Appender | null = null;
  /** Generations before the current one that no snapshot covers yet. */
  #older: number[] = [];
  /** `size` without the batches written since the folder was opened; below 0 once a snapshot covers some of them. */
  #sizeBefore = 0;
  #snapshotSize = 0;
  #snapshots = 0;
  #snapshotting: Promise<boolean> | null = null;
  #snapshotAt = -Infinity;
  #snapshotFailing = false;
  #closing: Promise<void> | null = null;

  /**
   * Opens a folder, which is made if it is missing, for this journal alone.
   * @throws StartError in one line
   */
  constructor(folder: string, options: JournalOptions) {
    this.folder = folder;
    this.#options = options;
    this.#disk = options.disk ?? fs;
    this.#lock = lockFolder(this.#disk, folder);
  }

  /**
   * Reads every record, those of the snapshot first, in order, and repairs
   * the damage of a crash. Called once, before anything is appended. When it
   * throws, the journal is closed.
   * @throws StartError when a file cannot be read or made; Error when a whole batch holds no records
   */
  load(apply: (record: unknown[]) => void): void {
    try {
      const found = recover(this.#disk, this.folder, apply, this.#options.onNote);
      this.#older = found.older;
      this.#sizeBefore = found.size;
      this.#snapshotSize = found.snapshotSize;
      this.#appender = new Appender(this.#open(found.generation, found.position), this.#options);
      this.#appender.onSynced = () => this.onSynced();
      if (found.position === null) syncFolderSync(this.#disk, this.folder);
    } catch (error) {
      this.#closing = Promise.resolve();
      this.#lock.release();
      if (!isFailure(error)) throw error;
      throw new StartError(`cannot load ${this.folder}: ${reasonOf(error)}`);
    }
  }

  /** Batches written since the journal was opened. */
  get written(): number {
    return this.#appender?.written ?? 0;
  }

  /** Batches of `written` that are known to be on disk. */
  get synced(): number {
    return this.#appender?.synced ?? 0;
  }

  /** True if something was appended that is not written yet: it will be the next batch. */
  get pending(): boolean {
    return this.#appender?.pending ?? false;
  }

  /** The reason why writes are refused, in words, or null. */
  get trouble(): string | null {
    return this.#appender?.trouble ?? null;
  }

  /** True if writes are refused for another reason than want of room. */
  get failing(): boolean {
    return this.#appender?.failing ?? false;
  }

  /** True after a failed sync: what reached the disk is unknown until a snapshot covers it. */
  get needsSnapshot(): boolean {
    return this.#appender?.needsSnapshot ?? false;
  }

  /** Bytes of batches since the last snapshot. */
  get size(): number {
    return this.#sizeBefore + (this.#appender?.bytes ?? 0);
  }

  get counters(): JournalCounters {
    const { written = 0, syncs = 0, bytes = 0 } = this.#appender ?? {};
    return { batches: written, syncs, snapshots: this.#snapshots, bytes };
  }

  /** True when it is time to call `snapshot`. */
  get snapshotDue(): boolean {
    if (this.#busy || this.#options.clock.now() < this.#snapshotAt) return false;
    const enough = Math.max(this.#options.snapshotBytes, this.#snapshotSize);
    return this.needsSnapshot || this.size >= enough;
  }

  /**
   * Reserves room for `bytes` more bytes of records (in UTF-8), until the next
   * write.
   * @returns true if they can surely be written; if not, the disk is full or failing, and the caller must refuse the change
   */
  reserve(bytes: number): boolean {
    return this.#closing === null && this.#appender !== null && this.#appender.reserve(bytes);
  }

  /**
   * Adds a record to the next batch, reserved or not, even in trouble: it waits
   * in memory until the disk takes it.
   * @param text a JSON array and a newline
   * @param bytes its length in UTF-8
   * @throws Error when it is not a line of that length, or before `load` or after the end of `close`
   */
  append(text: string, bytes: number): void {
    if (this.#appender === null) throw new Error("the journal is not loaded");
    this.#appender.append(text, bytes);
  }

  /** Writes the appended records as one batch; a sync follows. */
  write(): void {
    this.#appender?.write();
  }

  /**
   * Writes all that the owner has, in slices. Records are meanwhile appended to
   * the next file of the journal, which is loaded after the snapshot. When the
   * snapshot is done, the older files are removed.
   * @param next the next slice, whole lines (64 kB are a good size), or null at the end
   * @returns true if it is done; if not, nothing is lost, and it is due again later
   */
  snapshot(next: () => string | null): Promise<boolean> {
    if (this.#appender === null || this.#busy) return Promise.resolve(false);
    this.#snapshotting = this.#takeSnapshot(this.#appender, next).finally(() => {
      this.#snapshotting = null;
    });
    return this.#snapshotting;
  }

  /** Writes, syncs, gives back unused room and unlocks the folder. A snapshot under way is abandoned. */
  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  /** True while no snapshot can begin. */
  get #busy(): boolean {
    return this.#appender === null || this.#snapshotting !== null || this.#closing !== null;
  }

  #open(generation: number, position: number | null): JournalFile {
    const path = join(this.folder, journalName(generation));
    return new JournalFile(this.#disk, path, generation, position);
  }

  async #takeSnapshot(appender: Appender, next: () => string | null): Promise<boolean> {
    try {
      // A file without a batch is left from a failed attempt and is used again: a full disk must not fill with such files.
      if (!appender.fresh && !(await this.#advance(appender))) return false;
      const { size } = this;
      const { generation, written, needsSnapshot } = appender;
      const abandoned = () => this.#closing !== null;
      // After a failed sync changes are refused, so the snapshot needs nothing of the journal.
      const caughtUp = async () => needsSnapshot || (await appender.caughtUp());
      const length = await writeSnapshot(
        this.#disk,
        this.folder,
        generation,
        next,
        abandoned,
        caughtUp,
      );
      if (length === null) {
        // No delay after a failed sync: writes are refused until there is a snapshot.
        if (!appender.needsSnapshot) this.#delaySnapshot();
        return false;
      }
      for (const older of this.#older) {
        await remove(this.#disk, join(this.folder, journalName(older)));
      }
      this.#older = [];
      this.#sizeBefore -= size;
      this.#snapshotSize = length;
      this.#snapshots++;
      if (needsSnapshot) appender.coveredUpTo(written);
      if (this.#snapshotFailing) this.#options.onNote(`wrote a snapshot of ${this.folder} again`);
      this.#snapshotFailing = false;
      return true;
    } catch (error) {
      this.#delaySnapshot();
      if (!isFailure(error)) throw error;
      if (!this.#snapshotFailing) {
        this.#options.onNote(`cannot write a snapshot of ${this.folder}: ${reasonOf(error)}`);
      }
      this.#snapshotFailing = true;
      return false;
    }
  }

  #delaySnapshot(): void {
    this.#snapshotAt = this.#options.clock.now() + SNAPSHOT_RETRY_MS;
  }

  /** Makes the next file while the current one is in use, and goes on in it. @returns false when the journal is closing */
  async #advance(appender: Appender): Promise<boolean> {
    const next = this.#open(appender.generation + 1, null);
    let ready = false;
    try {
      next.grow(STEP);
      await next.sync();
      await syncFolder(this.#disk, this.folder);
      await appender.hold();
      ready = this.#closing === null;
    } finally {
      if (!ready) {
        appender.release();
        next.close();
        await remove(this.#disk, next.path);
      }
    }
    if (!ready) return false;
    this.#older.push(appender.generation);
    appender.switchTo(next);
    return true;
  }

  async #finish(): Promise<void> {
    await this.#snapshotting?.catch(() => {});
    const unwritten = await this.#appender?.close();
    if (unwritten) this.#options.onNote(`closed ${this.folder} with ${unwritten} bytes unwritten`);
    this.#lock.release();
  }
}
