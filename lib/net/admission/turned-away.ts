import type { Clock } from "../../host/clock.ts";

/** Milliseconds that the log tells together: who comes again and again for minutes gets a line a minute. */
const TELL_MS = 60_000;

/** Takes the clients that were turned away for one reason since it was last told: the reason in the log's words, their number, and the last of them. */
export type TellTurnedAway = (reason: string, clients: number, last: string) => void;

/** Gathers those who are turned away: the first for a reason is told at once, further ones once a period. */
export class TurnedAway {
  readonly #clock: Pick<Clock, "after">;
  readonly #tell: TellTurnedAway;
  readonly #periodMs: number;
  /** For each reason that was told within the period: those who were turned away since. */
  readonly #since = new Map<string, { clients: number; last: string; cancel: () => void }>();
  #closed = false;

  constructor(clock: Pick<Clock, "after">, tell: TellTurnedAway, periodMs = TELL_MS) {
    this.#clock = clock;
    this.#tell = tell;
    this.#periodMs = periodMs;
  }

  /** @param reason one of a few, in the log's words */
  add(reason: string, clients: number, last: string): void {
    const since = this.#since.get(reason);
    if (since) {
      since.clients += clients;
      since.last = last;
    } else this.#begin(reason, clients, last);
  }

  /** Tells what has not been told yet. */
  close(): void {
    this.#closed = true;
    for (const [reason, { clients, last, cancel }] of this.#since) {
      cancel();
      if (clients > 0) this.#tell(reason, clients, last);
    }
    this.#since.clear();
  }

  #begin(reason: string, clients: number, last: string): void {
    this.#tell(reason, clients, last);
    if (this.#closed) return;
    const cancel = this.#clock.after(this.#periodMs, () => {
      const { clients, last } = this.#since.get(reason) as { clients: number; last: string };
      this.#since.delete(reason);
      if (clients > 0) this.#begin(reason, clients, last);
    });
    this.#since.set(reason, { clients: 0, last, cancel });
  }
}
