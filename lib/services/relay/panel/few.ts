/** The few largest of many, found in one walk. */
export class Few<T> {
  readonly #most: number;
  readonly #items: { readonly item: T; readonly value: number }[] = [];
  /** Items that were offered with more than nothing. */
  count = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Offers an item; of equal ones the first ones are kept. */
  offer(item: T, value: number): void {
    if (value <= 0) return;
    this.count++;
    const items = this.#items;
    const last = items.at(-1);
    if (items.length === this.#most && last !== undefined && last.value >= value) return;
    const at = items.findIndex((one) => one.value < value);
    items.splice(at < 0 ? items.length : at, 0, { item, value });
    if (items.length > this.#most) items.pop();
  }

  /** The largest first. */
  map<U>(made: (item: T, value: number) => U): U[] {
    return this.#items.map(({ item, value }) => made(item, value));
  }
}
