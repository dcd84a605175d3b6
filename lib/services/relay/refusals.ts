import type { Clock } from "../../host/clock.ts";
import type { LogLines } from "../../host/log.ts";
import type { RelayClient } from "./client.ts";

/** Milliseconds in which the log names a client with refused lines once. */
const AGAIN_MS = 60_000;
/** Most clients named in one second; the others are counted. */
const NAMED_PER_SECOND = 10;

/** Names in the log the clients whose lines are refused, and why. */
export class Refusals {
  readonly #clock: Clock;
  readonly #log: LogLines;
  /** Clients with refused lines in this second. */
  #count = 0;

  constructor({ clock, log }: { clock: Clock; log: LogLines }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Counts a refused line of a client, and logs it if the limits allow. */
  refused(client: RelayClient, code: string, why: string): void {
    client.refuse(code, why);
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
