import {
  counter,
  type Declared,
  gauge,
  grouped,
  headline,
  labelled,
  titled,
} from "../../../host/stats.ts";
import { CLIENT_STATS, CLOSE_STATS } from "../../../net/clients.ts";

const ENDS = {
  succeeded: "succeeded",
  failed: "failed for good",
  timed_out: "got no result in time",
  replaced: "were replaced by another",
  cancelled: "were cancelled",
};

const SEVERITIES = { error: "errors", warning: "warnings", info: "notes" };

/** What each number of the service's `stats()` is. */
export const DECLARED: Declared = {
  clients: CLIENT_STATS.clients,
  accepted: CLIENT_STATS.accepted,
  games: headline(gauge("games", "Games that are here.")),
  actions: gauge("actions", "Actions that are registered."),
  messages_in: headline(counter("messages", "Messages that games sent.")),
  forces: headline(counter("forces", "Forces that games sent and that were taken.")),
  choosing: gauge("forces", "Forces that are queued or being chosen for."),
  unanswered: gauge("actions", "Actions that have not been answered yet."),
  actions_sent: counter("actions", "Actions that were sent."),
  retries: counter("retries", "Times that a force was chosen for again."),
  choice_ms: headline(
    titled(
      "to action, p95",
      gauge("ms", "From a force to its action, the slowest but one of the last twenty."),
    ),
  ),
  ...Object.fromEntries(
    Object.entries(ENDS).map(([end, what]) => [
      `forces_${end}`,
      labelled(counter("forces", `Forces that ${what}.`), "forces_ended", "how", end),
    ]),
  ),
  ...grouped(
    "diagnostics",
    Object.fromEntries(
      Object.entries(SEVERITIES).map(([severity, what]) => [
        `diagnostics_${severity}`,
        labelled(
          counter("diagnostics", `Diagnostics for games' developers that are ${what}.`),
          "diagnostics",
          "severity",
          severity,
        ),
      ]),
    ),
  ),
  faults: counter("faults", "Faults that were made on purpose."),
  recording: gauge("files", "Records that are being written."),
  recorded_bytes: counter("bytes", "Bytes of records that were written."),
  bytes_in: CLIENT_STATS.bytes_in,
  bytes_out: CLIENT_STATS.bytes_out,
  ...CLOSE_STATS,
};

/** The table of games. */
export const GAMES = {
  name: "games",
  about: "Games with the most actions.",
  columns: [
    { name: "actions", unit: "actions" },
    { name: "forces", unit: "forces" },
  ],
};
