import type { Config } from "../../../config/table.ts";
import type { Clock } from "../../../host/clock.ts";
import type { Panel } from "../../../host/service/panel.ts";
import type { Clients } from "../../../net/clients.ts";
import type { Auth } from "../auth.ts";
import type { Channels } from "../channels/channels.ts";
import type { StoreClient } from "../client.ts";
import { errorsOf } from "../commands/counts.ts";
import type { Journal } from "../journal/journal.ts";
import type { Keys } from "../keys/keys.ts";
import { FILES } from "../page/files.ts";
import { type Code, CODES } from "../refusal.ts";
import type { Stats } from "../stats.ts";
import { channelsView, subscribersView } from "./channels.ts";
import { keyView, levelView } from "./keys.ts";
import type { JournalTold, StateTold } from "./told.ts";

/** What the panel shows. */
export interface PanelParts {
  readonly clock: Pick<Clock, "now">;
  readonly settings: Pick<Config, "store">;
  readonly keys: Keys;
  readonly channels: Channels<StoreClient>;
  readonly clients: Clients<StoreClient>;
  readonly journal: Journal | null;
  readonly auth: Auth;
  readonly stats: Stats;
}

/** The panel of the service: answers, the journal, keys by their names, channels. */
export function storePanel(parts: PanelParts): Panel {
  const { keys, channels, clients, auth, journal, stats } = parts;
  // Where clients need a token to learn of names, so does whoever reads the page.
  const isPrivate = () => auth.initialRole === null;
  return {
    title: "Store: keys and channels",
    files: FILES,
    tables: ["namespaces", "channels"],
    groups: ["errors by code"],
    views: {
      state: {
        about: "Answers, the journal, what is held.",
        parameters: {},
        read: () => stateTold(parts, isPrivate()),
      },
      level: levelView(keys, isPrivate),
      key: keyView(keys),
      channels: channelsView(channels, isPrivate),
      subscribers: subscribersView(channels, isPrivate),
    },
    acts: {},
    changes() {
      const { syncs = 0, snapshots = 0 } = journal?.counters ?? {};
      const trouble = journal?.trouble ? 1 : 0;
      // Each of them grows: connections, and those that have gone.
      const comings = 2 * clients.accepted - clients.size;
      return stats.requests + keys.expired + comings + syncs + snapshots + trouble;
    },
  };
}

function stateTold(
  { clock, settings, keys, channels, journal, stats }: PanelParts,
  isPrivate: boolean,
): StateTold {
  const numbers = stats.numbers();
  const number = (name: string) => numbers[name] as number;
  const subscribed = channels.subscriptions;
  return {
    at: clock.now(),
    requests: number("requests"),
    refused: number("refused"),
    hits: number("hits"),
    misses: number("misses"),
    errors: Object.entries(CODES)
      .map(([code, why]) => ({ code, why, count: number(errorsOf(code as Code)) }))
      .filter(({ count }) => count > 0),
    memory: { bytes: keys.bytes, most: settings.store.max_memory_bytes },
    subscriptions: {
      channels: subscribed,
      keys: number("subscriptions") - subscribed,
      kept_bytes: channels.keptBytes,
    },
    durability: settings.store.durability,
    journal: journal && journalTold(journal, clock.now()),
    is_private: isPrivate,
  };
}

function journalTold(journal: Journal, now: number): JournalTold {
  const { counters, written, synced, syncedAt, lastSnapshot: last } = journal;
  return {
    folder: journal.folder,
    trouble: journal.trouble,
    batches: written,
    unsynced: written - synced,
    is_pending: journal.pending,
    syncs: counters.syncs,
    since_sync_ms: syncedAt === null ? null : Math.round(now - syncedAt),
    bytes: journal.size,
    snapshot_from: journal.snapshotFrom,
    snapshots: counters.snapshots,
    snapshot: last && {
      since_ms: Math.round(now - last.at),
      ms: Math.round(last.ms),
      bytes: last.bytes,
    },
  };
}
