import type { Config } from "../../config/table.ts";
import type { Fault } from "../../host/errors.ts";
import { disabled, NoRing, Ring } from "./ring.ts";

/** The setting that says how sends leave. */
export type Io = Config["net"]["io"];

const KEY = "net.io";

/** Sends of a turn from which one call for all costs less than one for each: two cost the same either way. */
export const pays = { from: 3 };

/** The sends of which the ring has taken something, and its calls. */
export const counts = { sends: 0, calls: 0 };

/** True once some service has sends that may leave by the ring. */
export const sending = { is: false };

/** The ring of this process, or the reason that there is none; undefined until somebody asked for it. */
let tried: Ring | string | undefined;

/**
 * The ring of this process, made at the first call. @returns null where there is none
 * @param told called after the attempt
 */
export function theRing(told: () => void = () => {}): Ring | null {
  if (tried === undefined) {
    tried = attempt();
    told();
  }
  return typeof tried === "string" || tried.broken !== null ? null : tried;
}

function attempt(): Ring | string {
  try {
    return hindrance() ?? new Ring();
  } catch (error) {
    if (error instanceof NoRing) return error.message;
    throw error;
  }
}

/** The way that sends leave, and the reason. */
export interface Way {
  readonly way: "io_uring" | "writes";
  readonly why: string;
}

/** The way that sends leave with a setting, as far as it is known: a server within another program tries io_uring only when it is needed. */
export function wayOf(io: Io): Way {
  if (io === "writes") return { way: "writes", why: `${KEY} is "writes"` };
  if (tried === undefined) {
    const why = hindrance();
    if (why !== null) return { way: "writes", why };
    return { way: "writes", why: `io_uring is tried once ${pays.from} sends are due together` };
  }
  if (typeof tried === "string") return { way: "writes", why: tried };
  if (tried.broken !== null) return { way: "writes", why: tried.broken };
  return { way: "io_uring", why: `one call for the sends of a turn, from ${pays.from} on` };
}

/**
 * Settles the way once everything is ready: what opens a ring takes megabytes
 * and milliseconds, which neither a start that has nothing to send shall take
 * nor the first turn that is busy. And from here on an operator is told what is.
 * @returns the way in one line, or null when nothing sends by it
 */
export function settledWay(io: Io): string | null {
  if (!sending.is) return null;
  if (io !== "writes") theRing();
  return wayText(io);
}

/** The way in one line. */
export function wayText(io: Io): string {
  const { way, why } = wayOf(io);
  return `sends leave by ${way}: ${why}`;
}

/** The way of the threads that send in place of this one; null where there are none. */
export const inThreads: { way: Way | null } = { way: null };

/** What `/varz` tells of the sends. */
export function sendsTold(io: Io): object {
  const way = (tried === undefined ? inThreads.way : null) ?? wayOf(io);
  return { ...way, sends_by_ring: counts.sends, calls_of_ring: counts.calls };
}

/** The fault of a configuration that wants io_uring where it cannot be had. */
export function sendFaults({ net: { io } }: Config): readonly Fault[] {
  if (io !== "uring" || theRing() !== null) return [];
  return [{ key: KEY, message: `io_uring cannot be had here: ${wayOf(io).why}` }];
}

/** The reason for which there can be no ring, as far as a look that costs nothing shows it; or null. */
function hindrance(): string | null {
  if (process.platform !== "linux") return `io_uring is Linux's; this is ${process.platform}`;
  const by = disabled();
  // With 1 it is for privileged programs only, and this may be one.
  return by?.endsWith(" 2") ? by : null;
}
