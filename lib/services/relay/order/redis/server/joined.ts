import type { Head } from "../counts.ts";
import type { RoomBar } from "../../order.ts";
import { TAKEN } from "../script.ts";

/** A quarantine that is in force in the room. */
export interface BarInForce extends RoomBar {
  /** Its end by the server's time, which tells it from another one of the same key. */
  readonly until: number;
}

/** The answer to a node that joins. */
export interface Joined {
  /** The id of the entry by which the others hear of it. */
  readonly id: string;
  /** The number of its last entry that the server has. */
  readonly number: number;
  /** True if the entry that it read last is still there. */
  readonly isThere: boolean;
  /** Tells this stream of the room from one that has been lost. */
  readonly born: string;
  /** The name that it has in the room. */
  readonly name: string;
  /** The last entry of every life before `id`. */
  readonly heads: ReadonlyMap<string, Head>;
  readonly nodes: readonly NodeRecord[];
  readonly bars: readonly BarInForce[];
}

export interface NodeRecord {
  readonly name: string;
  readonly life: string;
  /** Milliseconds since it was last heard of. */
  readonly silentMs: number;
  /** JSON. */
  readonly told: string;
}

/** The name is that of another node, which was there a moment ago. */
export interface Taken {
  /** The time by the server at which that was last heard of. */
  readonly at: string;
  /** JSON. */
  readonly told: string;
}

/** The answer of the script to a node that joins. @throws Error when it is none */
export function joinedIn(answer: unknown): Joined | Taken {
  if (!Array.isArray(answer)) throw new Error("its answer is not understood");
  if (answer[0] === TAKEN) return { at: `${answer[1]}`, told: `${answer[3]}` };
  const [, id, number, isThere, name, time, heads, nodes, due, bars] = answer as unknown[];
  const now = Number(time);
  return {
    id: `${id}`,
    number: Number(number),
    isThere: isThere === 1,
    born: new Map(pairs(heads)).get("born") ?? "",
    name: `${name}`,
    heads: new Map(
      pairs(heads).flatMap(([life, value]) => {
        const found = /^(\d{1,15}) (\d{1,15})( -)?$/.exec(value);
        return found
          ? [[life, { number: Number(found[1]), lines: Number(found[2]) }] as const]
          : [];
      }),
    ),
    nodes: pairs(nodes).flatMap(([name, value]) => {
      const [, at, life, told] = /^(\d+) (\S+) (.*)$/s.exec(value) ?? [];
      return at && life && told
        ? [{ name, life, told, silentMs: Math.max(0, now - Number(at)) }]
        : [];
    }),
    bars: barsIn(pairs(due), new Map(pairs(bars)), now),
  };
}

function barsIn(
  due: readonly (readonly [string, string])[],
  reasons: ReadonlyMap<string, string>,
  now: number,
): readonly BarInForce[] {
  return due.flatMap(([key, end]) => {
    const until = Number(end);
    const reason = reasons.get(key);
    if (reason === undefined || !(until > now)) return [];
    return [{ key, until, ms: until - now, why: reason.slice(1), closes: reason[0] === "1" }];
  });
}

/** Names and values, which the server answers in turn, in pairs, or as a map. */
function pairs(found: unknown): (readonly [string, string])[] {
  if (!Array.isArray(found)) {
    return Object.entries((found ?? {}) as object).map(([name, value]) => [name, `${value}`]);
  }
  if (found.every(Array.isArray)) return found.map(([name, value]) => [`${name}`, `${value}`]);
  const result: (readonly [string, string])[] = [];
  for (let i = 0; i + 1 < found.length; i += 2) result.push([`${found[i]}`, `${found[i + 1]}`]);
  return result;
}
