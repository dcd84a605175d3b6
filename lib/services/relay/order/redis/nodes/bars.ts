import { isIP } from "node:net";
import { beginning, printable } from "../../../../../host/content.ts";
import type { RoadEnd } from "../../batch.ts";
import type { RoomBar } from "../../order.ts";
import type { Joined } from "../server/joined.ts";
import { parsed } from "../parsed.ts";

/** The most quarantines of others that are remembered; see `Quarantine`. */
const MOST = 100_000;
const MOST_MS = 1e12;
const MOST_REASON = 200;

/** The quarantines that other nodes have imposed, and those of this node. */
export class RoomBars {
  /** The keys that this node has taken over, with their ends by the server's time; 0 where that is not known. */
  readonly #known = new Map<string, number>();
  /** Those that this node has imposed, with their ends in clock milliseconds. */
  readonly #own = new Map<string, { readonly bar: RoomBar; readonly until: number }>();
  /** The stream that they stand beside; null before the first. */
  #stream: string | null = null;

  /** The arguments of the script for a quarantine. */
  static more({ key, ms, why, closes }: RoomBar): readonly string[] {
    return [key, `${Math.ceil(ms)}`, `${closes ? 1 : 0}${why}`];
  }

  /** This node imposes one. */
  impose(bar: RoomBar, now: number): void {
    this.#own.delete(bar.key);
    if (this.#own.size >= MOST) this.#own.clear();
    this.#own.set(bar.key, { bar, until: now + bar.ms });
  }

  /** This node lifts one. */
  lift(key: string): void {
    this.#own.delete(key);
    this.#known.delete(key);
  }

  /** Another node has imposed one. @param text JSON @returns it, or null when it is none */
  imposed(end: RoadEnd, text: string): RoomBar | null {
    const bar = barIn(text);
    if (bar === null) return null;
    // It is the other one's now.
    this.#own.delete(bar.key);
    this.#take(end, bar, 0);
    return bar;
  }

  lifted(end: RoadEnd, key: string): void {
    this.lift(key);
    end.lifted(key);
  }

  /**
   * Those that are in force, after entries may have been missed. Where the server has lost
   * its data, it knows of none, and they hold all the same.
   * @returns those of this node that it has to impose again
   */
  inForce(
    end: RoadEnd,
    { bars, born }: Pick<Joined, "bars" | "born">,
    now: number,
  ): readonly RoomBar[] {
    const isLost = this.#stream !== null && this.#stream !== born;
    this.#stream = born;
    const keys = new Set(bars.map(({ key }) => key));
    if (!isLost) {
      for (const key of this.#known.keys()) if (!keys.has(key)) this.lifted(end, key);
    }
    for (const bar of bars) {
      const isKnown = [0, bar.until].includes(this.#known.get(bar.key) ?? -1);
      if (isBar(bar) && !isKnown) this.#take(end, { ...bar, why: shown(bar.why) }, bar.until);
    }
    const again: RoomBar[] = [];
    for (const [key, { bar, until }] of this.#own) {
      if (until <= now) this.#own.delete(key);
      else if (isLost && !keys.has(key)) again.push({ ...bar, ms: until - now, closes: false });
    }
    return again;
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
