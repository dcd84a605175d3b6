import { counter, type Declared, gauge, headline, labelled } from "../../host/stats.ts";
import { CLIENT_STATS, CLOSE_STATS } from "../../net/clients.ts";
import { COMMANDS } from "./commands/commands.ts";

/** What each number of the store's `stats()` is. */
export const DECLARED: Declared = {
  ...CLIENT_STATS,
  keys: headline(gauge("keys", "Keys that hold a value.")),
  memory_bytes: headline(gauge("bytes", "Memory that keys and values take.")),
  requests: headline(counter("requests", "Requests, refused ones included.")),
  refused: headline(counter("requests", "Requests that were refused.")),
  subscriptions: headline(gauge("subscriptions", "Subscriptions, to channels and to keys.")),
  expiring: gauge("keys", "Keys that will expire."),
  expired: counter("keys", "Keys that have expired."),
  published: counter("messages", "Messages that were published."),
  deliveries: counter(
    "messages",
    "Messages and events that were sent or queued, once for each recipient.",
  ),
  channels: gauge("channels", "Channels that keep messages."),
  kept_bytes: gauge("bytes", "Memory that kept messages take."),
  pinned_bytes: gauge("bytes", "Memory held by all that waits for clients."),
  journal_bytes: gauge("bytes", "Size of the journal since the last snapshot."),
  journal_batches: counter("batches", "Batches written to the journal."),
  journal_syncs: counter("syncs", "Times that the journal was synced to the disk."),
  journal_failing: gauge("state", "1 while the journal cannot be written and changes are refused."),
  snapshots: counter("snapshots", "Snapshots made."),
  ...Object.fromEntries(
    Object.keys(COMMANDS).map((action) => [
      `requests_${action.toLowerCase()}`,
      labelled(counter("requests", `Requests for ${action}.`), "commands", "action", action),
    ]),
  ),
  ...CLOSE_STATS,
};
