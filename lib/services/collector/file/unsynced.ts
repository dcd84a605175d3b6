import type { AppendFile } from "../../../host/append/append-file.ts";
import type { Piece } from "./batch.ts";

/** Buffers that are kept for later batches, and the largest of them in bytes. */
const SPARE = 4;
const LARGEST = 2 ** 21;

/**
 * The lines that are written and not known to be on disk. After a failed sync
 * they have to be written again, so their bytes are kept until then.
 */
export class Unsynced {
  /** Bytes of all of them. */
  bytes = 0;
  #pieces: Piece[] = [];
  readonly #spare: Buffer[] = [];

  add(piece: Piece): void {
    this.#pieces.push(piece);
    this.bytes += piece.end - piece.start;
  }

  /** Forgets what is on disk: the lines before the entry number `synced`. @param inUse the buffer of the lines that wait */
  forget(synced: number, inUse: Buffer): void {
    let done = 0;
    for (const { bytes, start, end, next } of this.#pieces) {
      if (next > synced) break;
      done++;
      this.bytes -= end - start;
      const isLast = this.#pieces[done]?.bytes !== bytes && inUse !== bytes;
      if (isLast && this.#spare.length < SPARE && bytes.length <= LARGEST) this.#spare.push(bytes);
    }
    this.#pieces.splice(0, done);
  }

  /** A buffer that nobody needs any more, or null. */
  spare(): Buffer | null {
    return this.#spare.pop() ?? null;
  }

  /** Writes all of them once more. @param size bytes of the file that are on disk; the rest is cut off @throws the system's error */
  writeAgain(file: AppendFile, size: number): void {
    file.cut(size);
    for (const { bytes, start, end } of this.#pieces) {
      for (let at = start; at < end;) at += file.append(bytes, at, end);
    }
  }
}
