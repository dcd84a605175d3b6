import { dirname } from "node:path";
import { AppendFile } from "../../../host/append/append-file.ts";
import { type Disk, syncFolderSync, writeAllSync } from "../../../host/disk.ts";

/** Clients whose marks are kept; those that were not heard of for the longest time are forgotten first. */
const MOST_CLIENTS = 10_000;
/** Size of the file from which it is written anew. */
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

const RUN = /^R (\d{1,16}) (\d{1,16}) (\d{1,16}) ("[^\n]*")$/;
const MARK = /^M (\d{1,16}) ("[^\n]*")$/;

/**
 * The marks of the clients that have a name over connections, in a file beside
 * the log. Before lines are written it is noted down whose they are (`R`), so
 * that after a crash the last line of the log tells how far each client has
 * come, even when only some of the lines were written.
 */
export class Marks {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #marks = new Map<string, Mark>();
  #file: AppendFile | null = null;
  /** What is to be noted down before the next lines are written. */
  #runs: Run[] = [];
  /** Bytes that the disk has not taken yet. */
  #unwritten = Buffer.alloc(0);

  /**
   * Reads the marks, as far as the log has come.
   * @param next the number after the last line of the log
   * @throws the system's error; Error when the file is something else
   */
  constructor(disk: Disk, path: string, next: number) {
    this.#disk = disk;
    this.#path = path;
    const text = textOf(disk, path);
    // What follows the last newline was cut short before its entries were written: they are not in the log.
    const lines = text.split("\n").slice(0, -1);
    if (lines.length === 0) return;
    for (const line of lines) this.#apply(line, next);
    this.#writeAnew(next);
  }

  /** How many clients have a mark. */
  get size(): number {
    return this.#marks.size;
  }

  /** The mark of a client; a client that has none begins at `first`. */
  of(clientId: string, first: number): Mark {
    const mark = this.#marks.get(clientId) ?? { next: first, entry: 0 };
    this.#marks.delete(clientId);
    this.#marks.set(clientId, mark);
    if (this.#marks.size > MOST_CLIENTS) {
      const [oldest] = this.#marks.keys();
      this.#marks.delete(oldest as string);
    }
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
    else this.#runs.push({ clientId, entry, first: number, count: 1 });
    mark.next = number + 1;
    mark.entry = entry + 1;
  }

  /** Notes down whose the lines are that are written next. @throws the system's error; it goes on with the next call */
  write(): void {
    if (this.#runs.length > 0) {
      const text = this.#runs.splice(0).map(runLine).join("");
      this.#unwritten = Buffer.concat([this.#unwritten, Buffer.from(text)]);
    }
    if (this.#unwritten.length === 0) return;
    this.#file ??= new AppendFile(this.#disk, this.#path);
    while (this.#unwritten.length > 0) {
      const taken = this.#file.append(this.#unwritten, 0, this.#unwritten.length);
      this.#unwritten = this.#unwritten.subarray(taken);
    }
  }

  /** Rejects with the system's error. */
  async sync(): Promise<void> {
    await this.#file?.sync();
  }

  /** Everything up to the entry `next` is in the log, and on disk: a long file is written anew. @throws the system's error; the file stays */
  allKept(next: number): void {
    if (this.#file === null || this.#file.size < LARGE || this.#runs.length > 0) return;
    if (this.#unwritten.length === 0) this.#writeAnew(next);
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  #apply(line: string, next: number): void {
    const run = RUN.exec(line);
    if (run) {
      const [, entry, count, first, id] = run;
      const written = Math.min(Number(count), Math.max(0, next - Number(entry)));
      if (written > 0 || !this.#marks.has(JSON.parse(id as string))) {
        this.#set(id as string, Number(first) + written, next);
      }
      return;
    }
    const mark = MARK.exec(line);
    if (!mark) throw new Error(`${this.#path} holds no marks of the collector`);
    this.#set(mark[2] as string, Number(mark[1]), next);
  }

  #set(id: string, clientNext: number, entry: number): void {
    const clientId = JSON.parse(id) as string;
    this.#marks.delete(clientId);
    this.#marks.set(clientId, { next: clientNext, entry });
  }

  /** Writes only the marks, to another file that takes the place of this one. */
  #writeAnew(next: number): void {
    const lines = [...this.#marks].map(([id, mark]) => `M ${mark.next} ${JSON.stringify(id)}\n`);
    const bytes = Buffer.from(lines.join(""));
    const fresh = `${this.#path}.new`;
    const fd = this.#disk.openSync(fresh, "w");
    try {
      writeAllSync(this.#disk, fd, bytes, 0);
      this.#disk.fsyncSync(fd);
    } finally {
      this.#disk.closeSync(fd);
    }
    this.#disk.renameSync(fresh, this.#path);
    syncFolderSync(this.#disk, dirname(this.#path));
    this.close();
    for (const mark of this.#marks.values()) mark.entry = Math.min(mark.entry, next);
  }
}

function runLine({ entry, count, first, clientId }: Run): string {
  return `R ${entry} ${count} ${first} ${JSON.stringify(clientId)}\n`;
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
