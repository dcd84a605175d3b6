import { GroupSync } from "../../../host/append/group-sync.ts";
import { Trouble } from "../../../host/append/trouble.ts";
import type { Clock } from "../../../host/clock.ts";
import { Batch, HEADER } from "./batch.ts";
import { Doubts } from "./doubts.ts";
import type { Link } from "./format.ts";
import { type JournalFile, STEP } from "./journal-file.ts";

/** The system's codes for want of room. */
const FULL: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
/** Bytes that are kept for records that make room, as those of DEL. */
export const SPARE = 256 * 1024;

/** Milliseconds between two attempts on a disk that refuses. */
const RETRY_MS = 250;

export interface AppenderOptions {
  clock: Pick<Clock, "now" | "after">;
  /** Called once when writes begin to be refused, and once when they are taken again: then it is over. */
  onTrouble: (message: string, isOver: boolean) => void;
  /** True if a change counts once it is on disk; otherwise once it is written. */
  untilSynced?: boolean;
}

/** A batch that is not known to be on disk. */
interface Unsynced extends Link {
  /** Its records, where a change counts only once it is on disk. */
  readonly records: Buffer | null;
}

/**
 * Writes records to the current file of the journal, a batch at a time, and
 * syncs it, with one sync at a time while the next batches gather.
 */
export class Appender {
  /** Bytes of batches written, with their headers. */
  bytes = 0;
  /** Called when more batches are known to be on disk: `synced` has grown. */
  onSynced = (): void => {};
  #file: JournalFile;
  readonly #batch = new Batch();
  /** Bytes of records that were reserved since the last write, appended or not. */
  #reserved = 0;
  readonly #sync: GroupSync;
  readonly #trouble: Trouble;
  /** The last batch written. */
  #last: Link;
  /** The last batch that is known to be on disk. */
  #onDisk: Link;
  /** The batches between the two. */
  #unsynced: Unsynced[] = [];
  /** The changes that are not kept for now, while the disk fails; or null. */
  #doubts: Doubts | null = null;
  readonly #untilSynced: boolean;
  #ended = false;
  /** True while the batch waits for another attempt to write it. */
  #writeFailing = false;

  /** @param last the last batch before, which is on disk */
  constructor(
    file: JournalFile,
    last: Link,
    { clock, onTrouble, untilSynced = false }: AppenderOptions,
  ) {
    this.#file = file;
    this.#untilSynced = untilSynced;
    this.#last = this.#onDisk = last;
    this.#sync = new GroupSync(() => this.#file.sync(), {
      synced: () => this.#told(),
      failed: (error) => this.#fail("sync", error),
    });
    this.#trouble = new Trouble({
      clock,
      delayMs: () => RETRY_MS,
      retry: () => this.#retry(),
      tell: onTrouble,
    });
  }

  /** Batches written. */
  get written(): number {
    return this.#sync.written;
  }

  /** Batches known to be on disk: never more than `written`. */
  get synced(): number {
    return this.#sync.synced;
  }

  get syncs(): number {
    return this.#sync.syncs;
  }

  /** The reason why writes are refused, in words, or null. */
  get trouble(): string | null {
    return this.#trouble.reason;
  }

  /** True if the disk refuses for another reason than want of room. */
  get failing(): boolean {
    return this.trouble !== null && !FULL.has(this.#trouble.code);
  }

  /** True if the disk refuses for want of room. */
  get full(): boolean {
    return this.trouble !== null && !this.failing;
  }

  /** Bytes at the end of the file that nothing is reserved in. */
  get spare(): number {
    return Math.max(0, this.#file.room - this.#reservedUpTo);
  }

  get #reservedUpTo(): number {
    const reserved = Math.max(this.#reserved, this.#batch.length);
    return this.#file.position + (reserved > 0 ? HEADER + reserved : 0);
  }

  /** Gives the disk back what is spared for changes that make room: meanwhile they are refused. */
  giveSpare(): void {
    if (this.spare > 0) this.#file.cut(this.#reservedUpTo);
  }

  /** Spares room for changes that make room again, as far as there is any. */
  takeSpare(): void {
    const end = this.#reservedUpTo + HEADER;
    this.#file.extend(end, end + SPARE);
  }

  /** True after a failed sync: what reached the disk is unknown until a snapshot covers it. */
  get needsSnapshot(): boolean {
    return this.#sync.hasFailed;
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
    return this.#file.isFresh;
  }

  /** The last batch written. */
  get last(): Link {
    return this.#last;
  }

  /** The last batch that is known to be on disk. */
  get onDisk(): Link {
    return this.#onDisk;
  }

  /** The keys whose last change counts only once the disk works again; null while nothing waits for that. */
  get doubts(): Doubts | null {
    return this.#doubts;
  }

  /**
   * Reserves room for `bytes` more bytes of records, until the next write.
   * @param frees true if the change makes room: such records may take what is spared for them, also while the disk is full
   * @returns true if they can surely be written
   */
  reserve(bytes: number, frees: boolean): boolean {
    const isFull = this.trouble !== null;
    if (isFull && (!frees || this.failing || this.needsSnapshot || this.#writeFailing))
      return false;
    const reserved = Math.max(this.#reserved, this.#batch.length) + bytes;
    const end = this.#file.position + HEADER + reserved + (frees ? 0 : SPARE);
    if (end > this.#file.room && (isFull || !this.#makeRoom(end))) return false;
    this.#reserved = reserved;
    return true;
  }

  /** Adds a record to the batch. @throws Error when it is not a line of `bytes` bytes, or after `close` */
  append(text: string, bytes: number): void {
    if (this.#ended) throw new Error("the journal is closed");
    this.#batch.append(text, bytes);
    this.#doubts?.add(text);
  }

  /** Writes the batch and begins a sync if none is under way. */
  write(): void {
    // A batch that the disk refused waits for the next attempt, and grows meanwhile.
    if (!this.#writeFailing && !this.#ended) this.#writeBatch();
  }

  /** Lets no sync begin until `switchTo` or `release`; resolves when none is under way. */
  hold(): Promise<void> {
    return this.#sync.hold();
  }

  release(): void {
    this.#sync.release();
  }

  /**
   * Resolves with true once everything appended so far is on disk, with false
   * when that is not sure, since writing or syncing fails or has ended.
   */
  async caughtUp(): Promise<boolean> {
    const batches = this.written + (this.pending ? 1 : 0);
    while (this.synced < batches) {
      if (this.#ended || this.#writeFailing || this.needsSnapshot) return false;
      await this.#sync.progress();
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
        this.#sync.syncedAll();
      }
    } catch (error) {
      this.#sync.fail(error);
    }
    old.close();
    this.#file = fresh;
    this.release();
    this.#told();
  }

  /** A snapshot holds all up to this batch: it no longer matters which batches reached the disk. */
  coveredUpTo(batches: number): void {
    this.#sync.cover(batches);
    this.#retry();
  }

  /** Writes, syncs, gives back unused room and closes the file. @returns bytes of records that could not be written */
  async close(): Promise<number> {
    this.#ended = true;
    this.#sync.progressed();
    this.#writeBatch();
    this.#trouble.stop();
    await this.#sync.idle();
    // On a full disk nobody would give it back.
    const spared = this.trouble === null || this.#writeFailing ? 0 : SPARE;
    this.#file.cut(Math.min(this.#file.room, this.#file.position + spared));
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
      const unsynced = this.#unsynced.length;
      const { bytes, link } = this.#batch.sealed({ before: this.#last, unsynced });
      try {
        this.#file.write(bytes);
      } catch (error) {
        this.#writeFailing = true;
        this.#fail("write", error);
        return;
      }
      this.#writeFailing = false;
      this.#endDoubts();
      this.#sync.written++;
      this.#last = link;
      const records = this.#untilSynced ? Buffer.from(bytes.subarray(HEADER)) : null;
      this.#unsynced.push({ ...link, records });
      this.bytes += bytes.length;
      this.#batch.clear();
    }
    this.#reserved = 0;
    this.#sync.begin();
  }

  /** More is on disk: `synced` has grown. */
  #told(): void {
    const left = this.written - this.synced;
    const known = this.#unsynced.splice(0, this.#unsynced.length - left);
    this.#onDisk = known.at(-1) ?? this.#onDisk;
    this.#endDoubts();
    this.onSynced();
  }

  /** Begins to doubt what was accepted and is not kept, if a write or a sync has failed. */
  #beginDoubts(): void {
    if (this.#doubts !== null) return;
    this.#doubts = new Doubts();
    for (const { records } of this.#unsynced) if (records) this.#doubts.add(records.toString());
    this.#doubts.add(this.#batch.text);
  }

  #endDoubts(): void {
    const syncFails = this.#untilSynced && this.needsSnapshot;
    if (!syncFails && !this.#writeFailing) this.#doubts = null;
  }

  #fail(what: "write" | "sync", error: unknown): void {
    const isKept = what === "write" ? !this.#writeFailing : !this.#untilSynced;
    if (!isKept) this.#beginDoubts();
    this.#sync.progressed();
    this.#trouble.begin(
      what,
      error,
      (reason) => `cannot ${what} ${this.#file.path}: ${reason}; writes are refused`,
    );
  }

  /** Tries again, and ends the trouble once there is room for a step: with less it would soon return. */
  #retry(): void {
    if (this.trouble === null || this.needsSnapshot) return;
    this.#writeBatch();
    if (this.#writeFailing || !this.#hasStep()) return;
    this.#trouble.end(`writing ${this.#file.path} again`);
  }
}
