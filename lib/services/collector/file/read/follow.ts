import { closeSync, readSync } from "node:fs";
import { FileWalk, LineCutter, linesIn, type LogFile, sequenceOf } from "./reading.ts";

/** Bytes read at a time. */
const PIECE = 64 * 1024;

/** Takes a line without its newline. The next one is given once a promise that it answers is resolved. */
export type TakeLine = (line: Buffer) => void | Promise<void>;

/**
 * Follows a log as it grows and is rotated. Lines are given once each, in the
 * order of their numbers; other work gets its turn after each piece.
 */
export class Follower {
  readonly #take: TakeLine;
  readonly #walk: FileWalk;
  #file: LogFile | null = null;
  #cutter = new LineCutter();
  /** The file before, which may still grow until there is a line in the next one. */
  #before: { readonly file: LogFile; readonly cutter: LineCutter } | null = null;
  #last: number;
  #hasBegun = false;
  #busy: Promise<void> | null = null;
  #isClosed = false;

  /** @param from the number of the first entry that is wanted */
  constructor(path: string, from: number, take: TakeLine) {
    this.#walk = new FileWalk(path);
    this.#last = from - 1;
    this.#take = take;
  }

  /** Gives all lines that are there now; while that goes on, another call waits for the same. @throws the system's error */
  look(): Promise<void> {
    this.#busy ??= this.#look().finally(() => {
      this.#busy = null;
      if (this.#isClosed) this.#closeFiles();
    });
    return this.#busy;
  }

  /** Gives no more lines. */
  close(): void {
    this.#isClosed = true;
    if (this.#busy === null) this.#closeFiles();
  }

  #closeFiles(): void {
    if (this.#before !== null) closeSync(this.#before.file.fd);
    if (this.#file !== null) closeSync(this.#file.fd);
    this.#before = this.#file = null;
  }

  async #look(): Promise<void> {
    if (!this.#hasBegun) await this.#walk.seek(this.#last + 1);
    this.#hasBegun = true;
    for (;;) {
      await this.#readOn();
      if (this.#isClosed || (this.#file !== null && !this.#walk.hasMore)) return;
      // Between the last read and the look the server may have written more.
      await this.#readOn();
      const next = this.#isClosed ? null : this.#walk.next();
      if (next === null) return;
      if (next.isCompressed) await this.#giveAll(next);
      else this.#goOnIn(next);
    }
  }

  /** A compressed file grows no more. */
  async #giveAll(file: LogFile): Promise<void> {
    this.#leave();
    for await (const { bytes, isWhole } of linesIn(file)) {
      if (this.#isClosed) return;
      if (isWhole) await this.#give(bytes);
    }
  }

  #goOnIn(file: LogFile): void {
    this.#leave();
    if (this.#file !== null) this.#before = { file: this.#file, cutter: this.#cutter };
    this.#file = file;
    this.#cutter = new LineCutter();
  }

  #leave(): void {
    if (this.#before !== null) closeSync(this.#before.file.fd);
    this.#before = null;
  }

  async #readOn(): Promise<void> {
    const file = this.#file;
    while (file !== null && !this.#isClosed) {
      const piece = Buffer.allocUnsafe(PIECE);
      const read = readSync(file.fd, piece, 0, PIECE, null);
      // Whoever moves a file may write to it for a moment more, but no longer once the next one has a line.
      await this.#readBefore();
      if (read === 0) return;
      this.#leave();
      await this.#giveLines(this.#cutter, piece.subarray(0, read));
    }
  }

  async #readBefore(): Promise<void> {
    while (this.#before !== null && !this.#isClosed) {
      const { file, cutter } = this.#before;
      const piece = Buffer.allocUnsafe(PIECE);
      const read = readSync(file.fd, piece, 0, PIECE, null);
      if (read === 0) return;
      await this.#giveLines(cutter, piece.subarray(0, read));
    }
  }

  async #giveLines(cutter: LineCutter, piece: Buffer): Promise<void> {
    for (const line of cutter.cut(piece)) {
      const taken = this.#give(line);
      if (taken !== undefined) await taken;
      if (this.#isClosed) return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }

  #give(line: Buffer): void | Promise<void> {
    const sequence = sequenceOf(line);
    if (sequence === null || sequence <= this.#last) return;
    this.#last = sequence;
    return this.#take(line);
  }
}
