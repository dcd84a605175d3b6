import type { StoreClient } from "./client.ts";

/** As much of the journal as the end of a turn needs to know. */
export interface Batches {
  /** Batches written so far. */
  readonly written: number;
  /** Of those, how many are known to be on disk. */
  readonly synced: number;
  /** Whether something was appended that is not written yet. */
  readonly pending: boolean;
  write(): void;
}

/**
 * The end of a turn of the event loop: what was changed in it is written as one
 * batch, and what clients are owed leaves with one write each; where a reply
 * means that a change is on disk, once the disk has said so.
 */
export class Turn {
  readonly #owed = new Set<StoreClient>();
  /** Clients with bytes that wait for a batch. */
  readonly #waiting = new Set<StoreClient>();
  readonly #journal: Batches | null;
  readonly #untilSynced: boolean;
  readonly #settled: (client: StoreClient) => void;
  readonly #emptied: () => void;
  #ends = false;

  /**
   * @param untilSynced whether replies wait for the disk; otherwise for the write alone
   * @param settled told of each client whose bytes were let go; it may be served on
   * @param emptied nothing that clients were owed in this turn is referred to any more
   */
  constructor(
    journal: Batches | null,
    untilSynced: boolean,
    settled: (client: StoreClient) => void,
    emptied: () => void,
  ) {
    this.#journal = journal;
    this.#untilSynced = untilSynced;
    this.#settled = settled;
    this.#emptied = emptied;
  }

  /** A client is owed something. */
  owes(client: StoreClient): void {
    this.#owed.add(client);
    this.ends();
  }

  /** The turn has to be ended. */
  ends(): void {
    if (this.#ends) return;
    this.#ends = true;
    setImmediate(() => {
      this.#ends = false;
      this.#settle();
    });
  }

  /** The journal has got further. */
  kept(): void {
    const upTo = this.#kept;
    for (const client of this.#waiting) {
      if (client.state === "closed") {
        this.#waiting.delete(client);
        continue;
      }
      if (client.letGo(upTo)) this.#waiting.delete(client);
      client.flush();
      this.#settled(client);
    }
  }

  get #kept(): number {
    const { synced = 0, written = 0 } = this.#journal ?? {};
    return this.#untilSynced ? synced : written;
  }

  #settle(): void {
    const journal = this.#journal;
    journal?.write();
    // Whatever is said now may tell of a change that is not kept yet, whoever made it.
    const needed = journal === null ? 0 : journal.written + (journal.pending ? 1 : 0);
    const batch = needed > this.#kept ? needed : null;
    const owed = [...this.#owed].filter(({ state }) => state !== "closed");
    // Who is served from here on belongs to the next turn: what it changes is not in this batch.
    this.#owed.clear();
    for (const client of owed) {
      client.settle(batch);
      if (batch !== null) this.#waiting.add(client);
    }
    this.#emptied();
    for (const client of owed) this.#settled(client);
  }
}
