import { Refusal } from "../refusal.ts";
import type { Keys } from "./keys.ts";

/** Most backups under way at once. */
export const MOST_BACKUPS = 4;
/** Characters of records after which a part ends. */
const PART = 2 ** 20;

const TOO_MANY = new Refusal("TOO_MANY", `there are ${MOST_BACKUPS} backups under way already`);
const NOT_BEGUN = new Refusal("NO_BACKUP", "begin one, without more");
const BEHIND = new Refusal("NO_BACKUP", "it fell too far behind the changes; begin again");

/** Some records of a backup. */
export interface Part {
  /** Each as JSON. */
  readonly records: readonly string[];
  /** True if these are the last ones. */
  readonly done: boolean;
}

/**
 * Backups of all keys while these change. One is told the keys slice by slice,
 * and in between every change that is made meanwhile, all in the order in which
 * it happens: whoever applies that to the end has the keys of one moment, with
 * groups of changes whole.
 */
export class Backups<Owner> {
  readonly #keys: Keys;
  readonly #most: () => number;
  readonly #under = new Map<Owner, Backup>();

  /** @param most bytes of changes that may wait for one of them; a slice or a value may come to that */
  constructor(keys: Keys, most: () => number) {
    this.#keys = keys;
    this.#most = most;
  }

  /** Begins a backup, which takes the place of one that its owner has begun. @returns the refusal, or null */
  begin(owner: Owner): Refusal | null {
    if (!this.#under.has(owner) && this.#under.size >= MOST_BACKUPS) return TOO_MANY;
    this.#under.set(owner, new Backup(this.#keys.snapshot()));
    this.#keys.follow((record) => this.#changed(record));
    return null;
  }

  /** The next part of an owner's backup, or the refusal. */
  next(owner: Owner): Part | Refusal {
    const backup = this.#under.get(owner);
    if (backup === undefined) return NOT_BEGUN;
    if (backup.waiting > this.#most()) {
      this.end(owner);
      return BEHIND;
    }
    const part = backup.next(Math.min(PART, this.#most() / 4));
    if (part.done) this.end(owner);
    return part;
  }

  /** Ends an owner's backup, if it has one. */
  end(owner: Owner): void {
    this.#under.delete(owner);
    if (this.#under.size === 0) this.#keys.follow(null);
  }

  #changed(record: string): void {
    const most = this.#most();
    for (const backup of this.#under.values()) backup.add(record, most);
  }
}

/** One backup: its records that were not told yet. */
class Backup {
  /** Characters of them, or more than may wait once they were too many. */
  waiting = 0;
  readonly #slices: () => string | null;
  #records: string[] = [];
  #isWalked = false;

  constructor(slices: () => string | null) {
    this.#slices = slices;
  }

  /** Adds a change; with more than `most` that wait, nothing is kept any more. */
  add(record: string, most: number): void {
    if (this.waiting > most) return;
    this.waiting += record.length;
    if (this.waiting > most) this.#records = [];
    else this.#records.push(record.slice(0, -1));
  }

  next(room: number): Part {
    const records: string[] = [];
    const left = this.#take(records, room);
    // A slice shows the keys as they are now, so that it comes after all changes before.
    if (left > 0 && !this.#isWalked) {
      const slice = this.#slices();
      this.#isWalked = slice === null;
      for (const record of slice?.split("\n") ?? []) {
        if (record === "") continue;
        this.#records.push(record);
        this.waiting += record.length + 1;
      }
      this.#take(records, left);
    }
    return { records, done: this.#isWalked && this.#records.length === 0 };
  }

  /** Moves records to a part as long as there is room, at least one to an empty part. @returns the room left; 0 if some wait on */
  #take(records: string[], room: number): number {
    let left = room;
    let taken = 0;
    for (const record of this.#records) {
      if (records.length > 0 && record.length > left) break;
      records.push(record);
      left -= record.length;
      this.waiting -= record.length + 1;
      taken++;
    }
    this.#records = this.#records.slice(taken);
    return this.#records.length > 0 ? 0 : left;
  }
}
