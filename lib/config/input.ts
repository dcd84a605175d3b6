import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/** The largest file of settings in bytes. */
const MOST_BYTES = 2 ** 20;
const CHUNK = 64 * 1024;
/** Milliseconds that a pipe may be silent: one that somebody writes to, and one that nobody has written to. */
const PATIENCE_MS = 10_000;
const NOBODY_MS = 500;
const STEP_MS = 10;

/**
 * The bytes of a file that settings name. Whatever the path leads to, it reads
 * no more than `most` bytes and does not wait for ever.
 * @throws Error with the system's code, or with the reason in words
 */
export function inputBytes(path: string, most = MOST_BYTES): Buffer {
  // Windows has neither this flag nor pipes among files.
  const fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK);
      const read = readSome(fd, chunk, size > 0);
      if (read === 0) return Buffer.concat(chunks, size);
      chunks.push(chunk.subarray(0, read));
      size += read;
      if (size > most) throw new Error(`it holds more than ${sizeText(most)}`);
    }
  } finally {
    closeSync(fd);
  }
}

/** The text of a file that settings name. @throws Error as `inputBytes` does, and if it is not UTF-8 */
export function inputText(path: string, most = MOST_BYTES): string {
  const bytes = inputBytes(path, most);
  if (bytes.includes(0)) throw new Error("it is not text");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Error("it is not UTF-8");
  }
}

/** @param begun true if bytes have come before @returns the number of bytes read; 0 at the end */
function readSome(fd: number, bytes: Buffer, begun: boolean): number {
  for (let waited = 0; ; waited += STEP_MS) {
    try {
      const read = readSync(fd, bytes, 0, bytes.length, null);
      if (read > 0 || begun || !fstatSync(fd).isFIFO()) return read;
      if (waited >= NOBODY_MS) throw new Error("it is a pipe that nobody writes to");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      if (waited >= PATIENCE_MS) throw new Error("nothing more comes from it");
    }
    Bun.sleepSync(STEP_MS);
  }
}

function sizeText(bytes: number): string {
  return bytes < 2 ** 20 ? `${bytes / 1024} KiB` : `${bytes / 2 ** 20} MiB`;
}
