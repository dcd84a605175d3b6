import { PLANS, type Table } from "../../services/store/commands/commands.ts";
import type { Request } from "../../services/store/commands/fields.ts";
import { Link, type LinkOptions } from "./link.ts";
import { type StoreEvent, Subscription, type Wanted } from "./subscription.ts";

/** Actions that need more than a request: `subscribe` is there for them. */
type Followed = "SUBSCRIBE" | "UNSUBSCRIBE" | "AUTH";
/** An action of the command table. */
export type StoreAction = Exclude<keyof Table, Followed>;
/** The fields of an action. */
export type StoreFields<A extends StoreAction> = Request<Table[A]["fields"]>;

/** A client of the store that connects again by itself. */
export class StoreClient {
  readonly #options: LinkOptions;
  readonly #link: Link;
  readonly #subscriptions = new Set<Subscription>();

  constructor(options: LinkOptions = {}) {
    this.#options = options;
    this.#link = new Link(options, { opened() {}, heard() {} }, false);
  }

  /**
   * Sends a request, and resolves with its result. Requests that are sent without
   * waiting share a write. While there is no connection they wait for it; what only
   * reads is asked again after one broke.
   * @throws StoreRefused when the store refuses it
   * @throws StoreDisconnected when the connection broke before the answer came
   */
  ask<A extends StoreAction, T = unknown>(action: A, fields: StoreFields<A>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const row = PLANS.get(action)?.command;
    const isSafe = row?.right === "read" || row?.open === true;
    this.#link.ask({ action, ...fields }, isSafe, (error, result) => {
      if (error === null) resolve(result);
      else reject(error);
    });
    return promise;
  }

  /** Listens to a channel or to keys until it is closed, on a connection of its own. */
  subscribe(wanted: Wanted, listener: (event: StoreEvent) => void): Subscription {
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
