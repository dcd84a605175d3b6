import type { Clock } from "../../../host/clock.ts";

/** So long a name is missed. */
const MISSED_MS = 5000;
const MOST_MISSED = 100;

/** The names that a force has named before they were registered. */
export class Missed {
  readonly #clock: Pick<Clock, "now">;
  /** When each was missed last; the oldest first. */
  readonly #names = new Map<string, number>();

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  add(names: readonly string[]): void {
    const now = this.#clock.now();
    for (const name of names.slice(-MOST_MISSED)) {
      this.#names.delete(name);
      this.#names.set(name, now);
      if (this.#names.size <= MOST_MISSED) continue;
      const [oldest] = this.#names.keys();
      this.#names.delete(oldest as string);
    }
  }

  /** How many milliseconds ago a name was missed that is registered now; null when it was not. */
  take(name: string): number | null {
    const at = this.#names.get(name);
    if (at === undefined) return null;
    this.#names.delete(name);
    const ms = Math.round(this.#clock.now() - at);
    return ms > MISSED_MS ? null : ms;
  }

  clear(): void {
    this.#names.clear();
  }
}
