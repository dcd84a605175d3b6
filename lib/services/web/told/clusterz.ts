import { cut } from "../../../config/shown.ts";
import { type Clock, within } from "../../../host/clock.ts";
import { printable } from "../../../host/content.ts";
import { Refused } from "../../../host/service/panel.ts";
import type { Room, RoomNode } from "../../../host/service/room.ts";
import type { Running } from "../../../host/service.ts";
import type { HttpServer } from "../../../net/http.ts";
import { longJson, refusal } from "../answers.ts";

/** Most nodes of a room that are told. */
const MOST_NODES = 200;
/** Milliseconds that another node may take to close a client. */
const KICK_MS = 3000;
const PARAMETERS = ["service"];

/** A node of a room, as it is told. */
export interface NodeTold {
  readonly name: string;
  readonly address: string;
  readonly version: string;
  /** 0 for one that has gone, as the lines are. */
  readonly clients: number;
  readonly lines_per_second: number;
  /** Null while none of its lines came back. */
  readonly delay_p50_ms: number | null;
  readonly delay_p99_ms: number | null;
  /** Milliseconds since 1970, to the second. */
  readonly joined_at: number;
  /** The same; null while it is there. */
  readonly left_at: number | null;
  /** True for one that has gone without a good-bye. */
  readonly is_lost: boolean;
  /** True for the server that answers. */
  readonly is_self: boolean;
}

/** A room that servers share, as it is told. */
export interface RoomTold {
  readonly name: string;
  /** The URL of the server that holds its order, without secrets. */
  readonly server: string;
  /** The reason why no lines pass, and since when (milliseconds since 1970); null while they do. */
  readonly trouble: { readonly reason: string; readonly since: number } | null;
  readonly lost_lines: number;
  /** The node that lags behind, for which all senders wait; null where none does. */
  readonly lagging: string | null;
  /** Clients of all nodes that are there. */
  readonly clients: number;
  /** This server first, those that left last. */
  readonly nodes: readonly NodeTold[];
  /** Nodes that are not told. */
  readonly more: number;
}

export function roomTold(room: Room, clock: Clock): RoomTold {
  const all = room.nodes();
  const [now, wall] = [clock.now(), clock.wall()];
  const { trouble } = room;
  return {
    name: room.name,
    server: room.server,
    trouble: trouble && {
      reason: trouble.reason,
      since: Math.round(wall - Math.max(0, now - trouble.since)),
    },
    lost_lines: room.lostLines,
    lagging: room.lagging,
    clients: all.reduce((sum, one) => sum + (one.goneMs === null ? one.clients : 0), 0),
    nodes: all.slice(0, MOST_NODES).map((one) => nodeTold(one, wall)),
    more: Math.max(0, all.length - MOST_NODES),
  };
}

function nodeTold(node: RoomNode, wall: number): NodeTold {
  const before = (ms: number) => Math.round((wall - ms) / 1000) * 1000;
  const isThere = node.goneMs === null;
  return {
    name: node.name,
    address: node.address,
    version: node.version,
    clients: isThere ? node.clients : 0,
    lines_per_second: isThere ? node.linesPerSecond : 0,
    delay_p50_ms: node.delayP50Ms,
    delay_p99_ms: node.delayP99Ms,
    joined_at: before(node.sinceMs),
    left_at: node.goneMs === null ? null : before(node.goneMs),
    is_lost: node.isLost,
    is_self: node.isSelf,
  };
}

/** The services that share a room with other servers. */
export function roomsOf(services: ReadonlyMap<string, Running>): readonly [string, Room][] {
  return [...services].flatMap(([name, { room }]): [string, Room][] =>
    room === undefined ? [] : [[name, room]],
  );
}

/** Answers `GET /clusterz`: the room of a service, and its nodes. */
export function clusterz(
  request: Request,
  http: HttpServer,
  services: ReadonlyMap<string, Running>,
  clock: Clock,
): Response | Promise<Response> {
  const { searchParams: parameters } = new URL(request.url);
  for (const name of parameters.keys()) {
    if (PARAMETERS.includes(name)) continue;
    return refusal(400, `${name}: unknown; known: ${PARAMETERS.join(", ")}`);
  }
  const rooms = roomsOf(services);
  if (rooms.length === 0) {
    return refusal(404, "This server shares no room with others: cluster.url is not set.");
  }
  const service = parameters.get("service") ?? rooms[0]?.[0];
  const room = rooms.find(([name]) => name === service)?.[1];
  if (room === undefined) {
    return refusal(400, `service: allowed: ${rooms.map(([name]) => name).join(", ")}`);
  }
  return longJson(request, http, { service, ...roomTold(room, clock) });
}

/**
 * Closes a client of any node of a service's room. @returns its address
 * @throws Refused when it cannot be done
 */
export async function kickAt(
  service: string,
  room: Room | undefined,
  name: string,
  id: number,
  clock: Clock,
): Promise<string> {
  if (room === undefined) throw new Refused(404, `${service} shares no room with other servers`);
  const node = room.nodes().find((one) => one.name === name);
  const shown = cut(printable(name));
  if (node === undefined) throw new Refused(404, `there is no node ${shown}`);
  if (node.goneMs !== null) throw new Refused(409, `node ${shown} has gone`);
  if (room.trouble !== null && !node.isSelf) {
    throw new Refused(409, `node ${shown} cannot be asked: ${printable(room.trouble.reason)}`);
  }
  const asked = room.kick(name, id).then((address) => ({ address }));
  const answer = await within(clock, KICK_MS, asked);
  if (answer === null) throw new Refused(409, `node ${shown} does not answer`);
  if (answer.address === null) {
    throw new Refused(404, `node ${shown} has no client ${id}; it may have left`);
  }
  return answer.address;
}
