import type { Clock } from "../../host/clock.ts";
import type { Clients } from "../../net/clients.ts";
import type { RelayClient } from "./client.ts";

/** Stops and starts the reading of all members at once. */
export class Senders {
  readonly #members: ReadonlySet<RelayClient>;
  readonly #clients: Clients<RelayClient>;
  readonly #clock: Clock;

  constructor(members: ReadonlySet<RelayClient>, clients: Clients<RelayClient>, clock: Clock) {
    this.#members = members;
    this.#clients = clients;
    this.#clock = clock;
  }

  /** @param why one of `Hold` */
  hold(why: number): void {
    for (const client of this.#members) client.hold(why);
  }

  /**
   * Reads everybody again who is held for nothing else.
   * @param isHeldAgain true once the lines that were held have brought the reason back: the rest stays held
   */
  release(why: number, isHeldAgain: () => boolean): void {
    const now = this.#clock.now();
    for (const client of this.#members) {
      if (isHeldAgain()) break;
      client.heldUntil = Math.max(client.heldUntil, now);
      this.#clients.resume(client, why);
    }
  }
}
