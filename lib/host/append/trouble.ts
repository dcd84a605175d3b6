import { reasonOf } from "../../config/reason.ts";
import type { Clock } from "../clock.ts";

export interface TroubleOptions {
  readonly clock: Pick<Clock, "after">;
  /** Milliseconds until the next attempt, by the number of attempts since the trouble began. */
  readonly delayMs: (attempts: number) => number;
  /** Tries again; it calls `end` once all is well. */
  readonly retry: () => void;
  /** Told once when the trouble begins, and once when it is over. */
  readonly tell: (message: string, isOver: boolean) => void;
  /** Attempts that are made before it is told; 0 when not given. */
  readonly quietAttempts?: number;
}

/** The trouble of a writer with its disk: told once, tried again until it is over. */
export class Trouble {
  /** The reason, in words; null while there is none. */
  reason: string | null = null;
  /** The system's code of the last error, as `ENOSPC`; "" where it has none. */
  code = "";
  /** Attempts since it began. */
  attempts = 0;
  readonly #options: TroubleOptions;
  #told = "";
  #wasTold = false;
  #cancel = (): void => {};
  #hasStopped = false;

  constructor(options: TroubleOptions) {
    this.#options = options;
  }

  /** @param told the whole sentence for the operator, from the reason */
  begin(what: string, error: unknown, told: (reason: string) => string): void {
    const isFirst = this.reason === null;
    this.reason = `cannot ${what}: ${reasonOf(error)}`;
    this.code = (error as NodeJS.ErrnoException).code ?? "";
    this.#told = told(reasonOf(error));
    if (!isFirst) return;
    this.attempts = 0;
    this.#wasTold = false;
    this.#tell();
    this.#next();
  }

  /** True once it was told: the quick attempts were not enough. */
  get lasts(): boolean {
    return this.reason !== null && this.#wasTold;
  }

  end(message: string): void {
    if (this.reason === null) return;
    this.reason = null;
    this.#cancel();
    if (this.#wasTold) this.#options.tell(message, true);
  }

  /** Tries no more. */
  stop(): void {
    this.#hasStopped = true;
    this.#cancel();
  }

  #next(): void {
    if (this.#hasStopped) return;
    const cancel = this.#options.clock.after(this.#options.delayMs(this.attempts), () => {
      this.attempts++;
      this.#options.retry();
      // The attempt may have ended this trouble and met another one, which has attempts of its own.
      if (this.reason === null || this.#cancel !== cancel) return;
      this.#tell();
      this.#next();
    });
    this.#cancel = cancel;
  }

  #tell(): void {
    if (this.#wasTold || this.attempts < (this.#options.quietAttempts ?? 0)) return;
    this.#wasTold = true;
    this.#options.tell(this.#told, false);
  }
}
