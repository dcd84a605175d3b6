import type { Clock } from "../host/clock.ts";
import { messageOf } from "../host/errors.ts";
import type { Log } from "../host/log.ts";

/** Milliseconds between two attempts, where a service has no setting for it. */
const RELISTEN_MS = 100;

/** Has a door listen again until that works: one attempt at a time, whatever asked for it. */
export class Relisten {
  /** Why nobody can get in at present, or null. */
  trouble: string | null = null;
  readonly #service: string;
  readonly #clock: Clock;
  readonly #log: Pick<Log, "info" | "error">;
  #cancel: () => void = () => {};

  constructor(service: string, { clock, log }: { clock: Clock; log: Pick<Log, "info" | "error"> }) {
    this.#service = service;
    this.#clock = clock;
    this.#log = log;
  }

  /** Calls `listen`, which fails when it cannot, now and every `waitMs()` milliseconds until it does not. */
  begin(listen: () => void | Promise<void>, waitMs: () => number = () => RELISTEN_MS): void {
    this.#cancel();
    const listening = () => {
      if (this.trouble) this.#log.info(`${this.#service}: listening again`);
      this.trouble = null;
    };
    const failed = (error: unknown) => {
      this.trouble = messageOf(error);
      this.#log.error(`${this.trouble}; trying again`);
      this.#cancel = this.#clock.after(waitMs(), () => this.begin(listen, waitMs));
    };
    try {
      const soon = listen();
      if (soon) soon.then(listening, failed);
      else listening();
    } catch (error) {
      failed(error);
    }
  }

  /** Tries no more. */
  end(): void {
    this.#cancel();
  }
}
