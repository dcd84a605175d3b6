import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { COMPRESSED } from "./names.ts";
import { filesOf, linesIn, sequenceOf } from "./reading.ts";

const NEWLINE = 10;
/** Bytes read at a time. */
const PIECE = 64 * 1024;

/** Takes lines without their newlines, in order. */
export type TakeLine = (line: Buffer) => void;

/**
 * Follows a log as it grows and is rotated. Lines are given once each, in the
 * order of their numbers.
 */
export class Follower {
  readonly #path: string;
  readonly #take: TakeLine;
  #fd: number | null = null;
  #identity = "";
  /** The rest of the file that has no newline yet. */
  #rest: Buffer = Buffer.alloc(0);
  #last = -1;
  #busy: Promise<void> | null = null;

  /** @param from the number of the first entry that is wanted */
  constructor(path: string, from: number, take: TakeLine) {
    this.#path = path;
    this.#last = from - 1;
    this.#take = take;
  }

  /** Gives all lines that are there now. @throws the system's error */
  look(): Promise<void> {
    this.#busy ??= this.#look().finally(() => {
      this.#busy = null;
    });
    return this.#busy;
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  async #look(): Promise<void> {
    if (this.#fd !== null) {
      this.#readOn(this.#fd);
      if (identityAt(this.#path) === this.#identity) return;
      // Between the last read and the look the server may have written more.
      this.#readOn(this.#fd);
      this.close();
    }
    await this.#catchUp();
  }

  /** Reads the rotated files for what was not given yet, and opens the newest. */
  async #catchUp(): Promise<void> {
    const files = filesOf(this.#path);
    for (const file of files) {
      if (file === this.#path) break;
      if (!(await this.#mayHoldMore(file))) continue;
      for await (const { bytes, isWhole } of linesIn(file)) if (isWhole) this.#give(bytes);
    }
    if (files.at(-1) !== this.#path) return;
    const fd = openSync(this.#path, "r");
    this.#fd = fd;
    this.#identity = identityOf(fstatSync(fd));
    this.#rest = Buffer.alloc(0);
    this.#readOn(fd);
  }

  /** False when the last line of a file was given already. */
  async #mayHoldMore(file: string): Promise<boolean> {
    if (file.endsWith(COMPRESSED)) return true;
    const fd = openSync(file, "r");
    try {
      const { size } = fstatSync(fd);
      const end = Buffer.alloc(Math.min(size, PIECE));
      readSync(fd, end, 0, end.length, size - end.length);
      const start = end.lastIndexOf(NEWLINE, end.length - 2) + 1;
      return start === 0 || (sequenceOf(end.subarray(start)) ?? Infinity) > this.#last;
    } finally {
      closeSync(fd);
    }
  }

  #readOn(fd: number): void {
    const piece = Buffer.alloc(PIECE);
    for (;;) {
      const read = readSync(fd, piece, 0, PIECE, null);
      if (read === 0) return;
      let start = 0;
      for (let at = piece.indexOf(NEWLINE); at >= 0 && at < read;) {
        const part = Buffer.from(piece.subarray(start, at));
        this.#give(this.#rest.length > 0 ? Buffer.concat([this.#rest, part]) : part);
        this.#rest = Buffer.alloc(0);
        start = at + 1;
        at = piece.indexOf(NEWLINE, start);
      }
      this.#rest = Buffer.concat([this.#rest, piece.subarray(start, read)]);
    }
  }

  #give(line: Buffer): void {
    const sequence = sequenceOf(line);
    if (sequence === null || sequence <= this.#last) return;
    this.#last = sequence;
    this.#take(line);
  }
}

function identityOf({ dev, ino }: { dev: number; ino: number }): string {
  return `${dev}:${ino}`;
}

function identityAt(path: string): string | null {
  try {
    return identityOf(statSync(path));
  } catch {
    return null;
  }
}
