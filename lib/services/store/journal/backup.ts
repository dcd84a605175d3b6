import * as fs from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { removeSync, syncFolderSync, writeAllSync } from "../../../host/disk.ts";
import { StartError } from "../../../host/errors.ts";
import { lockFolder } from "../../../host/lock.ts";
import type { Clock } from "../../../host/clock.ts";
import { Keys } from "../keys/keys.ts";
import { START } from "./format.ts";
import { readSnapshot } from "./read/read-snapshot.ts";
import { newId, rebase } from "./rebase.ts";
import { QUIET } from "./read/salvage.ts";
import { SnapshotText } from "./snapshot.ts";
import { Survey } from "./read/survey.ts";

/** The generation in the first line of a backup. */
const GENERATION = 1;

/** A file with a backup, in the form of a snapshot. It has its name once it is whole and on disk. */
export class BackupFile {
  /** Bytes written. */
  size = 0;
  readonly #path: string;
  readonly #unfinished: string;
  readonly #fd: number;
  #isOpen = true;
  readonly #text = new SnapshotText(newId(), GENERATION, START);

  /** @throws the system's error */
  constructor(path: string) {
    this.#path = path;
    this.#unfinished = `${path}.unfinished`;
    this.#fd = fs.openSync(this.#unfinished, "w", 0o600);
    this.#write(this.#text.head);
  }

  /** Adds records, each a line. @throws the system's error */
  add(lines: string): void {
    this.#write(this.#text.after(lines));
  }

  /** Gives the file its end and its name, in the place of one that has it. @throws the system's error */
  finish(): void {
    this.#write(this.#text.after(null));
    fs.fdatasyncSync(this.#fd);
    this.#close();
    fs.renameSync(this.#unfinished, this.#path);
    syncFolderSync(fs, dirname(resolve(this.#path)));
  }

  /** Removes what has not got its name. */
  abandon(): void {
    this.#close();
    removeSync(fs, this.#unfinished);
  }

  #close(): void {
    if (this.#isOpen) fs.closeSync(this.#fd);
    this.#isOpen = false;
  }

  #write(bytes: Buffer): void {
    writeAllSync(fs, this.#fd, bytes, this.size);
    this.size += bytes.length;
  }
}

/** The keys of a backup. @throws StartError when the file is no whole backup; the system's error */
export function keysOfBackup(path: string, clock: Clock): Keys {
  const keys = new Keys(clock, QUIET, () => Infinity);
  const survey = new Survey(fs, dirname(path), (records) => keys.restore(records));
  readSnapshot(survey, null, GENERATION, basename(path));
  const [damage] = survey.damages;
  if (damage !== undefined) {
    throw new StartError(`${damage.message}; nothing was restored`);
  }
  return keys;
}

/**
 * Makes a folder that a server starts with of the keys of a backup. It must be
 * empty, or not be there.
 * @throws StartError; the system's error
 */
export function restoreTo(folder: string, keys: Keys): void {
  const lock = lockFolder(fs, folder);
  try {
    if (fs.readdirSync(folder).some((name) => name !== "lock")) {
      throw new StartError(`${folder} is not empty: move what is there away, or use --out`);
    }
    rebase(new Survey(fs, folder, () => 0), keys.snapshot(), null);
  } finally {
    lock.release();
  }
}
