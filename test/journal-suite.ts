import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { HandClock } from "../lib/host/clock.ts";
import { Journal, type JournalOptions } from "../lib/services/store/journal/journal.ts";
import { until } from "./kit.ts";

export const HEADER = 18;
export const MiB = 1024 * 1024;
export const root = fs.mkdtempSync(join(tmpdir(), "journal-"));
let made = 0;
process.on("exit", () => fs.rmSync(root, { recursive: true }));

export const newFolder = (): string => join(root, `${++made}`);
export const lineOf = (record: unknown[]): string => `${JSON.stringify(record)}\n`;
/** A batch made without the code under test. */
export const batch = (text: string): Buffer => {
  const hex = (value: number) => value.toString(16).padStart(8, "0");
  return Buffer.from(`${hex(Buffer.byteLength(text))} ${hex(crc32(text))}\n${text}`);
};
export const batchOf = (...records: unknown[][]): Buffer => batch(records.map(lineOf).join(""));

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
  journal.load((record) => records.push(record));
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

/** All that a folder loads to. */
export async function load(folder: string, options: Partial<JournalOptions> = {}) {
  const { journal, records, notes } = open(folder, options);
  await journal.close();
  return { records, notes };
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
export const filesIn = (folder: string): string[] =>
  fs
    .readdirSync(folder)
    .filter((name) => name !== "lock")
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
