/**
 * An open hash table of numbers: slots of two words each, a value's number plus
 * one (0 for an empty slot, `GONE` for one that is not used any more) and the
 * hash of its name. What does not fit into the slot of its hash goes into the
 * next free one.
 */
export interface HashTable {
  readonly slots: Int32Array;
  readonly mask: number;
  /** Slots that are taken. */
  used: number;
}

/** A slot whose value was moved to the larger table, or removed since that was begun. */
export const GONE = -1;

/** A table of at least so many slots. */
export function tableOf(least: number): HashTable {
  const size = 2 ** Math.ceil(Math.log2(least));
  return { slots: new Int32Array(2 * size), mask: size - 1, used: 0 };
}

/** Puts a value into the first free slot from where its hash belongs. */
export function place(table: HashTable, id: number, hash: number): void {
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

/** Takes a value out of a table that is being moved, so that what comes after it is still found. */
export function mark(table: HashTable, id: number, hash: number): void {
  const slot = slotOf(table, id, hash);
  if (slot >= 0) table.slots[2 * slot] = GONE;
}

/** Takes a value out and moves up those after it that would be nearer to where they belong. */
export function erase(table: HashTable, id: number, hash: number): boolean {
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
