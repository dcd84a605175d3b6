import * as fs from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "../../../host/clock.ts";
import { backupAt, COMPRESSED } from "../file/names.ts";
import type { FilesTold } from "./told.ts";

/** Milliseconds in which the files are looked at once at most. */
const FRESH_MS = 1000;
/** Rotated files that are looked at. */
const MOST_FILES = 1000;

type OldFiles = Pick<FilesTold, "rotated" | "rotated_bytes" | "compressed" | "has_more" | "disk">;

/** Counts the rotated files of a log, and the room on its disk. */
export class Census {
  readonly #path: string;
  readonly #clock: Pick<Clock, "now">;
  #lookedAt = -Infinity;
  #found: Promise<OldFiles> | null = null;

  constructor(path: string, clock: Pick<Clock, "now">) {
    this.#path = path;
    this.#clock = clock;
  }

  look(): Promise<OldFiles> {
    const now = this.#clock.now();
    if (this.#found === null || now - this.#lookedAt >= FRESH_MS) {
      this.#lookedAt = now;
      this.#found = this.#count();
    }
    return this.#found;
  }

  async #count(): Promise<OldFiles> {
    const found = { rotated: 0, rotated_bytes: 0, compressed: 0 };
    let file: string | null = null;
    while (found.rotated < MOST_FILES) {
      file = backupAt(fs, this.#path, found.rotated);
      if (file === null) break;
      found.rotated++;
      found.rotated_bytes += fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
      if (file.endsWith(COMPRESSED)) found.compressed++;
    }
    return { ...found, has_more: file !== null, disk: await diskOf(dirname(this.#path)) };
  }
}

async function diskOf(folder: string): Promise<FilesTold["disk"]> {
  try {
    const { bavail, blocks, bsize } = await statfs(folder);
    return { free_bytes: bavail * bsize, bytes: blocks * bsize };
  } catch {
    return null;
  }
}
