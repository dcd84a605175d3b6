import { GroupSync } from "../../../host/append/group-sync.ts";
import { within } from "../../../host/clock.ts";
import { isFailure } from "../../../host/disk.ts";
import type { Entry } from "../entry.ts";
import { BatchSize } from "./batch-size.ts";
import { Blocking } from "./blocking.ts";
import { CurrentFile } from "./current-file.ts";
import { Lines } from "./lines.ts";
import type { WriterCounts, WriterOptions } from "./options.ts";
import { Rotation } from "./rotation.ts";
import { Timings } from "./timings.ts";

/** Milliseconds between two looks at the path. */
const LOOK_MS = 1000;
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
  readonly counts: WriterCounts = { bytes: 0, writes: 0 };
  readonly blocking: Blocking;
  readonly timings: Timings;
  readonly rotation: Rotation;
  /** Called when more entries are kept, and when there is room for more again. */
  onProgress = (): void => {};
  readonly #options: WriterOptions;
  readonly #isSynced: boolean;
  /** Counts entries: those whose lines are written, and those that are on disk. */
  readonly #sync: GroupSync;
  readonly #lines: Lines;
  readonly #stopLooking: () => void;
  #file: CurrentFile;
  readonly #batchSize: BatchSize;
  #isScheduled = false;
  /** The change to another file that is under way. */
  #changing: Promise<void> | null = null;
  /** After a failed sync all was written again: the trouble is over when the next one has ended well. */
  #isProving = false;
  #hasClosed = false;

  /** @param next the number of the next entry @throws the system's error */
  constructor(path: string, next: number, options: WriterOptions) {
    const { disk, clock, settings } = options;
    this.path = path;
    this.#options = options;
    this.blocking = new Blocking(path, options, () => this.#retry());
    this.timings = new Timings(clock);
    this.rotation = new Rotation(path, options);
    this.#isSynced = options.durability !== "none";
    this.#lines = new Lines(next);
    this.#batchSize = new BatchSize(settings().batchSize);
    this.#file = new CurrentFile(disk, path);
    this.#sync = new GroupSync(
      () => this.#syncAll(),
      { synced: () => this.#synced(), failed: (error) => this.#failed("sync", error) },
      next,
    );
    this.#stopLooking = clock.every(LOOK_MS, () => this.#look());
  }

  /** The number of the next entry. */
  get next(): number {
    return this.#lines.next;
  }

  /** The number of the first entry that is not kept: written, and synced where `durability` asks for it. */
  get kept(): number {
    return this.#options.durability === "always" ? this.#sync.synced : this.#lines.first;
  }

  /** The number of the first entry that is not known to be on disk; without durability, that is not written. */
  get durable(): number {
    return this.#isSynced ? this.#sync.synced : this.#lines.first;
  }

  /** Entries that are not written yet. */
  get pending(): number {
    return this.#lines.count;
  }

  /** Bytes that are not written, or not known to be on disk. */
  get pendingBytes(): number {
    return this.#lines.bytes;
  }

  /** The last bytes of the last line in the file that is on disk; none where the file has none. */
  get endingOnDisk(): Buffer {
    return this.#file.ending(this.#file.onDisk);
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
    return this.blocking.reason;
  }

  /** Bytes of the file that is written. */
  get fileBytes(): number {
    return this.#file.size;
  }

  /** Takes an entry. It is in memory until it is written; nothing that was taken is dropped. @returns its number */
  take(entry: Entry): number {
    const lines = this.#lines;
    const number = lines.add(entry, this.#options.form);
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      setImmediate(() => {
        this.#isScheduled = false;
        this.flush();
      });
    }
    // Nobody is told of it yet: a door is in the middle of what a client has sent.
    if (this.#batchSize.isReached(lines.count) || lines.waiting >= LARGE) this.#write();
    return number;
  }

  /** Writes what waits, as far as the disk takes it, and begins a sync. */
  flush(): void {
    this.#batchSize.endTurn(this.#lines.count);
    this.#proceed();
  }

  /** Looks at the path at once, and tries again what the disk refused. */
  reopen(): void {
    this.#look();
    if (this.blocking.trouble.reason !== null) this.#retry();
  }

  /** Writes and syncs what waits, for at most `deadlineMs` milliseconds, and closes. @returns the number of entries that were not written */
  async close(deadlineMs: number): Promise<number> {
    const { clock } = this.#options;
    const end = clock.now() + deadlineMs;
    this.flush();
    while ((this.durable < this.next || this.#changing !== null) && clock.now() < end) {
      const ms = Math.max(1, Math.min(100, end - clock.now()));
      await within(clock, ms, this.#sync.progress());
      this.flush();
    }
    if (this.blocking.trouble.reason !== null) this.#retry();
    this.#hasClosed = true;
    this.#stopLooking();
    this.blocking.trouble.stop();
    await this.#changing;
    await this.#sync.idle();
    this.#file.cutLine(this.#lines.begun);
    this.#noteEnd();
    try {
      if (this.#isSynced) await this.#options.syncNotes?.();
    } catch (error) {
      // The last line tells it too.
      if (!isFailure(error)) throw error;
    }
    this.#file.close();
    return this.next - this.durable;
  }

  // --- writing

  /** Writes what waits, and tells how far it has come. */
  #proceed(): void {
    this.#write();
    this.onProgress();
  }

  #write(): void {
    if (this.blocking.trouble.reason === null && !this.#hasClosed) this.#writeAll();
  }

  /** @returns false when the disk has refused something */
  #writeAll(): boolean {
    const lines = this.#lines;
    let went = true;
    try {
      while (lines.waiting > 0 && this.#changing === null) {
        const room = this.#options.settings().maxFileBytes - this.#file.size;
        let length = lines.fitting(room);
        if (length === 0) {
          if (this.#file.size > 0 && this.rotation.mayTry) {
            this.#change(() => this.#rotated());
            break;
          }
          length = this.#file.size > 0 ? lines.fitting(Infinity) : lines.firstLine;
        }
        this.#options.beforeWrite?.();
        this.#append(length);
      }
    } catch (error) {
      went = false;
      this.#failed("write", error);
    }
    this.#wrote();
    return went;
  }

  #append(length: number): void {
    const lines = this.#lines;
    const { first } = lines;
    const began = this.timings.now;
    this.counts.bytes += lines.give(length, (bytes, start, end) =>
      this.#file.append(bytes, start, end),
    );
    this.timings.wrote(began);
    this.counts.writes++;
    if (this.#isSynced) return;
    // No sync tells that it has been removed, and that these lines went with it.
    if (this.#file.isRemoved) {
      lines.rewind(first);
      return this.#change(() => this.#opened());
    }
    lines.keep(lines.mark);
    this.#file.keep(this.#file.size - lines.begun);
  }

  /** More may be written than before. */
  #wrote(): void {
    this.#sync.written = this.#lines.first;
    if (!this.#isSynced) this.#sync.synced = this.#lines.first;
    else if (this.#changing === null) this.#sync.begin();
  }

  async #syncAll(): Promise<void> {
    const { mark, begun } = this.#lines;
    const began = this.timings.now;
    const upTo = this.#file.size - begun;
    // Everything that is noted down of the lines is on disk before they are acknowledged.
    await this.#options.syncNotes?.();
    await this.#file.sync(upTo);
    this.timings.synced(began);
    this.#lines.keep(mark);
  }

  #synced(): void {
    if (this.#isProving) this.#recovered();
    this.#proceed();
  }

  // --- another file

  /** Goes on in another file: what was written to this one is synced first, and nothing is written meanwhile. */
  #change(open: () => CurrentFile): void {
    if (this.#changing !== null) return;
    this.#changing = this.#changeTo(open)
      .catch((error) => {
        if (!isFailure(error)) throw error;
        this.#failed("write", error);
      })
      .finally(() => {
        this.#changing = null;
        this.#proceed();
      });
  }

  async #changeTo(open: () => CurrentFile): Promise<void> {
    if (!this.#isSynced) return this.#goOnIn(open());
    await this.#sync.hold();
    try {
      await this.#syncRest();
      // What may not be on disk is written again, and that is not done here.
      if (!this.#sync.hasFailed) this.#goOnIn(open());
    } finally {
      this.#sync.release();
    }
  }

  /** Syncs what was written to the file, unless it was removed: then all that is not on disk goes into the next one. */
  async #syncRest(): Promise<void> {
    const sync = this.#sync;
    if (sync.hasFailed || sync.synced === sync.written || this.#file.isRemoved) return;
    try {
      await this.#syncAll();
      sync.syncedAll();
      this.#synced();
    } catch (error) {
      sync.fail(error);
    }
  }

  #goOnIn(fresh: CurrentFile): void {
    const old = this.#file;
    if (fresh === old) return;
    const lines = this.#lines;
    if (old.isRemoved && this.#isSynced) this.#writeAgain();
    else {
      // A line that was written in part goes whole into the next file.
      old.cutLine(lines.begun);
      lines.rewindLine();
    }
    this.#file = fresh;
    this.#options.begun?.(lines.first, old.ending(old.isRemoved ? old.onDisk : old.size));
    old.close();
  }

  /** Whatever is not known to be on disk is written once more. */
  #writeAgain(): void {
    this.#lines.rewind(this.#sync.synced);
    this.#sync.startAgain();
  }

  #rotated(): CurrentFile {
    if (this.#file.isElsewhere) return this.#opened();
    // Where no rotated file is kept, its lines and the last number in them go with this one.
    if (this.#options.settings().backups === 0) this.#noteEnd();
    return this.rotation.rotate(this.#file);
  }

  #opened(): CurrentFile {
    const fresh = new CurrentFile(this.#options.disk, this.path);
    this.#options.tell(`${this.path} was moved or removed: a new file is begun`, "INFO");
    return fresh;
  }

  /** Starts a new file when somebody has moved or removed this one. */
  #look(): void {
    // After a failed sync only `#retry` goes on: it needs the lines that may not be on disk.
    if (this.#hasClosed || this.#changing !== null || this.#sync.hasFailed) return;
    if (this.#file.shrank()) this.#options.begun?.(this.#lines.first, Buffer.alloc(0));
    if (this.#file.isElsewhere) this.#change(() => this.#opened());
  }

  /** Notes down the number of the next line, as if a file began with it. */
  #noteEnd(): void {
    this.#options.begun?.(
      this.#lines.first,
      this.#file.ending(this.#file.size - this.#lines.begun),
    );
  }

  // --- trouble

  #failed(what: "write" | "sync", error: unknown): void {
    if (!isFailure(error)) throw error;
    this.#isProving = false;
    this.blocking.refused(what, error);
  }

  #retry(): void {
    const sync = this.#sync;
    if (this.#hasClosed || this.#changing !== null) return;
    const { isRemoved } = this.#file;
    // The sync under way proves whether the last attempt was enough, or that the file has gone.
    if (sync.isRunning && (this.#isProving || isRemoved)) return;
    const isInDoubt = sync.hasFailed;
    try {
      if (isRemoved) this.#goOnIn(this.#opened());
      else if (isInDoubt) {
        this.#file.cutToDisk();
        this.#writeAgain();
      }
    } catch (error) {
      return this.#failed("write", error);
    }
    this.#isProving = isInDoubt;
    if (!this.#writeAll() || isInDoubt) return;
    this.#recovered();
    this.#proceed();
  }

  #recovered(): void {
    this.#isProving = false;
    this.blocking.end();
  }
}
