import { closeSync, fstatSync, readSync } from "node:fs";
import { FileWalk, linesIn, type LogFile, sequenceOf } from "./reading.ts";

const NEWLINE = 10;
/** Bytes read at a time, from the end. */
const PIECE = 64 * 1024;

/**
 * The number of the entry from which on so many lines match, over all files of a
 * log: 0 when there are fewer. It reads no more than it has to, from the end.
 * @param most 0 for the number behind the last entry
 * @throws the system's error
 */
export async function newestFrom(
  path: string,
  most: number,
  matches: (line: Buffer) => boolean,
): Promise<number> {
  let left = most;
  let last = -1;
  for (const file of new FileWalk(path).newestFirst()) {
    for (const line of file.isCompressed ? await allOf(file) : backwards(file)) {
      const sequence = sequenceOf(line);
      if (sequence === null) continue;
      last = Math.max(last, sequence);
      if (left === 0) return last + 1;
      if (matches(line) && --left === 0) return sequence;
    }
  }
  return 0;
}

/** The lines of a compressed file, the last one first. */
async function allOf(file: LogFile): Promise<Buffer[]> {
  const lines: Buffer[] = [];
  for await (const { bytes, isWhole } of linesIn(file)) {
    if (isWhole) lines.push(Buffer.from(bytes));
  }
  return lines.reverse();
}

/** The whole lines of a file, the last one first, without their newlines; then closes it. */
function* backwards({ fd }: LogFile): Generator<Buffer> {
  try {
    /** What of a line has been read so far, and whether its newline has. */
    let rest: Buffer[] = [];
    let isWhole = false;
    for (let end = fstatSync(fd).size; end > 0;) {
      const start = Math.max(0, end - PIECE);
      const piece = Buffer.allocUnsafe(end - start);
      const read = readSync(fd, piece, 0, piece.length, start);
      let to = read;
      for (let at = lastNewline(piece, to); at >= 0; at = lastNewline(piece, to)) {
        if (isWhole) yield Buffer.concat([piece.subarray(at + 1, to), ...rest]);
        rest = [];
        isWhole = true;
        to = at;
      }
      rest.unshift(piece.subarray(0, to));
      end = start;
    }
    if (isWhole) yield Buffer.concat(rest);
  } finally {
    closeSync(fd);
  }
}

function lastNewline(piece: Buffer, end: number): number {
  return end === 0 ? -1 : piece.lastIndexOf(NEWLINE, end - 1);
}
