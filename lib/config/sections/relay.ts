import { availableParallelism } from "node:os";
import { choice, flag, host, whole, wholeOrNever } from "../option.ts";
import { type Contradiction, type Guards, section } from "../section.ts";
import { ownAccess } from "./access.ts";
import { BYTES_MAX, COUNT_MAX, live, MS_MAX, SECONDS_MAX } from "./bounds.ts";
import { connectedClients } from "./limits.ts";
import { outboxContradictions } from "./outbox.ts";
import { proxyContradictions, trustedProxies } from "./proxies.ts";
import { ownTls } from "./tls.ts";

/** The relay's settings at the top level, where the reference has them: its address and its backend. */
export const topLevel = {
  host: host(
    "127.0.0.1",
    "Address the relay listens on: 127.0.0.1 for this machine alone, 0.0.0.0 or :: for everybody.",
  ),
  port: whole(8888, [0, 65535], "TCP port of the relay; 0 takes a free one."),
  version: choice(
    "rust",
    ["python", "rust", "rust_v1.0.0", "rust_v1.1.0"],
    "The backend whose behaviour the relay takes: rust is guarded (rate limit, idle timeout, backpressure, quarantine), python is a plain broadcast with memory bounds only. Both run on the same engine.",
    { reference: "python", actsWith: "relay.enabled" },
  ),
};

/** The guards that the wizard asks about; the file has more. */
const GUARDS: Guards = {
  paths: [
    "hyper_parameters.rate_limit_msgs_per_minute",
    "hyper_parameters.client_timeout_secs",
    "hyper_parameters.quarantine_cooldown_secs",
    "hyper_parameters.backpressure_policy.throttle_threshold",
    "hyper_parameters.backpressure_policy.flow_control_threshold",
    "hyper_parameters.backpressure_policy.enable_disconnect",
    "hyper_parameters.backpressure_policy.disconnect_threshold",
    "version",
  ],
  // The plain backend has no guards, but the backend itself can be chosen.
  acting: (valueOf) => (valueOf("version") === "python" ? ["version"] : GUARDS.paths),
};

export const hyperParameters = section(
  "The guards of the guarded backend.",
  {
    connection_buffer_size: whole(
      128,
      [1, COUNT_MAX],
      "How many fan-out reports the monitor takes in at one tick; more are dropped and counted.",
      live,
    ),
    command_buffer_size: whole(
      32,
      [1, COUNT_MAX],
      "How many commands (throttle, flow control, disconnect) the monitor may issue at one tick.",
      live,
    ),
    control_channel_capacity: whole(
      8,
      [1, COUNT_MAX],
      "How many commands may wait for one client.",
      live,
    ),
    queue_monitor_capacity: whole(
      100,
      [1, COUNT_MAX],
      "How many fan-out reports one client may stage between two ticks.",
      live,
    ),
    client_timeout_secs: wholeOrNever(
      300,
      SECONDS_MAX,
      "A client that sends no line for this many seconds is disconnected; an empty line counts as one.",
      { ...live, aliases: ["client_timeout"] },
    ),
    rate_limit_msgs_per_minute: whole(
      300,
      [1, COUNT_MAX],
      "Lines a client may send in a minute; more are refused with a warning.",
      { ...live, aliases: ["rate_limit"] },
    ),
    timeout_check_interval_secs: whole(
      30,
      [1, SECONDS_MAX],
      "Seconds between two looks for idle clients.",
      live,
    ),
    accept_error_backoff_ms: whole(
      100,
      [0, MS_MAX],
      "Milliseconds between two attempts of the relay to listen again after its listener failed.",
      live,
    ),
    quarantine_cooldown_secs: whole(
      300,
      [0, SECONDS_MAX],
      "Seconds for which a client that was disconnected by force may not come back; 0 switches the quarantine off.",
      live,
    ),
    quarantine_cleanup_interval_secs: whole(
      60,
      [1, SECONDS_MAX],
      "Seconds between two sweeps of ended quarantines.",
      live,
    ),
    throttle_delay_ms: whole(
      200,
      [0, MS_MAX],
      "A throttled client is served one line per so many milliseconds; what it sends meanwhile waits.",
      live,
    ),
    flow_control_delay_ms: whole(
      1000,
      [0, MS_MAX],
      "A client under flow control is served one line per so many milliseconds.",
      live,
    ),
    worker_threads: whole(
      0,
      [0, 64],
      "Threads that serve the relay's clients, on one port and in one room: for a room that takes more than one core. 0 and 1: the main thread serves them all. Not on macOS and Windows, where threads cannot share a port, nor with a socket that a service manager hands over: there one thread serves.",
    ),
    backpressure_policy: section(
      "What happens to the sender of a line by its fan-out, the number of other clients it goes to. The strongest rule that applies acts.",
      {
        enable_throttle: flag(true, "Throttle senders (see throttle_delay_ms).", live),
        throttle_threshold: whole(
          100,
          [1, COUNT_MAX],
          "Fan-out from which a sender is throttled.",
          live,
        ),
        enable_flow_control: flag(
          true,
          "Put senders under flow control (see flow_control_delay_ms).",
          live,
        ),
        flow_control_threshold: whole(
          300,
          [1, COUNT_MAX],
          "Fan-out from which a sender is put under flow control.",
          live,
        ),
        enable_disconnect: flag(true, "Disconnect and quarantine senders.", live),
        disconnect_threshold: whole(
          500,
          [1, COUNT_MAX],
          "Fan-out from which a sender is disconnected. Set it above the size of your room.",
          live,
        ),
      },
      { contradictions: stepsThatNeverAct },
    ),
  },
  { remarks: (_given, own) => threadRemarks(own.worker_threads) },
);

export const relay = section(
  "Lines over TCP: what a client sends goes to all others. These are its own bounds, in both backends.",
  {
    enabled: flag(true, "Whether the relay runs."),
    max_line_bytes: whole(
      65_536,
      [256, 16 * 2 ** 20],
      "Largest line that goes out, envelope and newline included; a line that would exceed it is refused. The SDK's client cannot read more than 65536.",
      live,
    ),
    outbox_bytes: whole(
      16 * 2 ** 20,
      [4096, BYTES_MAX],
      "Bytes that may wait for one client; a client that would need more is closed as slow.",
      live,
    ),
    total_outbox_bytes: whole(
      64 * 2 ** 20,
      [4096, BYTES_MAX],
      "Bytes that may wait for all clients together; above it all senders pause, and resume below half of it.",
      live,
    ),
    stall_ms: whole(
      500,
      [1, MS_MAX],
      "While senders pause, the client with the most waiting bytes is closed at this interval unless it has halved them.",
      live,
    ),
    ...connectedClients,
    quarantine_by: choice(
      "auto",
      ["auto", "address", "address_and_port"],
      "What a quarantine applies to. auto: the address, but address and port on loopback, where one address is every agent.",
      live,
    ),
    monitor_interval_ms: whole(
      100,
      [1, MS_MAX],
      "Milliseconds between two ticks of the backpressure monitor.",
      live,
    ),
    trusted_proxies: trustedProxies,
    tls: ownTls("the relay"),
    access: ownAccess("the relay"),
  },
  {
    contradictions: (own, whole) => [
      ...outboxContradictions(own),
      ...proxyContradictions(own, whole),
    ],
    guards: GUARDS,
  },
);

/** True where threads of a program can listen on one port, each with a part of the clients. */
export const THREADS_SHARE_PORTS = process.platform === "linux";

/** True where several threads can do more than one. */
export const THREADS_HELP = THREADS_SHARE_PORTS && availableParallelism() > 1;

function threadRemarks(threads: number): string[] {
  const key = "hyper_parameters.worker_threads";
  if (threads <= 1) return [];
  if (!THREADS_SHARE_PORTS) {
    return [`${key}: threads cannot share a port on this system; one thread serves`];
  }
  const cores = availableParallelism();
  if (threads <= cores) return [];
  return [
    `${key}: ${threads} threads for ${cores} cores take turns, which makes none of them faster`,
  ];
}

interface Policy {
  readonly enable_throttle: boolean;
  readonly throttle_threshold: number;
  readonly enable_flow_control: boolean;
  readonly flow_control_threshold: number;
  readonly enable_disconnect: boolean;
  readonly disconnect_threshold: number;
}

/** Steps of the policy that never act, because a stronger one begins at a lower fan-out. */
function stepsThatNeverAct(policy: Policy): Contradiction[] {
  const steps = [
    ["throttle", policy.enable_throttle, policy.throttle_threshold],
    ["flow_control", policy.enable_flow_control, policy.flow_control_threshold],
    ["disconnect", policy.enable_disconnect, policy.disconnect_threshold],
  ] as const;
  const enabled = steps.filter(([, on]) => on);
  return enabled.flatMap(([name, , threshold], i) => {
    const next = enabled[i + 1];
    if (next === undefined || threshold <= next[2]) return [];
    return {
      key: `${name}_threshold`,
      message: `${threshold} is above ${next[0]}_threshold (${next[2]}), so ${name} would never act; lower it or disable one of the two`,
      reference: true,
    };
  });
}
