import { hostname } from "node:os";
import type { Config } from "../../../../config/table.ts";
import { within, type Clock } from "../../../../host/clock.ts";
import { count } from "../../../../host/count.ts";
import type { Log } from "../../../../host/log.ts";
import type { Room, RoomNode } from "../../../../host/service/room.ts";
import type { Problem } from "../../../../host/service.ts";
import {
  adverse,
  counter,
  type Declared,
  type Distribution,
  gauge,
  grouped,
  headline,
} from "../../../../host/stats.ts";
import { serverAddress } from "./server/address.ts";
import { RedisRoad } from "./road.ts";
import { keysOf } from "./script.ts";
import type { SelfSource } from "./nodes/self.ts";

const MOST_MACHINE = 58;

/** The numbers of a relay that shares its room, besides its own. */
export const ROOM_DECLARED: Declared = {
  lost_lines: adverse(
    headline(counter("lines", "Lines of other relays that never reached this one's clients.")),
  ),
  ...grouped("room", {
    room_nodes: gauge("nodes", "Relays that share the room, this one included."),
    room_lost_nodes: adverse(
      gauge("nodes", "Relays that went without a good-bye within the last hour."),
    ),
    room_clients: gauge("clients", "Clients of the room on other relays."),
    room_batches: counter(
      "batches",
      "Batches of lines that this relay has put into the room's order.",
    ),
    room_pauses: counter(
      "pauses",
      "Times that all senders paused because a relay lagged behind its room.",
    ),
    cut_off: adverse(gauge("rooms", "Rooms that this relay is cut off from at present: 1 or 0.")),
    room_cuts: adverse(counter("cuts", "Times that this relay was cut off from its room.")),
    foreign_entries: adverse(
      counter(
        "entries",
        "Entries in the room's stream that no relay has written; they were skipped.",
      ),
    ),
  }),
};

/** A node's part in a room on a Redis server: the road for its lines, and all that an operator sees of it. */
export class Membership implements Room {
  readonly road: RedisRoad;
  readonly name: string;
  readonly distributions: readonly Distribution[];
  readonly #clock: Clock;

  /** @throws StartError with every fault of the files that its settings name */
  constructor(config: Config, host: { clock: Clock; log: Log }, mostLine: () => number) {
    const { cluster } = config;
    this.#clock = host.clock;
    this.name = cluster.room;
    const { room, node, wait, keep_bytes: keepBytes } = cluster;
    this.road = new RedisRoad(
      {
        shown: serverAddress(cluster).shown,
        server: () => serverAddress(cluster),
        room,
        node,
        wait,
        keepBytes,
        mostLine,
      },
      keysOf(room),
      host,
    );
    this.distributions = [this.road.delays.distribution];
  }

  /** @param source the node as it is asked; `port` is in the name that it has where none is set @throws StartError */
  async join(source: SelfSource, port: number): Promise<void> {
    await this.road.join(source, `${machine()}:${port}`);
  }

  /** Leaves the room. @returns lines that were accepted and have not reached it */
  async leave(ms: number): Promise<number> {
    const left = this.road.leave();
    return (await within(this.#clock, ms, left)) ?? this.road.unsettled;
  }

  // --- the room

  get server(): string {
    return this.road.server;
  }

  get trouble(): Room["trouble"] {
    return this.road.trouble.now;
  }

  get lostLines(): number {
    return this.road.trouble.lostLines;
  }

  get lagging(): string | null {
    return this.road.lag?.waitedFor ?? null;
  }

  nodes(): readonly RoomNode[] {
    const { self, nodes } = this.road;
    // Until it has begun to join, there is nothing to say of it.
    const own = self === null ? [] : [self.shown()];
    const others = nodes.all(this.#clock.now());
    return [...own, ...(this.trouble === null ? others : others.map(unheard))];
  }

  kick(node: string, id: number): Promise<string | null> {
    return this.road.kick(node, id);
  }

  // --- the service

  stats(): Record<string, number> {
    const { trouble, nodes, counts, elsewhere } = this.road;
    const all = nodes.all(this.#clock.now());
    const others = all.filter(({ goneMs }) => goneMs === null);
    return {
      lost_lines: trouble.lostLines,
      room_nodes: 1 + others.length,
      room_lost_nodes: all.filter(({ isLost }) => isLost).length,
      room_clients: elsewhere,
      room_batches: counts.batches,
      room_pauses: counts.pauses,
      cut_off: trouble.now === null ? 0 : 1,
      room_cuts: trouble.cuts,
      foreign_entries: trouble.foreignEntries,
    };
  }

  /** The lines that were lost within the last minute, in words; null when there were none. */
  get losses(): string | null {
    return this.road.trouble.losses;
  }

  problems(): readonly Problem[] {
    const { now, losses } = this.road.trouble;
    const problems: Problem[] = [];
    const setting = "cluster.url";
    if (now !== null) {
      const seconds = Math.floor((this.#clock.now() - now.since) / 1000);
      const text = `Cut off from its room for ${seconds} s, so no lines pass: ${now.reason}.`;
      problems.push({ key: "room", severity: "failing", text, setting });
    }
    if (this.road.untold !== null) {
      const text = `This relay would not notice if the server failed over: ${this.road.untold}.`;
      problems.push({ key: "sentinels", severity: "warning", text, setting });
    }
    if (losses !== null) {
      problems.push({ key: "lost", severity: "warning", text: `${losses}.` });
    }
    const { self, wanted, lag } = this.road;
    const [waitedFor, left] = [this.lagging, lag?.leftBehind ?? null];
    if (waitedFor !== null) {
      const text = `All senders of the room are paused until the node ${waitedFor} has caught up.`;
      problems.push({ key: "lag", severity: "warning", text });
    }
    if (left !== null) {
      const text = `The node ${left} lags behind the room, and nobody waits for it any more.`;
      problems.push({ key: "left-behind", severity: "warning", text });
    }
    const lost = this.nodes().filter(({ isLost }) => isLost);
    if (lost.length > 0) {
      const [{ name, goneMs }] = lost as [RoomNode];
      const others = lost.length === 1 ? "" : `, and ${count(lost.length - 1, "other node")}`;
      const minutes = Math.floor((goneMs as number) / 60_000);
      const since = minutes === 0 ? "a moment ago" : `${minutes} min ago`;
      const text = `There is no sign of the node ${name}${others} since ${since}: it was killed, or is cut off. That is shown for an hour, or until it is back.`;
      problems.push({ key: "lost-node", severity: "warning", text });
    }
    if (self !== null && self.name !== wanted) {
      const text = `Another node of the room is called ${wanted} too; this one goes by ${self.name}.`;
      problems.push({ key: "node", severity: "warning", text, setting: "cluster.node" });
    }
    return problems;
  }
}

/** A node that cannot be heard at present: what it last told of its lines holds no more. */
function unheard(node: RoomNode): RoomNode {
  return { ...node, linesPerSecond: 0, delayP50Ms: null, delayP99Ms: null };
}

/** The name of this machine, as far as it can stand in that of a node. */
function machine(): string {
  return hostname()
    .replace(/[^\w.-]/g, "-")
    .slice(0, MOST_MACHINE);
}
