import { statSync } from "node:fs";
import type { Coding } from "../compression/codings.ts";
import type { Bytes } from "../compression/compress.ts";
import type { Compression } from "../compression/compression.ts";
import { type Found, isYoung, versionOf } from "./found.ts";

/** Bytes of compressed files that are kept; the file whose last request is oldest goes first. */
const KEPT_MAX = 2 ** 24;

/** The means to answer with a file. */
export interface Means {
  readonly compression: Compression;
  /** Milliseconds since 1970. */
  readonly wall: number;
}

interface Kept {
  /** The version of the file that was compressed. */
  readonly version: string;
  readonly bytes: Bytes;
}

/** Compressed files, each kept until it changes or others need the place. */
export class KeptTexts {
  readonly #kept = new Map<string, Kept>();
  /** Compressions that run, by version, coding and path. */
  readonly #making = new Map<string, Promise<Bytes | null>>();
  #bytes = 0;

  /**
   * A file compressed; null when that does not pay now, or the file has just changed.
   * @param insists true if the request refuses the plain file
   */
  of(
    file: Found,
    coding: Coding,
    insists: boolean,
    { compression, wall }: Means,
  ): Bytes | Promise<Bytes | null> | null {
    const key = `${coding} ${file.path}`;
    const kept = this.#kept.get(key);
    const version = versionOf(file);
    if (kept?.version === version) return this.#keep(key, kept);
    const job = `${version} ${key}`;
    let making = this.#making.get(job);
    if (making === undefined) {
      if (!compression.pays(file.stats.size, insists)) return null;
      making = this.#make(file, coding, compression).finally(() => this.#making.delete(job));
      this.#making.set(job, making);
      if (!isYoung(file, wall)) {
        making = making.then((bytes) => bytes && this.#keep(key, { version, bytes }));
      }
    }
    return making;
  }

  async #make(file: Found, coding: Coding, compression: Compression): Promise<Bytes | null> {
    const { path } = file;
    const version = versionOf(file);
    try {
      const plain = await Bun.file(path).bytes();
      // Otherwise the tag of one version would go out with the bytes of another.
      if (versionOf({ path, stats: statSync(path) }) !== version) return null;
      return await compression.once(plain, coding);
    } catch {
      return null;
    }
  }

  /** Keeps a compressed file, as the last one asked for. */
  #keep(key: string, kept: Kept): Bytes {
    const before = this.#kept.get(key);
    if (before) this.#forget(key, before);
    this.#kept.set(key, kept);
    this.#bytes += kept.bytes.length;
    for (const [oldest, one] of this.#kept) {
      if (this.#bytes <= KEPT_MAX) break;
      this.#forget(oldest, one);
    }
    return kept.bytes;
  }

  #forget(key: string, { bytes }: Kept): void {
    this.#kept.delete(key);
    this.#bytes -= bytes.length;
  }
}
