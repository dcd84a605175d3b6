import { CURRENT, openBefore, type OpenFile } from "./ages.ts";
import { Backwards, endBefore } from "./backwards.ts";
import { LineCutter, sequenceOf } from "./reading.ts";
import { unpackedIn } from "./unpacked.ts";

/**
 * The number of the entry from which on so many lines match, over all files of a
 * log: 0 when there are fewer. It reads no more than it has to, from the end.
 * Rejects with the system's error.
 * @param most 0 for the number behind the last entry
 */
export async function newestFrom(
  path: string,
  most: number,
  matches: (line: Buffer) => boolean,
): Promise<number> {
  let left = most;
  let before = Infinity;
  let age = CURRENT;
  for (;;) {
    const file = await openBefore(path, before, age);
    if (file === null) return 0;
    const last = before;
    try {
      for await (const block of blocksOf(file, before)) {
        for (const line of linesOf(block).reverse()) {
          const sequence = sequenceOf(line);
          if (sequence === null || sequence >= before) continue;
          if (left === 0) return sequence + 1;
          if (matches(line) && --left === 0) return sequence;
          before = sequence;
        }
      }
    } finally {
      await file.handle.close();
    }
    // Without progress it is a file of something else.
    age = before < last ? file.age : file.age + 1;
  }
}

/** The lines of a file with numbers below `before` in blocks, the last one first. */
async function* blocksOf(file: OpenFile, before: number): AsyncGenerator<Buffer> {
  if (file.isCompressed) {
    const pieces: Buffer[] = [];
    for await (const piece of unpackedIn(file.handle)) pieces.push(piece);
    return yield* pieces.length === 0 ? [] : [Buffer.concat(pieces)];
  }
  const { size } = await file.handle.stat();
  const blocks = new Backwards(file.handle, await endBefore(file.handle, size, before), Infinity);
  for (let block = await blocks.next(); block !== null; block = await blocks.next()) yield block;
}

/** The whole lines of a block, without their newlines. */
function linesOf(block: Buffer): Buffer[] {
  return [...new LineCutter().cut(block)];
}
