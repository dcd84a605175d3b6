import * as fs from "node:fs";
import { basename, dirname } from "node:path";
import { StartError } from "../../../host/errors.ts";
import { lockFolder } from "../../../host/lock.ts";
import type { Clock } from "../../../host/clock.ts";
import { Keys } from "../keys/keys.ts";
import { START } from "./format.ts";
import { readSnapshot } from "./read/read-snapshot.ts";
import { newId, rebase } from "./rebase.ts";
import { QUIET } from "./read/salvage.ts";
import { SnapshotText } from "./snapshot.ts";
import { Survey } from "./read/survey.ts";

/** The generation in the first line of a backup. */
const GENERATION = 1;

/** The text of a backup, which has the form of a snapshot. */
export function backupText(): SnapshotText {
  return new SnapshotText(newId(), GENERATION, START);
}

/** The keys of a backup. @throws StartError when the file is no whole backup; the system's error */
export function keysOfBackup(path: string, clock: Clock): Keys {
  const keys = new Keys(clock, QUIET, () => Infinity);
  const survey = new Survey(fs, dirname(path), (records) => keys.restore(records));
  readSnapshot(survey, null, GENERATION, basename(path));
  const [damage] = survey.damages;
  if (damage !== undefined) {
    throw new StartError(`${damage.message}; nothing was restored`);
  }
  return keys;
}

/**
 * Makes a folder that a server starts with of the keys of a backup. It must be
 * empty, or not be there.
 * @throws StartError; the system's error
 */
export function restoreTo(folder: string, keys: Keys): void {
  const lock = lockFolder(fs, folder);
  try {
    if (fs.readdirSync(folder).some((name) => name !== "lock")) {
      throw new StartError(`${folder} is not empty: move what is there away, or use --out`);
    }
    rebase(new Survey(fs, folder, () => 0), keys.snapshot(), null);
  } finally {
    lock.release();
  }
}
