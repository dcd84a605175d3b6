import type { Watchers } from "../keys/live-keys.ts";
import { type Path, SYSTEM, textOf } from "../keys/path.ts";
import type { Deliverer } from "./channels.ts";
import { Subscriptions } from "./subscriptions.ts";

/** Sends changes of keys to the clients that watch them. */
export class KeyWatch<S> implements Watchers {
  readonly subscriptions = new Subscriptions<S>();
  readonly #delivery: Deliverer<S>;

  constructor(delivery: Deliverer<S>) {
    this.#delivery = delivery;
  }

  get any(): boolean {
    return this.subscriptions.size > 0;
  }

  set(path: Path, text: string, version: number): void {
    // As in lists: all keys are those of clients.
    const watchers = this.subscriptions.of(path, path[0] === SYSTEM);
    if (watchers.size === 0) return;
    const key = JSON.stringify(textOf(path));
    this.#delivery.deliver(
      watchers,
      `{"event":"set","key":${key},"version":${version},"value":${text}}\n`,
    );
  }

  gone(path: Path, why: "del" | "expired", tree: boolean): void {
    const watchers = tree ? this.subscriptions.within(path) : this.subscriptions.of(path);
    if (watchers.size === 0) return;
    const event = { event: why, key: textOf(path), ...(tree ? { tree } : {}) };
    this.#delivery.deliver(watchers, `${JSON.stringify(event)}\n`);
  }
}
