import type { ChangeLog } from "../keys/change-log.ts";
import type { Watchers } from "../keys/live-keys.ts";
import { type Path, SYSTEM } from "../keys/path.ts";
import type { Deliverer } from "./channels.ts";
import { goneEvent, setEvent } from "./events.ts";
import { Subscriptions } from "./subscriptions.ts";

/** A subscriber that may still be catching up. */
export interface Follower {
  /** True if what happens to a key now comes to it later, with what it is catching up on. */
  isBehind(path: Path, tree: boolean): boolean;
}

/** Several watches as one. */
export class Watches implements Watchers {
  readonly #all: readonly Watchers[];

  constructor(...all: readonly Watchers[]) {
    this.#all = all;
  }

  get any(): boolean {
    return this.#all.some(({ any }) => any);
  }

  set(path: Path, text: string, version: number): void {
    for (const one of this.#all) if (one.any) one.set(path, text, version);
  }

  gone(path: Path, why: "del" | "expired", tree: boolean): void {
    for (const one of this.#all) if (one.any) one.gone(path, why, tree);
  }
}

/** Sends changes of keys to the clients that watch them. */
export class KeyWatch<S extends Follower> implements Watchers {
  readonly subscriptions = new Subscriptions<S>();
  readonly #delivery: Deliverer<S>;
  readonly #log: ChangeLog;

  /** @param log has counted each change before it is told here */
  constructor(delivery: Deliverer<S>, log: ChangeLog) {
    this.#delivery = delivery;
    this.#log = log;
  }

  get any(): boolean {
    return this.subscriptions.size > 0;
  }

  set(path: Path, text: string, version: number): void {
    // As in lists: all keys are those of clients.
    const watchers = upToDate(this.subscriptions.of(path, path[0] === SYSTEM), path, false);
    if (watchers.size === 0) return;
    this.#delivery.deliver(watchers, setEvent("set", path, text, version, this.#seqOf(path)));
  }

  gone(path: Path, why: "del" | "expired", tree: boolean): void {
    const all = tree ? this.subscriptions.within(path) : this.subscriptions.of(path);
    const watchers = upToDate(all, path, tree);
    if (watchers.size === 0) return;
    this.#delivery.deliver(watchers, goneEvent(why, path, tree, this.#seqOf(path)));
  }

  #seqOf([top]: Path): number | null {
    return top === SYSTEM ? null : this.#log.seq;
  }
}

function upToDate<S extends Follower>(
  watchers: ReadonlySet<S>,
  path: Path,
  tree: boolean,
): ReadonlySet<S> {
  for (const one of watchers) {
    if (!one.isBehind(path, tree)) continue;
    return new Set([...watchers].filter((other) => !other.isBehind(path, tree)));
  }
  return watchers;
}
