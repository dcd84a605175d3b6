import { type Holds, Link, type LinkOptions, NO_STORE, StoreDisconnected } from "./link.ts";

/** What to listen to: a channel, or keys; or patterns of them, which end in ^*. */
export interface Wanted {
  readonly channel?: string;
  readonly keys?: string;
  readonly ns?: string;
  /** Begins with what came after this one; of keys with the epoch that it came with. */
  readonly since?: number;
  readonly epoch?: string;
  /** With keys: begins with the values that they have, and again where changes are lost. */
  readonly state?: boolean;
}

/**
 * What the store sends, and besides it `lost`: the number of messages or changes
 * that will not come any more, or null where nobody knows. Who asked for `state`
 * then drops all it has: the values come anew.
 */
export type StoreEvent =
  | {
      readonly event: "message";
      readonly channel: string;
      readonly seq: number;
      readonly value: unknown;
    }
  | {
      readonly event: "set";
      readonly key: string;
      readonly version: number;
      readonly seq?: number;
      readonly value: unknown;
    }
  | {
      readonly event: "state";
      readonly key: string;
      readonly version: number;
      readonly value: unknown;
    }
  | {
      readonly event: "del" | "expired";
      readonly key: string;
      readonly seq?: number;
      readonly tree?: true;
    }
  | { readonly event: "live"; readonly keys: string; readonly seq?: number }
  | { readonly event: "lost"; readonly lost: number | null };

/** A subscription that goes on over lost connections: it comes back with the last number that it has seen. */
export class Subscription {
  /** Resolves once the store has answered for the first time. */
  readonly ready: Promise<void>;
  /** Resolves once it has ended: with null after `close`, or with the reason. */
  readonly ended: Promise<Error | null>;
  readonly #wanted: Wanted;
  readonly #listener: (event: StoreEvent) => void;
  readonly #link: Link;
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<Error | null>();
  /** The last that was seen; undefined where nobody can come back. */
  #since: number | undefined;
  #epoch: string | undefined;
  /** True once the store has answered. */
  #hasBegun = false;
  /** True while it is asked; what it sends before its answer belongs to what went before. */
  #isAsking = false;

  constructor(options: LinkOptions, wanted: Wanted, listener: (event: StoreEvent) => void) {
    this.#wanted = wanted;
    this.#listener = listener;
    this.#since = wanted.since;
    this.#epoch = wanted.epoch;
    this.ready = this.#ready.promise;
    this.ended = this.#ended.promise;
    this.ready.catch(() => {});
    const opened = () => this.#subscribe();
    const heard = (event: Holds) => this.#heard(event);
    // A connection of its own: what is sent to a listener holds up no answer, and no other listener.
    this.#link = new Link(options, { opened, heard }, true);
    this.#link.start();
  }

  /** The number to come back with, and the epoch that it needs; undefined where there is none. */
  get position(): { readonly since: number; readonly epoch: string } | undefined {
    if (this.#since === undefined || this.#epoch === undefined) return undefined;
    return { since: this.#since, epoch: this.#epoch };
  }

  close(): void {
    this.#end(null);
  }

  #end(why: Error | null): void {
    this.#link.close();
    this.#ready.reject(why ?? new StoreDisconnected("the subscription is closed"));
    this.#ended.resolve(why);
  }

  #subscribe(): void {
    const { channel, keys, ns, state } = this.#wanted;
    this.#isAsking = true;
    const resumed = this.#since === undefined ? {} : { since: this.#since, epoch: this.#epoch };
    const fields = { action: "SUBSCRIBE", channel, keys, ns, state, ...resumed };
    this.#link.ask(fields, false, (error, result) => {
      // Of a lost connection the next one tells.
      if (error === null) {
        if (typeof result?.subscribed === "string") this.#begun(result, this.#since !== undefined);
        else this.#end(new Error(NO_STORE));
      } else if (!(error instanceof StoreDisconnected)) this.#end(error);
    });
  }

  #begun({ seq, epoch, lost = null }: Holds, isResumed: boolean): void {
    this.#isAsking = false;
    const wasAway = this.#hasBegun;
    this.#hasBegun = true;
    this.#ready.resolve();
    const isFilled = this.#wanted.state === true && (!isResumed || lost !== 0);
    this.#epoch = epoch;
    // Until the values are complete, only beginning again brings all of them.
    if (isFilled) this.#since = undefined;
    else if (!isResumed || lost === null) this.#since = seq;
    if (isResumed ? lost !== 0 : wasAway) this.#tell({ event: "lost", lost });
  }

  #heard(event: Holds): void {
    if (this.#isAsking) return;
    switch (event["event"]) {
      case "closed":
        return;
      case "live":
        this.#since = event["seq"];
        break;
      case "lost":
        this.#tell({ event: "lost", lost: event["lost"] });
        if (!this.#wanted.state) return;
        this.#since = undefined;
        this.#hasBegun = false;
        this.#subscribe();
        return;
      default:
        if (this.#since !== undefined && event["seq"] !== undefined) this.#since = event["seq"];
    }
    this.#tell(event as StoreEvent);
  }

  #tell(event: StoreEvent): void {
    try {
      this.#listener(event);
    } catch (error) {
      // The listener's own fault: told as such, and the next event comes all the same.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
