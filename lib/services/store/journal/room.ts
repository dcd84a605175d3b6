import { statfsSync } from "node:fs";
import type { Appender } from "./appender.ts";
import { STEP } from "./journal-file.ts";

/** Bytes that a rewrite needs besides the records that count: the first lines of files, and what a disk rounds up. */
const BESIDES = 32 * 1024;
/** Bytes that a rewrite must free at least. */
const WORTH = 1024 * 1024;

/** Finds out whether a full disk has more room once the files of a journal are written anew. */
export class Room {
  readonly #folder: string;
  /** True from the moment on at which the disk was full of what does not count any more, until that is gone. */
  #isWanted = false;
  #lends = false;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * True when a rewrite would make room, and can begin.
   * @param files bytes of the snapshot and the journals
   * @param live about the bytes that the records of all keys take
   */
  isDue(appender: Appender, files: number, live: number): boolean {
    this.#lends = false;
    if (appender.needsSnapshot) return false;
    if (appender.full && isWorth(files, live)) this.#isWanted = true;
    const isDue = this.#isWanted && this.#lacking(appender, live) === 0;
    this.#lends = isDue && appender.full;
    return isDue;
  }

  /** True if a rewrite takes what is spared at the end of the journal: it was due by that. */
  get lends(): boolean {
    return this.#lends;
  }

  /** The files have been written anew. */
  made(): void {
    this.#isWanted = this.#lends = false;
  }

  /** What an operator can do, in a sentence; null while the disk is not full. */
  advice(appender: Appender, files: number, live: number): string | null {
    if (!appender.full || appender.needsSnapshot) return null;
    const folder = this.#folder;
    const frees = files - live;
    if (!isWorth(files, live)) {
      return `make room on the disk of ${folder}, or remove keys: DEL is taken`;
    }
    const lacking = this.#lacking(appender, live);
    return lacking === 0
      ? `the files in ${folder} are written anew, which frees ${frees} bytes`
      : `the files in ${folder} would be written anew and ${frees} bytes freed, if its disk had ${lacking} bytes more: make room there`;
  }

  /** Bytes that the disk lacks for a rewrite. On a full one it may have what is spared at the end of the journal. */
  #lacking({ full, spare }: Appender, live: number): number {
    const needed = live + BESIDES + (full ? -spare : STEP);
    return Math.max(0, needed - freeOn(this.#folder));
  }
}

function isWorth(files: number, live: number): boolean {
  return files - live >= WORTH && 2 * live <= files;
}

/** Bytes that the disk of a folder still has; 0 where that cannot be known. */
function freeOn(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return 0;
  }
}
