import type { Config } from "../../../config/table.ts";
import type { Clock } from "../../../host/clock.ts";
import type { Panel } from "../../../host/service/panel.ts";
import type { CameBy } from "../came-by.ts";
import type { Door } from "../doors/door.ts";
import type { CollectedLog } from "../file/collected-log.ts";
import { FILES } from "../page/files.ts";
import { blockedTold } from "./blocked.ts";
import { doorsTold } from "./doors.ts";
import { entriesView } from "./entries.ts";
import { Census } from "./files.ts";
import type { StateTold } from "./told.ts";

/** What the panel shows. */
export interface PanelParts {
  readonly clock: Clock;
  readonly log: CollectedLog;
  readonly doors: readonly Door[];
  readonly cameBy: CameBy;
  /** The settings in force. */
  settings(): Config["collector"];
}

/** The panel of the service: its doors, what waits, its files, and a search over what it has collected. */
export function collectorPanel(parts: PanelParts): Panel {
  const { clock, log, doors, cameBy, settings } = parts;
  const { writer } = log;
  // They stay as they are until a restart.
  const { path, widths, hash_chain: chained, durability } = settings();
  const census = new Census(path, clock);
  const written = () => writer.next - writer.pending;
  return {
    title: "Collector: doors and entries",
    files: FILES,
    tables: ["doors", "chain"],
    groups: ["door records by door"],
    views: {
      state: {
        about: "Doors, what waits for the disk, files.",
        parameters: {},
        read: async () => ({ durability, ...stateTold(parts, await census.look()) }),
      },
      entries: entriesView({ path, widths, chained, clock, cameBy, written }),
    },
    acts: {},
    changes() {
      const { blocking, syncs } = writer;
      const { rotations } = writer.rotation;
      const inDoors = doors.map(({ counts, clients }) => {
        const { accepted = 0, size = 0 } = clients ?? {};
        // Both grow: connections, and those that have gone.
        return 2 * accepted - size + counts.refusedInAll + counts.again;
      });
      const inAll = inDoors.reduce((sum, one) => sum + one, 0);
      const ends = 2 * blocking.times - (blocking.sinceMs === null ? 0 : 1);
      return writer.next + written() + rotations + syncs + ends + inAll;
    },
  };
}

function stateTold(
  { clock, log, doors, settings }: PanelParts,
  files: Awaited<ReturnType<Census["look"]>>,
): Omit<StateTold, "durability"> {
  const { writer, head } = log;
  const own = settings();
  return {
    at: clock.now(),
    path: writer.path,
    records: doors.reduce((sum, { counts }) => sum + counts.records, 0),
    written_bytes: writer.counts.bytes,
    pending: { entries: writer.pending, bytes: writer.pendingBytes },
    room: { entries: own.buffer_size, bytes: own.buffer_bytes },
    is_full: writer.isFull,
    slow_sync: writer.syncs === 0 ? null : writer.timings.slowSync,
    blocked: blockedTold(writer),
    doors: doorsTold(doors),
    files: {
      current_bytes: writer.fileBytes,
      most_bytes: own.max_file_bytes,
      most_rotated: own.backup_count,
      ...files,
    },
    chain: head,
  };
}
