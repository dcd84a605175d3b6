import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { createZstdDecompress } from "node:zlib";
import { PIECE } from "./backwards.ts";

/** Bytes of a compressed file that are read at a time. */
const PACKED = 64 * 1024;

/** The content of a compressed file, piece by piece. Who takes no more ends it. Rejects with the system's error, or when it is damaged. */
export async function* unpackedIn(handle: FileHandle): AsyncGenerator<Buffer> {
  const packed = Readable.from(piecesOf(handle));
  const unpacked = createZstdDecompress({ chunkSize: PIECE });
  packed.on("error", (error) => unpacked.destroy(error));
  packed.pipe(unpacked);
  try {
    for await (const piece of unpacked) yield piece as Buffer;
  } finally {
    packed.destroy();
    unpacked.destroy();
  }
}

async function* piecesOf(handle: FileHandle): AsyncGenerator<Buffer> {
  for (let at = 0; ;) {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(PACKED), 0, PACKED, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
