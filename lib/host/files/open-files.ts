import { readdirSync, statSync } from "node:fs";

const FOLDER = process.platform === "linux" ? "/proc/self/fd" : "/dev/fd";

/** Files that this process has open, connections included; 0 where the system does not tell. */
export function openFiles(): number {
  try {
    // Since Linux 6.2 the size of this folder is the number, and reading it opens no file.
    const { size } = statSync(FOLDER);
    return process.platform === "linux" && size > 0 ? size : readdirSync(FOLDER).length - 1;
  } catch {
    return 0;
  }
}
