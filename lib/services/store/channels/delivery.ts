import { type Pinned, SharedBytes } from "../../../net/outbox.ts";
import type { StoreClient } from "../client.ts";

/** What deliveries need to know of the store. */
export interface Deliverer {
  /** All clients. */
  clients(): Iterable<StoreClient>;
  /** Bytes that may wait for one client, and for all. */
  limits(): { readonly outbox_bytes: number; readonly total_outbox_bytes: number };
  /** The client is owed something that the end of the turn must send. */
  owes(client: StoreClient): void;
  /** The client does not take what it is sent. */
  closeSlow(client: StoreClient): void;
}

/** Brings lines to subscribers, each encoded once, and bounds what waits for them. */
export class Delivery {
  /** Lines delivered, once for each recipient. */
  count = 0;
  readonly #pinned: Pinned;
  readonly #store: Deliverer;

  constructor(pinned: Pinned, store: Deliverer) {
    this.#pinned = pinned;
    this.#store = store;
  }

  deliver(subscribers: ReadonlySet<StoreClient>, line: string): void {
    const bytes = Buffer.from(line);
    const shared = new SharedBytes(bytes, bytes.length, this.#pinned);
    // Ours, so that it is not given up before the last one has it.
    shared.refs++;
    shared.pin();
    const { outbox_bytes: most } = this.#store.limits();
    for (const client of subscribers) {
      if (client.owed + bytes.length > most) {
        this.#store.closeSlow(client);
        continue;
      }
      client.push(shared, bytes.length);
      this.count++;
      this.#store.owes(client);
    }
    shared.release();
    this.bound();
  }

  /** Closes those who are owed most for as long as all together are owed too much. */
  bound(): void {
    const { total_outbox_bytes: total } = this.#store.limits();
    while (this.#pinned.bytes > total) {
      const most = this.#mostOwed();
      if (most === null) return;
      this.#store.closeSlow(most);
    }
  }

  #mostOwed(): StoreClient | null {
    let most: StoreClient | null = null;
    for (const client of this.#store.clients()) {
      if (client.outbox.bytes > (most?.outbox.bytes ?? 0)) most = client;
    }
    return most;
  }
}
