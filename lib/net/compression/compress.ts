import { promisify } from "node:util";
import { brotliCompress, brotliCompressSync, constants, gzip } from "node:zlib";
import type { Coding } from "./codings.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

/** How much work a text is worth. */
export interface Levels {
  readonly zstd: number;
  readonly br: number;
  readonly gzip: 4 | 9;
}

/** For what is sent once: some 10 ns a byte. */
export const QUICK: Levels = { zstd: 3, br: 4, gzip: 4 };
/** For what is kept: as small as it gets in some 50 ns a byte. */
export const CAREFUL: Levels = { zstd: 12, br: 9, gzip: 9 };

const brotli = (level: number) => ({ params: { [constants.BROTLI_PARAM_QUALITY]: level } });

/** Compresses at once, which holds up everything else meanwhile. */
export function compressNow(bytes: Bytes, coding: Coding, levels: Levels): Bytes {
  if (coding === "zstd") return Bun.zstdCompressSync(bytes, { level: levels.zstd }) as Bytes;
  if (coding === "br") return brotliCompressSync(bytes, brotli(levels.br)) as Bytes;
  return Bun.gzipSync(bytes, { level: levels.gzip, library: "libdeflate" });
}

const gzipAside = promisify(gzip);
const brotliAside = promisify(brotliCompress);

/** Compresses in a thread of its own. */
export async function compressAside(bytes: Bytes, coding: Coding, levels: Levels): Promise<Bytes> {
  if (coding === "zstd") return (await Bun.zstdCompress(bytes, { level: levels.zstd })) as Bytes;
  if (coding === "br") return (await brotliAside(bytes, brotli(levels.br))) as Bytes;
  return (await gzipAside(bytes, { level: levels.gzip })) as Bytes;
}
