import { Links, NONE } from "./tree/times.ts";

/** Milliseconds that a slot covers: values that expire within them share it. */
const SLOT_MS = 100;

/** Slots that are looked at with each that is added, while more than half are empty, and empty ones that do no harm. */
const [LOOKED_AT, SLACK] = [4, 1024];

const slotOf = (at: number): number => Math.floor(at / SLOT_MS);

/**
 * The numbers of values that expire, by the time at which they do (clock
 * milliseconds). Those of a slot are a ring of links, since a slot may hold one
 * value or a million.
 */
export class Expiry {
  size = 0;
  readonly #expiresAt: (id: number) => number;
  /** The first value of each slot in the heap; `NONE` where all are gone. */
  readonly #slots = new Map<number, number>();
  /** Slots whose values are all gone. */
  #empty = 0;
  readonly #after = new Links();
  readonly #before = new Links();
  /** The numbers of the slots as a heap, the earliest first. */
  readonly #order: number[] = [];
  /** The place in it behind the one that `#tidy` looks at next. */
  #next = 0;

  /** @param expiresAt gives the time at which a value expires */
  constructor(expiresAt: (id: number) => number) {
    this.#expiresAt = expiresAt;
  }

  add(id: number, expiresAt: number): void {
    const number = slotOf(expiresAt);
    const first = this.#slots.get(number) ?? null;
    this.size++;
    if (first !== null && first !== NONE) {
      this.#link(this.#before.get(first), id);
      this.#link(id, first);
      return;
    }
    this.#link(id, id);
    this.#slots.set(number, id);
    if (first === null) push(this.#order, number);
    else this.#empty--;
    this.#tidy();
  }

  /** @param expiresAt the same as in `add` */
  remove(id: number, expiresAt: number): void {
    const after = this.#after.get(id);
    if (after === NONE) return;
    const number = slotOf(expiresAt);
    this.size--;
    if (after === id) {
      this.#slots.set(number, NONE);
      this.#empty++;
    } else {
      this.#link(this.#before.get(id), after);
      if (this.#slots.get(number) === id) this.#slots.set(number, after);
    }
    this.#after.set(id, NONE);
  }

  #link(id: number, after: number): void {
    this.#after.set(id, after);
    this.#before.set(after, id);
  }

  /** The values of a slot; each may be removed once it is there. */
  *#of(slot: number): Generator<number> {
    const first = this.#slots.get(slot);
    if (first === undefined || first === NONE) return;
    const last = this.#before.get(first);
    for (let id = first, after = 0; ; id = after) {
      after = this.#after.get(id);
      yield id;
      if (id === last) return;
    }
  }

  /**
   * Shows all values that have expired by now, up to `most` of them; `expire` must remove each.
   * @returns the number of values looked at, or -1 when more have expired
   */
  settle(now: number, most: number, expire: (id: number) => void): number {
    const current = slotOf(now);
    if (this.#first() > current) return 0;
    let gone = this.sweep(now, most, expire);
    let looked = gone;
    if (this.#first() < current) return -1;
    // The slot of now is mixed: some of its values have time left, so `sweep` leaves it alone.
    for (const id of this.#of(current)) {
      looked++;
      if (this.#expiresAt(id) > now) continue;
      // Those that have time left do not count, or nothing might ever be removed.
      if (gone++ >= most) return -1;
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
      for (const id of this.#of(number)) {
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
      if (this.#slots.get(number) !== NONE) return number;
      this.#drop(0);
    }
    return Infinity;
  }

  /** Drops some slots whose values are all gone, so that they cannot pile up: a few with each that is added, since there may be millions. */
  #tidy(): void {
    for (let left = LOOKED_AT; left > 0; left--) {
      if (2 * this.#empty < this.#order.length + SLACK) return;
      if (this.#next <= 0 || this.#next > this.#order.length) this.#next = this.#order.length;
      this.#next--;
      if (this.#slots.get(this.#order[this.#next] as number) === NONE) this.#drop(this.#next);
    }
  }

  #drop(place: number): void {
    this.#slots.delete(this.#order[place] as number);
    this.#empty--;
    removeAt(this.#order, place);
  }
}

function push(heap: number[], number: number): void {
  rise(heap, heap.length, number);
}

/** Puts a number at a place, or as far above it as it belongs. */
function rise(heap: number[], place: number, number: number): void {
  let at = place;
  for (let above = (at - 1) >> 1; at > 0 && (heap[above] as number) > number;) {
    heap[at] = heap[above] as number;
    at = above;
    above = (at - 1) >> 1;
  }
  heap[at] = number;
}

function removeAt(heap: number[], place: number): void {
  const number = heap.pop() as number;
  const { length } = heap;
  if (place === length) return;
  let at = place;
  for (let below = 2 * at + 1; below < length; below = 2 * at + 1) {
    if (below + 1 < length && (heap[below + 1] as number) < (heap[below] as number)) below++;
    if ((heap[below] as number) >= number) break;
    heap[at] = heap[below] as number;
    at = below;
  }
  rise(heap, at, number);
}
