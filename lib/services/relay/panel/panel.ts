import type { Config } from "../../../config/table.ts";
import type { Clock } from "../../../host/clock.ts";
import type { Panel } from "../../../host/service/panel.ts";
import { CLIENT_COLUMNS } from "../../../net/client.ts";
import type { Pinned } from "../../../net/outbox.ts";
import type { Backlog } from "../backlog.ts";
import type { RelayClient } from "../client.ts";
import type { Guard } from "../intake.ts";
import { FILES } from "../page/files.ts";
import { commandFor } from "../pressure.ts";
import { Few } from "./few.ts";
import type { NumberedClient, PressureTold, StateTold } from "./told.ts";

/** Rows of each list. */
export const MOST_HELD = 20;
export const MOST_BEHIND = 20;
export const MOST_ROWS = 5;

/** What the panel shows. */
export interface PanelParts {
  readonly clock: Pick<Clock, "now">;
  readonly members: ReadonlySet<RelayClient>;
  /** The other clients of the room that a line goes to. */
  fanOut(): number;
  readonly backlog: Backlog;
  readonly pinned: Pinned;
  /** Null in the plain backend. */
  readonly guard: Guard | null;
  /** The settings in force. */
  config(): Config;
}

/** The panel of the service: who sends most, who is held and why, for whom the most waits. */
export function relayPanel(parts: PanelParts): Panel {
  const { guard, backlog } = parts;
  return framed(
    () => stateTold(parts),
    () => {
      const { throttle = 0, flow_control = 0, disconnect = 0 } = guard?.monitor.commands ?? {};
      const ends = 2 * backlog.pauses - (backlog.paused ? 1 : 0);
      return throttle + flow_control + disconnect + ends;
    },
  );
}

/** @param changes grows with what a person must hear of sooner than by the look once a second that the page takes as it is */
export function framed(state: () => StateTold | Promise<StateTold>, changes: () => number): Panel {
  return {
    title: "Relay: senders and readers",
    files: FILES,
    groups: ["pressure"],
    views: {
      state: {
        about: "Who sends most, who is held and why, for whom the most waits.",
        parameters: {},
        read: state,
      },
    },
    acts: {},
    changes,
  };
}

function stateTold(parts: PanelParts): StateTold {
  const { clock, members, backlog, pinned, guard, config } = parts;
  const now = clock.now();
  const behind = new Few<RelayClient>(MOST_BEHIND);
  const [lines, bytes, refused] = [
    new Few<RelayClient>(MOST_ROWS),
    new Few<RelayClient>(MOST_ROWS),
    new Few<RelayClient>(MOST_ROWS),
  ];
  for (const one of members) {
    behind.offer(one, CLIENT_COLUMNS.outboxBytes(one, now));
    lines.offer(one, CLIENT_COLUMNS.messagesPerSecond(one, now));
    bytes.offer(one, one.bytesIn);
    refused.offer(one, one.refused);
  }
  const { outbox_bytes, total_outbox_bytes } = config().relay;
  const since = backlog.pausedSince;
  return {
    pressure: guard && pressureTold(guard, Math.max(0, parts.fanOut()), config(), now),
    backlog: {
      waiting: { bytes: pinned.bytes, most: total_outbox_bytes },
      paused_ms: since === null ? null : Math.round(now - since),
      pauses: backlog.pauses,
      most_for_one: outbox_bytes,
      behind: behind.count,
      clients: behind.map(({ id, address, tookAt }, waiting) => {
        return { id, address, bytes: waiting, since_ms: Math.round(now - tookAt) };
      }),
    },
    most: {
      lines: lines.map(numbered),
      bytes: bytes.map(numbered),
      refused: refused.map(numbered),
    },
  };
}

function numbered({ id, address }: RelayClient, value: number): NumberedClient {
  return { id, address, value };
}

function pressureTold(
  { pacing, monitor }: Guard,
  fanOut: number,
  { hyper_parameters: hyper }: Config,
  now: number,
): PressureTold {
  const { backpressure_policy: policy } = hyper;
  const acts = commandFor(fanOut, policy);
  const rule = (name: NonNullable<typeof acts>, enabled: boolean, from: number, ms: number) => {
    return { name, enabled, from, ms, acts: acts === name, times: monitor.commands[name] };
  };
  const longest = new Few<RelayClient>(MOST_HELD);
  // What is held since just now is held too.
  for (const one of pacing.held) longest.offer(one, now - one.pacedSince + 1);
  return {
    fan_out: fanOut,
    rules: [
      rule("throttle", policy.enable_throttle, policy.throttle_threshold, hyper.throttle_delay_ms),
      rule(
        "flow_control",
        policy.enable_flow_control,
        policy.flow_control_threshold,
        hyper.flow_control_delay_ms,
      ),
      rule(
        "disconnect",
        policy.enable_disconnect,
        policy.disconnect_threshold,
        hyper.quarantine_cooldown_secs * 1000,
      ),
    ],
    held: pacing.held.size,
    clients: longest.map((one, ms) => ({
      id: one.id,
      address: one.address,
      since_ms: Math.round(ms - 1),
      lines_per_second: CLIENT_COLUMNS.messagesPerSecond(one, now),
    })),
    dropped_reports: monitor.dropped.reports,
    dropped_commands: monitor.dropped.commands,
  };
}
