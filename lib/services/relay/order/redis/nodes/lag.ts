import type { Clock } from "../../../../../host/clock.ts";
import type { Log } from "../../../../../host/log.ts";
import type { Nodes } from "./nodes.ts";
import { PATIENCE_MS } from "../script.ts";
import type { Self } from "./self.ts";

/** Milliseconds that senders wait until the log says for whom. */
const LONG_MS = 5000;
/** Milliseconds between two words of the log. */
const TOLD_MS = 60_000;

/** The nodes that lag behind the room: senders wait for them, but for none without end. */
export class Lag {
  readonly #room: string;
  readonly #self: Self;
  readonly #nodes: Nodes;
  readonly #clock: Clock;
  readonly #log: Log;
  #waitsSince: number | null = null;
  #waitToldAt = -Infinity;
  #leftToldAt = -Infinity;
  /** The node that the log has told of as left behind. */
  #leftTold: string | null = null;

  constructor(room: string, self: Self, nodes: Nodes, { clock, log }: { clock: Clock; log: Log }) {
    this.#room = room;
    this.#self = self;
    this.#nodes = nodes;
    this.#clock = clock;
    this.#log = log;
  }

  /** A node that all senders wait for, or null. */
  get waitedFor(): string | null {
    const now = this.#clock.now();
    const { name, behindSince } = this.#self;
    if (behindSince !== null && now - behindSince < PATIENCE_MS) return name;
    return this.#nodes.lagging(now, 0, PATIENCE_MS);
  }

  /** A node that has lagged for so long that nobody waits for it any more, or null. */
  get leftBehind(): string | null {
    const now = this.#clock.now();
    const { name, behindSince } = this.#self;
    if (behindSince !== null && now - behindSince >= PATIENCE_MS) return name;
    return this.#nodes.lagging(now, PATIENCE_MS, Infinity);
  }

  /** Called often: logs what lasts. */
  look(): void {
    const now = this.#clock.now();
    const { waitedFor, leftBehind } = this;
    this.#waitsSince = waitedFor === null ? null : (this.#waitsSince ?? now);
    const isLong = this.#waitsSince !== null && now - this.#waitsSince >= LONG_MS;
    if (isLong && now - this.#waitToldAt >= TOLD_MS) {
      this.#waitToldAt = now;
      this.#log.warning(`room ${this.#room}: all senders wait for the node ${waitedFor}`);
    }
    if (leftBehind === this.#leftTold) return;
    if (leftBehind !== null && now - this.#leftToldAt < TOLD_MS) return;
    this.#leftTold = leftBehind;
    if (leftBehind === null) return;
    this.#leftToldAt = now;
    const seconds = PATIENCE_MS / 1000;
    this.#log.warning(
      `room ${this.#room}: the node ${leftBehind} has lagged behind for ${seconds} s; nobody waits for it until it has caught up, so it may lose lines`,
    );
  }
}
