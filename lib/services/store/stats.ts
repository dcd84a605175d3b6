import { version } from "../../../package.json";
import type { Config } from "../../config/table.ts";
import type { Clock } from "../../host/clock.ts";
import { largest } from "../../host/service/largest.ts";
import type { Table } from "../../host/service.ts";
import { adverse, counter, type Declared, gauge, headline, labelled } from "../../host/stats.ts";
import { CLIENT_STATS, CLOSE_STATS, type Clients } from "../../net/clients.ts";
import type { Pinned } from "../../net/outbox.ts";
import type { Channels } from "./channels/channels.ts";
import type { Delivery } from "./channels/delivery.ts";
import type { KeyWatch } from "./channels/watch.ts";
import type { StoreClient } from "./client.ts";
import { COMMANDS } from "./commands/commands.ts";
import { errorsOf, type RequestCounts } from "./commands/counts.ts";
import type { Journal } from "./journal/journal.ts";
import type { ChangeLog } from "./keys/change-log.ts";
import type { Keys } from "./keys/keys.ts";
import type { VisibleKeys } from "./keys/visible-keys.ts";
import { type Code, CODES } from "./refusal.ts";

/** The numbers of the store's `stats()`, declared. */
export const DECLARED: Declared = {
  ...CLIENT_STATS,
  keys: headline(gauge("keys", "Keys that hold a value.")),
  memory_bytes: headline(gauge("bytes", "Memory that keys and values take.")),
  requests: headline(counter("requests", "Requests, refused ones included.")),
  misses: headline(counter("misses", "Reads of a key that is not there: answered, not refused.")),
  hits: counter("hits", "Reads of a key that is there."),
  refused: adverse(headline(counter("requests", "Requests that were refused."))),
  subscriptions: headline(gauge("subscriptions", "Subscriptions, to channels and to keys.")),
  http_watchers: gauge("streams", "Watches of keys over HTTP."),
  expiring: gauge("keys", "Keys that will expire."),
  expired: counter("keys", "Keys that have expired."),
  published: counter("messages", "Messages that were published."),
  deliveries: counter(
    "deliveries",
    "Messages and events that were sent or queued, once for each recipient.",
  ),
  channels: gauge("channels", "Channels that keep messages."),
  kept_bytes: gauge("bytes", "Memory that kept messages take."),
  change_log_entries: gauge("changes", "Changes of keys that are kept."),
  change_log_bytes: gauge("bytes", "Memory that these changes take."),
  pinned_bytes: gauge("bytes", "Memory held by all that waits for clients."),
  journal_bytes: gauge("bytes", "Size of the journal since the last snapshot."),
  journal_batches: counter("batches", "Batches written to the journal."),
  journal_syncs: counter("syncs", "Times that the journal was synced to the disk."),
  journal_failing: gauge("state", "1 while the journal cannot be written and changes are refused."),
  snapshots: counter("snapshots", "Snapshots made."),
  ...Object.fromEntries(
    Object.keys(COMMANDS).map((action) => [
      `requests_${action.toLowerCase()}`,
      labelled(counter("commands", `Requests for ${action}.`), "commands", "action", action),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(CODES).map(([code, why]) => [
      errorsOf(code as Code),
      labelled(counter("errors", `Answers with ${code}: ${why}`), "errors", "code", code),
    ]),
  ),
  ...CLOSE_STATS,
};

const NAMESPACES = {
  name: "namespaces",
  about: "Namespaces at the top with the most keys below them.",
  columns: [{ name: "keys", unit: "keys" }],
};

const CHANNELS = {
  name: "channels",
  about:
    "Channels and patterns with the most subscribers; those of a pattern do not count for the channels it matches.",
  columns: [
    { name: "subscribers", unit: "clients" },
    { name: "messages", unit: "messages" },
  ],
};

/** The parts that the numbers come from. */
export interface Counted {
  readonly clients: Clients<StoreClient>;
  readonly requests: RequestCounts;
  readonly keys: Keys;
  readonly visible: VisibleKeys;
  readonly watch: KeyWatch<StoreClient>;
  readonly watchers: { readonly size: number };
  readonly changes: ChangeLog;
  readonly channels: Channels<StoreClient>;
  readonly delivery: Delivery;
  readonly pinned: Pinned;
  readonly journal: Journal | null;
}

/** Numbers of the store, for operators, `^sys` and INFO. */
export class Stats {
  readonly #counted: Counted;
  readonly #settings: Pick<Config, "name" | "store">;
  readonly #clock: Pick<Clock, "now">;
  readonly #startedAt: number;

  constructor(
    counted: Counted,
    settings: Pick<Config, "name" | "store">,
    clock: Pick<Clock, "now">,
  ) {
    this.#counted = counted;
    this.#settings = settings;
    this.#clock = clock;
    this.#startedAt = clock.now();
  }

  /** Requests so far. */
  get requests(): number {
    return this.#counted.requests.all;
  }

  /** The numbers of `DECLARED`. */
  numbers(): Record<string, number> {
    const { clients, requests, keys, visible, watch, watchers, changes } = this.#counted;
    const { channels, delivery, pinned, journal } = this.#counted;
    return {
      ...clients.stats(),
      keys: keys.size,
      memory_bytes: keys.bytes,
      requests: requests.all,
      misses: visible.reads.misses,
      hits: visible.reads.hits + requests.plainGets,
      refused: requests.refused,
      subscriptions: channels.subscriptions + watch.subscriptions.size,
      http_watchers: watchers.size,
      expiring: keys.expiring,
      expired: keys.expired,
      published: channels.published,
      deliveries: delivery.count,
      channels: channels.size,
      kept_bytes: channels.keptBytes,
      change_log_entries: changes.size,
      change_log_bytes: changes.bytes,
      pinned_bytes: pinned.bytes,
      journal_bytes: journal?.size ?? 0,
      journal_batches: journal?.written ?? 0,
      journal_syncs: journal?.counters.syncs ?? 0,
      journal_failing: journal?.trouble ? 1 : 0,
      snapshots: journal?.counters.snapshots ?? 0,
      ...requests.byAction(),
      ...requests.byCode(),
    };
  }

  /** The largest namespaces and channels. */
  tables(): readonly Table[] {
    const { keys, channels } = this.#counted;
    const namespaces = keys
      .counts()
      .map(([name, count]) => ({ name: () => name, values: [count] }));
    return [
      { ...NAMESPACES, ...largest(namespaces) },
      { ...CHANNELS, ...largest(channels.counts()) },
    ];
  }

  /** The answer to INFO. */
  info(): Readonly<Record<string, unknown>> {
    const { name, store } = this.#settings;
    return {
      name,
      version,
      epoch: this.#counted.channels.epoch,
      durability: store.durability,
      uptime_seconds: Math.floor((this.#clock.now() - this.#startedAt) / 1000),
      ...this.numbers(),
    };
  }
}
