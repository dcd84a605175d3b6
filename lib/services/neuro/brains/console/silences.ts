import type { Clock } from "../../../../host/clock.ts";
import type { Playing } from "../brain.ts";
import { few } from "./shown.ts";

/** So long nothing happens in a game before the person is told that it waits. */
const SILENT_MS = 8000;

/** The games that are here, and how long nothing has happened in each. */
export class Silences {
  readonly #clock: Pick<Clock, "now">;
  /** When something last happened; clock milliseconds. */
  readonly #lastAt = new Map<Playing, number>();
  /** Those of whose silence the person knows. */
  readonly #told = new Set<Playing>();

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  get games(): readonly Playing[] {
    return [...this.#lastAt.keys()];
  }

  heard(playing: Playing): void {
    this.#lastAt.set(playing, this.#clock.now());
    this.#told.delete(playing);
  }

  gone(playing: Playing): void {
    this.#lastAt.delete(playing);
    this.#told.delete(playing);
  }

  /** The person waits on: every silence begins anew. */
  goOn(): void {
    for (const playing of this.#lastAt.keys()) this.heard(playing);
  }

  /** The games whose silence is to be told now. */
  untold(): readonly Playing[] {
    const latest = this.#clock.now() - SILENT_MS;
    const silent = [...this.#lastAt].flatMap(([playing, at]) => {
      const isWaited = at <= latest && playing.pending.length === 0;
      return isWaited && !this.#told.has(playing) ? [playing] : [];
    });
    for (const playing of silent) this.#told.add(playing);
    return silent;
  }
}

/** What is told of a silent game. */
export function silenceText({ id, actionNames }: Playing): string {
  const what =
    actionNames.length === 0
      ? "It has no actions yet."
      : `You may act unasked: send ${id} ACTION, with one of ${few(actionNames)}.`;
  return `has been silent for ${SILENT_MS / 1000} s. ${what} Enter goes on.`;
}
