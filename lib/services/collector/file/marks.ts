import { dirname } from "node:path";
import { AppendFile } from "../../../host/append/append-file.ts";
import {
  type Disk,
  isFailure,
  removeSync,
  syncFolderSync,
  writeAllSync,
} from "../../../host/disk.ts";

/** Clients whose marks are kept; those that were not heard of for the longest time are forgotten first. */
export const MOST_CLIENTS = 10_000;
/** Growth of the file after which it is written anew. */
const LARGE = 4 * 2 ** 20;

/** How far one client has come: what it sends again is known by its number. */
export interface Mark {
  /** Its own number of the next record that is new. */
  next: number;
  /** The number of the entry after its last one. */
  entry: number;
}

/** Consecutive entries of one client. */
interface Run {
  readonly clientId: string;
  /** The number of the first entry. */
  readonly entry: number;
  /** The client's own number of it. */
  readonly first: number;
  count: number;
}

/** The place where the file began: the number of its first entry, and the hash of the line before. */
interface Begin {
  readonly next: number;
  readonly hash: string;
}

const RUN = /^R (\d{1,16}) (\d{1,16}) (\d{1,16}) ("[^\n]*")$/;
const MARK = /^M (\d{1,16}) ("[^\n]*")$/;
const BEGIN = /^N (\d{1,16}) ([0-9a-f]*)$/;

/**
 * The marks of the clients that have a name over connections, in a file beside
 * the log. Before lines are written it is noted down whose they are (`R`), so
 * that after a crash the last line of the log tells how far each client has
 * come, even when only some of the lines were written. It also holds the number
 * that the file begins with (`N`), for a start that finds no line in it.
 */
export class Marks {
  /** The number of the next entry, as the log and the marks have it. */
  readonly next: number;
  /** The hash of the line before it; "" where only the log can tell. */
  readonly hash: string;
  readonly #disk: Disk;
  readonly #path: string;
  readonly #marks = new Map<string, Mark>();
  #begin: Begin | null = null;
  #file: AppendFile | null = null;
  #isNamed = false;
  readonly #large: number;
  /** Size of the file when it was written anew. */
  #sizeAnew = 0;
  /** A sync has failed: nobody knows what of the file is on disk. */
  #isInDoubt = false;
  /** Runs that are to be noted down before the next lines are written. */
  #runs: Run[] = [];
  /** Runs that are noted down, from `#keptRuns` on those whose lines may not be on disk. */
  #noted: Run[] = [];
  #keptRuns = 0;
  /** Bytes that the disk has not taken yet. */
  #unwritten = Buffer.alloc(0);

  /**
   * Reads the marks, as far as the log has come.
   * @param next the number after the last line of the log
   * @param large growth of the file after which it is written anew, in bytes
   * @throws the system's error; Error when the file is something else
   */
  constructor(disk: Disk, path: string, next: number, large = LARGE) {
    this.#disk = disk;
    this.#path = path;
    this.#large = large;
    removeSync(disk, this.#fresh);
    const text = textOf(disk, path);
    // What follows the last newline was cut short before its entries were written: they are not in the log.
    const lines = text.split("\n").slice(0, -1);
    for (const line of lines) this.#readBegin(line);
    const { next: begun = 0, hash = "" } = this.#begin ?? {};
    this.next = Math.max(next, begun);
    this.hash = begun >= next ? hash : "";
    for (const line of lines) this.#apply(line);
    if (text === "") return;
    try {
      this.#writeAnew();
    } catch (error) {
      if (!isFailure(error)) throw error;
      // A full disk: what may be cut short is written anew before anything is added.
      this.#isInDoubt = true;
    }
  }

  /** The number of clients that have a mark. */
  get size(): number {
    return this.#marks.size;
  }

  /** The mark of a client; a client that has none begins at `first`, and gets one with its first entry: names alone push nobody out. */
  of(clientId: string, first: number): Mark {
    const mark = this.#marks.get(clientId);
    if (mark === undefined) return { next: first, entry: 0 };
    this.#heard(clientId, mark);
    return mark;
  }

  /** An entry is about to be taken for a client. @param number the client's own number of it */
  took(clientId: string, mark: Mark, number: number, entry: number): void {
    const last = this.#runs.at(-1);
    const continues =
      last !== undefined &&
      last.clientId === clientId &&
      last.entry + last.count === entry &&
      last.first + last.count === number;
    if (continues) last.count++;
    else {
      this.#runs.push({ clientId, entry, first: number, count: 1 });
      this.#heard(clientId, mark);
    }
    mark.next = number + 1;
    mark.entry = entry + 1;
  }

  /** The file of the log begins anew. @param next the number of its first entry @param hash of the line before; "" if there is none or it is not known */
  begun(next: number, hash: string): void {
    const before = this.#begin;
    if (before?.next === next && (hash === "" || before.hash === hash)) return;
    this.#begin = { next, hash };
    this.#add(beginLine(this.#begin));
    try {
      this.write();
    } catch (error) {
      // It goes on before the next lines are written.
      if (!isFailure(error)) throw error;
    }
  }

  /** Notes down whose the lines are that are written next. @throws the system's error; it goes on with the next call */
  write(): void {
    if (this.#runs.length > 0) {
      const runs = this.#runs.splice(0);
      for (const run of runs) this.#noted.push(run);
      this.#add(runs.map(runLine).join(""));
    }
    if (this.#unwritten.length === 0) return;
    if (this.#isInDoubt) return this.#writeAnew();
    this.#file ??= new AppendFile(this.#disk, this.#path);
    while (this.#unwritten.length > 0) {
      const taken = this.#file.append(this.#unwritten, 0, this.#unwritten.length);
      this.#unwritten = this.#unwritten.subarray(taken);
    }
  }

  /** Syncs what is noted down. Rejects with the system's error. */
  async sync(): Promise<void> {
    if (this.#isInDoubt || this.#file?.isRemoved) this.#writeAnew();
    const file = this.#file;
    if (file === null) return;
    try {
      await file.sync();
      if (!this.#isNamed) await file.syncFolder();
      this.#isNamed = true;
    } catch (error) {
      this.#isInDoubt = true;
      throw error;
    }
  }

  /** All entries before this one are on disk. */
  keptUpTo(entry: number): void {
    const noted = this.#noted;
    while (this.#keptRuns < noted.length) {
      const { entry: first, count } = noted[this.#keptRuns] as Run;
      if (first + count > entry) break;
      this.#keptRuns++;
    }
    // Cut seldom, so that each costs little.
    if (this.#keptRuns < 1000 || this.#keptRuns < noted.length / 2) return;
    noted.splice(0, this.#keptRuns);
    this.#keptRuns = 0;
  }

  /** Writes a file anew that has grown long, or that somebody has moved or removed, with the marks alone. @throws the system's error; the file stays */
  shorten(): void {
    if (this.#file === null) return;
    if (!this.#file.isElsewhere && this.#file.size < this.#sizeAnew + this.#large) return;
    this.#writeAnew();
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  /** A client is the last one to be forgotten. */
  #heard(clientId: string, mark: Mark): void {
    this.#marks.delete(clientId);
    this.#marks.set(clientId, mark);
    if (this.#marks.size <= MOST_CLIENTS) return;
    const [oldest] = this.#marks.keys();
    this.#marks.delete(oldest as string);
  }

  #add(text: string): void {
    this.#unwritten = Buffer.concat([this.#unwritten, Buffer.from(text)]);
  }

  #readBegin(line: string): void {
    const begin = BEGIN.exec(line);
    if (begin) this.#begin = { next: Number(begin[1]), hash: begin[2] as string };
  }

  #apply(line: string): void {
    if (line.startsWith("N ")) return;
    const { next } = this;
    const run = RUN.exec(line);
    if (run) {
      const [, entry, count, first, id] = run;
      const written = Math.min(Number(count), Math.max(0, next - Number(entry)));
      if (written > 0 || !this.#marks.has(JSON.parse(id as string))) {
        this.#set(id as string, Number(first) + written);
      }
      return;
    }
    const mark = MARK.exec(line);
    if (!mark) throw noMarks(this.#path);
    this.#set(mark[2] as string, Number(mark[1]));
  }

  #set(id: string, clientNext: number): void {
    this.#heard(JSON.parse(id) as string, { next: clientNext, entry: this.next });
  }

  get #fresh(): string {
    return `${this.#path}.new`;
  }

  /** Writes the marks to another file that takes the place of this one, with the runs whose lines may not be on disk. */
  #writeAnew(): void {
    const open = this.#noted.slice(this.#keptRuns);
    /** Where clients stood before those runs, and those that are not noted down yet. */
    const before = new Map<string, number>();
    for (const { clientId, first } of [...open, ...this.#runs]) {
      if (!before.has(clientId)) before.set(clientId, first);
    }
    const lines = [...this.#marks].map(([id, { next }]) => markLine(id, before.get(id) ?? next));
    if (this.#begin !== null) lines.push(beginLine(this.#begin));
    lines.push(...open.map(runLine));
    const bytes = Buffer.from(lines.join(""));
    const fd = this.#disk.openSync(this.#fresh, "w");
    try {
      writeAllSync(this.#disk, fd, bytes, 0);
      this.#disk.fsyncSync(fd);
    } finally {
      this.#disk.closeSync(fd);
    }
    this.#disk.renameSync(this.#fresh, this.#path);
    syncFolderSync(this.#disk, dirname(this.#path));
    this.close();
    this.#file = new AppendFile(this.#disk, this.#path);
    this.#sizeAnew = bytes.length;
    this.#unwritten = Buffer.alloc(0);
    this.#isNamed = true;
    this.#isInDoubt = false;
  }
}

/** Looks at the file of marks as a start does, and changes nothing. @throws what the constructor throws */
export function checkMarks(disk: Disk, path: string): void {
  for (const line of textOf(disk, path).split("\n").slice(0, -1)) {
    if (!line.startsWith("N ") && !RUN.test(line) && !MARK.test(line)) throw noMarks(path);
  }
}

function noMarks(path: string): Error {
  return new Error(`${path} holds no marks of the collector`);
}

function runLine({ entry, count, first, clientId }: Run): string {
  return `R ${entry} ${count} ${first} ${JSON.stringify(clientId)}\n`;
}

function markLine(clientId: string, next: number): string {
  return `M ${next} ${JSON.stringify(clientId)}\n`;
}

function beginLine({ next, hash }: Begin): string {
  return `N ${next} ${hash}\n`;
}

function textOf(disk: Disk, path: string): string {
  let fd: number;
  try {
    fd = disk.openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
  try {
    const bytes = Buffer.alloc(disk.fstatSync(fd).size);
    let at = 0;
    while (at < bytes.length) {
      const read = disk.readSync(fd, bytes, at, bytes.length - at, at);
      if (read === 0) break;
      at += read;
    }
    return bytes.toString("utf8", 0, at);
  } finally {
    disk.closeSync(fd);
  }
}
