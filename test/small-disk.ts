import { mkdirSync } from "node:fs";

/**
 * Makes a folder a disk of its own, so small that a test can fill it.
 * @param options of a tmpfs, as `size=4m`
 * @returns true if that is permitted here
 */
export function mounted(folder: string, options: string): boolean {
  mkdirSync(folder);
  const mount = ["mount", "-t", "tmpfs", "-o", options, "none", folder];
  try {
    return Bun.spawnSync(mount, { stderr: "ignore" }).exitCode === 0;
  } catch {
    return false;
  }
}

/** Unmounts a disk, even while a file on it is open. */
export function unmount(folder: string): void {
  Bun.spawnSync(["umount", "-l", folder]);
}

/** Gives a disk other options, as `size=8m` or `ro`. @returns true if it took them */
export function remount(folder: string, options: string): boolean {
  const mount = ["mount", "-o", `remount,${options}`, folder];
  return Bun.spawnSync(mount, { stderr: "ignore" }).exitCode === 0;
}
