import { isIP } from "node:net";
import { beginning, printable } from "../../../../../host/content.ts";
import type { RoadEnd } from "../../batch.ts";
import type { RoomBar } from "../../order.ts";
import type { BarInForce } from "../server/joined.ts";
import { parsed } from "../parsed.ts";

/** The most quarantines of others that are remembered; see `Quarantine`. */
const MOST = 100_000;
const MOST_MS = 1e12;
const MOST_REASON = 200;

/** The quarantines that other nodes have imposed. */
export class RoomBars {
  /** The keys that this node has taken over, with their ends by the server's time; 0 where that is not known. */
  readonly #known = new Map<string, number>();

  /** The arguments of the script for a quarantine. */
  static more({ key, ms, why, closes }: RoomBar): readonly string[] {
    return [key, `${Math.ceil(ms)}`, `${closes ? 1 : 0}${why}`];
  }

  /** Another node has imposed one. @param text JSON */
  imposed(end: RoadEnd, text: string): void {
    const bar = barIn(text);
    if (bar !== null) this.#take(end, bar, 0);
  }

  lifted(end: RoadEnd, key: string): void {
    this.#known.delete(key);
    end.lifted(key);
  }

  /** Those that are in force, after entries may have been missed. */
  inForce(end: RoadEnd, bars: readonly BarInForce[]): void {
    const keys = new Set(bars.map(({ key }) => key));
    for (const key of this.#known.keys()) if (!keys.has(key)) this.lifted(end, key);
    for (const bar of bars) {
      const isKnown = [0, bar.until].includes(this.#known.get(bar.key) ?? -1);
      if (isBar(bar) && !isKnown) this.#take(end, { ...bar, why: shown(bar.why) }, bar.until);
    }
  }

  #take(end: RoadEnd, bar: RoomBar, until: number): void {
    if (this.#known.size >= MOST) this.#known.clear();
    this.#known.set(bar.key, until);
    end.barred(bar);
  }
}

function barIn(text: string): RoomBar | null {
  const { key, ms, why, closes } = (parsed(text) ?? {}) as Partial<Record<keyof RoomBar, unknown>>;
  if (typeof key !== "string" || typeof ms !== "number" || typeof why !== "string") return null;
  const bar = { key, ms, why: shown(why), closes: closes === true };
  return isBar(bar) ? bar : null;
}

/** True if it bars an address, or a port of one, for some time. */
function isBar({ key, ms }: RoomBar): boolean {
  const port = /^(.*):(\d{1,5})$/.exec(key);
  const isAddress = (ip: string) => isIP(ip.replace(/^\[|\]$/g, "")) !== 0;
  return (
    ms > 0 && ms <= MOST_MS && (isAddress(key) || (port !== null && isAddress(port[1] as string)))
  );
}

function shown(why: string): string {
  return beginning(printable(why), MOST_REASON);
}
