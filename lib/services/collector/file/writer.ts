import { reasonOf } from "../../../config/reason.ts";
import { AppendFile } from "../../../host/append/append-file.ts";
import { GroupSync } from "../../../host/append/group-sync.ts";
import { Trouble } from "../../../host/append/trouble.ts";
import { type Disk, isFailure } from "../../../host/disk.ts";
import type { Entry } from "../entry.ts";
import { Batch } from "./batch.ts";
import { moveAside } from "./names.ts";
import type { WriterCounts, WriterOptions } from "./options.ts";
import { Unsynced } from "./unsynced.ts";

/** Milliseconds between two attempts of a blocked writer at most, and between two attempts to rotate. */
const SLOW_MS = 2000;
/** Milliseconds between two looks at the path. */
const LOOK_MS = 1000;
/** Bounds of the number of lines that are written together. */
const FEWEST = 10;
const MOST = 1000;
/** Bytes that are written at once, even in the middle of a turn. */
const LARGE = 1024 * 1024;

/**
 * Writes the lines of entries to one file, in the order of their numbers, which
 * it gives. All that waits is written at the end of a turn of the event loop,
 * and synced together. A disk that refuses is tried again for ever; the
 * lines wait, and `isFull` tells the doors to take no more.
 */
export class LogWriter {
  readonly path: string;
  readonly counts: WriterCounts = { bytes: 0, writes: 0, rotations: 0, blocked: 0, blockedMs: 0 };
  /** Called when more entries are kept, and when there is room for more again. */
  onProgress = (): void => {};
  readonly #options: WriterOptions;
  readonly #disk: Disk;
  readonly #sync: GroupSync;
  readonly #trouble: Trouble;
  readonly #batch: Batch;
  readonly #stopLooking: () => void;
  #file: AppendFile;
  /** Bytes of the file that are known to be on disk. */
  #syncedSize: number;
  /** What is in the file behind `#syncedSize`. */
  readonly #unsynced = new Unsynced();
  #batchSize: number;
  #isScheduled = false;
  /** The change to another file that is under way. */
  #changing: Promise<void> | null = null;
  #rotateAt = 0;
  #rotationFails = false;
  #blockedAt: number | null = null;
  #hasClosed = false;

  /** @param next the number of the next entry @throws the system's error */
  constructor(path: string, next: number, options: WriterOptions) {
    const { disk, clock, settings } = options;
    this.path = path;
    this.#options = options;
    this.#disk = disk;
    this.#batch = new Batch(next);
    this.#batchSize = settings().batchSize;
    this.#file = new AppendFile(disk, path);
    this.#syncedSize = this.#file.size;
    this.#sync = new GroupSync(
      () => this.#syncAll(),
      { synced: () => this.#synced(), failed: (error) => this.#failed("sync", error) },
      next,
    );
    this.#trouble = new Trouble({
      clock,
      quietAttempts: settings().retries,
      delayMs: (attempts) => this.#delay(attempts),
      retry: () => this.#retry(),
      tell: (message) => {
        options.tell(message, "ERROR");
        if (this.#trouble.reason === null) return;
        this.#blockedAt = clock.now();
        this.counts.blocked++;
      },
    });
    this.#stopLooking = clock.every(LOOK_MS, () => this.#look());
  }

  /** The number of the next entry. */
  get next(): number {
    return this.#batch.next;
  }

  /** The number of the first entry that is not kept: written, and synced where `durability` asks for it. */
  get kept(): number {
    return this.#options.durability === "always" ? this.#sync.synced : this.#batch.first;
  }

  /** The number of the first entry that is not known to be on disk; without durability, that is not written. */
  get durable(): number {
    return this.#options.durability === "none" ? this.#batch.first : this.#sync.synced;
  }

  /** Entries that are not written yet. */
  get pending(): number {
    return this.#batch.lines;
  }

  /** Bytes that are not written, or not known to be on disk. */
  get pendingBytes(): number {
    return this.#batch.length + this.#unsynced.bytes;
  }

  get syncs(): number {
    return this.#sync.syncs;
  }

  /** True while no more entries are to be given. */
  get isFull(): boolean {
    const { mostEntries, mostBytes } = this.#options.settings();
    return this.pending >= mostEntries || this.pendingBytes >= mostBytes;
  }

  /** The reason why nothing is written, once the quick attempts were not enough; or null. */
  get blocked(): string | null {
    return this.#trouble.lasts ? this.#trouble.reason : null;
  }

  /** Milliseconds that the writer has been blocked, in all. */
  get blockedMs(): number {
    const since = this.#blockedAt === null ? 0 : this.#options.clock.now() - this.#blockedAt;
    return this.counts.blockedMs + since;
  }

  /** Takes an entry. It is in memory until it is written; nothing that was taken is dropped. @returns its number */
  take(entry: Entry): number {
    const number = this.#batch.add(entry, this.#options.form);
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      setImmediate(() => {
        this.#isScheduled = false;
        this.flush();
      });
    }
    if (this.#batch.lines >= this.#batchSize || this.#batch.length >= LARGE) {
      if (this.#batchSize < MOST) this.#batchSize = Math.min(MOST, this.#batchSize * 2);
      this.#write();
    }
    return number;
  }

  /** Writes what waits, as far as the disk takes it, and begins a sync. */
  flush(): void {
    if (this.#batch.lines < this.#batchSize / 2) {
      this.#batchSize = Math.max(FEWEST, Math.floor(this.#batchSize / 2));
    }
    this.#write();
  }

  /** Looks at the path at once, and tries again what the disk refused. */
  reopen(): void {
    this.#look();
    if (this.#trouble.reason !== null) this.#retry();
  }

  /** Writes and syncs what waits, for at most `deadlineMs` milliseconds, and closes. @returns the number of entries that were not written */
  async close(deadlineMs: number): Promise<number> {
    const { clock } = this.#options;
    const end = clock.now() + deadlineMs;
    this.flush();
    while (!this.#isDone && clock.now() < end) {
      const late = Promise.withResolvers<void>();
      const cancel = clock.after(Math.max(1, Math.min(100, end - clock.now())), late.resolve);
      await Promise.race([late.promise, this.#sync.progress()]);
      cancel();
      this.flush();
    }
    this.#hasClosed = true;
    this.#stopLooking();
    this.#trouble.stop();
    await this.#changing;
    await this.#sync.idle();
    // A line that was cut short is no line.
    if (this.#batch.begun > 0) this.#cut(this.#file.size - this.#batch.begun);
    this.#file.close();
    return this.next - this.durable;
  }

  get #isDone(): boolean {
    return this.#batch.lines === 0 && this.durable === this.next && this.#changing === null;
  }

  // --- writing

  #write(): void {
    if (this.#trouble.reason !== null || this.#hasClosed) return;
    try {
      while (this.#batch.length > 0 && this.#changing === null) {
        const { maxFileBytes } = this.#options.settings();
        let length = this.#batch.fitting(maxFileBytes - this.#file.size);
        if (length === 0) {
          if (this.#file.size > 0 && this.#mayRotate) {
            this.#change(() => this.#rotate());
            break;
          }
          length = this.#file.size > 0 ? this.#batch.length : this.#batch.firstLine;
        }
        this.#options.beforeWrite?.();
        this.#append(length);
      }
    } catch (error) {
      this.#failed("write", error);
    }
    this.#wrote();
  }

  #append(length: number): void {
    const piece = this.#batch.give(length, (bytes, start, end) =>
      this.#file.append(bytes, start, end),
    );
    const bytes = piece.end - piece.start;
    this.counts.bytes += bytes;
    this.counts.writes++;
    if (this.#options.durability === "none") {
      this.#batch.renew(this.#batch.buffer);
      return;
    }
    this.#unsynced.add(piece);
    if (this.#batch.length === 0) this.#batch.renew(this.#unsynced.spare());
  }

  /** More may be written than before. */
  #wrote(): void {
    this.#sync.written = this.#batch.first;
    if (this.#options.durability === "none") this.#sync.synced = this.#batch.first;
    else if (this.#changing === null) this.#sync.begin();
    this.onProgress();
  }

  async #syncAll(): Promise<void> {
    const file = this.#file;
    const { size } = file;
    // Everything that is noted down of the lines is on disk no later than they are.
    await this.#options.syncNotes?.();
    await file.sync();
    if (file === this.#file) this.#syncedSize = size;
  }

  #synced(): void {
    this.#unsynced.forget(this.#sync.synced, this.#batch.buffer);
    if (this.#trouble.reason !== null && !this.#sync.hasFailed) {
      this.#recovered();
      this.#write();
    } else this.onProgress();
  }

  // --- another file

  get #mayRotate(): boolean {
    return this.#options.clock.now() >= this.#rotateAt;
  }

  /** Goes on in another file: what was written to this one is synced first, and nothing is written meanwhile. */
  #change(open: () => AppendFile): void {
    if (this.#changing !== null) return;
    this.#changing = this.#changeTo(open)
      .catch((error) => {
        if (!isFailure(error)) throw error;
        this.#failed("write", error);
      })
      .finally(() => {
        this.#changing = null;
        this.#write();
      });
  }

  async #changeTo(open: () => AppendFile): Promise<void> {
    const isSynced = this.#options.durability !== "none";
    if (isSynced) {
      await this.#sync.hold();
      try {
        if (this.#sync.synced < this.#sync.written && !this.#sync.hasFailed) {
          await this.#syncAll();
          this.#sync.syncedAll();
          this.#synced();
        }
      } catch (error) {
        this.#sync.fail(error);
      }
    }
    try {
      // What may not be on disk is written again, and for that it has to be here.
      if (this.#sync.hasFailed) return;
      const old = this.#file;
      const fresh = open();
      if (fresh === old) return;
      this.#file = fresh;
      this.#syncedSize = fresh.size;
      old.close();
      if (isSynced) await fresh.syncFolder();
    } finally {
      if (isSynced) this.#sync.release();
    }
  }

  /** Moves the file aside and opens another one; stays in it when that fails. */
  #rotate(): AppendFile {
    const { backups } = this.#options.settings();
    try {
      moveAside(this.#disk, this.path, backups);
      const fresh = new AppendFile(this.#disk, this.path);
      this.counts.rotations++;
      this.#rotationFails = false;
      return fresh;
    } catch (error) {
      if (!isFailure(error)) throw error;
      this.#rotateAt = this.#options.clock.now() + SLOW_MS;
      if (!this.#rotationFails) {
        const why = reasonOf(error);
        this.#options.tell(`cannot rotate ${this.path}: ${why}; it grows past its limit`, "ERROR");
      }
      this.#rotationFails = true;
      return this.#file.isElsewhere ? new AppendFile(this.#disk, this.path) : this.#file;
    }
  }

  /** Starts a new file when somebody has moved or removed this one. */
  #look(): void {
    if (this.#hasClosed || this.#changing !== null || !this.#file.isElsewhere) {
      this.#syncedSize = Math.min(this.#syncedSize, this.#file.size);
      return;
    }
    this.#change(() => {
      const fresh = new AppendFile(this.#disk, this.path);
      // A line that was written in part to the old file goes whole into the new one.
      const { begun } = this.#batch;
      if (begun > 0) {
        this.#cut(this.#file.size - begun);
        this.#batch.rewind();
      }
      this.#options.tell(`${this.path} was moved or removed: a new file is begun`, "INFO");
      return fresh;
    });
  }

  #cut(size: number): void {
    try {
      this.#file.cut(size);
    } catch {
      // The next start cuts the torn line.
    }
  }

  // --- trouble

  #delay(attempts: number): number {
    const { retries, retryDelayMs } = this.#options.settings();
    if (attempts >= retries) return SLOW_MS;
    return Math.min(SLOW_MS, retryDelayMs * 2 ** attempts);
  }

  #failed(what: "write" | "sync", error: unknown): void {
    if (!isFailure(error)) throw error;
    this.#trouble.begin(
      what,
      error,
      (reason) => `cannot ${what} ${this.path}: ${reason}; entries wait`,
    );
  }

  #retry(): void {
    if (this.#changing !== null) return;
    try {
      if (this.#sync.hasFailed) {
        // Nobody knows which bytes are on disk: they are written once more behind those that are.
        this.#unsynced.writeAgain(this.#file, this.#syncedSize);
        // The trouble is over when this sync has ended well.
        this.#sync.retry();
        return;
      }
      if (this.#batch.length > 0) {
        const { maxFileBytes } = this.#options.settings();
        const fits = this.#batch.fitting(maxFileBytes - this.#file.size);
        this.#append(fits || this.#batch.firstLine);
      }
    } catch (error) {
      this.#failed(this.#sync.hasFailed ? "sync" : "write", error);
      return;
    }
    this.#recovered();
    this.#write();
  }

  #recovered(): void {
    this.#trouble.end(`writing ${this.path} again`);
    if (this.#blockedAt === null) return;
    this.counts.blockedMs += this.#options.clock.now() - this.#blockedAt;
    this.#blockedAt = null;
  }
}
