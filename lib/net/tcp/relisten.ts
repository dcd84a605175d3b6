import type { Clock } from "../../host/clock.ts";
import { messageOf } from "../../host/errors.ts";
import type { Log } from "../../host/log.ts";

/** Milliseconds between two attempts, for a service without a setting for it. */
const RELISTEN_MS = 100;

/** Makes a door listen again, trying until it works. Only one round of attempts runs at a time. */
export class Relisten {
  /** The error for which nobody can get in at present, or null. */
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

  /** Calls `listen` now, and every `waitMs()` milliseconds for as long as it throws or rejects. */
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

  /** Stops trying. */
  end(): void {
    this.#cancel();
  }
}
