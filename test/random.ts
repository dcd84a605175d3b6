/** Numbers that look random and are the same in every run, so that a failure can be seen again. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from `min` to `max`, both included. */
  whole(min: number, max: number): number {
    this.#state = (this.#state * 1664525 + 1013904223) >>> 0;
    return min + Math.floor((this.#state / 2 ** 32) * (max - min + 1));
  }

  bytes(length: number, low = 0, high = 255): Buffer {
    return Buffer.from(Array.from({ length }, () => this.whole(low, high)));
  }
}
