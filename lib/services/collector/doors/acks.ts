import type { Intake } from "../intake.ts";

/** The records of one client: after the entry with the number before `next`, it had sent `records`. */
interface Turn {
  next: number;
  records: number;
}

/** A client that wants to be told how many of its records are kept. */
export interface Acknowledged {
  /** Its records so far, those included that were sent again. */
  records: number;
  /** What it was not told yet, in order. */
  readonly turns: Turn[];
}

/** Tells clients how many of their records are on disk: always the sum, and once for all that came on disk together. */
export class Acks<C extends Acknowledged> {
  readonly #intake: Intake;
  readonly #tell: (client: C, records: number) => void;
  readonly #told: () => void;
  readonly #owed = new Set<C>();
  #willTell = false;

  /**
   * @param tell the first `records` records of a client are on disk
   * @param told called when all clients have been told of what is on disk
   */
  constructor(intake: Intake, tell: (client: C, records: number) => void, told = () => {}) {
    this.#intake = intake;
    this.#tell = tell;
    this.#told = told;
  }

  /** All records of a client so far are on disk once the entries before `next` are. */
  note(client: C, next: number): void {
    const { turns, records } = client;
    const last = turns[turns.length - 1];
    // One note is enough for records that are synced together.
    if (last !== undefined && turns.length > 1 && last.next > this.#intake.durable) {
      last.next = Math.max(last.next, next);
      last.records = records;
      return;
    }
    turns.push({ next, records });
    this.#owed.add(client);
    if (next <= this.#intake.durable) this.#tellSoon();
  }

  /** More entries are on disk. */
  progressed(): void {
    const { durable } = this.#intake;
    for (const client of this.#owed) {
      const { turns } = client;
      let done = 0;
      while (done < turns.length && (turns[done] as Turn).next <= durable) done++;
      if (done === 0) continue;
      const { records } = turns[done - 1] as Turn;
      turns.splice(0, done);
      if (turns.length === 0) this.#owed.delete(client);
      this.#tell(client, records);
    }
    this.#told();
  }

  forget(client: C): void {
    this.#owed.delete(client);
  }

  /** Records that are on disk already are told of when the turn is over. */
  #tellSoon(): void {
    if (this.#willTell) return;
    this.#willTell = true;
    setImmediate(() => {
      this.#willTell = false;
      this.progressed();
    });
  }
}
