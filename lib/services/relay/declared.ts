import {
  adverse,
  counter,
  type Declared,
  gauge,
  grouped,
  headline,
  titled,
} from "../../host/stats.ts";
import { CLIENT_STATS, CLOSE_STATS } from "../../net/clients.ts";

/** The numbers of the relay's `stats()`, declared. */
export const DECLARED: Declared = {
  clients: CLIENT_STATS.clients,
  accepted: CLIENT_STATS.accepted,
  lines_in: headline(counter("lines", "Lines that clients sent, refused ones included.")),
  lines_blank: counter("lines", "Empty lines: heartbeats."),
  lines_relayed: counter("lines", "Lines that were relayed."),
  deliveries: headline(
    counter("deliveries", "Lines that were sent or queued, once for each recipient."),
  ),
  bytes_in: CLIENT_STATS.bytes_in,
  bytes_out: headline(CLIENT_STATS.bytes_out),
  pinned_bytes: headline(
    titled("Waiting in memory", gauge("bytes", "Memory held by all that waits for clients.")),
  ),
  quarantined: headline(gauge("addresses", "Addresses in quarantine.")),
  refused: adverse(headline(counter("lines", "Lines that were refused, for any reason."))),
  ...grouped("pressure", {
    backlog_pauses: counter("pauses", "Times that all senders paused for their readers."),
    throttles: counter("throttles", "Throttle commands applied."),
    flow_controls: counter("controls", "Flow control commands applied."),
    pressure_disconnects: counter("disconnects", "Disconnect commands applied."),
    dropped_reports: counter("reports", "Fan-out reports dropped because a queue was full."),
    dropped_commands: counter("commands", "Commands dropped because a queue was full."),
  }),
  ...grouped("refused", {
    refused_rate: adverse(counter("lines", "Lines refused by the rate limit.")),
    refused_oversize: adverse(counter("lines", "Lines refused because they were too long.")),
    refused_utf8: adverse(counter("lines", "Lines refused because they were not valid UTF-8.")),
  }),
  ...CLOSE_STATS,
};
