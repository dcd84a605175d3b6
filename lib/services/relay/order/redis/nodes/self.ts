import type { Clock } from "../../../../../host/clock.ts";
import type { RoomNode } from "../../../../../host/service/room.ts";
import type { Delays } from "../delays.ts";
import { nodeOf, type Told } from "./nodes.ts";
import { version } from "../../../../../../package.json";

/** The relay, or the relays of a machine, as their node asks them. */
export interface SelfSource {
  /** `host:port` that clients come to. */
  readonly address: string;
  clients(): number;
  kick(id: number): string | null | Promise<string | null>;
}

/** Seconds over which the rate of lines is taken. */
const RATE_SECS = 5;

/** This node of the room. */
export class Self {
  /** The time since which it lags behind the room, and the others know that; null while it does not. */
  behindSince: number | null = null;
  /** Its name in the room, which may have been told apart from another's. */
  name: string;
  readonly #source: SelfSource;
  readonly #clock: Clock;
  readonly #delays: Delays;
  readonly #since: number;
  /** Its lines at the last looks, one a second, the oldest first. */
  readonly #looks: { readonly at: number; readonly lines: number }[];

  constructor(source: SelfSource, name: string, clock: Clock, delays: Delays) {
    this.#source = source;
    this.name = name;
    this.#clock = clock;
    this.#delays = delays;
    this.#since = clock.now();
    this.#looks = [{ at: this.#since, lines: 0 }];
  }

  /** Called once a second with its lines so far. */
  looked(lines: number): void {
    this.#looks.push({ at: this.#clock.now(), lines });
    if (this.#looks.length > RATE_SECS + 1) this.#looks.shift();
  }

  kick(id: number): Promise<string | null> {
    return Promise.resolve(this.#source.kick(id));
  }

  /** What it says of itself, as JSON. */
  told(left = false): string {
    return JSON.stringify(this.#told(left));
  }

  shown(): RoomNode {
    const told = this.#told(false);
    return nodeOf(this.name, told, told.up, null, true);
  }

  #told(left: boolean): Told {
    const percentiles = this.#delays.percentiles(this.#clock.now());
    return {
      address: this.#source.address,
      version,
      clients: this.#source.clients(),
      lines: this.#linesPerSecond(),
      p50: percentiles?.p50 ?? null,
      p99: percentiles?.p99 ?? null,
      up: this.#clock.now() - this.#since,
      behind: this.behindSince !== null,
      left,
    };
  }

  #linesPerSecond(): number {
    const [first, last] = [this.#looks[0], this.#looks.at(-1)];
    if (first === undefined || last === undefined || last.at <= first.at) return 0;
    return Math.round((1000 * (last.lines - first.lines)) / (last.at - first.at));
  }
}
