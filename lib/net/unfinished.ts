import type { Client, CloseReason } from "./client.ts";
import type { Protocol } from "./protocol.ts";

/** Memory that the unfinished messages of all clients of a service may take, unless single messages may be very long. */
const MOST = 64 * 2 ** 20;
/** At least so many of the longest messages have room together. */
const LONGEST_TOGETHER = 16;

interface Closing<C> {
  close(client: C, reason: CloseReason, notice?: string): void;
}

/** The memory that messages take which have begun and not ended, of all clients of a service together. */
export class Unfinished<C extends Client> {
  #bytes = 0;
  /** The share of each client that has one. */
  readonly #shares = new Map<C, number>();
  readonly #protocol: Protocol<C>;
  readonly #clients: Closing<C>;

  constructor(protocol: Protocol<C>, clients: Closing<C>) {
    this.#protocol = protocol;
    this.#clients = clients;
  }

  /** Bytes of a client were taken: closes whoever takes the most while all take too much. */
  took(client: C): void {
    this.count(client);
    const { maxLineBytes = 0, unfinishedNotice } = this.#protocol;
    while (this.#bytes > Math.max(MOST, LONGEST_TOGETHER * maxLineBytes)) {
      this.#clients.close(this.#largest(), "unfinished", unfinishedNotice);
    }
  }

  /** Counts the unfinished message that a client has now. */
  count(client: C): void {
    const { unfinishedBytes } = client;
    const before = this.#shares.get(client) ?? 0;
    if (unfinishedBytes === before) return;
    this.#bytes += unfinishedBytes - before;
    if (unfinishedBytes > 0) this.#shares.set(client, unfinishedBytes);
    else this.#shares.delete(client);
  }

  /** Of the address that takes the most, the client that takes the most. */
  #largest(): C {
    const byAddress = new Map<string, { bytes: number; most: number; client: C }>();
    for (const [client, bytes] of this.#shares) {
      const of = byAddress.get(client.ip);
      if (of === undefined) {
        byAddress.set(client.ip, { bytes, most: bytes, client });
        continue;
      }
      of.bytes += bytes;
      if (bytes <= of.most) continue;
      of.most = bytes;
      of.client = client;
    }
    const [first] = [...byAddress.values()].sort((one, other) => other.bytes - one.bytes);
    return (first as NonNullable<typeof first>).client;
  }
}
