import type { Refused } from "./admission.ts";
import type { Accepted, Client } from "./client.ts";

/** What a service does with its clients. */
export interface Protocol<C extends Client> {
  /** The state of a client that has just been accepted. */
  create(accepted: Accepted): C;
  /** Why a client is turned away, besides the limits of the door; or null. */
  refuses?(ip: string, port: number): Refused | null;
  /** Greets a client; it is served once this resolves, unless it was closed meanwhile. */
  greet?(client: C): Promise<void> | undefined;
  /** The client is served from now on. */
  opened?(client: C): void;
  /**
   * Bytes came; never called for a client that is held or closing.
   * @returns how many were taken: fewer than given only when the client is held by now; the rest comes again
   */
  received(client: C, bytes: Buffer): number;
  /** The client sent its FIN; a last unterminated message counts. */
  ended?(client: C): void;
  /** Whether a client that has sent its FIN is served on; the service closes it once it is owed nothing more. */
  readonly finishes?: boolean;
  /** Its wire takes bytes again; its outbox has been flushed as far as it goes. */
  drained?(client: C): void;
  /** Whether it reads nobody at present, but will again by itself: a drain waits for that. */
  readonly resting?: boolean;
  /** What every client is told that is closed, after its notice. */
  readonly lastWords?: string;
  /** The client is dead; every index must forget it. `wasOpen` is false for one that was still being greeted. */
  closed?(client: C, wasOpen: boolean): void;
}
