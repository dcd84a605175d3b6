import type { Clock } from "../../../host/clock.ts";
import { type Distribution, Histogram } from "../../../host/stats.ts";

/** Seconds. */
const BOUNDS = [0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.2, 1, 5];
/** So many of the last syncs are kept. */
const KEPT = 100;

/** How long the disk takes. */
export class Timings {
  readonly #writes = new Histogram(BOUNDS);
  readonly #syncs = new Histogram(BOUNDS);
  readonly distributions: readonly Distribution[] = [
    {
      name: "write",
      unit: "seconds",
      about: "Time that the system took to write lines to the file.",
      label: null,
      histograms: new Map([["", this.#writes]]),
    },
    {
      name: "sync",
      unit: "seconds",
      about: "Time that the disk took to keep what was written.",
      label: null,
      histograms: new Map([["", this.#syncs]]),
    },
  ];
  /** The last of them, in seconds. */
  readonly #newest: number[] = [];
  readonly #clock: Pick<Clock, "now">;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  get now(): number {
    return this.#clock.now();
  }

  /** @param began when the writing began */
  wrote(began: number): void {
    this.#writes.add((this.now - began) / 1000);
  }

  /** @param began when the sync began */
  synced(began: number): void {
    const seconds = (this.now - began) / 1000;
    this.#syncs.add(seconds);
    this.#newest.push(seconds);
    if (this.#newest.length > KEPT) this.#newest.shift();
  }

  /** Seconds of the slowest of the last hundred syncs but one. */
  get slowSync(): number {
    const sorted = this.#newest.toSorted((a, b) => a - b);
    return sorted[Math.max(0, sorted.length - 2)] ?? 0;
  }
}
