import type { Clock } from "../../host/clock.ts";
import type { CloseReason } from "../client.ts";

/** Milliseconds that are told together: a flood of clients that are turned away gets no line each. */
const TELL_MS = 1000;

/** Takes the clients of a second that were turned away for one reason: their number, and the last of them. */
export type TellTurnedAway = (reason: CloseReason, clients: number, last: string) => void;

/** Gathers those who are turned away. */
export class TurnedAway {
  readonly #clock: Pick<Clock, "after">;
  readonly #tellOne: TellTurnedAway;
  readonly #untold = new Map<CloseReason, { clients: number; last: string }>();
  #cancel: (() => void) | null = null;

  constructor(clock: Pick<Clock, "after">, tell: TellTurnedAway) {
    this.#clock = clock;
    this.#tellOne = tell;
  }

  add(reason: CloseReason, clients: number, last: string): void {
    const before = this.#untold.get(reason)?.clients ?? 0;
    this.#untold.set(reason, { clients: before + clients, last });
    this.#cancel ??= this.#clock.after(TELL_MS, () => this.#tell());
  }

  /** Tells what has not been told yet. */
  close(): void {
    this.#cancel?.();
    this.#tell();
  }

  #tell(): void {
    this.#cancel = null;
    for (const [reason, { clients, last }] of this.#untold) this.#tellOne(reason, clients, last);
    this.#untold.clear();
  }
}
