import { type Distribution, Histogram } from "../../../../host/stats.ts";

/** Milliseconds that the percentiles look back, and as many more at most. */
const WINDOW_MS = 5000;
/** The most delays of a window that are kept. */
const MOST = 2000;

/** Bounds in seconds. */
const BOUNDS = [
  0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** The time that this node's lines take through the order of the room, from their append to their delivery. */
export class Delays {
  readonly #all = new Histogram(BOUNDS);
  #window: number[] = [];
  #before: number[] = [];
  #count = 0;
  #since = 0;

  readonly distribution: Distribution = {
    name: "room_delay",
    unit: "seconds",
    about: "The time that lines of this relay's clients take through the order of the room.",
    label: null,
    histograms: new Map([["", this.#all]]),
  };

  add(ms: number): void {
    this.#all.add(ms / 1000);
    this.#window[this.#count++ % MOST] = ms;
  }

  /** The delays that half and 99 of 100 of the last seconds did not exceed; null while there were none. */
  percentiles(now: number): { readonly p50: number; readonly p99: number } | null {
    if (now - this.#since >= WINDOW_MS) {
      this.#before = now - this.#since < 2 * WINDOW_MS ? this.#window : [];
      this.#window = [];
      this.#count = 0;
      this.#since = now;
    }
    const sorted = [...this.#before, ...this.#window].toSorted((one, other) => one - other);
    if (sorted.length === 0) return null;
    const at = (part: number) => rounded(sorted[Math.ceil(sorted.length * part) - 1] as number);
    return { p50: at(0.5), p99: at(0.99) };
  }
}

/** Whole microseconds. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
