import type { Clock } from "../../../host/clock.ts";

/** The times in which the disk took no lines. */
export class Blocking {
  /** How often that was. */
  times = 0;
  readonly #clock: Pick<Clock, "now">;
  #since: number | null = null;
  /** Milliseconds of all times that are over. */
  #over = 0;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** Milliseconds since it began; null while there is none. */
  get sinceMs(): number | null {
    return this.#since === null ? null : this.#clock.now() - this.#since;
  }

  /** Milliseconds in all. */
  get ms(): number {
    return this.#over + (this.sinceMs ?? 0);
  }

  begin(): void {
    this.times++;
    this.#since ??= this.#clock.now();
  }

  end(): void {
    this.#over = this.ms;
    this.#since = null;
  }
}
