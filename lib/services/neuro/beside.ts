import type { Address, Health } from "../../host/service.ts";

/** Something that runs beside the door of the games, and is stopped with it. */
export interface Beside {
  readonly addresses: readonly Address[];
  health(): Health;
  stats?(): Readonly<Record<string, number>>;
  /** The server stops, and has not disconnected its games yet. */
  stops?(): void;
  drain(deadlineMs: number): Promise<void>;
}

/** All of that, as one. */
export class Besides implements Beside {
  readonly #all: Beside[] = [];

  add(one: Beside): void {
    this.#all.push(one);
  }

  get addresses(): readonly Address[] {
    return this.#all.flatMap(({ addresses }) => addresses);
  }

  /** The first trouble. */
  health(): Health {
    const bad = this.#all.map((one) => one.health()).find(({ ok }) => !ok);
    return bad ?? { ok: true, reason: "listening" };
  }

  stats(): Readonly<Record<string, number>> {
    return Object.assign({}, ...this.#all.map((one) => one.stats?.() ?? {}));
  }

  stops(): void {
    for (const one of this.#all) one.stops?.();
  }

  async drain(deadlineMs: number): Promise<void> {
    await Promise.all(this.#all.map((one) => one.drain(deadlineMs)));
  }
}
