import type { Config } from "../../../config/table.ts";
import type { Clock } from "../../../host/clock.ts";
import type { Log } from "../../../host/log.ts";
import type { Keys } from "../keys/keys.ts";
import { Journal } from "./journal.ts";

/**
 * Opens the journal of the settings; null where nothing is kept.
 * @throws StartError when its folder cannot be used
 */
export function openJournal(
  { mode, durability, path, snapshot_bytes }: Config["store"],
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Journal | null {
  if (mode !== "store" || durability === "none") return null;
  const tell = (message: string) => log.warning(`store: ${message}`);
  return new Journal(path, {
    clock,
    snapshotBytes: snapshot_bytes,
    onTrouble: tell,
    onNote: tell,
  });
}

/**
 * Reads the keys back from a journal that was just opened and records their
 * changes in it from then on.
 * @throws StartError when its files cannot be used
 */
export function restoreKeys(keys: Keys, journal: Journal, log: Log): void {
  journal.load((record) => keys.restore(record));
  keys.restored();
  keys.record(journal);
  log.info(`store: ${keys.size} keys read from ${journal.folder}`);
}
