import { settings } from "./table.ts";
import type { Option } from "./option.ts";
import type { Section } from "./section.ts";

/** A ready choice of settings for one kind of use, in the form of `server.json`. */
export interface Preset {
  readonly about: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/** The tuning recipes of the reference's documentation, with fixed numbers inside its ranges, and one for development. */
const recipes = {
  chat: {
    about: "Low-latency chat: many small messages, short pauses.",
    config: {
      version: "rust",
      hyper_parameters: {
        rate_limit_msgs_per_minute: 1000,
        throttle_delay_ms: 75,
        flow_control_delay_ms: 375,
        backpressure_policy: {
          throttle_threshold: 300,
          flow_control_threshold: 900,
          disconnect_threshold: 2000,
        },
      },
    },
  },
  broadcast: {
    about: "High-throughput broadcast to about a thousand recipients, with compact JSON logs.",
    config: {
      version: "rust",
      logger: {
        enable_file_log: true,
        enable_json_log: true,
        log_keys: ["msg_id", "type"],
      },
      hyper_parameters: {
        connection_buffer_size: 1024,
        queue_monitor_capacity: 400,
        backpressure_policy: {
          throttle_threshold: 1000,
          flow_control_threshold: 2500,
          disconnect_threshold: 5000,
        },
      },
    },
  },
  strict: {
    about: "A public endpoint that expects abuse; listeners must send heartbeats.",
    config: {
      version: "rust",
      hyper_parameters: {
        rate_limit_msgs_per_minute: 90,
        client_timeout_secs: 150,
        quarantine_cooldown_secs: 900,
        backpressure_policy: {
          throttle_threshold: 50,
          flow_control_threshold: 150,
          enable_disconnect: true,
          disconnect_threshold: 300,
        },
      },
    },
  },
  "large-room": {
    about: "Thousands of clients in one room: gentle shaping, nobody is disconnected.",
    config: {
      version: "rust",
      hyper_parameters: {
        backpressure_policy: {
          throttle_threshold: 1000,
          flow_control_threshold: 3000,
          enable_disconnect: false,
          disconnect_threshold: 10_000,
        },
      },
    },
  },
  local: {
    about: "Local development: everything is logged, and nobody is thrown out or waits long.",
    config: {
      version: "rust",
      drain_ms: 500,
      logger: { log_level: "DEBUG" },
      hyper_parameters: {
        rate_limit_msgs_per_minute: 100_000,
        client_timeout_secs: 0,
        quarantine_cooldown_secs: 0,
        throttle_delay_ms: 10,
        flow_control_delay_ms: 50,
        backpressure_policy: { enable_disconnect: false },
      },
    },
  },
} as const satisfies Readonly<Record<string, Preset>>;

export type PresetName = keyof typeof recipes;

/** All presets, by name: a recipe, and the settings that services add to it in their own sections. */
export const presets = Object.fromEntries(
  Object.entries<Preset>(recipes).map(([name, { about, config }]) => [
    name,
    { about, config: { ...config, ...setByServices(name) } },
  ]),
) as Readonly<Record<PresetName, Preset>>;

function setByServices(preset: string): Preset["config"] {
  const sections = Object.entries<Section | Option<unknown>>(settings).flatMap(([name, entry]) => {
    const own = entry.kind === "section" ? entry.rules.presets?.[preset] : undefined;
    return own === undefined ? [] : [[name, own] as const];
  });
  return Object.fromEntries(sections);
}
