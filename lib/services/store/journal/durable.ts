import type { Config } from "../../../config/table.ts";
import type { Clock } from "../../../host/clock.ts";
import type { Log } from "../../../host/log.ts";
import { Journal } from "./journal.ts";
import type { Keys } from "../keys/keys.ts";

/**
 * Opens the journal of the settings, reads the keys back from it and records
 * their changes from then on; null where nothing is kept.
 * @param changed a change was appended, which the end of the turn must write
 * @param kept the journal has got further
 * @throws StartError when its folder will not do
 */
export function openJournal(
  { mode, durability, path, snapshot_bytes }: Config["store"],
  keys: Keys,
  { clock, log }: { clock: Clock; log: Log },
  changed: () => void,
  kept: () => void,
): Journal | null {
  if (mode !== "store" || durability === "none") return null;
  const tell = (message: string) => log.warning(`store: ${message}`);
  const journal = new Journal(path, {
    clock,
    snapshotBytes: snapshot_bytes,
    onSynced: kept,
    onTrouble: tell,
    onNote: tell,
  });
  journal.load((record) => keys.restore(record));
  keys.restored();
  keys.record({
    reserve: (bytes) => journal.reserve(bytes),
    append(record, bytes) {
      journal.append(record, bytes);
      changed();
    },
  });
  log.info(`store: ${keys.size} keys read from ${path}`);
  return journal;
}
