/** Times, or numbers, that one page holds. */
const PAGE = 4096;

/** The page of all values that never expire. */
const NEVER = new Float64Array(PAGE).fill(Infinity);

/** Times by the numbers of values; Infinity for never. They take memory only about where some value has one. */
export class Times {
  readonly #pages: Float64Array[] = [];

  /** Makes room for the numbers up to one. */
  reach(id: number): void {
    while (this.#pages.length * PAGE <= id) this.#pages.push(NEVER);
  }

  get(id: number): number {
    return (this.#pages[(id / PAGE) | 0] as Float64Array)[id % PAGE] as number;
  }

  set(id: number, time: number): void {
    const index = (id / PAGE) | 0;
    let page = this.#pages[index] as Float64Array;
    if (page === NEVER) {
      if (time === Infinity) return;
      page = new Float64Array(NEVER);
      this.#pages[index] = page;
    }
    page[id % PAGE] = time;
  }
}

/** Stands for the number of a value where there is none. */
export const NONE = -1;

/** The same for numbers of other values; `NONE` where there is none. */
export class Links {
  readonly #pages: (Int32Array | undefined)[] = [];

  get(id: number): number {
    const page = this.#pages[(id / PAGE) | 0];
    return page === undefined ? NONE : (page[id % PAGE] as number);
  }

  set(id: number, other: number): void {
    const index = (id / PAGE) | 0;
    const page = (this.#pages[index] ??= new Int32Array(PAGE).fill(NONE));
    page[id % PAGE] = other;
  }
}
