import type { Clock } from "../../host/clock.ts";
import type { Admission } from "../admission.ts";
import type { Client } from "../client.ts";

/** Milliseconds that a closed client may take to read its notice and close its side. */
const LINGER_MS = 1000;

/** Closed clients that are still owed bytes: they get them if they take them in time, then their connections end. */
export class Lingering<C extends Client> {
  readonly #clock: Pick<Clock, "now">;
  readonly #admission: Pick<Admission, "maxLingering">;
  readonly #clients = new Set<C>();
  #bounded = true;
  #emptied: (() => void) | null = null;

  constructor(clock: Pick<Clock, "now">, admission: Pick<Admission, "maxLingering">) {
    this.#clock = clock;
    this.#admission = admission;
  }

  /** Gives a closing client `ms` milliseconds to take the bytes it is owed, and ends its connection. */
  add(client: C, ms = LINGER_MS): void {
    if (this.#bounded && this.#clients.size >= this.#admission.maxLingering) {
      this.end(client, "terminate");
      return;
    }
    client.closeBy = this.#clock.now() + ms;
    this.#clients.add(client);
    // Reading goes on, and the bytes are ignored: so the client's own close is noticed,
    // and no unread bytes turn our close into a reset that eats the notice.
    client.releaseAll();
    this.proceed(client);
  }

  /** Goes on with a closing client: its wire takes bytes again, or it has ended its side. */
  proceed(client: C): void {
    if (client.outbox.bytes > 0 && !client.flush()) return;
    if ((client.wire.waiting ?? 0) > 0) return;
    if (client.peerEnded) {
      this.end(client, "end");
    } else if (!client.shutDown) {
      client.shutDown = true;
      client.closeBy = Math.min(client.closeBy, this.#clock.now() + LINGER_MS);
      client.wire.shutdown();
    }
  }

  /** Ends a client's connection now. */
  end(client: C, how: "end" | "terminate"): void {
    this.forget(client);
    if (how === "end") client.wire.end();
    else client.wire.terminate();
  }

  /** A client's connection has ended. */
  forget(client: C): void {
    client.state = "closed";
    client.outbox.clear();
    this.#clients.delete(client);
    if (this.#clients.size === 0) this.#emptied?.();
  }

  /** Ends clients that have lingered long enough. */
  sweep(now: number): void {
    for (const client of this.#clients) {
      if (now >= client.closeBy) this.end(client, client.shutDown ? "end" : "terminate");
    }
  }

  /** Lets any number of clients linger from now on: in a drain all get their notice. */
  unbound(): void {
    this.#bounded = false;
  }

  /** Resolves when no client lingers any more. */
  async empty(): Promise<void> {
    if (this.#clients.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#emptied = resolve;
    await promise;
  }
}
