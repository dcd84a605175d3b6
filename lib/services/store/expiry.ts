/** What can expire. */
export interface Expiring {
  /** Clock milliseconds; Infinity for never. */
  readonly expiresAt: number;
}

/** Milliseconds that are looked at together. */
const SLOT_MS = 100;

const slotOf = (at: number): number => Math.floor(at / SLOT_MS);

/** What expires, by when it does. Nodes that never expire are not in it. */
export class Expiry<N extends Expiring> {
  size = 0;
  readonly #slots = new Map<number, Set<N>>();
  /** No slot before this one holds anything. */
  #first = Infinity;

  /** Adds a node; `expiresAt` must not change until it has been removed. */
  add(node: N): void {
    const number = slotOf(node.expiresAt);
    const slot = this.#slots.get(number);
    if (slot === undefined) this.#slots.set(number, new Set([node]));
    else slot.add(node);
    this.#first = Math.min(this.#first, number);
    this.size++;
  }

  remove(node: N): void {
    const number = slotOf(node.expiresAt);
    const slot = this.#slots.get(number);
    if (!slot?.delete(node)) return;
    this.size--;
    if (slot.size === 0) this.#slots.delete(number);
  }

  /** Whether some node may have expired that has not been taken out yet. */
  mayBeDue(now: number): boolean {
    this.#advance(slotOf(now));
    return this.#first <= slotOf(now);
  }

  /** Shows up to `most` nodes whose slot has passed; `expire` must remove each. */
  sweep(now: number, most: number, expire: (node: N) => void): void {
    const current = slotOf(now);
    let left = most;
    for (;;) {
      this.#advance(current);
      // The slot of now itself waits until all of it has expired: it is not looked through in vain.
      if (this.#first >= current) return;
      for (const node of this.#slots.get(this.#first) as Set<N>) {
        if (left-- === 0) return;
        expire(node);
      }
    }
  }

  /** Moves on to the first slot that holds something, at most one past `current`. */
  #advance(current: number): void {
    if (this.size === 0) {
      this.#first = Infinity;
      return;
    }
    // After a leap of the clock there are far more slots in between than there are in all.
    if (current - this.#first > this.#slots.size) {
      this.#first = Infinity;
      for (const number of this.#slots.keys()) this.#first = Math.min(this.#first, number);
      return;
    }
    while (this.#first <= current && !this.#slots.has(this.#first)) this.#first++;
  }
}
