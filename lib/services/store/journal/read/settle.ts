import { join } from "node:path";
import { reasonOf } from "../../../../config/reason.ts";
import { type Disk, removeSync, syncFolderSync } from "../../../../host/disk.ts";
import { StartError } from "../../../../host/errors.ts";
import { type Manifest, writeManifestSync } from "../manifest.ts";
import { holdsBatches } from "./read-journals.ts";
import type { Survey, Torn } from "./survey.ts";

/**
 * Brings a folder without damage in order: cuts a torn end, removes what is left
 * over, and finishes what a crash has interrupted.
 * @returns the manifest in force
 * @throws the system's error; StartError when what is to be cut cannot be kept
 */
export function settle(survey: Survey, note: (message: string) => void): Manifest {
  const { disk, folder, torn } = survey;
  if (torn !== null) cutTorn(survey, torn, note);
  for (const name of survey.leftovers) removeSync(disk, join(folder, name));
  return retire(disk, folder, survey.manifest as Manifest);
}

/** Removes the files that were replaced, or moves them to their folder. After a crash in between, the next start goes on with it. */
export function retire(disk: Disk, folder: string, manifest: Manifest): Manifest {
  const { retired, ...rest } = manifest;
  if (retired === undefined) return manifest;
  const { names, to } = retired;
  const left = new Set(disk.readdirSync(folder));
  for (const name of names) {
    if (!left.has(name)) continue;
    if (to === null) disk.unlinkSync(join(folder, name));
    else disk.renameSync(join(folder, name), join(folder, to, name));
  }
  if (to !== null) syncFolderSync(disk, join(folder, to));
  writeManifestSync(disk, folder, rest);
  return rest;
}

/** Cuts the last journals first: until the torn one itself is cut, the next start sees the same. */
function cutTorn(survey: Survey, torn: Torn, note: (message: string) => void): void {
  const { disk, folder, journals } = survey;
  const { index, from, bytes, holdsWhole } = torn;
  for (const [at, found] of [...journals.entries()].reverse()) {
    if (at < index) break;
    const { name, start } = found;
    const path = join(folder, name);
    const isWhole = at === index ? holdsWhole : holdsBatches(survey, name);
    const kept = isWhole
      ? `, though there are whole ones among them; ${keepAside(disk, path)}`
      : "";
    found.end = found.size = at === index ? from : start;
    cut(disk, path, found.end);
    if (at === index) {
      note(`${path}: the last ${bytes} bytes are not a whole batch and were cut off${kept}`);
    } else if (isWhole) note(`${path}: it follows a torn journal and was emptied${kept}`);
  }
}

function cut(disk: Disk, path: string, size: number): void {
  const fd = disk.openSync(path, "r+");
  try {
    disk.ftruncateSync(fd, size);
    // After another crash, the bytes cut off must not come back behind the batches that are written next.
    disk.fdatasyncSync(fd);
  } finally {
    disk.closeSync(fd);
  }
}

/** Copies a file aside under a new name, on disk, so that it can be examined. @throws StartError when that fails */
function keepAside(disk: Disk, path: string): string {
  const folder = join(path, "..");
  const taken = new Set(disk.readdirSync(folder));
  let aside = "";
  for (let n = 1; aside === "" || taken.has(aside.slice(folder.length + 1)); n++) {
    aside = `${path}.damaged-${n}`;
  }
  try {
    copy(disk, path, aside);
    syncFolderSync(disk, folder);
  } catch (error) {
    removeSync(disk, aside);
    throw new StartError(`cannot copy ${path} to ${aside} before it is cut: ${reasonOf(error)}`);
  }
  return `the file as it was is in ${aside}`;
}

/** Copies a file, on disk. @throws the system's error */
export function copy(disk: Disk, from: string, to: string): void {
  disk.copyFileSync(from, to);
  const fd = disk.openSync(to, "r+");
  try {
    disk.fdatasyncSync(fd);
  } finally {
    disk.closeSync(fd);
  }
}
