import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { HandClock } from "../lib/host/clock.ts";
import { Journal, type JournalOptions } from "../lib/services/store/journal/journal.ts";
import { until } from "./kit.ts";

export const HEADER = 51;
export const MiB = 1024 * 1024;
export const root = fs.mkdtempSync(join(tmpdir(), "journal-"));
let made = 0;
process.on("exit", () => fs.rmSync(root, { recursive: true, force: true }));

export const newFolder = (): string => join(root, `${++made}`);
export const lineOf = (record: unknown[]): string => `${JSON.stringify(record)}\n`;

// The files of a folder made without the code under test.

export const hex = (value: number, digits = 8): string => value.toString(16).padStart(digits, "0");
/** The first line of a file. */
export const headOf = (...words: unknown[]): string => {
  const text = `store ${words.join(" ")}`;
  return `${text} ${hex(crc32(text))}\n`;
};

/** Batches of records, each chained to the one before. */
export class Chain {
  number: number;
  crc: number;

  constructor(number = 0, crc = 0) {
    this.number = number;
    this.crc = crc;
  }

  /** @param unsynced batches before it that were not known to be on disk */
  text(text: string, unsynced = 0): Buffer {
    const length = hex(Buffer.byteLength(text));
    const head = `${length} ${hex(++this.number, 14)} ${hex(unsynced)} ${hex(this.crc)} `;
    this.crc = crc32(text, crc32(head));
    return Buffer.from(`${head}${hex(this.crc)}\n${text}`);
  }

  batch(...records: unknown[][]): Buffer {
    return this.text(records.map(lineOf).join(""));
  }

  /** A batch none before which was known to be on disk, as with a disk that is slow. */
  unsynced(...records: unknown[][]): Buffer {
    return this.text(records.map(lineOf).join(""), this.number);
  }
}

export const ID = "0123456789abcdef";

/** The first line of a journal. */
export const journalHead = (generation: number): Buffer =>
  Buffer.from(headOf("journal", 2, ID, hex(generation, 14)));

export const manifestOf = (files: object, id = ID, format = 2): string => {
  const body = `${JSON.stringify(files)}\n`;
  return headOf("manifest", format, id, hex(crc32(body))) + body;
};

export const markOf = (number: number, crc: number, id = ID): Buffer => {
  const bytes = Buffer.alloc(8192);
  const line = headOf("mark", 2, id, hex(number, 14), hex(crc));
  for (const at of [0, 4096]) bytes.write(line, at);
  return bytes;
};

/** A whole snapshot. @param after the last batch before it */
export const snapshotOf = (
  generation: number,
  after: Chain,
  slices: unknown[][][],
  id = ID,
): Buffer => {
  const head = headOf(
    "snapshot",
    2,
    id,
    hex(generation, 14),
    hex(after.number, 14),
    hex(after.crc),
  );
  const chain = new Chain(0, crc32(head.slice(0, -1)));
  const batches = slices.map((records) => chain.batch(...records));
  const end = `end ${hex(slices.length, 14)} ${hex(slices.flat().length, 14)} ${hex(chain.crc)}`;
  return Buffer.concat([Buffer.from(head), ...batches, Buffer.from(`${end} ${hex(crc32(end))}\n`)]);
};

/** A batch of the format before. */
export const oldBatch = (...records: unknown[][]): Buffer => {
  const text = records.map(lineOf).join("");
  return Buffer.from(`${hex(Buffer.byteLength(text))} ${hex(crc32(text))}\n${text}`);
};

/** A clock that knows how many attempts are to come. */
class CountingClock extends HandClock {
  readonly jobs = new Set<() => void>();

  override after(ms: number, job: () => void): () => void {
    const run = (): void => {
      this.jobs.delete(run);
      job();
    };
    this.jobs.add(run);
    const cancel = super.after(ms, run);
    return () => {
      this.jobs.delete(run);
      cancel();
    };
  }
}

/** A journal that was opened and loaded, and all that it has told. */
export function open(folder = newFolder(), options: Partial<JournalOptions> = {}) {
  const clock = new CountingClock();
  const notes: string[] = [];
  const troubles: string[] = [];
  const records: unknown[][] = [];
  /** The values that `synced` was called with. */
  const syncs: number[] = [];
  const journal = new Journal(folder, {
    clock,
    snapshotBytes: Infinity,
    onTrouble: (message) => troubles.push(message),
    onNote: (message) => notes.push(message),
    ...options,
  });
  journal.onSynced = () => syncs.push(journal.synced);
  journal.load(
    (lines) => {
      const found = lines.toString().split("\n").slice(0, -1);
      for (const line of found) {
        const record: unknown = JSON.parse(line);
        if (!Array.isArray(record)) throw new Error("a record is not an array");
        records.push(record);
      }
      return found.length;
    },
    () => slicesOf(records),
  );
  /** Writes records as one batch; whether they were accepted. */
  const put = (...batch: unknown[][]): boolean => {
    const lines = batch.map(lineOf);
    const sizes = lines.map((line) => Buffer.byteLength(line));
    if (!journal.reserve(sizes.reduce((sum, size) => sum + size, 0))) return false;
    for (const [at, line] of lines.entries()) journal.append(line, sizes[at] as number);
    journal.write();
    return true;
  };
  const idle = () => until(() => journal.synced === journal.written);
  return { journal, clock, folder, notes, troubles, records, syncs, put, idle };
}

function slicesOf(records: readonly unknown[][]): () => string | null {
  const lines = records.map(lineOf);
  return () => lines.shift() ?? null;
}

/** All that a folder loads to. */
export async function load(folder: string, options: Partial<JournalOptions> = {}) {
  const { journal, records, notes } = open(folder, options);
  await journal.close();
  return { records, notes };
}

/** A folder of one journal with these batches. @param marked the batch that is known to be on disk */
export function journalOf(batches: Uint8Array, marked = new Chain()): string {
  return folderOf({
    manifest: manifestOf({ snapshot: null, journals: [1], mark: 1 }),
    "mark-1": markOf(marked.number, marked.crc),
    "journal-1": Buffer.concat([journalHead(1), batches]),
  });
}

/** A folder that holds these files. */
export function folderOf(files: Record<string, Uint8Array | string>): string {
  const folder = newFolder();
  fs.mkdirSync(folder);
  for (const [name, content] of Object.entries(files))
    fs.writeFileSync(join(folder, name), content);
  return folder;
}

export const sizeOf = (folder: string, name: string): number =>
  fs.statSync(join(folder, name)).size;
/** Its journals, its snapshots and whatever else there is. */
export const filesIn = (folder: string): string[] =>
  fs
    .readdirSync(folder)
    .filter((name) => !/^(lock|manifest|mark-\d+)$/.test(name))
    .sort();

/** Keys and values as a store would keep them, with a history that tells every state from every other. */
export class Keys {
  readonly now = new Map<string, number>();
  readonly #history: [string, number | null][] = [];

  get steps(): number {
    return this.#history.length;
  }

  /** The record of the next step, which is done with `took`. */
  next(key: string, remove = false): [string, number | null] {
    return [key, remove ? null : this.steps + 1];
  }

  took([key, value]: [string, number | null]): void {
    this.#history.push([key, value]);
    if (value === null) this.now.delete(key);
    else this.now.set(key, value);
  }

  /** The content that the records load to, as text. */
  static of(records: unknown[][]): string {
    const map = new Map<unknown, unknown>();
    for (const [key, value] of records) {
      if (value === null) map.delete(key);
      else map.set(key, value);
    }
    return JSON.stringify([...map].sort());
  }

  at(step: number): string {
    return Keys.of(this.#history.slice(0, step));
  }

  /** Slices of one key each, of the keys that there are now with the values that they have then. */
  slices(between: () => void = () => {}): () => string | null {
    const keys = [...this.now.keys()];
    return () => {
      between();
      const key = keys.shift();
      if (key === undefined) return null;
      const value = this.now.get(key);
      return value === undefined ? "" : lineOf([key, value]);
    };
  }
}
