import * as fs from "node:fs";
import { join } from "node:path";
import type { Config } from "../../../config/table.ts";
import { reasonOf } from "../../../config/reason.ts";
import { count } from "../../../host/count.ts";
import type { Clock } from "../../../host/clock.ts";
import { type Fault, messageOf, StartError } from "../../../host/errors.ts";
import { fileTrouble, folderTrouble } from "../../../host/files/folder.ts";
import { isLocked } from "../../../host/lock.ts";
import type { Log } from "../../../host/log.ts";
import type { Keys } from "../keys/keys.ts";
import { checkLines } from "../keys/replay.ts";
import { Journal } from "./journal.ts";
import { DamageError } from "./read/damage.ts";
import { isOurs, look } from "./read/look.ts";

/** The setting that names the folder. */
const KEY = "store.path";

/**
 * Opens the journal that the settings ask for; null when nothing is kept.
 * @throws StartError when its folder cannot be used
 */
export function openJournal(
  settings: Config["store"],
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Journal | null {
  if (!isKept(settings)) return null;
  const tell = (message: string, isGood = false) => {
    if (isGood) log.info(`store: ${message}`);
    else log.warning(`store: ${message}`);
  };
  const { path, snapshot_bytes: snapshotBytes, damage, durability } = settings;
  const options = { clock, snapshotBytes, damage, untilSynced: durability === "always" };
  return naming(() => new Journal(path, { ...options, onTrouble: tell, onNote: tell }));
}

/**
 * Reads the keys back from a journal that was just opened, and records their
 * changes in it from then on.
 * @throws StartError when its files cannot be used
 */
export function restoreKeys(keys: Keys, journal: Journal, log: Log): void {
  naming(() =>
    journal.load(
      (records) => keys.restore(records),
      (salvaged) => {
        if (salvaged) keys.raiseVersions();
        return keys.snapshot();
      },
    ),
  );
  keys.record(journal);
  keys.restored();
  journal.write();
  log.info(`store: ${count(keys.size, "key")} read from ${journal.folder}`);
}

/** The faults of the folder that the settings name, damage among them. A journal in use there is no fault. */
export function journalFaults(settings: Config["store"]): readonly Fault[] {
  const { path: folder } = settings;
  if (!isKept(settings)) return [];
  const trouble = folderTrouble(folder);
  if (trouble !== null) return [{ key: KEY, message: `cannot write ${folder}: ${trouble}` }];
  try {
    const faults = namesIn(folder).flatMap((name) => {
      const path = join(folder, name);
      const why = fileTrouble(path, "write");
      return why === null ? [] : { key: KEY, message: `cannot use ${path}: ${why}` };
    });
    if (faults.length > 0 || !fs.existsSync(folder) || isLocked(fs, folder)) return faults;
    const found = look(fs, folder, checkLines);
    if (found.damages.length === 0 || settings.damage === "salvage") return [];
    return faultsOf(new DamageError(found));
  } catch (error) {
    if (error instanceof StartError) return faultsOf(error);
    return [{ key: KEY, message: `cannot read ${folder}: ${reasonOf(error)}` }];
  }
}

function isKept({ mode, durability }: Config["store"]): boolean {
  return mode === "store" && durability !== "none";
}

/** Names of the files of a journal; none when its folder does not exist yet. */
function namesIn(folder: string): string[] {
  const names = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  return names.filter((name) => name === "lock" || isOurs(name));
}

/** Runs an attempt. @throws StartError with the setting's name, when the attempt throws one without it */
function naming<T>(attempt: () => T): T {
  try {
    return attempt();
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    throw new StartError(faultsOf(error));
  }
}

function faultsOf(error: StartError): readonly Fault[] {
  return messageOf(error)
    .split("\n")
    .map((message) => ({ key: KEY, message }));
}
