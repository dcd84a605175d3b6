import type { Log } from "../host/log.ts";
import { CLOSE_REASONS, type CloseReason } from "./client.ts";

/** Strangers that were not let in: a flood of them gets one log line a second, not one each. */
export class TurnedAway {
  readonly #service: string;
  readonly #log: Log;
  readonly #untold = new Map<CloseReason, { count: number; last: string }>();

  constructor(service: string, log: Log) {
    this.#service = service;
    this.#log = log;
  }

  add(reason: CloseReason, who: string): void {
    const count = (this.#untold.get(reason)?.count ?? 0) + 1;
    this.#untold.set(reason, { count, last: who });
  }

  /** Logs who has been turned away since the last call. */
  tell(): void {
    for (const [reason, { count, last }] of this.#untold) {
      const who = count === 1 ? last : `${count} clients, the last ${last}`;
      const why = CLOSE_REASONS[reason];
      this.#log.warning(`${this.#service}: turned away ${who}: ${why}`);
    }
    this.#untold.clear();
  }
}
