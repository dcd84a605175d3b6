import { printable } from "../../../../../host/content.ts";
import type { RoomNode } from "../../../../../host/service/room.ts";
import { parsed } from "../parsed.ts";
import { SHOWN_MS, SILENCE_MS } from "../script.ts";

/** What a node says of itself, every second. */
export interface Told {
  readonly address: string;
  readonly version: string;
  readonly clients: number;
  readonly lines: number;
  readonly p50: number | null;
  readonly p99: number | null;
  /** Milliseconds since it joined. */
  readonly up: number;
  /** True while it lags behind the room, or delivers nothing because its members have to catch up. */
  readonly behind: boolean;
  /** True once it has left. */
  readonly left: boolean;
}

interface Known {
  readonly life: string;
  readonly told: Told;
  /** Clock milliseconds. */
  readonly heardAt: number;
  /** The time since which it lags; null while it does not. */
  readonly behindSince: number | null;
}

/** The most nodes that are known at once. */
const MOST_NODES = 1000;
/** The threads of a relay count others in 32 bits, their own besides. */
const MOST_CLIENTS = 1e9;
const NAME = /^[\w.:[\]~-]{1,70}$/;
const MOST_TEXT = 100;

/** The other nodes of the room. */
export class Nodes {
  readonly #known = new Map<string, Known>();
  /** When this node heard of itself last, clock milliseconds: after that it can have heard of nobody. */
  #hearsUntil = Infinity;

  /** This node has heard of itself, so it would have heard of the others too. */
  hears(now: number): void {
    this.#hearsUntil = now;
  }

  /** This node hears again after a break: whoever was there before has its time to be heard anew. */
  hearsAgain(now: number): void {
    for (const [name, known] of this.#known) {
      if (this.#goneMs(known, now) === null) this.#known.set(name, { ...known, heardAt: now });
    }
    this.hears(now);
  }

  /** A node has told of itself. @param json what it said; anything that is no such thing is passed over */
  heard(name: string, life: string, json: unknown, heardAt: number): void {
    const told = toldIn(json);
    if (told === null || !NAME.test(name)) return;
    for (const [other, known] of this.#known) {
      if (known.life === life && other !== name) this.#known.delete(other);
    }
    if (this.#known.size >= MOST_NODES && !this.#known.has(name)) return;
    const before = this.#known.get(name);
    const behindSince = told.behind ? (before?.behindSince ?? heardAt) : null;
    const last = before?.life === life && !told.left ? before.heardAt : heardAt;
    this.#known.set(name, { life, told, heardAt: Math.max(last, heardAt), behindSince });
  }

  /** The life of a node that is there, or null. */
  lifeOf(name: string, now: number): string | null {
    const known = this.#known.get(name);
    return known === undefined || this.#goneMs(known, now) !== null ? null : known.life;
  }

  /** The name of the node that has this life, or null. */
  nameOf(life: string): string | null {
    for (const [name, known] of this.#known) if (known.life === life) return name;
    return null;
  }

  /** The clients of all that are there: no more than there can be, whatever they say. */
  clients(now: number): number {
    let sum = 0;
    for (const known of this.#known.values()) {
      if (this.#goneMs(known, now) === null) sum += known.told.clients;
    }
    return Math.min(sum, MOST_CLIENTS);
  }

  /** A node that is there and has lagged for some time, from so many milliseconds on and for less than so many; or null. */
  lagging(now: number, from: number, upto: number): string | null {
    for (const [name, known] of this.#known) {
      if (known.behindSince === null || this.#goneMs(known, now) !== null) continue;
      const lag = now - known.behindSince;
      if (lag >= from && lag < upto) return name;
    }
    return null;
  }

  /** All that are there or left within the hour, those that left last. */
  all(now: number): readonly RoomNode[] {
    const nodes: RoomNode[] = [];
    for (const [name, known] of this.#known) {
      const goneMs = this.#goneMs(known, now);
      if (goneMs !== null && goneMs > SHOWN_MS) this.#known.delete(name);
      else nodes.push(nodeOf(name, known.told, known.told.up + now - known.heardAt, goneMs, false));
    }
    return nodes.toSorted(
      (one, other) => (one.goneMs ?? -1) - (other.goneMs ?? -1) || (one.name < other.name ? -1 : 1),
    );
  }

  #goneMs({ told, heardAt }: Known, now: number): number | null {
    const silence = now - heardAt;
    if (told.left) return silence;
    return Math.min(now, this.#hearsUntil) - heardAt > SILENCE_MS ? silence : null;
  }
}

/** A node as an operator sees it. */
export function nodeOf(
  name: string,
  { address, version, clients, lines, p50, p99, left }: Told,
  sinceMs: number,
  goneMs: number | null,
  isSelf: boolean,
): RoomNode {
  return {
    name,
    address,
    version,
    clients,
    linesPerSecond: lines,
    delayP50Ms: p50,
    delayP99Ms: p99,
    sinceMs,
    goneMs,
    isLost: goneMs !== null && !left,
    isSelf,
  };
}

/** The address of a node, in what it says of itself. */
export function addressIn(json: string): string {
  return toldIn(parsed(json))?.address ?? "an unknown address";
}

function toldIn(json: unknown): Told | null {
  if (typeof json !== "object" || json === null) return null;
  const { address, version, clients, lines, p50, p99, up, behind, left } = json as Partial<
    Record<keyof Told, unknown>
  >;
  if (typeof address !== "string" || typeof version !== "string") return null;
  const isCount = (value: unknown): value is number =>
    typeof value === "number" && value >= 0 && value <= 1e15;
  if (!isCount(clients) || !isCount(lines) || !isCount(up)) return null;
  return {
    address: printable(address).slice(0, MOST_TEXT),
    version: printable(version).slice(0, MOST_TEXT),
    clients: Math.floor(clients),
    lines,
    p50: isCount(p50) ? p50 : null,
    p99: isCount(p99) ? p99 : null,
    up,
    behind: behind === true,
    left: left === true,
  };
}
