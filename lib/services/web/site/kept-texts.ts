import { statSync } from "node:fs";
import type { Coding } from "../../../net/compression/codings.ts";
import type { Bytes } from "../../../net/compression/compress.ts";
import type { Compression } from "../../../net/compression/compression.ts";
import { type Found, versionOf } from "./found.ts";

/** Bytes of compressed files that are kept; those that were asked for last stay. */
const KEPT_MAX = 2 ** 24;

interface Kept {
  /** Of the file as it was then. */
  readonly version: string;
  readonly bytes: Bytes;
}

/** Files that were compressed, each until it changes or others need the place. */
export class KeptTexts {
  readonly #kept = new Map<string, Kept>();
  /** What is being compressed, by its name and version. */
  readonly #making = new Map<string, Promise<Bytes | null>>();
  #bytes = 0;

  /**
   * A file compressed; null where that does not pay now, or it has just changed.
   * @param insists whether the request takes nothing as it is
   */
  of(
    file: Found,
    coding: Coding,
    insists: boolean,
    compression: Compression,
  ): Bytes | Promise<Bytes | null> | null {
    const key = `${coding} ${file.path}`;
    const kept = this.#kept.get(key);
    if (kept) this.#forget(key, kept);
    const version = versionOf(file);
    if (kept?.version === version) return this.#keep(key, kept);
    const job = `${version} ${key}`;
    let making = this.#making.get(job);
    if (making === undefined) {
      if (!compression.pays(file.stats.size, insists)) return null;
      making = this.#make(key, file, coding, compression).finally(() => this.#making.delete(job));
      this.#making.set(job, making);
    }
    return making;
  }

  async #make(
    key: string,
    file: Found,
    coding: Coding,
    compression: Compression,
  ): Promise<Bytes | null> {
    const { path } = file;
    const version = versionOf(file);
    try {
      const plain = await Bun.file(path).bytes();
      // Nobody is told of one file and sent another.
      if (versionOf({ path, stats: statSync(path) }) !== version) return null;
      return this.#keep(key, { version, bytes: await compression.once(plain, coding) });
    } catch {
      return null;
    }
  }

  #keep(key: string, kept: Kept): Bytes {
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
