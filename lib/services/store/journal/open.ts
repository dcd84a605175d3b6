import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../../config/table.ts";
import { reasonOf } from "../../../config/reason.ts";
import { count } from "../../../host/count.ts";
import type { Clock } from "../../../host/clock.ts";
import { type Fault, messageOf, StartError } from "../../../host/errors.ts";
import { fileTrouble, folderTrouble } from "../../../host/folder.ts";
import type { Log } from "../../../host/log.ts";
import type { Keys } from "../keys/keys.ts";
import { Journal } from "./journal.ts";
import { SNAPSHOT } from "./snapshot.ts";

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
  const tell = (message: string) => log.warning(`store: ${message}`);
  const { path, snapshot_bytes: snapshotBytes } = settings;
  return naming(() => new Journal(path, { clock, snapshotBytes, onTrouble: tell, onNote: tell }));
}

/**
 * Reads the keys back from a journal that was just opened, and records their
 * changes in it from then on.
 * @throws StartError when its files cannot be used
 */
export function restoreKeys(keys: Keys, journal: Journal, log: Log): void {
  naming(() => journal.load((record) => keys.restore(record)));
  keys.restored();
  keys.record(journal);
  log.info(`store: ${count(keys.size, "key")} read from ${journal.folder}`);
}

/** The faults of the folder that the settings name. A journal in use there is no fault. */
export function journalFaults(settings: Config["store"]): readonly Fault[] {
  const { path: folder } = settings;
  if (!isKept(settings)) return [];
  const trouble = folderTrouble(folder);
  if (trouble !== null) return [{ key: KEY, message: `cannot write ${folder}: ${trouble}` }];
  try {
    return namesIn(folder).flatMap((name) => {
      const path = join(folder, name);
      const why = fileTrouble(path, name === SNAPSHOT ? "read" : "write");
      return why === null ? [] : { key: KEY, message: `cannot use ${path}: ${why}` };
    });
  } catch (error) {
    return [{ key: KEY, message: `cannot read ${folder}: ${reasonOf(error)}` }];
  }
}

function isKept({ mode, durability }: Config["store"]): boolean {
  return mode === "store" && durability !== "none";
}

/** Names of the files of a journal; none when its folder does not exist yet. */
function namesIn(folder: string): string[] {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names.filter((name) => [SNAPSHOT, "lock"].includes(name) || /^journal\.\d+$/.test(name));
}

/** Runs an attempt. @throws StartError with the setting's name, when the attempt throws one without it */
function naming<T>(attempt: () => T): T {
  try {
    return attempt();
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    throw new StartError([{ key: KEY, message: messageOf(error) }]);
  }
}
