import type { Clock } from "../../host/clock.ts";
import type { NeuroClient } from "./client.ts";

/** Milliseconds that a connection may say nothing before it is asked for its actions. */
export const SILENT_MS = 1500;
const LOOK_MS = 250;

/** The connections that have said nothing yet. */
export class Silent {
  readonly #clock: Clock;
  readonly #ask: (client: NeuroClient) => void;
  /** In the order of their coming. */
  readonly #clients = new Set<NeuroClient>();
  readonly #stop: () => void;

  /** @param ask called once for a connection that has been silent for `SILENT_MS` */
  constructor(clock: Clock, ask: (client: NeuroClient) => void) {
    this.#clock = clock;
    this.#ask = ask;
    this.#stop = clock.every(LOOK_MS, () => this.#look());
  }

  add(client: NeuroClient): void {
    this.#clients.add(client);
  }

  /** It has said something, or has gone. */
  delete(client: NeuroClient): void {
    this.#clients.delete(client);
  }

  stop(): void {
    this.#stop();
  }

  #look(): void {
    if (this.#clients.size === 0) return;
    const latest = this.#clock.now() - SILENT_MS;
    for (const client of this.#clients) {
      if (client.acceptedAt > latest) return;
      this.#clients.delete(client);
      this.#ask(client);
    }
  }
}
