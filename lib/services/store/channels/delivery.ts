import type { Config } from "../../../config/table.ts";
import type { Log } from "../../../host/log.ts";
import type { Clients } from "../../../net/clients.ts";
import { type Pinned, SharedBytes } from "../../../net/outbox.ts";
import type { Notices, StoreClient } from "../client.ts";

/** Sends lines to subscribers, each encoded once, and bounds the bytes that wait for one client and for all together. */
export class Delivery {
  /** Lines delivered, once for each recipient. */
  count = 0;
  readonly #clients: Clients<StoreClient>;
  readonly #pinned: Pinned;
  readonly #settings: Pick<Config, "store">;
  readonly #notices: Notices;
  readonly #log: Log;

  constructor(
    clients: Clients<StoreClient>,
    pinned: Pinned,
    settings: Pick<Config, "store">,
    notices: Notices,
    log: Log,
  ) {
    this.#clients = clients;
    this.#pinned = pinned;
    this.#settings = settings;
    this.#notices = notices;
    this.#log = log;
  }

  /** Sends a line to each subscriber; one for which more than `outbox_bytes` would wait is closed instead. */
  deliver(subscribers: ReadonlySet<StoreClient>, line: string): void {
    const bytes = Buffer.from(line);
    const shared = new SharedBytes(bytes, bytes.length, this.#pinned);
    // A reference of its own keeps the line until every subscriber has it.
    shared.refs++;
    shared.pin();
    const { outbox_bytes: most } = this.#settings.store;
    for (const client of subscribers) {
      if (client.owed + bytes.length > most) {
        this.#closeSlow(client);
        continue;
      }
      client.push(shared, bytes.length);
      this.count++;
    }
    shared.release();
    this.bound();
  }

  /** Closes the client that is owed most, one after the other, while more than `total_outbox_bytes` wait in all. */
  bound(): void {
    const { total_outbox_bytes: total } = this.#settings.store;
    while (this.#pinned.bytes > total) {
      const most = this.#mostOwed();
      if (most === null) return;
      this.#closeSlow(most);
    }
  }

  #mostOwed(): StoreClient | null {
    let most: StoreClient | null = null;
    for (const client of this.#clients.all) {
      if (client.outbox.bytes > (most?.outbox.bytes ?? 0)) most = client;
    }
    return most;
  }

  #closeSlow(client: StoreClient): void {
    this.#log.warning(
      `store: ${client.address} does not take what it is sent: ${client.owed} bytes wait; closing it`,
    );
    this.#clients.closeSlow(client, this.#notices.slow);
  }
}
