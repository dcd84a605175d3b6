import * as fs from "node:fs";
import { rename, stat, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { reasonOf } from "../config/reason.ts";
import type { Clock } from "./clock.ts";
import { StartError } from "./errors.ts";
import { FileTrouble, type TellTrouble } from "./files/file-trouble.ts";

const writeSome = promisify(fs.write);
const sync = promisify(fs.fdatasync);

const NEWLINE = 10;
/** Characters encoded and written at a time. When that many wait, a write starts before the next flush. */
const BATCH = 256 * 1024;
const RETRY_MS = 1000;
/** Milliseconds between two looks at the path: the open file may have been moved or removed. */
const LOOK_MS = 1000;
/** Milliseconds without a byte written after which a write under way counts as stuck. */
const STUCK_MS = 5000;
/** Milliseconds that `closeSync` waits for a write under way. */
const SETTLE_MS = 200;

/** The size at which a file is rotated, and the number of files kept. */
export interface Rotation {
  /** Bytes a file may hold, unless a single line is longer. */
  maxFileSize: number;
  /** Files kept besides the current one; 0 keeps none. */
  backupCount: number;
}

/** Counts of a rotating file. Several files may share them. */
export interface FileCounters {
  bytes: number;
  linesLost: number;
  rotations: number;
}

export interface RotatingFileOptions extends Rotation {
  clock: Pick<Clock, "now">;
  /** Told once when writing or rotating begins to fail, or lines to be dropped, and once when all is well again. */
  onTrouble: TellTrouble;
  /** Told when a new file was started because somebody had moved or removed the old one. */
  onReopened?: () => void;
  /** It is a file of its own: there was none before, this user alone may read it, and it is written on wherever somebody moves it. */
  isOwn?: boolean;
  /** Characters that may wait for the disk; beyond that the newest lines are dropped and counted. Default 16 Mi. */
  maxWaiting?: number;
  counters?: FileCounters;
}

/** Device and inode, which tell a file from another one at the same path. */
function identityOf({ dev, ino }: fs.Stats): string {
  return `${dev}:${ino}`;
}

function countLines(text: string): number {
  let lines = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lines++;
  return lines;
}

/**
 * Appends whole lines to PATH; when it is full it becomes PATH.1, which becomes
 * PATH.2 and so on up to `backupCount`. Lines are written on the thread pool,
 * one write at a time, in order; a line is never cut in two by a rotation or by
 * a full disk, which is tried again once a second. When somebody moves or
 * removes the file, alone or with its folder, a new one is started within a
 * second.
 */
export class RotatingFile {
  readonly path: string;
  readonly counters: FileCounters;
  readonly #clock: Pick<Clock, "now">;
  readonly #onTrouble: TellTrouble;
  readonly #trouble: FileTrouble;
  readonly #onReopened: () => void;
  readonly #maxWaiting: number;
  readonly #isOwn: boolean;
  #rotation: Rotation;
  /** -1 once closed. */
  #fd = -1;
  #size = 0;
  /** The open file's `identityOf`. */
  #identity = "";
  #lookAt = 0;
  #waiting: string[] = [];
  #waitingLength = 0;
  /** Encoded lines; `#from` to `#to` go into the current file, and what follows may belong to the next one. */
  #batch = Buffer.alloc(0);
  #from = 0;
  #to = 0;
  #underWay = 0;
  #pumping: Promise<void> | null = null;
  #closing: Promise<void> | null = null;
  #ended = false;
  /** When the write under way began, or wrote some bytes. */
  #progressAt = 0;
  #retryAt = 0;
  #rotationFailing = false;
  #rotateAt = 0;

  /**
   * Opens PATH for appending and makes its folder.
   * @throws StartError `cannot write PATH: reason`
   */
  constructor(path: string, options: RotatingFileOptions) {
    this.path = path;
    this.#clock = options.clock;
    this.#onTrouble = options.onTrouble;
    this.#onReopened = options.onReopened ?? (() => {});
    this.#maxWaiting = options.maxWaiting ?? 16 * 1024 * 1024;
    this.#isOwn = options.isOwn ?? false;
    this.#rotation = options;
    this.counters = options.counters ?? { bytes: 0, linesLost: 0, rotations: 0 };
    this.#trouble = new FileTrouble(path, this.counters, options.onTrouble);
    try {
      this.#open();
    } catch (error) {
      throw new StartError(`cannot write ${path}: ${reasonOf(error)}`);
    }
    this.#lookAt = this.#isOwn ? Infinity : this.#clock.now() + LOOK_MS;
    // A crash may have cut the last line short: a newline keeps the next one from joining it.
    const last = Buffer.alloc(1);
    if (
      this.#size > 0 &&
      fs.readSync(this.#fd, last, 0, 1, this.#size - 1) === 1 &&
      last[0] !== NEWLINE
    ) {
      this.#waiting.push("\n");
      this.#waitingLength = 1;
    }
  }

  /** Opens the file at the path in place of the open one. @throws the system's error; the open one stays */
  #open(): void {
    fs.mkdirSync(dirname(this.path), { recursive: true, mode: this.#isOwn ? 0o700 : 0o777 });
    const fd = this.#isOwn ? fs.openSync(this.path, "ax+", 0o600) : fs.openSync(this.path, "a+");
    if (this.#fd >= 0) fs.closeSync(this.#fd);
    const opened = fs.fstatSync(fd);
    this.#fd = fd;
    this.#size = opened.size;
    this.#identity = identityOf(opened);
  }

  /** The reason why the disk takes no lines at present, in words, or null. */
  get failing(): string | null {
    return this.#trouble.failing;
  }

  /** Applies to the next line written. */
  setRotation(rotation: Rotation): void {
    this.#rotation = rotation;
  }

  /** Queues one or more whole lines, each ending in a newline. */
  write(text: string): void {
    if (this.#ended || this.#waitingLength + text.length > this.#maxWaiting) {
      if (!this.#ended) this.#drop();
      this.counters.linesLost += countLines(text);
      return;
    }
    this.#waiting.push(text);
    this.#waitingLength += text.length;
    if (this.#waitingLength >= BATCH && this.#pumping === null) void this.flush();
  }

  /** Starts writing what waits; resolves when all of it is written or the disk refuses. Never rejects. */
  flush(): Promise<void> {
    if (this.#pumping !== null) return this.#pumping;
    const now = this.#clock.now();
    const due = this.#owes() || now >= this.#lookAt;
    if (this.#fd < 0 || !due || now < this.#retryAt) return Promise.resolve();
    this.#progressAt = now;
    this.#pumping = this.#pump().finally(() => {
      this.#pumping = null;
    });
    return this.#pumping;
  }

  /** Looks at the path at once, and tries again what the disk refused. */
  reopen(): void {
    this.#lookAt = this.#retryAt = 0;
    void this.flush();
  }

  /** Writes what waits, syncs and closes. There is one attempt: what the disk refuses is counted as lost. */
  close(): Promise<void> {
    this.#ended = true;
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  /** For a crash exit: writes what waits at once, without rotating, and closes. */
  closeSync(): void {
    if (this.#fd < 0) return;
    this.#ended = true;
    this.#settle();
    try {
      while (this.#loadBatch()) {
        this.#to = this.#batch.length;
        this.#wrote(fs.writeSync(this.#fd, this.#batch, this.#from, this.#to - this.#from, null));
      }
    } catch (error) {
      this.#trouble.failed(reasonOf(error));
    }
    this.#giveUp();
    fs.closeSync(this.#fd);
    this.#fd = -1;
  }

  async #finish(): Promise<void> {
    await this.#pumping;
    this.#retryAt = 0;
    await this.flush();
    if (this.#fd < 0) return;
    this.#giveUp();
    const fd = this.#fd;
    this.#fd = -1;
    await sync(fd).catch(() => {});
    fs.closeSync(fd);
  }

  #owes(): boolean {
    return this.#from < this.#batch.length || this.#waiting.length > 0;
  }

  /** Encodes the next batch if this one is written; false when nothing waits. */
  #loadBatch(): boolean {
    if (this.#from < this.#batch.length) return true;
    if (this.#waiting.length === 0) return false;
    let length = 0;
    let count = 0;
    while (count < this.#waiting.length && length < BATCH) length += this.#waiting[count++]!.length;
    this.#batch = Buffer.from(this.#waiting.splice(0, count).join(""));
    this.#waitingLength -= length;
    this.#from = this.#to = 0;
    return true;
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        if (this.#clock.now() >= this.#lookAt) await this.#follow();
        if (this.#fd < 0) return;
        if (!this.#loadBatch()) break;
        if (this.#to === this.#from) this.#to = this.#fitting();
        if (this.#to === this.#from) await this.#rotate();
        else {
          this.#underWay = this.#to - this.#from;
          const { bytesWritten } = await writeSome(
            this.#fd,
            this.#batch,
            this.#from,
            this.#underWay,
            null,
          );
          if (this.#fd >= 0) this.#wrote(bytesWritten);
        }
      }
      this.#trouble.recovered();
    } catch (error) {
      this.#retryAt = this.#clock.now() + RETRY_MS;
      this.#trouble.failed(reasonOf(error));
    } finally {
      this.#underWay = 0;
    }
  }

  /** The end of the lines in the batch that fit into the current file; `#from` when it must be rotated first. */
  #fitting(): number {
    const room = this.#rotation.maxFileSize - this.#size;
    if (this.#batch.length - this.#from <= room) return this.#batch.length;
    const cut = room > 0 ? this.#batch.lastIndexOf(NEWLINE, this.#from + room - 1) + 1 : 0;
    if (cut > this.#from) return cut;
    if (this.#size === 0) return this.#batch.indexOf(NEWLINE, this.#from) + 1;
    return this.#clock.now() < this.#rotateAt ? this.#batch.length : this.#from;
  }

  #wrote(bytes: number): void {
    if (bytes === 0) throw new Error("nothing was written");
    this.#underWay = 0;
    this.#from += bytes;
    this.#size += bytes;
    this.counters.bytes += bytes;
    this.#progressAt = this.#clock.now();
  }

  /**
   * Starts a new file when the path holds another one or none; a file that was
   * emptied in place has room again. @returns true if a new file was started
   */
  async #follow(): Promise<boolean> {
    this.#lookAt = this.#clock.now() + LOOK_MS;
    const found = await stat(this.path).catch(({ code }: NodeJS.ErrnoException) =>
      code === "ENOENT" || code === "ENOTDIR" ? null : undefined,
    );
    if (found === undefined || this.#fd < 0) return false;
    if (found !== null && identityOf(found) === this.#identity) {
      this.#size = Math.min(this.#size, found.size);
      return false;
    }
    try {
      // A line that was written in part to the old file goes whole into the new one.
      const begun = this.#begun();
      if (begun > 0) fs.ftruncateSync(this.#fd, this.#size - begun);
      this.#open();
      this.#from -= begun;
      this.#to = this.#from;
      this.counters.bytes -= begun;
    } catch (error) {
      this.#lookAt = 0;
      throw error;
    }
    this.#onReopened();
    return true;
  }

  async #rotate(): Promise<void> {
    if (await this.#follow()) return;
    if (this.#fd < 0) return;
    try {
      await this.#moveAside();
      this.counters.rotations++;
      this.#rotationFailing = false;
    } catch (error) {
      this.#rotateAt = this.#clock.now() + RETRY_MS;
      if (this.#rotationFailing) return;
      this.#rotationFailing = true;
      this.#onTrouble(
        `cannot rotate ${this.path}: ${reasonOf(error)}; it grows past its limit`,
        "ERROR",
      );
    }
  }

  async #moveAside(): Promise<void> {
    const keep = this.#rotation.backupCount;
    const newest = `${this.path}.1`;
    // Only up to the first gap: a rotation that fails half way must not remove one more old file at each attempt.
    let gap = 1;
    while (gap < keep && (await stat(`${this.path}.${gap}`).catch(() => null)) !== null) gap++;
    for (let at = gap; at > 1; at--) await rename(`${this.path}.${at - 1}`, `${this.path}.${at}`);
    await rename(this.path, newest).catch((error) => {
      // Somebody else moved or removed the file: there is nothing to move aside.
      if (error.code !== "ENOENT") throw error;
    });
    if (this.#fd < 0) return;
    try {
      this.#open();
    } catch (error) {
      await rename(newest, this.path).catch(() => {});
      throw error;
    }
    if (keep === 0) await unlink(newest).catch(() => {});
  }

  /** A line finds no room. The disk is to blame only if it is stuck. */
  #drop(): void {
    const isStuck = this.#pumping !== null && this.#clock.now() - this.#progressAt >= STUCK_MS;
    if (isStuck) this.#trouble.failed("the disk takes nothing");
    else this.#trouble.dropped();
  }

  /** Counts the bytes of the write under way that reached the file, by its growth: nobody else appends to it. */
  #settle(): void {
    if (this.#underWay === 0) return;
    let landed = 0;
    for (let waited = 0; waited < SETTLE_MS && landed < this.#underWay; waited++) {
      if (waited > 0) Bun.sleepSync(1);
      landed = fs.fstatSync(this.#fd).size - this.#size;
    }
    if (landed > 0) this.#wrote(Math.min(landed, this.#underWay));
  }

  /** Bytes of a line that has been written in part. */
  #begun(): number {
    return this.#from > 0 ? this.#from - 1 - this.#batch.lastIndexOf(NEWLINE, this.#from - 1) : 0;
  }

  /** Counts unwritten lines as lost, and removes a line that was written in part. */
  #giveUp(): void {
    if (!this.#owes()) return;
    const begun = this.#begun();
    try {
      if (begun > 0) fs.ftruncateSync(this.#fd, this.#size - begun);
    } catch {
      // The next start ends that line.
    }
    const lost =
      countLines(this.#batch.toString("latin1", this.#from)) + countLines(this.#waiting.join(""));
    this.counters.linesLost += lost;
    this.#onTrouble(`closed ${this.path} with ${lost} lines unwritten: ${this.failing}`, "ERROR");
    this.#batch = Buffer.alloc(0);
    this.#from = this.#to = 0;
    this.#waiting = [];
  }
}
