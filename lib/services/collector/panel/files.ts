import * as fs from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "../../../host/clock.ts";
import { oldFilesOf } from "../file/names.ts";
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
    const files = oldFilesOf(fs, this.#path);
    const looked = files.slice(0, MOST_FILES);
    const sizes = looked.map(({ path }) => fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0);
    return {
      rotated: looked.length,
      rotated_bytes: sizes.reduce((sum, size) => sum + size, 0),
      compressed: looked.filter(({ isCompressed }) => isCompressed).length,
      has_more: files.length > looked.length,
      disk: await diskOf(dirname(this.#path)),
    };
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
