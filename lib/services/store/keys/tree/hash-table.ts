/**
 * An open hash table of numbers: slots of two words each, a value's number plus
 * one (0 for an empty slot, `GONE` for one out of use) and the hash of its name.
 * A value whose slot is taken goes into the next free one.
 */
export interface HashTable {
  readonly slots: Int32Array;
  readonly mask: number;
  /** Slots that are taken. */
  used: number;
}

/** A slot of the old table whose value was moved to the larger one, or removed meanwhile. */
export const GONE = -1;

/** A table of at least `least` slots. */
function tableOf(least: number): HashTable {
  const size = 2 ** Math.ceil(Math.log2(least));
  return { slots: new Int32Array(2 * size), mask: size - 1, used: 0 };
}

/** Puts a value into the first free slot from the one of its hash on. */
function place(table: HashTable, id: number, hash: number): void {
  const { slots, mask } = table;
  let slot = hash & mask;
  while (slots[2 * slot] !== 0) slot = (slot + 1) & mask;
  slots[2 * slot] = id + 1;
  slots[2 * slot + 1] = hash;
  table.used++;
}

/** The slot of a value, or -1. */
function slotOf({ slots, mask }: HashTable, id: number, hash: number): number {
  for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
    const number = slots[2 * slot];
    if (number === 0) return -1;
    if (number === id + 1) return slot;
  }
}

/** Takes a value out of a table that is being moved, leaving `GONE` so that values after it are still found. */
function mark(table: HashTable, id: number, hash: number): void {
  const slot = slotOf(table, id, hash);
  if (slot >= 0) table.slots[2 * slot] = GONE;
}

/** Takes a value out, and moves values after it up when that brings them nearer to the slot of their hash. */
function erase(table: HashTable, id: number, hash: number): boolean {
  const { slots, mask } = table;
  let hole = slotOf(table, id, hash);
  if (hole < 0) return false;
  table.used--;
  for (let slot = (hole + 1) & mask; slots[2 * slot] !== 0; slot = (slot + 1) & mask) {
    const wanted = (slots[2 * slot + 1] as number) & mask;
    if (((slot - wanted) & mask) < ((slot - hole) & mask)) continue;
    slots[2 * hole] = slots[2 * slot] as number;
    slots[2 * hole + 1] = slots[2 * slot + 1] as number;
    hole = slot;
  }
  slots[2 * hole] = 0;
  return true;
}

/** Slots that are moved to the larger table with each value that is added. */
const MOVED = 16;
/** Slots of the smallest table. */
const LEAST = 1024;

/** A table that grows little by little, so that nobody waits for all of it to be moved. */
export class GrowingTable {
  table = tableOf(LEAST);
  /** The table before it grew, while its slots are moved; null otherwise. */
  old: HashTable | null = null;
  #size = 0;
  #moved = 0;

  /** Slots that are taken, those of values that were moved included. */
  get used(): number {
    return this.table.used + (this.old?.used ?? 0);
  }

  /** Adds a value that is in neither table. */
  add(id: number, hash: number): void {
    if (this.old !== null) this.#move(this.old, MOVED);
    // With those of the old table, which will all move here: without an empty slot a search would not end.
    if (4 * ++this.#size > 3 * (this.table.mask + 1)) this.#grow();
    place(this.table, id, hash);
  }

  remove(id: number, hash: number): void {
    this.#size--;
    if (!erase(this.table, id, hash) && this.old !== null) mark(this.old, id, hash);
  }

  #grow(): void {
    if (this.old !== null) this.#move(this.old, Infinity);
    this.old = this.table;
    this.#moved = 0;
    this.table = tableOf(Math.max(LEAST, 2 * this.#size));
  }

  #move({ slots, mask }: HashTable, most: number): void {
    const end = Math.min(mask + 1, this.#moved + most);
    for (; this.#moved < end; this.#moved++) {
      const number = slots[2 * this.#moved] as number;
      if (number <= 0) continue;
      // Marked, not emptied: a search must still pass to the values after it.
      slots[2 * this.#moved] = GONE;
      place(this.table, number - 1, slots[2 * this.#moved + 1] as number);
    }
    if (this.#moved > mask) this.old = null;
  }
}
