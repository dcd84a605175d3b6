import type { Refused } from "./admission.ts";
import { type Clock, within } from "../host/clock.ts";
import { type Accepted, type Client, SETTLING } from "./client.ts";

/** The protocol of a service, as the steps of a client's life. Steps that are missing do nothing. */
export interface Protocol<C extends Client> {
  /** Makes the client for a connection that has just been accepted. */
  create(accepted: Accepted): C;
  /** The service's own reason to turn a client away, besides the lists and limits of the door; or null. */
  refuses?(ip: string, port: number): Refused | null;
  /** Greets a client; it is served once this resolves, unless it was closed meanwhile. */
  greet?(client: C): Promise<void> | undefined;
  /** The client is served from now on. */
  opened?(client: C): void;
  /**
   * Bytes came; never called for a client that is held or closing.
   * @returns the number of bytes taken: fewer than given only if the client is held by now; the rest comes again
   */
  received(client: C, bytes: Buffer): number;
  /** The client sent its FIN; a last unterminated message counts. */
  ended?(client: C): void;
  /** True if a client that has sent its FIN is served on; the service closes it once it owes it nothing more. */
  readonly finishes?: boolean;
  /** The client's wire takes bytes again; its outbox has been flushed as far as possible. */
  drained?(client: C): void;
  /** Bytes of the longest line or frame that a client may send. */
  readonly maxLineBytes?: number;
  readonly maxFrameBytes?: number;
  /** The notice of a client that is closed as `unfinished`. */
  readonly unfinishedNotice?: string;
  /** True while the service reads no client, but will again by itself: a drain waits for that. */
  readonly resting?: boolean;
  /** In a drain: resolves when all clients have been sent what they are owed for what they sent; nobody is read meanwhile. Null when nothing is owed. */
  settled?(): Promise<void> | null;
  /** The text that every client that is closed is sent after its notice. */
  readonly lastWords?: string;
  /** The client is dead; every index must forget it. `wasOpen` is false for one that was still being greeted. */
  closed?(client: C, wasOpen: boolean): void;
}

/** Waits for a protocol's last answers, for at most `ms` milliseconds. */
export async function settle<C extends Client>(
  protocol: Protocol<C>,
  clients: Iterable<C>,
  clock: Clock,
  ms: number,
): Promise<void> {
  const settled = protocol.settled?.();
  if (!settled || ms <= 0) return;
  for (const client of clients) {
    client.finishing = false;
    client.hold(SETTLING);
  }
  await within(clock, ms, settled);
}
