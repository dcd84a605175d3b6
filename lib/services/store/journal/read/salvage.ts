import * as fs from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import type { Clock } from "../../../../host/clock.ts";
import { StartError } from "../../../../host/errors.ts";
import { lockFolder } from "../../../../host/lock.ts";
import { Keys } from "../../keys/keys.ts";
import { MANIFEST } from "../format.ts";
import { look } from "./look.ts";
import { type Manifest, readManifest, type Salvaged, writeManifestSync } from "../manifest.ts";
import { isOurs } from "./look.ts";
import { rebase } from "../rebase.ts";
import { Survey } from "./survey.ts";

/** What a look at a folder has found. */
export interface Findings {
  /** Sentences about what is damaged; none when all is well. */
  readonly damages: readonly string[];
  /** A sentence about a torn end, which is no damage; or null. */
  readonly torn: string | null;
  readonly batches: number;
  readonly records: number;
  /** Keys that the records come to. */
  readonly keys: number;
  /** Files of the format before. */
  readonly isOld: boolean;
  /** The damage it was salvaged from, until somebody has acknowledged it. */
  readonly salvaged: Salvaged | null;
}

/** Nobody watches. */
export const QUIET = { any: false, set: () => {}, gone: () => {} };

/** Reads a folder that no server uses, and changes nothing. @throws StartError; the system's error */
export function checkFolder(folder: string, clock: Clock): Findings {
  return holding(folder, () => examine(folder, clock).findings);
}

/**
 * Writes what is whole of a folder to another one, which must be empty or not
 * be there. Changes nothing in the first.
 * @throws StartError; the system's error
 */
export function salvageFolder(folder: string, out: string, clock: Clock): Findings {
  return holding(folder, () => {
    if (isWithin(out, folder)) {
      throw new StartError(`${out} is in ${folder}, which stays as it is: name a folder elsewhere`);
    }
    if (fs.existsSync(out) && fs.readdirSync(out).length > 0) {
      throw new StartError(`${out} is not empty`);
    }
    const { findings, keys, survey } = examine(folder, clock);
    const lock = lockFolder(fs, out);
    try {
      if (findings.damages.length > 0) keys.raiseVersions();
      const target = new Survey(fs, out, () => 0);
      target.highest = survey.highest;
      rebase(target, keys.snapshot(), null);
    } finally {
      lock.release();
    }
    return findings;
  });
}

/** Acknowledges the damage that a folder was salvaged from. @returns it, or null when there is none @throws StartError when a server uses the folder */
export function acknowledgeFolder(folder: string): Salvaged | null {
  return holding(folder, () => {
    if (!fs.existsSync(join(folder, MANIFEST))) return null;
    const manifest: Manifest | null = readManifest(folder);
    if (manifest?.salvaged === undefined) return null;
    const { salvaged, ...rest } = manifest;
    writeManifestSync(fs, folder, rest);
    return salvaged;
  });
}

/** The keys of a folder that no server uses. @throws StartError, also when it is damaged; the system's error */
export function keysIn(folder: string, clock: Clock): Keys {
  return holding(folder, () => {
    const { findings, keys } = examine(folder, clock);
    if (findings.damages.length > 0) throw new StartError(findings.damages.join("\n"));
    return keys;
  });
}

/** True if a path, which need not be there yet, is a folder or in it, by whatever name. */
function isWithin(path: string, folder: string): boolean {
  const rest = relative(fs.realpathSync(folder), realPath(resolve(path)));
  return rest === "" || !(rest === ".." || rest.startsWith(`..${sep}`) || isAbsolute(rest));
}

function realPath(path: string): string {
  if (fs.existsSync(path) || dirname(path) === path) return fs.realpathSync(path);
  return join(realPath(dirname(path)), basename(path));
}

function holding<T>(folder: string, act: () => T): T {
  if (!fs.existsSync(folder) || !fs.readdirSync(folder).some(isOurs)) {
    throw new StartError(`${folder}: there is no store`);
  }
  const lock = lockFolder(fs, folder);
  try {
    return act();
  } finally {
    lock.release();
  }
}

function examine(folder: string, clock: Clock) {
  const keys = new Keys(clock, QUIET, () => Infinity);
  const survey = look(fs, folder, (records) => keys.restore(records));
  const { torn, journals, batches, records } = survey;
  const name = torn === null ? "" : join(folder, journals[torn.index]?.name as string);
  const findings: Findings = {
    damages: survey.damages.map(({ message }) => message),
    torn:
      torn && `${name}: the last ${torn.bytes} bytes are not a whole batch, as a crash leaves them`,
    batches,
    records,
    keys: keys.size,
    isOld: survey.form === "old",
    salvaged: survey.manifest?.salvaged ?? null,
  };
  return { findings, keys, survey };
}
