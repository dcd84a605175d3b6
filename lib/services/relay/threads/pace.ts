/** Samples that are kept: the pace is that of the time between the first and the last of them. */
const KEPT = 6;

interface Sample {
  readonly at: number;
  readonly lines: number;
  readonly cpuMs: number;
}

/** How fast a thread works, over the last seconds. */
export class Pace {
  readonly #samples: Sample[] = [];

  /** Notes its counts at `at` (clock milliseconds). */
  note(at: number, lines: number, cpuMs: number): void {
    this.#samples.push({ at, lines, cpuMs });
    if (this.#samples.length > KEPT) this.#samples.shift();
  }

  /** Lines that its clients send, a second. */
  get linesPerSecond(): number {
    return Math.round(10 * 1000 * this.#perMs(({ lines }) => lines)) / 10;
  }

  /** The part of the time that it computes, in hundredths. */
  get busyPercent(): number {
    return Math.round(100 * this.#perMs(({ cpuMs }) => cpuMs));
  }

  #perMs(value: (sample: Sample) => number): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.at <= first.at) return 0;
    return (value(last) - value(first)) / (last.at - first.at);
  }
}
