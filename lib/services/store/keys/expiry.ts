/** Milliseconds that a slot covers: values that expire within them share it. */
const SLOT_MS = 100;

const slotOf = (at: number): number => Math.floor(at / SLOT_MS);

/** The numbers of values that expire, by the time at which they do (clock milliseconds). */
export class Expiry {
  size = 0;
  readonly #expiresAt: (id: number) => number;
  readonly #slots = new Map<number, Set<number>>();
  /** The numbers of the slots as a heap, the earliest first; some may be of slots that are gone. */
  #order: number[] = [];

  /** @param expiresAt gives the time at which a value expires */
  constructor(expiresAt: (id: number) => number) {
    this.#expiresAt = expiresAt;
  }

  add(id: number, expiresAt: number): void {
    const number = slotOf(expiresAt);
    const slot = this.#slots.get(number);
    this.size++;
    if (slot !== undefined) {
      slot.add(id);
      return;
    }
    this.#slots.set(number, new Set([id]));
    push(this.#order, number);
    // Drops the numbers of slots that are gone, so that they cannot pile up.
    if (this.#order.length <= 2 * this.#slots.size + 1024) return;
    this.#order = [...this.#slots.keys()].sort((a, b) => a - b);
  }

  /** @param expiresAt the same as in `add` */
  remove(id: number, expiresAt: number): void {
    const number = slotOf(expiresAt);
    const slot = this.#slots.get(number);
    if (!slot?.delete(id)) return;
    this.size--;
    if (slot.size === 0) this.#slots.delete(number);
  }

  /**
   * Shows all values that have expired by now, up to `most` of them; `expire` must remove each.
   * @returns the number of values looked at, or -1 when more have expired
   */
  settle(now: number, most: number, expire: (id: number) => void): number {
    const current = slotOf(now);
    if (this.#first() > current) return 0;
    let looked = this.sweep(now, most, expire);
    if (this.#first() < current) return -1;
    // The slot of now is mixed: some of its values have time left, so `sweep` leaves it alone.
    for (const id of this.#slots.get(current) ?? []) {
      looked++;
      if (this.#expiresAt(id) > now) continue;
      if (looked > most) return -1;
      expire(id);
    }
    return looked;
  }

  /**
   * Shows up to `most` values whose time and slot have passed; `expire` must remove each.
   * @returns their number
   */
  sweep(now: number, most: number, expire: (id: number) => void): number {
    const current = slotOf(now);
    let left = most;
    // The slot of now waits until all of it has expired, so that no value is looked at in vain.
    for (let number = this.#first(); number < current; number = this.#first()) {
      for (const id of this.#slots.get(number) as Set<number>) {
        if (left === 0) return most;
        left--;
        expire(id);
      }
    }
    return most - left;
  }

  /** The first slot that holds something; Infinity when there is none. */
  #first(): number {
    const order = this.#order;
    while (order.length > 0) {
      const number = order[0] as number;
      if (this.#slots.has(number)) return number;
      pop(order);
    }
    return Infinity;
  }
}

function push(heap: number[], number: number): void {
  let at = heap.length;
  for (let above = (at - 1) >> 1; at > 0 && (heap[above] as number) > number;) {
    heap[at] = heap[above] as number;
    at = above;
    above = (at - 1) >> 1;
  }
  heap[at] = number;
}

function pop(heap: number[]): void {
  const number = heap.pop() as number;
  const { length } = heap;
  if (length === 0) return;
  let at = 0;
  for (let below = 1; below < length; below = 2 * at + 1) {
    if (below + 1 < length && (heap[below + 1] as number) < (heap[below] as number)) below++;
    if ((heap[below] as number) >= number) break;
    heap[at] = heap[below] as number;
    at = below;
  }
  heap[at] = number;
}
