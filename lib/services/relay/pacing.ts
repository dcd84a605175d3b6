import type { Config } from "../../config/table.ts";
import type { Clock } from "../../host/clock.ts";
import type { Clients } from "../../net/clients.ts";
import { Hold, type RelayClient } from "./client.ts";
import { commandFor } from "./pressure.ts";

export type PacingSettings = Pick<
  Config["hyper_parameters"],
  "backpressure_policy" | "throttle_delay_ms" | "flow_control_delay_ms"
>;

/** Milliseconds without a hold after which a sender counts as held anew. */
const APART_MS = 1000;

/** Throttle and flow control: after each line that goes to many clients, the sender's next one waits. */
export class Pacing {
  readonly #waiting = new Set<RelayClient>();
  readonly #clients: Clients<RelayClient>;
  readonly #clock: Clock;
  readonly #settings: () => PacingSettings;
  #ended = false;

  constructor(clients: Clients<RelayClient>, clock: Clock, settings: () => PacingSettings) {
    this.#clients = clients;
    this.#clock = clock;
    this.#settings = settings;
  }

  /** Milliseconds between two lines of a sender whose lines go to `fanOut` others. */
  delayFor(fanOut: number): number {
    if (this.#ended) return 0;
    const { backpressure_policy, throttle_delay_ms, flow_control_delay_ms } = this.#settings();
    switch (commandFor(fanOut, backpressure_policy)) {
      case "throttle":
        return throttle_delay_ms;
      case "flow_control":
        return flow_control_delay_ms;
      default:
        return 0;
    }
  }

  /** Holds a client for `ms` milliseconds, with what it has already sent. */
  wait(client: RelayClient, ms: number): void {
    const now = this.#clock.now();
    if (now - client.heldUntil > APART_MS) client.pacedSince = now;
    client.heldUntil = now + ms;
    client.hold(Hold.pressure);
    this.#waiting.add(client);
  }

  /** The clients that are held. */
  get held(): ReadonlySet<RelayClient> {
    return this.#waiting;
  }

  /** Serves the clients that have waited long enough; each line may start the next wait. */
  resumeDue(): void {
    if (this.#waiting.size === 0) return;
    const now = this.#clock.now();
    for (const client of this.#waiting) {
      if (client.heldUntil <= now) this.#resume(client);
    }
  }

  forget(client: RelayClient): void {
    this.#waiting.delete(client);
  }

  /** Ends all waits, for good. */
  end(): void {
    this.#ended = true;
    for (const client of this.#waiting) this.#resume(client);
  }

  #resume(client: RelayClient): void {
    this.#waiting.delete(client);
    this.#clients.resume(client, Hold.pressure);
  }
}
