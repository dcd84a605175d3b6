import type { RelayClient } from "../client.ts";
import type { Engine, Order } from "./order.ts";

/** The order of a room with one engine: the order of arrival. */
export class Alone implements Order {
  readonly shared = false;
  readonly elsewhere = 0;
  readonly holding = false;
  #engine!: Engine;

  open(engine: Engine): void {
    this.#engine = engine;
  }

  append(sender: RelayClient, envelopes: string, lines: number): void {
    this.#engine.deliver(sender, envelopes, lines);
  }

  bar(): void {}

  lift(): void {}

  rested(): void {}

  drains(): void {}

  settled(): null {
    return null;
  }
}
