import type { Clock } from "./clock.ts";
import type { Log } from "./log.ts";
import { Seldom } from "./seldom.ts";

/**
 * Logs faults of our own that clients may bring about at will: of each place in
 * the code one stack a second, and how many more there were.
 */
export class Bugs {
  readonly #log: Pick<Log, "error" | "bug">;
  readonly #seldom: Seldom;
  /** The first fault of each place that the log names. */
  readonly #first = new Map<string, string>();

  /**
   * @param failing the word for those that fail, as in `web: 3 more requests failed`
   * @param name of the service; "" when the contexts tell it
   */
  constructor(
    { clock, log }: { readonly clock: Clock; readonly log: Pick<Log, "error" | "bug"> },
    failing: string,
    name = "",
  ) {
    this.#log = log;
    this.#seldom = new Seldom(clock, (place, more) => {
      const like = place === null ? "" : ` like ${this.#first.get(place)}`;
      log.error(`${name && `${name}: `}${more} more ${failing} failed${like}`);
    });
  }

  /** Logs an error, of which there may be many. If it has a cause, the stack is that of the cause. */
  add(error: unknown, context: string): void {
    const cause = error instanceof Error ? error.cause : undefined;
    const place = placeOf(cause ?? error);
    if (!this.#seldom.isFirst(place)) return;
    this.#first.set(place, context);
    if (cause === undefined) this.#log.bug(error, context);
    else this.#log.bug(cause, `${context}: ${(error as Error).message}`);
  }

  /** Logs how many more there were. */
  close(): void {
    this.#seldom.close();
  }
}

/** The first line of the stack that names a place in the code, or "". */
function placeOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  return stack.split("\n").find((line) => line.trimStart().startsWith("at ")) ?? "";
}
