import type { Clock } from "../../host/clock.ts";
import type { Log } from "../../host/log.ts";
import type { RelayClient } from "./client.ts";

/** A client whose lines are refused is named in the log once in this time. */
const AGAIN_MS = 60_000;
/** So many clients are named in one second; others are counted. */
const NAMED_PER_SECOND = 10;

/** Names in the log the clients whose lines are refused, and why. */
export class Refusals {
  readonly #clock: Clock;
  readonly #log: Log;
  /** Clients of this second. */
  #count = 0;

  constructor({ clock, log }: { clock: Clock; log: Log }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** A line of a client was refused. */
  refused(client: RelayClient, why: string): void {
    client.refused++;
    const now = this.#clock.now();
    if (now - client.namedAt < AGAIN_MS) return;
    client.namedAt = now;
    if (this.#count++ === 0) this.#clock.after(1000, () => this.#endSecond());
    if (this.#count > NAMED_PER_SECOND) return;
    this.#log.warning(
      `${client.address}: a line was refused, ${why}; more of this minute are counted`,
    );
  }

  #endSecond(): void {
    const more = this.#count - NAMED_PER_SECOND;
    this.#count = 0;
    if (more > 0) this.#log.warning(`lines of ${more} more clients were refused`);
  }
}
