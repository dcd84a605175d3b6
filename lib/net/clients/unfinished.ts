import type { Client, CloseReason } from "../client.ts";
import type { Protocol } from "../protocol.ts";

/** Memory that the unfinished messages of all clients of a door may take, unless single messages may be very long. */
const MOST = 64 * 2 ** 20;
/** At least so many of the longest messages have room together. */
const LONGEST_TOGETHER = 16;

/** Whoever sends messages. */
interface Sending {
  readonly ip: string;
  /** Memory that a message of it takes which has begun and not ended. */
  readonly unfinishedBytes: number;
}

interface Closing<C> {
  /** Ends a client, which takes nothing from then on. */
  close(client: C): void;
}

/** The memory that messages take which have begun and not ended, of all clients of a door together. */
export class Unfinished<C extends Sending> {
  #bytes = 0;
  /** The share of each client that has one. */
  readonly #shares = new Map<C, number>();
  readonly #longest: () => number;
  readonly #closing: Closing<C>;

  /** @param longest bytes of the longest message that a client may send */
  constructor(longest: () => number, closing: Closing<C>) {
    this.#longest = longest;
    this.#closing = closing;
  }

  /** Bytes of a client were taken: closes whoever takes the most while all take too much. */
  took(client: C): void {
    this.count(client);
    while (this.#bytes > MOST && this.#bytes > LONGEST_TOGETHER * this.#longest()) {
      this.#closing.close(this.#largest());
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

/** The unfinished messages of the clients of a protocol. */
export function unfinishedOf<C extends Client>(
  protocol: Protocol<C>,
  clients: { close(client: C, reason: CloseReason, notice?: string): void },
): Unfinished<C> {
  const longest = () => Math.max(protocol.maxLineBytes ?? 0, protocol.maxFrameBytes ?? 0);
  return new Unfinished<C>(longest, {
    close: (client) => clients.close(client, "unfinished", protocol.unfinishedNotice),
  });
}
