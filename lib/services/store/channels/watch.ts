import type { Deliver } from "./channels.ts";
import type { Watchers } from "../keys/live-keys.ts";
import { type Path, textOf } from "../keys/path.ts";
import { Subscriptions } from "./subscriptions.ts";

/** Tells those who watch keys what becomes of them. */
export class KeyWatch<S> implements Watchers {
  readonly subscriptions = new Subscriptions<S>();
  readonly #deliver: Deliver<S>;

  constructor(deliver: Deliver<S>) {
    this.#deliver = deliver;
  }

  get any(): boolean {
    return this.subscriptions.size > 0;
  }

  set(path: Path, text: string, version: number): void {
    const watchers = this.subscriptions.of(path);
    if (watchers.size === 0) return;
    const key = JSON.stringify(textOf(path));
    this.#deliver(watchers, `{"event":"set","key":${key},"version":${version},"value":${text}}\n`);
  }

  gone(path: Path, why: "del" | "expired", tree: boolean): void {
    const watchers = tree ? this.subscriptions.within(path) : this.subscriptions.of(path);
    if (watchers.size === 0) return;
    const event = { event: why, key: textOf(path), ...(tree ? { tree } : {}) };
    this.#deliver(watchers, `${JSON.stringify(event)}\n`);
  }
}
