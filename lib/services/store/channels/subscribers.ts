import type { Config } from "../../../config/table.ts";
import { nameOf, type StoreClient, type Subscription } from "../client.ts";
import type { ChangeLog } from "../keys/change-log.ts";
import type { Path } from "../keys/path.ts";
import type { VisibleKeys } from "../keys/visible-keys.ts";
import { Refusal } from "../refusal.ts";
import { mayAt, type Role } from "../roles.ts";
import { Replay, StateWalk } from "./catch-up.ts";
import type { Channels, Kept } from "./channels.ts";
import type { Delivery } from "./delivery.ts";
import type { KeyWatch } from "./watch.ts";

/** Subscriptions of clients: each is recorded at its client, and at the channels or the watch over keys. */
export class Subscribers {
  readonly #channels: Channels<StoreClient>;
  readonly #watch: KeyWatch<StoreClient>;
  readonly #keys: VisibleKeys;
  readonly #log: ChangeLog;
  readonly #delivery: Delivery;
  readonly #settings: Pick<Config, "store">;

  /** @param log the changes of `keys` */
  constructor(
    channels: Channels<StoreClient>,
    watch: KeyWatch<StoreClient>,
    keys: VisibleKeys,
    log: ChangeLog,
    delivery: Delivery,
    settings: Pick<Config, "store">,
  ) {
    this.#keys = keys;
    this.#log = log;
    this.#channels = channels;
    this.#watch = watch;
    this.#delivery = delivery;
    this.#settings = settings;
  }

  /** Subscribes a client, unless it has this subscription already. @returns the refusal of one more subscription, or null */
  subscribe(client: StoreClient, subscription: Subscription): Refusal | null {
    const { kind, pattern } = subscription;
    const name = nameOf(subscription);
    if (client.subscriptions.has(name)) return null;
    const { max_subscriptions: most, max_patterns: mostPatterns } = this.#settings.store;
    if (client.subscriptions.size >= most) {
      return new Refusal("TOO_MANY", `at most ${most} subscriptions`);
    }
    if (pattern.below && client.patterns >= mostPatterns) {
      return new Refusal("TOO_MANY", `at most ${mostPatterns} patterns`);
    }
    if (kind === "channel") this.#channels.subscribe(client, pattern);
    else {
      this.#log.begin();
      this.#watch.subscriptions.add(client, pattern);
    }
    client.subscriptions.set(name, subscription);
    if (pattern.below) client.patterns++;
    return null;
  }

  /** @returns true if there was such a subscription */
  unsubscribe(client: StoreClient, subscription: Subscription): boolean {
    const name = nameOf(subscription);
    if (!client.subscriptions.delete(name)) return false;
    client.catchUps.delete(name);
    const { kind, pattern } = subscription;
    if (kind === "channel") this.#channels.unsubscribe(client, pattern);
    else this.#watch.subscriptions.remove(client, pattern);
    if (pattern.below) client.patterns--;
    return true;
  }

  /** @returns the number of subscriptions that were ended */
  unsubscribeAll(client: StoreClient): number {
    const { size } = client.subscriptions;
    for (const one of client.subscriptions.values()) this.unsubscribe(client, one);
    return size;
  }

  /** Ends the subscriptions that a role has no right to. */
  endForbidden(client: StoreClient, role: Role): void {
    for (const one of client.subscriptions.values()) {
      const right = one.kind === "keys" ? "read" : "subscribe";
      if (!mayAt(role, right, one.pattern.path)) this.unsubscribe(client, one);
    }
  }

  /**
   * Has a client that watches keys catch up: on the changes after number `since`, or with `state` on
   * the values that keys have, where there is no such number or changes after it are lost.
   * @returns the number of changes after `since` that are no longer kept; null when that cannot be known
   */
  catchUp(
    client: StoreClient,
    subscription: Subscription,
    since: number | undefined,
    epoch: string | undefined,
    state: boolean,
  ): number | null {
    const log = this.#log;
    const isKnown = since !== undefined && epoch === this.#channels.epoch && since <= log.seq;
    const lost = isKnown ? Math.max(0, log.first - 1 - since) : null;
    const { pattern } = subscription;
    const from = isKnown ? since + (lost ?? 0) : log.seq;
    const catchUp =
      state && lost !== 0
        ? new StateWalk(this.#keys, log, pattern)
        : new Replay(log, pattern, from);
    client.catchUps.set(nameOf(subscription), catchUp);
    return lost;
  }

  /** The number of the last change of keys. */
  get seq(): number {
    return this.#log.seq;
  }

  /** Sends a client the kept messages of a channel after message `since`, as lines that follow the answer. */
  replay(
    client: StoreClient,
    channel: Path,
    since: number,
    epoch: string | undefined,
  ): { replayed: number; lost: number | null } {
    const { replayed, lost } = this.#channels.missed(channel, since, epoch);
    // With more than its outbox may hold, the client would be closed each time it comes back.
    let room = this.#settings.store.outbox_bytes / 2;
    let first = replayed.length;
    while (first > 0) {
      room -= Buffer.byteLength((replayed[first - 1] as Kept).line);
      if (room < 0) break;
      first--;
    }
    const sent = replayed.slice(first);
    client.follows = sent.map(({ line }) => line).join("");
    this.#delivery.count += sent.length;
    return { replayed: sent.length, lost: lost === null ? null : lost + first };
  }
}
