import type { Holds } from "./answer.ts";
import { Link } from "./link.ts";
import type { Listener, StoreEvent, Wanted } from "./events.ts";
import { type LinkOptions, NoStore, StoreDisconnected, tellConnection } from "./options.ts";

/** A subscription that goes on over lost connections: it comes back with the last number that it has seen. */
export class Subscription {
  /** Resolves once the store has answered for the first time. */
  readonly ready: Promise<void>;
  /** Resolves once it has ended: with null after `close`, or with the reason. */
  readonly ended: Promise<Error | null>;
  readonly #wanted: Wanted;
  readonly #options: LinkOptions;
  readonly #listener: Listener;
  readonly #link: Link;
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<Error | null>();
  /** The last that was seen; undefined where nobody can come back. */
  #since: number | undefined;
  #epoch: string | undefined;
  #name = "";
  #hasEnded = false;
  /** True from a new connection on until the store has answered over it. */
  #isNew = false;
  /** True once the store has answered. */
  #hasBegun = false;
  /** True while it is asked; what it sends before its answer belongs to what went before. */
  #isAsking = false;

  constructor(options: LinkOptions, wanted: Wanted, listener: Listener) {
    this.#options = options;
    this.#wanted = wanted;
    this.#listener = listener;
    this.#since = wanted.since;
    this.#epoch = wanted.epoch;
    this.ready = this.#ready.promise;
    this.ended = this.#ended.promise;
    this.ready.catch(() => {});
    const opened = () => {
      this.#isNew = true;
      this.#subscribe();
    };
    const heard = (event: Holds, line: string) => this.#heard(event, line);
    const lost = (why: Error) => tellConnection(options, { event: "disconnected", why, wanted });
    const ended = (why: Error) => this.#end(why);
    // A connection of its own: what is sent to a listener holds up no answer, and no other listener.
    this.#link = new Link(options, { opened, heard, lost, ended }, true);
    this.#link.start();
  }

  /** The full name of what it listens to, as the store has told it; "" before. */
  get name(): string {
    return this.#name;
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
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#link.close();
    const wanted = this.#wanted;
    if (why !== null) tellConnection(this.#options, { event: "ended", why, wanted });
    this.#ready.reject(why ?? new StoreDisconnected("the subscription is closed"));
    this.#ended.resolve(why);
  }

  #subscribe(): void {
    const { channel, keys, ns, state } = this.#wanted;
    this.#isAsking = true;
    const resumed = this.#since === undefined ? {} : { since: this.#since, epoch: this.#epoch };
    const fields = { action: "SUBSCRIBE", channel, keys, ns, state, ...resumed };
    const line = `${JSON.stringify(fields)}\n`;
    this.#link.ask({ line, isSafe: false, deadlineMs: Infinity }, (error, result) => {
      // Of a lost connection the next one tells.
      if (error === null) {
        if (typeof result?.subscribed === "string") this.#begun(result, this.#since !== undefined);
        else this.#end(new NoStore());
      } else if (!(error instanceof StoreDisconnected)) this.#end(error);
    });
  }

  #begun({ subscribed, seq, epoch, lost = null }: Holds, isResumed: boolean): void {
    this.#isAsking = false;
    this.#name = subscribed;
    const wasAway = this.#hasBegun;
    this.#hasBegun = true;
    this.#ready.resolve();
    const wanted = this.#wanted;
    if (this.#isNew) tellConnection(this.#options, { event: "connected", wanted });
    this.#isNew = false;
    const since = this.#since;
    const isFilled = wanted.state === true && (!isResumed || lost !== 0);
    this.#epoch = epoch;
    // Until the values are complete, only beginning again brings all of them.
    if (isFilled) this.#since = undefined;
    else if (!isResumed || lost === null) this.#since = seq;
    if (isResumed ? lost === 0 : !wasAway) return;
    this.#tell({ event: "lost", lost, ...(since === undefined ? {} : { since }) }, null);
  }

  #heard(event: Holds, line: string): void {
    if (this.#isAsking) return;
    switch (event["event"]) {
      case "closed":
        return;
      case "live":
        this.#since = event["seq"];
        break;
      case "lost":
        this.#tell({ event: "lost", lost: event["lost"] }, line);
        if (!this.#wanted.state) return;
        this.#since = undefined;
        this.#hasBegun = false;
        this.#subscribe();
        return;
      default:
        if (this.#since !== undefined && event["seq"] !== undefined) this.#since = event["seq"];
    }
    this.#tell(event as StoreEvent, line);
  }

  #tell(event: StoreEvent, line: string | null): void {
    try {
      const taken = this.#listener(event, line);
      if (!(taken instanceof Promise)) return;
      this.#link.hold();
      const goOn = () => this.#link.goOn();
      taken.then(goOn, (error) => {
        goOn();
        throw error;
      });
    } catch (error) {
      // The listener's own fault: told as such, and the next event comes all the same.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
