/** Milliseconds that are looked at together. */
const SLOT_MS = 100;

const slotOf = (at: number): number => Math.floor(at / SLOT_MS);

/** The numbers of values that expire, by when they do (clock milliseconds). */
export class Expiry {
  size = 0;
  readonly #slots = new Map<number, Set<number>>();
  /** No slot before this one holds anything. */
  #first = Infinity;

  add(id: number, expiresAt: number): void {
    const number = slotOf(expiresAt);
    const slot = this.#slots.get(number);
    if (slot === undefined) this.#slots.set(number, new Set([id]));
    else slot.add(id);
    this.#first = Math.min(this.#first, number);
    this.size++;
  }

  /** @param expiresAt what it was added with */
  remove(id: number, expiresAt: number): void {
    const number = slotOf(expiresAt);
    const slot = this.#slots.get(number);
    if (!slot?.delete(id)) return;
    this.size--;
    if (slot.size === 0) this.#slots.delete(number);
  }

  /** Whether some value may have expired that has not been taken out yet. */
  mayBeDue(now: number): boolean {
    this.#advance(slotOf(now));
    return this.#first <= slotOf(now);
  }

  /** Shows up to `most` values whose time and slot have passed; `expire` must remove each. */
  sweep(now: number, most: number, expire: (id: number) => void): void {
    const current = slotOf(now);
    let left = most;
    for (;;) {
      this.#advance(current);
      // The slot of now itself waits until all of it has expired: it is not looked through in vain.
      if (this.#first >= current) return;
      for (const id of this.#slots.get(this.#first) as Set<number>) {
        if (left-- === 0) return;
        expire(id);
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
