import { FIRST_HASH, hashedLine, hashOf } from "./chain.ts";
import { type FileLine, FileWalk, linesIn, sequenceOf } from "./file/read/reading.ts";

/** Something that is wrong with a log, and its place. */
export interface LogFault {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  readonly message: string;
}

/** What a log holds, and what is wrong with it. */
export interface Verified {
  readonly files: number;
  readonly lines: number;
  /** The numbers of the first and the last entry; null for an empty log. */
  readonly first: number | null;
  readonly last: number | null;
  /** The hash of the last line; null without a chain. */
  readonly head: string | null;
  /** The first entry, where only the line before it, which is gone, could prove it; else null. */
  readonly unproved: number | null;
  /** The first faults, in order. */
  readonly faults: readonly LogFault[];
  /** Faults in all. */
  readonly faultCount: number;
}

export interface VerifyOptions {
  /** The key of the hashes; "" for none. */
  readonly key: string;
  /** Every line has to end in a hash. */
  readonly chained: boolean;
  /** A number and hash that were noted down before: the log must hold them. */
  readonly noted?: { readonly sequence: number; readonly hash: string };
}

/** Faults that are told one by one. */
const MOST_TOLD = 100;
/** How often a log is read whose files are removed before their turn comes. */
const MOST_ATTEMPTS = 5;

/**
 * Reads a log with all its rotated files and looks for gaps, doubles, lines out
 * of order and torn ones; with hashes also for what was changed or deleted.
 * A file that a rotation removes meanwhile is no gap: then all is read anew.
 * @throws the system's error
 */
export async function verify(path: string, options: VerifyOptions): Promise<Verified> {
  for (let attempt = 1; ; attempt++) {
    const found = await readAll(path, options, attempt === MOST_ATTEMPTS);
    if (found !== null) return found;
  }
}

/** @returns null once a file is removed before its turn, except for the last time */
async function readAll(
  path: string,
  options: VerifyOptions,
  isLast: boolean,
): Promise<Verified | null> {
  const reading = new Reading(options);
  const walk = new FileWalk(path);
  let files = 0;
  for (let file = walk.next(); file !== null; file = walk.next()) {
    files++;
    const isNewest = file.path === path;
    for await (const line of linesIn(file)) reading.take(file.path, line, isNewest);
    // What a server writes after this is for the next time.
    if (walk.hasLost && !isLast) return null;
    if (isNewest) break;
  }
  return reading.end(path, files);
}

class Reading {
  readonly #options: VerifyOptions;
  readonly #faults: LogFault[] = [];
  #count = 0;
  #lines = 0;
  #first: number | null = null;
  #last: number | null = null;
  /** The hash that the next line's is over; null before the first line, whose own is taken as it is. */
  #before: string | null = null;
  #foundNoted = false;
  #unproved: number | null = null;

  constructor(options: VerifyOptions) {
    this.#options = options;
  }

  take(file: string, line: FileLine, isLastFile: boolean): void {
    this.#lines++;
    const fault = (message: string) => this.#fault({ file, line: line.number, message });
    const sequence = sequenceOf(line.bytes);
    if (!line.isWhole) {
      fault(
        isLastFile ? "it is cut short: the server is writing it, or was killed" : "it is cut short",
      );
      return;
    }
    if (sequence === null) return fault("it has no number");
    this.#follow(sequence, fault);
    if (this.#options.chained) this.#link(line.bytes, sequence, fault);
  }

  end(path: string, files: number): Verified {
    const { noted } = this.#options;
    if (noted !== undefined && !this.#foundNoted) {
      const message = `there is no entry ${noted.sequence} with the hash ${noted.hash}: the log was cut or replaced`;
      this.#fault({ file: path, line: this.#lines, message });
    }
    return {
      files,
      lines: this.#lines,
      first: this.#first,
      last: this.#last,
      head: this.#options.chained ? this.#before : null,
      unproved: this.#unproved,
      faults: this.#faults,
      faultCount: this.#count,
    };
  }

  #follow(sequence: number, fault: (message: string) => void): void {
    const last = this.#last;
    this.#first ??= sequence;
    if (last !== null && sequence > last + 1) {
      const [from, to] = [last + 1, sequence - 1];
      const what = from === to ? `entry ${from} is` : `entries ${from} to ${to} are`;
      fault(`${what} missing before it`);
    } else if (last !== null && sequence <= last) {
      fault(
        sequence === last
          ? `entry ${sequence} is there twice`
          : `entry ${sequence} comes after ${last}`,
      );
    }
    this.#last = Math.max(last ?? sequence, sequence);
  }

  #link(bytes: Buffer, sequence: number, fault: (message: string) => void): void {
    const { key, noted } = this.#options;
    const found = hashedLine(bytes);
    if (found === null) {
      this.#before = null;
      return fault("it ends in no hash");
    }
    const { content, hash } = found;
    const isNoted = noted?.sequence === sequence && noted.hash === hash;
    if (isNoted) this.#foundNoted = true;
    // A log whose oldest files are gone begins with a line whose predecessor nobody knows.
    const before = this.#before ?? (sequence === 0 ? FIRST_HASH : null);
    if (before === null && this.#first === sequence) {
      this.#unproved = sequence;
      if (isNoted) fault("nothing proves it: its hash is over a line that is gone");
    }
    if (before !== null && hashOf(key, before, content) !== hash) {
      fault("its hash is wrong: it was changed, or a line before it was deleted or inserted");
    }
    this.#before = hash;
  }

  #fault(fault: LogFault): void {
    this.#count++;
    if (this.#faults.length < MOST_TOLD) this.#faults.push(fault);
  }
}
