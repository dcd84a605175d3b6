import * as fs from "node:fs";
import { createZstdDecompress } from "node:zlib";
import { backupAt, COMPRESSED } from "./names.ts";

const NEWLINE = 10;

/** The files of a log that are there, the oldest first; the last one is the file that is written. */
export function filesOf(path: string): string[] {
  const files = fs.existsSync(path) ? [path] : [];
  for (let age = 0; ; age++) {
    const file = backupAt(fs, path, age);
    if (file === null) return files;
    files.unshift(file);
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

/** The lines of a file, compressed or not, one after the other. @throws the system's error */
export async function* linesIn(file: string): AsyncGenerator<FileLine> {
  const raw = fs.createReadStream(file);
  const source = file.endsWith(COMPRESSED) ? raw.pipe(createZstdDecompress()) : raw;
  let parts: Buffer[] = [];
  let number = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    let start = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, start)) {
      const end = chunk.subarray(start, at);
      yield {
        bytes: parts.length === 0 ? end : Buffer.concat([...parts, end]),
        number: ++number,
        isWhole: true,
      };
      parts = [];
      start = at + 1;
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
  }
  if (parts.length > 0) yield { bytes: Buffer.concat(parts), number: ++number, isWhole: false };
}

const SEQUENCE = /^(?:\{"sequence":)?(\d{1,16})[ ,]/;

/** The number of an entry's line; null when it has none. */
export function sequenceOf(line: Buffer): number | null {
  const digits = SEQUENCE.exec(line.toString("latin1", 0, 40))?.[1];
  return digits === undefined ? null : Number(digits);
}
