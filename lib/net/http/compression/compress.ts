import { promisify } from "node:util";
import { brotliCompress, brotliCompressSync, constants, gzip } from "node:zlib";
import type { Coding } from "./codings.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

/** The level of each coding: more work for fewer bytes. */
export interface Levels {
  readonly zstd: number;
  readonly br: number;
  readonly gzip: 4 | 9;
}

/** For answers that are sent once: some 10 ns a byte. */
export const QUICK: Levels = { zstd: 3, br: 4, gzip: 4 };
/** For answers that are kept: as small as possible in some 50 ns a byte. */
export const CAREFUL: Levels = { zstd: 12, br: 9, gzip: 9 };

const brotli = (level: number) => ({ params: { [constants.BROTLI_PARAM_QUALITY]: level } });

/** Compresses at once; everything else waits meanwhile. */
export function compressNow(bytes: Bytes, coding: Coding, levels: Levels): Bytes {
  if (coding === "zstd") return Bun.zstdCompressSync(bytes, { level: levels.zstd }) as Bytes;
  if (coding === "br") return brotliCompressSync(bytes, brotli(levels.br)) as Bytes;
  return Bun.gzipSync(bytes, { level: levels.gzip, library: "libdeflate" });
}

const gzipAside = promisify(gzip);
const brotliAside = promisify(brotliCompress);

/** Compresses in another thread. */
export async function compressAside(bytes: Bytes, coding: Coding, levels: Levels): Promise<Bytes> {
  if (coding === "zstd") return (await Bun.zstdCompress(bytes, { level: levels.zstd })) as Bytes;
  if (coding === "br") return (await brotliAside(bytes, brotli(levels.br))) as Bytes;
  return (await gzipAside(bytes, { level: levels.gzip })) as Bytes;
}
