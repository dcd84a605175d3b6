import { addressText } from "../../../host/service.ts";
import { type Door, DOOR_NAMES, type DoorName, REFUSALS, type Refusal } from "../doors/door.ts";
import type { DoorTold } from "./told.ts";

const TITLES: Readonly<Record<DoorName, string>> = {
  tcp: "Cap'n Proto over TCP",
  grpc: "gRPC",
  http: "OpenTelemetry over HTTP",
  syslog: "syslog",
  lines: "Lines",
};
const CLOSED = {
  addresses: [],
  clients: null,
  records: 0,
  bytes: 0,
  refused: 0,
  reasons: [],
  again: 0,
  kept_whole: 0,
  trouble: null,
};

/** All doors there are, those that are not open too. */
export function doorsTold(open: readonly Door[]): DoorTold[] {
  return DOOR_NAMES.map((name) => {
    const door = open.find((one) => one.name === name);
    return { name, title: TITLES[name], ...(door === undefined ? CLOSED : told(door)) };
  });
}

function told(door: Door): Omit<DoorTold, "name" | "title"> {
  const { addresses, clients, counts } = door;
  const health = door.health();
  return {
    // TCP and UDP may share one.
    addresses: [...new Set(addresses.map(({ host, port }) => addressText(host, port)))],
    clients: clients?.size ?? null,
    records: counts.records,
    bytes: counts.bytes,
    refused: counts.refusedInAll,
    reasons: Object.entries(counts.refused)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => ({ name, why: REFUSALS[name as Refusal], count })),
    again: counts.again,
    kept_whole: counts.keptWhole,
    trouble: health.ok ? null : health.reason,
  };
}
