import { basename, join } from "node:path";
import type { Disk } from "../../../../host/disk.ts";
import { type Link, NewerError } from "../format.ts";
import type { Manifest } from "../manifest.ts";
import { Pieces } from "./pieces.ts";

/** Applies records, each a line of JSON. @returns their number @throws Error for a record that is none of this version's */
export type Apply = (records: Buffer) => number;

/** Something that no crash leaves behind: records are lost, or it cannot be told whether they are. */
export interface Damage {
  /** A sentence that begins with the path. */
  readonly message: string;
}

/** The end of a journal as a crash leaves it: what follows was not known to be on disk. */
export interface Torn {
  /** The place in `Survey.journals`. */
  readonly index: number;
  readonly from: number;
  readonly bytes: number;
  /** True if there are whole batches behind the torn one: those of a power cut. */
  readonly holdsWhole: boolean;
}

export interface JournalFound {
  readonly name: string;
  readonly generation: number;
  /** The place behind its last batch. */
  end: number;
  /** The place of its first one. */
  readonly start: number;
  size: number;
}

/** What was found in a folder, in the order in which it was read. Nothing has been changed. */
export class Survey {
  /** `none`: nothing is kept there yet. `old`: a folder of format 1. */
  form: "none" | "old" | "current" = "current";
  manifest: Manifest | null = null;
  readonly damages: Damage[] = [];
  readonly journals: JournalFound[] = [];
  torn: Torn | null = null;
  /** The last batch that was read; null when it is not known where the journals begin. */
  last: Link | null = null;
  /** The highest number of a batch that was read or is known to have been there. */
  highest = 0;
  /** The highest generation of any file. */
  generation = 0;
  /** Bytes of the snapshot, and of the batches of all journals. */
  snapshotSize = 0;
  journalSize = 0;
  /** Batches and records that are whole. */
  batches = 0;
  records = 0;
  /** Files of ours that are not in force, and hold nothing that is. */
  readonly leftovers: string[] = [];
  /** All files of ours but the lock. */
  names: readonly string[] = [];
  readonly folder: string;
  readonly disk: Disk;
  readonly #apply: Apply;

  constructor(disk: Disk, folder: string, apply: Apply) {
    this.disk = disk;
    this.folder = folder;
    this.#apply = apply;
  }

  damaged(name: string, what: string): void {
    this.damages.push({ message: `${join(this.folder, name)} ${what}` });
  }

  /** The same for what may be found more than once. */
  #damagedOnce(name: string, what: string): void {
    const message = `${join(this.folder, name)} ${what}`;
    if (!this.damages.some((one) => one.message === message)) this.damages.push({ message });
  }

  /** Opens a file and reads it; damages it when it is not there, or is a folder. @returns what `read` does, or null */
  reading<T>(name: string, read: (pieces: Pieces, path: string) => T): T | null {
    const path = join(this.folder, name);
    let fd: number;
    try {
      fd = this.disk.openSync(path, "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      this.damaged(name, "is missing");
      return null;
    }
    try {
      return read(new Pieces(this.disk, fd), path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EISDIR") throw error;
      this.#damagedOnce(name, "is a folder");
      return null;
    } finally {
      this.disk.closeSync(fd);
    }
  }

  /** Applies the records of a whole batch. @throws NewerError when this version cannot read one */
  apply(path: string, number: number, bytes: Buffer): void {
    try {
      this.records += this.#apply(bytes);
      this.batches++;
    } catch (error) {
      if (error instanceof NewerError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      const name = basename(path);
      throw new NewerError(`${name}: batch ${number} cannot be read by this version (${why})`);
    }
  }
}
