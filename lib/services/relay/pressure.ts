import type { Config } from "../../config/table.ts";
import type { RelayClient } from "./client.ts";

export type PressureSettings = Pick<
  Config["hyper_parameters"],
  | "backpressure_policy"
  | "queue_monitor_capacity"
  | "connection_buffer_size"
  | "command_buffer_size"
  | "control_channel_capacity"
>;

export type Command = "throttle" | "flow_control" | "disconnect";

interface Order {
  readonly client: RelayClient;
  readonly command: Command;
}

/** Reports and commands that found a queue full. */
export interface Drops {
  reports: number;
  commands: number;
}

/** The strongest command that a fan-out calls for, or null. A fan-out equal to a threshold reaches it, as in the reference. */
export function commandFor(
  fanOut: number,
  policy: PressureSettings["backpressure_policy"],
): Command | null {
  if (policy.enable_disconnect && fanOut >= policy.disconnect_threshold) return "disconnect";
  if (policy.enable_flow_control && fanOut >= policy.flow_control_threshold) {
    return "flow_control";
  }
  if (policy.enable_throttle && fanOut >= policy.throttle_threshold) return "throttle";
  return null;
}

/**
 * The backpressure monitor. Reports pass four bounded queues: each client's
 * own, the monitor's, the commands', each client's control queue. A full queue
 * drops new entries and counts them.
 */
export class Monitor {
  readonly dropped: Drops = { reports: 0, commands: 0 };
  readonly commands: Record<Command, number> = {
    throttle: 0,
    flow_control: 0,
    disconnect: 0,
  };
  readonly #reporters = new Set<RelayClient>();

  /** A client relayed `count` lines, each to `fanOut` others. */
  stage(client: RelayClient, fanOut: number, count: number, capacity: number): void {
    const { staged } = client;
    const room = Math.max(0, capacity - staged.length);
    this.dropped.reports += Math.max(0, count - room);
    for (let i = Math.min(count, room); i > 0; i--) staged.push(fanOut);
    if (staged.length > 0) this.#reporters.add(client);
  }

  forget(client: RelayClient): void {
    client.staged.length = 0;
    this.#reporters.delete(client);
  }

  /** One tick: reports in, commands out through `apply`. */
  tick(settings: PressureSettings, apply: (client: RelayClient, command: Command) => void): void {
    if (this.#reporters.size === 0) return;
    const orders: Order[] = [];
    for (const [client, fanOut] of this.#collect(settings.connection_buffer_size)) {
      const command = commandFor(fanOut, settings.backpressure_policy);
      if (command === null) continue;
      if (orders.length < settings.command_buffer_size) orders.push({ client, command });
      else this.dropped.commands++;
    }
    const control = new Map<RelayClient, Command[]>();
    for (const { client, command } of orders) {
      const queue = control.get(client) ?? [];
      if (queue.length < settings.control_channel_capacity) queue.push(command);
      else this.dropped.commands++;
      control.set(client, queue);
    }
    for (const [client, queue] of control) {
      for (const command of queue) {
        if (client.state !== "open") break;
        this.commands[command]++;
        apply(client, command);
      }
    }
  }

  /** Takes one report of each client in turn, so that a busy client cannot crowd out the others. */
  #collect(capacity: number): [RelayClient, number][] {
    const reports: [RelayClient, number][] = [];
    for (let round = 0; this.#reporters.size > 0; round++) {
      for (const client of this.#reporters) {
        const fanOut = client.staged[round];
        if (fanOut === undefined) {
          client.staged.length = 0;
          this.#reporters.delete(client);
        } else if (reports.length < capacity) reports.push([client, fanOut]);
        else this.dropped.reports++;
      }
    }
    return reports;
  }
}
