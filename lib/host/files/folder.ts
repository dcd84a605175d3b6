import { accessSync, constants, lstatSync, statfsSync, statSync, type Stats } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { reasonOf } from "../../config/reason.ts";

/** The longest name in a folder, in bytes, that file systems take. */
const NAME_BYTES = 255;
/** Types of file systems in which nobody can make files, by statfs(2): procfs, sysfs. */
const KERNELS = [0x9fa0, 0x62656572];

/** The reason why files cannot be made in a folder, or null. A missing folder is one that will be made. Changes nothing. */
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

/** The reason why a file cannot be read, or for `write` be read and written; null when it can, or is not there. Changes nothing. */
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

/** The stats of a path; null when nothing is there. @throws Error when the system does not tell, or for a link that leads nowhere */
function found(path: string): Stats | null {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats) return stats;
  if (lstatSync(path, { throwIfNoEntry: false }))
    throw new Error("it is a link that leads nowhere");
  return null;
}
