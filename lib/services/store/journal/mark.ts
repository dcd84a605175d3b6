import { readFileSync } from "node:fs";
import { type Disk, writeAllSync } from "../../../host/disk.ts";
import { firstLine, hex14, hex8, type Link, wordsOf } from "./format.ts";

/** Where the second of the two lines stands: no write tears both. */
const SECOND = 4096;

function line(id: string, { number, crc }: Link): Buffer {
  return Buffer.from(firstLine("mark", [id, hex14(number), hex8(crc)]));
}

/**
 * The last batch that is known to be on disk, beside the journal: a journal that
 * ends before it has lost something, however whole the rest is. There are two
 * lines, written in turn; the one with the higher number counts.
 */
export class Mark {
  readonly #disk: Disk;
  readonly #fd: number;
  readonly #id: string;
  #number: number;
  #second = false;

  /** Opens a mark that is there. @throws the system's error */
  constructor(disk: Disk, path: string, id: string, number: number) {
    this.#disk = disk;
    this.#fd = disk.openSync(path, "r+");
    this.#id = id;
    this.#number = number;
  }

  /** Makes one, on disk; its name is not yet. @throws the system's error */
  static make(disk: Disk, path: string, id: string, link: Link): void {
    const fd = disk.openSync(path, "w");
    try {
      for (const at of [0, SECOND]) writeAllSync(disk, fd, line(id, link), at);
      disk.fdatasyncSync(fd);
    } finally {
      disk.closeSync(fd);
    }
  }

  /** Notes that all up to a batch is on disk. The note itself need not be: an older one claims less. */
  set(link: Link): void {
    if (link.number <= this.#number) return;
    try {
      writeAllSync(this.#disk, this.#fd, line(this.#id, link), this.#second ? SECOND : 0);
      this.#number = link.number;
      this.#second = !this.#second;
    } catch {
      // What it says is still true.
    }
  }

  /** @param durably true to have the last note on disk */
  close(durably: boolean): void {
    try {
      if (durably) this.#disk.fdatasyncSync(this.#fd);
    } catch {
      // The note before is on disk.
    }
    this.#disk.closeSync(this.#fd);
  }
}

/** Reads a mark; null when it is damaged or of another folder. @param id null takes that of any folder @throws NewerError; the system's error */
export function readMark(path: string, id: string | null): Link | null {
  const bytes = readFileSync(path);
  let best: Link | null = null;
  for (const at of [0, SECOND]) {
    const text = bytes.toString("latin1", at, at + 160);
    const words = wordsOf("mark", text.slice(0, Math.max(0, text.indexOf("\n"))), path);
    if (words === null || (id !== null && words[0] !== id)) continue;
    const link = {
      number: parseInt(words[1] as string, 16),
      crc: parseInt(words[2] as string, 16),
    };
    if (best === null || link.number > best.number) best = link;
  }
  return best;
}
