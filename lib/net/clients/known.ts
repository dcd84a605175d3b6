import type { ClientMore } from "../../host/service.ts";
import { CLIENT_COLUMNS, type Client } from "../client.ts";
import { LastRefusals } from "../admission/last-refusals.ts";
import { Pasts } from "../admission/past.ts";
import { LOOK_MS } from "../admission/recent.ts";

/** Milliseconds after the last look of an operator for which a client's past is kept, whatever it does. */
const WATCHED_MS = 300_000;

/** What is known of the clients of a service besides their counts. */
export class Known {
  readonly refusals = new LastRefusals();
  readonly #pasts = new Pasts();
  #lookAt = 0;

  /** Notes how fast clients send and how they fare, once every `LOOK_MS`. */
  look(clients: Iterable<Client>, now: number): void {
    if (now < this.#lookAt) return;
    this.#lookAt = now + LOOK_MS;
    this.#pasts.begin(now);
    for (const client of clients) {
      const { id, recent, messagesIn, refused } = client;
      recent.look(now, messagesIn, refused);
      const outboxBytes = CLIENT_COLUMNS.outboxBytes(client, now);
      if (outboxBytes > 0 || recent.isBusy || this.#pasts.has(id)) {
        this.#pasts.look(id, { at: now, ...recent.lastStep(), outboxBytes });
      }
    }
  }

  /** More of the client with this id, or null if there is none. From now on its past is kept. */
  more(clients: Iterable<Client>, id: number, now: number): ClientMore | null {
    if (withId(clients, id) === null) return null;
    return { refusals: this.refusals.of(id), past: this.#pasts.watch(id, now + WATCHED_MS) };
  }

  forget({ id }: Client): void {
    this.refusals.forget(id);
    this.#pasts.forget(id);
  }
}

export function withId<C extends Client>(clients: Iterable<C>, id: number): C | null {
  for (const client of clients) if (client.id === id) return client;
  return null;
}
