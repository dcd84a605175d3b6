import { readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import {
  type Disk,
  syncFolderSync,
  syncFolder,
  synced,
  writeAll,
  writeAllSync,
} from "../../../host/disk.ts";
import { firstLine, hex8, MANIFEST, wordsOf } from "./format.ts";

/** Files that the ones in force have taken the place of. */
export interface Retired {
  readonly names: readonly string[];
  /** The folder they are moved to; null removes them. */
  readonly to: string | null;
}

/** The damage that a folder was salvaged from, until an operator has acknowledged it. */
export interface Salvaged {
  /** When, in the form of ISO 8601. */
  readonly at: string;
  /** What was damaged, in sentences. */
  readonly damages: readonly string[];
}

/** The files of a folder that belong together. */
export interface Manifest {
  /** Tells this folder from others. */
  readonly id: string;
  /** Generation of the snapshot; null without one. */
  readonly snapshot: number | null;
  /** Generations of the journals, in order. */
  readonly journals: readonly number[];
  /** Generation of the mark. */
  readonly mark: number;
  readonly retired?: Retired;
  readonly salvaged?: Salvaged;
}

function encode(manifest: Manifest): Buffer {
  const { id, ...rest } = manifest;
  const body = `${JSON.stringify(rest)}\n`;
  return Buffer.from(firstLine("manifest", [id, hex8(crc32(body))]) + body);
}

/** Where a manifest is made before it takes the place of the one before. */
export const NEXT = "manifest.tmp";

/** Replaces the manifest: after a crash there is the one before, or this one. @throws the system's error */
export function writeManifestSync(disk: Disk, folder: string, manifest: Manifest): void {
  const fd = disk.openSync(join(folder, NEXT), "w");
  try {
    writeAllSync(disk, fd, encode(manifest), 0);
    disk.fdatasyncSync(fd);
  } finally {
    disk.closeSync(fd);
  }
  disk.renameSync(join(folder, NEXT), join(folder, MANIFEST));
  syncFolderSync(disk, folder);
}

/** The same on the thread pool. Rejects with the system's error; then either one may be in force. */
export async function writeManifest(disk: Disk, folder: string, manifest: Manifest): Promise<void> {
  const fd = disk.openSync(join(folder, NEXT), "w");
  try {
    await writeAll(disk, fd, encode(manifest), 0);
    await synced(disk, fd);
  } finally {
    disk.closeSync(fd);
  }
  disk.renameSync(join(folder, NEXT), join(folder, MANIFEST));
  await syncFolder(disk, folder);
}

/** Reads the manifest; null when it is damaged. @throws NewerError; the system's error */
export function readManifest(folder: string): Manifest | null {
  const path = join(folder, MANIFEST);
  const text = readFileSync(path, "utf8");
  const cut = text.indexOf("\n");
  const body = text.slice(cut + 1);
  const words = wordsOf("manifest", text.slice(0, Math.max(0, cut)), path);
  if (words === null || words[1] !== hex8(crc32(body))) return null;
  return { id: words[0] as string, ...(JSON.parse(body) as Omit<Manifest, "id">) };
}
