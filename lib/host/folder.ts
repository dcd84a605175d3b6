import { accessSync, constants, lstatSync, statfsSync, statSync, type Stats } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { reasonOf } from "../config/reason.ts";

/** The longest name in a folder, in bytes, that file systems take. */
const NAME_BYTES = 255;
/** Types of file systems in which the kernel shows itself and nobody makes anything: procfs, sysfs. */
const KERNELS = [0x9fa0, 0x62656572];

/** Why nothing could be made in a folder, which is itself made when it is missing; or null. Nothing is changed. */
export function folderTrouble(folder: string): string | null {
  try {
    const path = resolve(folder);
    const missing: string[] = [];
    let at = path;
    for (; found(at) === null; at = dirname(at)) missing.push(basename(at));
    if (!statSync(at).isDirectory()) {
      return at === path ? "it is no folder" : "part of the path is not a folder";
    }
    accessSync(at, constants.W_OK | constants.X_OK);
    if (missing.some((name) => Buffer.byteLength(name) > NAME_BYTES)) return "a name is too long";
    if (process.platform === "linux" && KERNELS.includes(statfsSync(at).type)) {
      return "nobody makes files there";
    }
    return null;
  } catch (error) {
    return reasonOf(error);
  }
}

/** Why a file could not be read and written, or only read; null when it could, or is not there. Nothing is changed. */
export function fileTrouble(path: string, mode: "read" | "write"): string | null {
  try {
    const stats = found(path);
    if (stats === null) return null;
    if (!stats.isFile()) return stats.isDirectory() ? "it is a folder" : "it is no file";
    accessSync(path, mode === "read" ? constants.R_OK : constants.R_OK | constants.W_OK);
    return null;
  } catch (error) {
    return reasonOf(error);
  }
}

/** What stands at a path; null for nothing. @throws Error when it cannot be told, or is a link that leads nowhere */
function found(path: string): Stats | null {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats) return stats;
  if (lstatSync(path, { throwIfNoEntry: false }))
    throw new Error("it is a link that leads nowhere");
  return null;
}
