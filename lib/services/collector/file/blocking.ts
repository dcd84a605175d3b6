import { Trouble } from "../../../host/append/trouble.ts";
import { retryDelay, type WriterOptions } from "./options.ts";

/**
 * The trouble of the writer with its disk, and the times in which the disk took
 * no lines: it is blocked once the quick attempts were not enough.
 */
export class Blocking {
  /** How often that was. */
  times = 0;
  readonly trouble: Trouble;
  readonly #path: string;
  readonly #clock: WriterOptions["clock"];
  #since: number | null = null;
  /** Milliseconds of all times that are over. */
  #over = 0;

  /** @param retry tries again; it calls `end` once all is well */
  constructor(path: string, { clock, settings, tell }: WriterOptions, retry: () => void) {
    this.#path = path;
    this.#clock = clock;
    this.trouble = new Trouble({
      clock,
      quietAttempts: settings().retries,
      delayMs: (attempts) => retryDelay(settings(), attempts),
      retry,
      tell: (message, isOver) => {
        tell(message, isOver ? "INFO" : "ERROR");
        if (!isOver) this.#begin();
      },
    });
  }

  /** The reason why nothing is written; null while the disk is not blocked. */
  get reason(): string | null {
    return this.trouble.lasts ? this.trouble.reason : null;
  }

  /** Milliseconds since it began; null while there is none. */
  get sinceMs(): number | null {
    return this.#since === null ? null : this.#clock.now() - this.#since;
  }

  /** Milliseconds in all. */
  get ms(): number {
    return this.#over + (this.sinceMs ?? 0);
  }

  /** The disk has refused. */
  refused(what: "write" | "sync", error: unknown): void {
    this.trouble.begin(
      what,
      error,
      (reason) => `cannot ${what} ${this.#path}: ${reason}; entries wait`,
    );
  }

  /** The disk takes lines again. */
  end(): void {
    this.trouble.end(`writing ${this.#path} again`);
    this.#over = this.ms;
    this.#since = null;
  }

  #begin(): void {
    this.times++;
    this.#since ??= this.#clock.now();
  }
}
