import type { PastStep } from "../../host/service.ts";

/** Steps that are kept of one client: five minutes of looks. */
export const STEPS_KEPT = 60;
/** Clients of a service whose past is kept. One takes 1.2 kB. */
export const PASTS_KEPT = 256;

/** How a client has fared in the last minutes. */
class Past {
  readonly #at = new Float64Array(STEPS_KEPT);
  readonly #messages = new Float32Array(STEPS_KEPT);
  readonly #refused = new Float32Array(STEPS_KEPT);
  readonly #waiting = new Float32Array(STEPS_KEPT);
  #next = 0;
  #length = 0;
  /** Steps in a row in which it did nothing. */
  quiet = 0;
  /** True if in the last step messages of it were refused, or bytes waited for it. */
  isTroubled = false;
  /** The time until which somebody counts as looking at it; clock milliseconds. */
  watchedUntil = -Infinity;

  add({ at, messagesPerSecond, refusedPerSecond, outboxBytes }: PastStep): void {
    this.#at[this.#next] = at;
    this.#messages[this.#next] = messagesPerSecond;
    this.#refused[this.#next] = refusedPerSecond;
    this.#waiting[this.#next] = outboxBytes;
    this.#next = (this.#next + 1) % STEPS_KEPT;
    this.#length = Math.min(STEPS_KEPT, this.#length + 1);
    this.isTroubled = refusedPerSecond > 0 || outboxBytes > 0;
    this.quiet = this.isTroubled || messagesPerSecond > 0 ? 0 : this.quiet + 1;
  }

  steps(): PastStep[] {
    return Array.from({ length: this.#length }, (_, i) => {
      const at = (this.#next - this.#length + i + STEPS_KEPT) % STEPS_KEPT;
      return {
        at: this.#at[at] as number,
        messagesPerSecond: rounded(this.#messages[at] as number),
        refusedPerSecond: rounded(this.#refused[at] as number),
        outboxBytes: this.#waiting[at] as number,
      };
    });
  }
}

const rounded = (rate: number) => Math.round(100 * rate) / 100;

/**
 * The past of those clients that do something, and of those that an operator
 * looks at: of a bounded number. Where there are more, those with messages
 * refused or with bytes waiting come before the others.
 */
export class Pasts {
  readonly #of = new Map<number, Past>();
  /** Those that give way to a client in trouble, found at the beginning of a look. */
  #dull: number[] = [];

  has(id: number): boolean {
    return this.#of.has(id);
  }

  /** Begins a look at all clients, at `now` (clock milliseconds). */
  begin(now: number): void {
    this.#dull = [];
    for (const [id, past] of this.#of) {
      if (past.watchedUntil > now) continue;
      if (past.quiet >= STEPS_KEPT) this.#of.delete(id);
      else if (!past.isTroubled) this.#dull.push(id);
    }
  }

  /** Notes how a client has fared since the last look. */
  look(id: number, step: PastStep): void {
    let past = this.#of.get(id);
    if (past === undefined) {
      const isTroubled = step.refusedPerSecond > 0 || step.outboxBytes > 0;
      if (this.#of.size >= PASTS_KEPT) {
        const victim = isTroubled ? this.#dull.pop() : undefined;
        if (victim === undefined) return;
        this.#of.delete(victim);
      }
      past = new Past();
      this.#of.set(id, past);
    }
    past.add(step);
  }

  /** The past of a client, the oldest step first. From now on it is kept, until `until` (clock milliseconds). */
  watch(id: number, until: number): readonly PastStep[] {
    let past = this.#of.get(id);
    if (past === undefined) {
      if (this.#of.size >= PASTS_KEPT) this.#makeRoom();
      past = new Past();
      this.#of.set(id, past);
    }
    past.watchedUntil = until;
    return past.steps();
  }

  forget(id: number): void {
    this.#of.delete(id);
  }

  #makeRoom(): void {
    let least: number | undefined;
    let watchedUntil = Infinity;
    for (const [id, past] of this.#of) {
      if (past.watchedUntil >= watchedUntil) continue;
      least = id;
      watchedUntil = past.watchedUntil;
    }
    if (least !== undefined) this.#of.delete(least);
  }
}
