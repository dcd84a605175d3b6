import * as fs from "node:fs";
import { pipeline } from "node:stream/promises";
import { createZstdDecompress } from "node:zlib";
import { COMPRESSED, oldFilesOf } from "../names.ts";

const NEWLINE = 10;
/** Bytes that are read at a time. */
const PIECE = 64 * 1024;

/** A file of a log, and what tells it from others wherever it is moved. */
interface Listed {
  readonly path: string;
  readonly identity: string;
}

/** A file of a log that is open for reading. */
export interface LogFile extends Listed {
  readonly fd: number;
  readonly isCompressed: boolean;
}

/** The files of a log that are there, the oldest first; the last one is the file that is written, if it is there. */
export function filesOf(path: string): string[] {
  const old = oldFilesOf(fs, path).map((file) => file.path);
  return [...old.toReversed(), ...(fs.existsSync(path) ? [path] : [])];
}

/** Goes through the files of a log from the oldest on, even while they are rotated, compressed and removed. */
export class FileWalk {
  readonly #path: string;
  /** The file that was opened last, and those behind it when it was. */
  #current: string | null = null;
  #following: readonly string[] = [];
  /** True once a file was removed before this came to it. */
  hasLost = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** Begins with the file that holds the entry of this number, or the next one that is there. */
  async seek(entry: number): Promise<void> {
    const files = listed(this.#path);
    let at = entry === 0 ? 0 : files.length - 1;
    while (at > 0 && !((await firstIn(files[at] as Listed)) <= entry)) at--;
    this.#current = "";
    this.#following = files.slice(at).map(({ identity }) => identity);
  }

  /** Opens the next newer file; null when there is none. @throws the system's error */
  next(): LogFile | null {
    for (;;) {
      const files = listed(this.#path);
      const at = this.#nextIn(files.map(({ identity }) => identity));
      const next = files[at];
      if (next === undefined) return null;
      const file = opened(next);
      // It was moved between the two looks.
      if (file === null) continue;
      this.#current = next.identity;
      this.#following = files.slice(at + 1).map(({ identity }) => identity);
      return file;
    }
  }

  /** True once a newer file is there, or the current one is no longer among them. */
  get hasMore(): boolean {
    return identityAt(this.#path) !== this.#current;
  }

  #nextIn(files: readonly string[]): number {
    if (this.#current === null) return 0;
    const current = files.indexOf(this.#current);
    if (current >= 0) return current + 1;
    // It was compressed or removed, which leaves those that followed in their order.
    for (const [ahead, identity] of this.#following.entries()) {
      const found = files.indexOf(identity);
      if (found < 0) continue;
      this.hasLost ||= found < ahead;
      return Math.max(0, found - ahead);
    }
    this.hasLost ||= this.#following.length > 0;
    return 0;
  }
}

/** The number of the first entry of a file; NaN when it has none. */
async function firstIn(at: Listed): Promise<number> {
  const file = opened(at);
  if (file === null) return NaN;
  for await (const { bytes } of linesIn(file)) return sequenceOf(bytes) ?? NaN;
  return NaN;
}

function listed(path: string): Listed[] {
  return filesOf(path).flatMap((file) => {
    const identity = identityAt(file);
    return identity === null ? [] : [{ path: file, identity }];
  });
}

function opened({ path, identity }: Listed): LogFile | null {
  let fd: number;
  try {
    fd = fs.openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  if (identityOf(fs.fstatSync(fd)) === identity) {
    return { path, identity, fd, isCompressed: path.endsWith(COMPRESSED) };
  }
  fs.closeSync(fd);
  return null;
}

function identityOf({ dev, ino }: { dev: number; ino: number }): string {
  return `${dev}:${ino}`;
}

function identityAt(path: string): string | null {
  try {
    return identityOf(fs.statSync(path));
  } catch {
    return null;
  }
}

/** A line of a file, without its newline. */
export interface FileLine {
  readonly bytes: Buffer;
  /** Counted from 1. */
  readonly number: number;
  /** False for the rest behind the last newline. */
  readonly isWhole: boolean;
}

/** Cuts pieces of a file into lines. */
export class LineCutter {
  #parts: Buffer[] = [];

  /** The bytes behind the last newline. */
  get rest(): Buffer {
    return Buffer.concat(this.#parts);
  }

  /** The lines that end in a piece; they may share its memory. */
  *cut(piece: Buffer): Generator<Buffer> {
    let start = 0;
    for (let at = piece.indexOf(NEWLINE); at >= 0; at = piece.indexOf(NEWLINE, start)) {
      const end = piece.subarray(start, at);
      if (this.#parts.length === 0) yield end;
      else yield Buffer.concat([...this.#parts.splice(0), end]);
      start = at + 1;
    }
    if (start < piece.length) this.#parts.push(Buffer.from(piece.subarray(start)));
  }
}

/** The lines of an open file, compressed or not, one after the other; then closes it. @throws the system's error */
export async function* linesIn(file: LogFile): AsyncGenerator<FileLine> {
  const cutter = new LineCutter();
  let number = 0;
  for await (const piece of file.isCompressed ? unpackedIn(file) : piecesIn(file)) {
    for (const bytes of cutter.cut(piece)) yield { bytes, number: ++number, isWhole: true };
  }
  const { rest } = cutter;
  if (rest.length > 0) yield { bytes: rest, number: ++number, isWhole: false };
}

/** The bytes of a file, a turn of the event loop apart. */
async function* piecesIn({ fd }: LogFile): AsyncGenerator<Buffer> {
  try {
    for (;;) {
      const piece = Buffer.allocUnsafeSlow(PIECE);
      const read = fs.readSync(fd, piece, 0, PIECE, null);
      if (read === 0) return;
      yield piece.subarray(0, read);
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    fs.closeSync(fd);
  }
}

async function* unpackedIn({ path, fd }: LogFile): AsyncGenerator<Buffer> {
  const raw = fs.createReadStream(path, { fd });
  const unpacking = createZstdDecompress();
  const piping = pipeline(raw, unpacking);
  // Whoever reads meets the error.
  piping.catch(() => {});
  try {
    yield* unpacking as AsyncIterable<Buffer>;
  } finally {
    raw.destroy();
  }
}

const SEQUENCE = /^(?:\{"sequence":)?(\d{1,16})[ ,]/;

/** The number of an entry's line; null when it has none. */
export function sequenceOf(line: Buffer): number | null {
  const digits = SEQUENCE.exec(line.toString("latin1", 0, 40))?.[1];
  const number = Number(digits ?? NaN);
  // Beyond 2^53 numbers would repeat.
  return Number.isSafeInteger(number) ? number : null;
}
