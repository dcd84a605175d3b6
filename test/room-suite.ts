import { services as all } from "../index.ts";
import { relay as startRelay } from "../lib/services/relay/service.ts";
import { type Config, settings } from "../lib/config/table.ts";
import type { Room, RoomNode } from "../lib/host/service/room.ts";
import type { Host } from "../lib/host/service.ts";
import type { Table } from "./kit.ts";

export const NODE: RoomNode = {
  name: "one",
  address: "10.0.0.1:8888",
  version: "0.1.0",
  clients: 12,
  linesPerSecond: 40,
  delayP50Ms: 0.4,
  delayP99Ms: 2.5,
  sinceMs: 3_700_000,
  goneMs: null,
  isLost: false,
  isSelf: true,
};

/** A room whose state is set by hand. */
export class HandRoom implements Room {
  name = "main";
  server = "redis://10.0.0.9:6379";
  trouble: Room["trouble"] = null;
  lostLines = 0;
  lagging: string | null = null;
  all: readonly RoomNode[] = [NODE];
  /** Who was kicked, as `node/id`. */
  readonly kicked: string[] = [];
  /** The answer to a kick. */
  found: Promise<string | null> = Promise.resolve("10.0.0.7:4000");

  nodes(): readonly RoomNode[] {
    return this.all;
  }

  kick(node: string, id: number): Promise<string | null> {
    this.kicked.push(`${node}/${id}`);
    return this.found;
  }
}

/** The services of the program, of which the relay shares this room. */
export function sharing(room: Room): Table {
  const start = startRelay();
  const relay = async (config: Config, host: Host<Config>) =>
    Object.assign(await start(config, host), { room });
  return { services: { ...all, relay }, settings };
}
