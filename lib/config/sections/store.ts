import { meansLoopback } from "../loopback.ts";
import { choice, flag, host, text, whole, wholeOrNever } from "../option.ts";
import { section } from "../section.ts";
import { ownAccess } from "./access.ts";
import { BYTES_MAX, COUNT_MAX, live, nonEmpty, SECONDS_MAX } from "./bounds.ts";
import { connectedClients } from "./limits.ts";
import { outboxContradictions } from "./outbox.ts";
import { proxyContradictions, trustedProxies } from "./proxies.ts";
import { ownTls } from "./tls.ts";

export const store = section(
  "JSON key-value with namespaces and pub/sub over TCP.",
  {
    enabled: flag(false, "Whether the store runs."),
    host: host(
      "127.0.0.1",
      "Address it listens on. Anywhere but on loopback, clients need a token.",
    ),
    port: whole(8890, [0, 65535], "Its TCP port; 0 takes a free one."),
    mode: choice(
      "store",
      ["store", "json", "echo"],
      "store: the key-value store. json: sends every line back that is JSON. echo: sends every byte back.",
    ),
    durability: choice(
      "batch",
      ["none", "batch", "always"],
      "When a change is on disk. always: before its reply leaves. batch: written before, synced within milliseconds, so that a killed process loses nothing and a power cut that little. none: never; a stop forgets everything.",
    ),
    path: text("./data/store", "Folder of the journal and the snapshot.", nonEmpty),
    damage: choice(
      "refuse",
      ["refuse", "salvage"],
      "When files of the journal are damaged, as no crash leaves them. refuse: it does not start, and changes nothing. salvage: it goes on with what is whole, keeps the damaged files in a folder of their own, and /healthz is 503 until an operator acknowledges it (store acknowledge).",
    ),
    snapshot_bytes: whole(
      64 * 2 ** 20,
      [4096, BYTES_MAX],
      "Size of the journal from which a snapshot takes its place, in bytes; or as large as the last snapshot, whichever is more.",
    ),
    max_memory_bytes: whole(
      2 ** 30,
      [2 ** 20, BYTES_MAX],
      "Memory that keys and values may take; a write beyond it is refused. Nothing is evicted.",
      live,
    ),
    token_file: text(
      "",
      "File with a token on its first line, at least 16 characters, that may do everything. Empty means none.",
      live,
    ),
    roles_file: text(
      "",
      "TOML file with a table for each role: its token, and the prefixes it may read, write, publish on and subscribe to. Empty means none.",
      live,
    ),
    allow_open: flag(
      false,
      "Listen on other addresses than loopback without any token: everybody who can connect may do everything.",
    ),
    http: flag(true, "Whether the web service, where it runs, has the keys under /kv too.", live),
    idle_secs: wholeOrNever(
      300,
      SECONDS_MAX,
      "A client that sends nothing for this many seconds is disconnected, unless it has a subscription.",
      live,
    ),
    max_line_bytes: whole(
      2 ** 20,
      [256, 64 * 2 ** 20],
      "Largest request, newline not counted; a longer line is refused.",
      live,
    ),
    outbox_bytes: whole(
      16 * 2 ** 20,
      [4096, BYTES_MAX],
      "Bytes that may wait for one client; a subscriber that would need more is closed as slow, and a reply that would be longer is refused.",
      live,
    ),
    total_outbox_bytes: whole(
      64 * 2 ** 20,
      [4096, BYTES_MAX],
      "Bytes that may wait for all clients together; above it the one with the most is closed as slow.",
      live,
    ),
    max_subscriptions: whole(
      1000,
      [0, COUNT_MAX],
      "How many subscriptions one client may have.",
      live,
    ),
    max_patterns: whole(
      100,
      [0, COUNT_MAX],
      "How many of them may be patterns, which end in ^*.",
      live,
    ),
    max_http_watchers: whole(
      1000,
      [0, COUNT_MAX],
      "How many may watch keys over HTTP at once; one more is refused.",
      live,
    ),
    replay_messages: whole(
      100,
      [0, 1_000_000],
      "How many messages a channel keeps for subscribers that come back.",
      live,
    ),
    replay_bytes: whole(
      16 * 2 ** 20,
      [0, BYTES_MAX],
      "Memory that all channels together may keep for that; the channels that were silent longest forget first.",
      live,
    ),
    change_log_entries: whole(
      10_000,
      [0, 1_000_000],
      "How many changes of keys are kept for subscribers that come back; 0 keeps none. Each takes memory for its key and value.",
      live,
    ),
    change_log_bytes: whole(
      16 * 2 ** 20,
      [0, BYTES_MAX],
      "Memory that these changes may take; the oldest are forgotten first.",
      live,
    ),
    ...connectedClients,
    trusted_proxies: trustedProxies,
    tls: ownTls("the store"),
    access: ownAccess("the store"),
  },
  {
    contradictions(own, whole) {
      const { enabled, host, token_file, roles_file, allow_open } = own;
      const found = [...outboxContradictions(own), ...proxyContradictions(own, whole)];
      const guarded = token_file !== "" || roles_file !== "" || allow_open;
      if (enabled && !meansLoopback(host) && !guarded) {
        found.push({
          key: "host",
          message: `${host} is not loopback, so clients need tokens; set store.token_file or store.roles_file, or store.allow_open to let everybody do everything`,
        });
      }
      return found;
    },
    folders({ enabled, mode, durability }) {
      const keeps = enabled && mode === "store" && durability !== "none";
      return keeps ? [{ key: "path", holds: "state" }] : [];
    },
  },
);
