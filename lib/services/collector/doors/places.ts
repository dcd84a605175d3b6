import { type Place, placeOf } from "../../../config/place.ts";
import type { Config } from "../../../config/table.ts";
import { DOOR_NAMES, type DoorName } from "./door.ts";

/** The settings of a door's port. */
const PORT_KEYS = {
  tcp: "port",
  grpc: "grpc_port",
  http: "http_port",
  syslog: "syslog_port",
  lines: "lines_port",
} as const satisfies Readonly<Record<DoorName, keyof Config["collector"]>>;

/** The doors that a configuration opens, in order. */
export function openDoors({ collector: own }: Config): readonly DoorName[] {
  return DOOR_NAMES.filter((name) => (name === "grpc" ? !own.tcp_only : own[name]));
}

/** The place of a door: that of the service, on a port of its own. The doors share the files of the service evenly. */
export function doorPlace(config: Config, name: DoorName): Place {
  const key = PORT_KEYS[name];
  return {
    ...placeOf(config, "collector"),
    port: config.collector[key],
    portKey: `collector.${key}`,
    part: 1 / openDoors(config).length,
  };
}
