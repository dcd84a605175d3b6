import { PLANS, type Table } from "../../services/store/commands/commands.ts";
import type { Request } from "../../services/store/commands/fields.ts";
import { Link } from "./link.ts";
import { type LinkOptions, tellConnection } from "./options.ts";
import type { Listener, Wanted } from "./events.ts";
import { Subscription } from "./subscription.ts";

/** Actions that need more than a request: `subscribe` is there for them. */
type Followed = "SUBSCRIBE" | "UNSUBSCRIBE" | "AUTH";
/** An action of the command table. */
export type StoreAction = Exclude<keyof Table, Followed>;
/** The fields of an action. */
export type StoreFields<A extends StoreAction> = Request<Table[A]["fields"]>;

/** True for an action that changes nothing: it may be asked again when its answer has not come. */
export function isSafe(action: string): boolean {
  const row = PLANS.get(action)?.command;
  return row?.right === "read" || row?.open === true;
}

/** A client of the store that connects again by itself. */
export class StoreClient {
  readonly #options: LinkOptions;
  readonly #link: Link;
  readonly #subscriptions = new Set<Subscription>();

  constructor(options: LinkOptions = {}) {
    this.#options = options;
    const opened = () => tellConnection(options, { event: "connected" });
    const lost = (why: Error) => tellConnection(options, { event: "disconnected", why });
    const ended = (why: Error) => tellConnection(options, { event: "ended", why });
    this.#link = new Link(options, { opened, heard() {}, lost, ended }, false);
  }

  /**
   * Sends a request, and resolves with its result. Requests that are sent without
   * waiting share a write. While there is no connection they wait for it; what only
   * reads is asked again after one broke.
   * @param terms `deadlineMs` in place of that of the client
   * @throws StoreRefused when the store refuses it
   * @throws StoreDisconnected when the connection broke before the answer came
   * @throws StoreLate when there was no answer in time
   */
  ask<A extends StoreAction, T = unknown>(
    action: A,
    fields: StoreFields<A>,
    terms: { readonly deadlineMs?: number } = {},
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const line = `${JSON.stringify({ action, ...fields })}\n`;
    this.#link.ask({ line, isSafe: isSafe(action), ...terms }, (error, result) => {
      if (error === null) resolve(result);
      else reject(error);
    });
    return promise;
  }

  /**
   * Listens to a channel or to keys until it is closed, on a connection of its own. While
   * a promise that the listener has returned is not settled, nothing more is heard or read.
   */
  subscribe(wanted: Wanted, listener: Listener): Subscription {
    const subscription = new Subscription(this.#options, wanted, listener);
    this.#subscriptions.add(subscription);
    void subscription.ended.then(() => this.#subscriptions.delete(subscription));
    return subscription;
  }

  /** Ends all its connections; what has no answer yet gets none. */
  close(): void {
    this.#link.close();
    for (const one of this.#subscriptions) one.close();
  }
}
