import * as fs from "node:fs";
import { join } from "node:path";
import { reasonOf } from "../../../config/reason.ts";
import { type Disk, isFailure, remove, syncFolder } from "../../../host/disk.ts";
import type { Clock } from "../../../host/clock.ts";
import { StartError } from "../../../host/errors.ts";
import { type Lock, lockFolder } from "../../../host/lock.ts";
import { Appender, type AppenderOptions, SPARE } from "./appender.ts";
import { JournalFile, STEP, syncAgain } from "./journal-file.ts";
import type { Doubts } from "./doubts.ts";
import { journalName, type Link, markName, snapshotName } from "./format.ts";
import { inOrder, type Terms } from "./read/in-order.ts";
import { look } from "./read/look.ts";
import { Room } from "./room.ts";
import { type Manifest, type Salvaged, writeManifest, writeManifestSync } from "./manifest.ts";
import { Mark } from "./mark.ts";
import { journalLine } from "./read/read-journals.ts";
import type { Slices } from "./rebase.ts";
import { writeSnapshot } from "./snapshot.ts";
import type { Apply, Survey } from "./read/survey.ts";

/** Milliseconds after a failed snapshot in which none is due. */
const SNAPSHOT_RETRY_MS = 10_000;

export interface JournalOptions extends AppenderOptions, Terms {
  clock: Pick<Clock, "now" | "after" | "wall">;
  /** Bytes of batches after which a snapshot is due, unless the last one is larger than that. */
  snapshotBytes: number;
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
 * An append-only journal of records, each a JSON array on a line, in a folder
 * (`format.ts`): a snapshot, and journals after it. The records appended between
 * two writes are one batch, which is on disk as a whole or not at all.
 */
export class Journal {
  readonly folder: string;
  /** Called when more batches are known to be on disk: `synced` has grown. */
  onSynced = (): void => {};
  /** The time of the last sync; clock milliseconds, null before the first. */
  syncedAt: number | null = null;
  /** The last snapshot that was made since the folder was opened. */
  lastSnapshot: { readonly at: number; readonly ms: number; readonly bytes: number } | null = null;
  readonly #options: JournalOptions;
  readonly #disk: Disk;
  readonly #lock: Lock;
  readonly #room: Room;
  /** Null before `load`, as the next two. */
  #appender: Appender | null = null;
  #manifest: Manifest | null = null;
  #mark: Mark | null = null;
  /** A journal that was made for the next snapshot and is not used yet. */
  #next: JournalFile | null = null;
  /** True once the manifest on disk may name it. */
  #nextIsNamed = false;
  /** The last batch before the current file. */
  #after: Link | null = null;
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
    this.#room = new Room(folder);
    this.#options = options;
    this.#disk = options.disk ?? fs;
    this.#lock = lockFolder(this.#disk, folder);
  }

  /**
   * Reads every record, those of the snapshot first, in order, and brings the
   * folder in order after a crash. Called once, before anything is appended.
   * When it throws, the journal is closed.
   * @param again all that was read, as slices of records; with `salvaged` with versions that nobody has seen.
   * It is asked for when the files are written anew: from an older format, or what is whole of damaged ones
   * @throws DamageError; StartError when a file cannot be read or made, or a newer version wrote it
   */
  load(apply: Apply, again: (salvaged: boolean) => Slices): void {
    try {
      const found = look(this.#disk, this.folder, apply);
      this.#manifest = inOrder(found, this.#options, again);
      this.#open(found);
    } catch (error) {
      this.#closing = Promise.resolve();
      this.#lock.release();
      if (!isFailure(error)) throw error;
      throw new StartError(`cannot load ${this.folder}: ${reasonOf(error)}`);
    }
  }

  /** Opens the files to go on in them. */
  #open(found: Survey): void {
    const { id, snapshot, journals, mark } = this.#manifest as Manifest;
    const generation = journals.at(-1) as number;
    const start = journalLine(id, generation).length;
    const isNew = found.form !== "current" || found.damages.length > 0;
    const read = isNew ? undefined : found.journals.at(-1);
    const last = isNew || found.last === null ? { number: found.highest, crc: 0 } : found.last;
    const path = (name: string) => join(this.folder, name);
    for (const older of journals.slice(0, -1)) syncAgain(this.#disk, path(journalName(older)));
    const file = new JournalFile(
      this.#disk,
      path(journalName(generation)),
      generation,
      start,
      read?.end ?? start,
    );
    // What a killed process wrote may not be on disk yet, and the next batches say that it is.
    if (!file.isFresh) file.syncSync();
    if (read !== undefined) {
      file.room = Math.min(read.size, read.end + SPARE);
      if (read.size > file.room) file.cut(file.room);
    }
    this.#older = journals.slice(0, -1);
    this.#sizeBefore = isNew ? 0 : found.journalSize;
    this.#snapshotSize =
      snapshot === null ? 0 : this.#disk.statSync(path(snapshotName(snapshot))).size;
    this.#mark = new Mark(this.#disk, path(markName(mark)), id, -1);
    this.#after = file.isFresh ? last : null;
    this.#appender = new Appender(file, last, this.#options);
    this.#appender.onSynced = () => {
      this.syncedAt = this.#options.clock.now();
      this.onSynced();
    };
    this.note();
  }

  /** Notes which batch is known to be on disk: called once a second, it costs a few bytes of the page cache. */
  note(): void {
    if (this.#appender !== null) this.#mark?.set(this.#appender.onDisk);
  }

  /** The damage that the folder was salvaged from, until it is acknowledged; or null. */
  get salvaged(): Salvaged | null {
    return this.#manifest?.salvaged ?? null;
  }

  /** An operator knows of the damage: from now on it is not told any more. @throws the system's error */
  acknowledge(): void {
    if (this.#manifest?.salvaged === undefined) return;
    const { salvaged: _, ...rest } = this.#manifest;
    writeManifestSync(this.#disk, this.folder, rest);
    this.#manifest = rest;
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

  /** The keys whose last change counts only once the disk works again; null while nothing waits for that. */
  get doubts(): Doubts | null {
    return this.#appender?.doubts ?? null;
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

  /** Bytes of batches since the last snapshot from which another one is due. */
  get snapshotFrom(): number {
    return Math.max(this.#options.snapshotBytes, this.#snapshotSize);
  }

  /** True when it is time to call `snapshot`. */
  get snapshotDue(): boolean {
    if (this.#busy || this.#options.clock.now() < this.#snapshotAt) return false;
    return this.needsSnapshot || this.size >= this.snapshotFrom;
  }

  /** True when a snapshot makes room on a disk that was full. @param live about the bytes that the records of all keys take */
  rewriteDue(live: number): boolean {
    if (this.#busy || this.#options.clock.now() < this.#snapshotAt) return false;
    return this.#room.isDue(this.#appender as Appender, this.#files, live);
  }

  /** What an operator of a full disk can do, in a sentence; null while it is not full. @param live as for `rewriteDue` */
  advice(live: number): string | null {
    return this.#appender && this.#room.advice(this.#appender, this.#files, live);
  }

  get #files(): number {
    return this.size + this.#snapshotSize;
  }

  /**
   * Reserves room for `bytes` more bytes of records (in UTF-8), until the next
   * write.
   * @param frees true if the change makes room: then it is also taken while the disk is full, as long as what is spared for it lasts
   * @returns true if they can surely be written; if not, the disk is full or failing, and the caller must refuse the change
   */
  reserve(bytes: number, frees = false): boolean {
    return this.#closing === null && (this.#appender?.reserve(bytes, frees) ?? false);
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

  async #takeSnapshot(appender: Appender, next: Slices): Promise<boolean> {
    const begun = this.#options.clock.now();
    const { lends } = this.#room;
    try {
      if (lends) appender.giveSpare();
      // A file without a batch is left from a failed attempt and is used again: a full disk must not fill with such files.
      if (!appender.fresh && !(await this.#advance(appender, lends))) return false;
      const { size } = this;
      const { generation, written, needsSnapshot } = appender;
      const manifest = this.#manifest as Manifest;
      // Nothing has changed since the last one.
      if (manifest.snapshot === generation) return true;
      const length = await writeSnapshot(this.#disk, this.folder, {
        id: manifest.id,
        generation,
        after: this.#after as Link,
        next,
        abandoned: () => this.#closing !== null,
        // After a failed sync changes are refused, so the snapshot needs nothing of the journal.
        caughtUp: async () => needsSnapshot || (await appender.caughtUp()),
      });
      if (length === null) {
        // No delay after a failed sync: writes are refused until there is a snapshot.
        if (!appender.needsSnapshot) this.#delaySnapshot();
        return false;
      }
      await this.#name({ ...manifest, snapshot: generation, journals: [generation] });
      const names = this.#older.map(journalName);
      if (manifest.snapshot !== null) names.push(snapshotName(manifest.snapshot));
      for (const name of names) await remove(this.#disk, join(this.folder, name));
      this.#older = [];
      this.#sizeBefore -= size;
      this.#snapshotSize = length;
      this.#snapshots++;
      this.#room.made();
      const at = this.#options.clock.now();
      this.lastSnapshot = { at, ms: at - begun, bytes: length };
      if (needsSnapshot) appender.coveredUpTo(written);
      if (this.#snapshotFailing) {
        this.#options.onNote(`wrote a snapshot of ${this.folder} again`, true);
      }
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
    } finally {
      if (lends) appender.takeSpare();
    }
  }

  /** Puts a manifest in force. Rejects with the system's error; then either one may be. */
  async #name(manifest: Manifest): Promise<void> {
    await writeManifest(this.#disk, this.folder, manifest);
    const { salvaged: _, ...rest } = manifest;
    // It may have been acknowledged meanwhile.
    const { salvaged } = this.#manifest as Manifest;
    this.#manifest = { ...rest, ...(salvaged && { salvaged }) };
  }

  #delaySnapshot(): void {
    this.#snapshotAt = this.#options.clock.now() + SNAPSHOT_RETRY_MS;
  }

  /** Makes the next file while the current one is in use, and goes on in it. @param lends true to spare no room yet @returns false when the journal is closing */
  async #advance(appender: Appender, lends: boolean): Promise<boolean> {
    const manifest = this.#manifest as Manifest;
    const generation = appender.generation + 1;
    const line = journalLine(manifest.id, generation);
    const path = join(this.folder, journalName(generation));
    // After a failed attempt the manifest may name it already: it is not made again.
    const next = (this.#next ??= JournalFile.make(this.#disk, path, generation, line));
    const error = lends ? null : next.extend(STEP, STEP);
    if (error !== null) throw error;
    await next.sync();
    await syncFolder(this.#disk, this.folder);
    if (this.#closing !== null) return false;
    const journals = [...this.#older, appender.generation, generation];
    this.#nextIsNamed = true;
    await this.#name({ ...manifest, journals });
    await appender.hold();
    if (this.#closing !== null) {
      appender.release();
      return false;
    }
    this.#older.push(appender.generation);
    this.#next = null;
    this.#nextIsNamed = false;
    appender.switchTo(next);
    this.#after = appender.last;
    return true;
  }

  async #finish(): Promise<void> {
    await this.#snapshotting?.catch(() => {});
    const unwritten = await this.#appender?.close();
    if (unwritten) this.#options.onNote(`closed ${this.folder} with ${unwritten} bytes unwritten`);
    this.note();
    this.#mark?.close(true);
    this.#next?.close();
    if (this.#next && !this.#nextIsNamed) await remove(this.#disk, this.#next.path);
    this.#lock.release();
  }
}
