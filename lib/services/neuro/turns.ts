import type { Force } from "./session/force.ts";
import { PRIORITIES } from "./protocol.ts";

/** Decides when a force has its turn. */
export interface Turns {
  /** `begin` is called once, when it is its turn: at once or later. */
  wait(force: Force, begin: () => void): void;
  /** The force has ended. */
  leave(force: Force): void;
}

/** Every force has its turn at once. */
export const AT_ONCE: Turns = { wait: (_force, begin) => begin(), leave: () => {} };

interface Waiting {
  readonly force: Force;
  readonly begin: () => void;
}

/** The forces of all games that one brain plays: the most urgent first, then as they came. */
export class Queue implements Turns {
  /** Forces that may have their turn at once. */
  readonly #atOnce: number;
  /** True while a force has to wait although a turn is free. */
  readonly #isBusy: (force: Force) => boolean;
  readonly #waiting = PRIORITIES.map((): Waiting[] => []);
  /** Those whose turn it is, until they have ended. */
  readonly #playing = new Set<Force>();
  #proceeds = false;

  /** @param isBusy asked of each force that waits; `proceed` has to be called when that may have changed */
  constructor(atOnce: number, isBusy: (force: Force) => boolean) {
    this.#atOnce = atOnce;
    this.#isBusy = isBusy;
  }

  wait(force: Force, begin: () => void): void {
    this.#listOf(force).push({ force, begin });
    this.proceed();
  }

  leave(force: Force): void {
    if (!this.#playing.delete(force)) {
      const list = this.#listOf(force);
      const at = list.findIndex((one) => one.force === force);
      if (at >= 0) list.splice(at, 1);
    }
    this.proceed();
  }

  /** Gives turns to those that can have one. */
  proceed(): void {
    // A force that begins may end at once, and so come here again.
    if (this.#proceeds) return;
    this.#proceeds = true;
    try {
      for (let next = this.#next(); next !== null; next = this.#next()) {
        this.#playing.add(next.force);
        next.begin();
      }
    } finally {
      this.#proceeds = false;
    }
  }

  #next(): Waiting | null {
    if (this.#playing.size >= this.#atOnce) return null;
    const list = this.#waiting.findLast((one) => one.length > 0);
    const first = list?.[0];
    if (list === undefined || first === undefined || this.#isBusy(first.force)) return null;
    return list.shift() ?? null;
  }

  #listOf({ data }: Force): Waiting[] {
    return this.#waiting[PRIORITIES.indexOf(data.priority)] as Waiting[];
  }
}

/** The queue of each brain. */
export class Queues<B extends { readonly atOnce?: number }> {
  readonly #queues = new Map<B, Queue>();
  readonly #isBusy: (force: Force) => boolean;

  constructor(isBusy: (force: Force) => boolean) {
    this.#isBusy = isBusy;
  }

  of(brain: B): Queue {
    let queue = this.#queues.get(brain);
    if (queue === undefined) {
      queue = new Queue(brain.atOnce ?? Infinity, this.#isBusy);
      this.#queues.set(brain, queue);
    }
    return queue;
  }

  /** Gives turns to those that can have one. */
  proceed(): void {
    for (const queue of this.#queues.values()) queue.proceed();
  }
}
