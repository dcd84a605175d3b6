import type { Clock } from "../../../host/clock.ts";
import type { Playing } from "../brains/brain.ts";
import { LONGEST_NAME } from "../protocol.ts";
import type { SessionEvent } from "../session/events.ts";
import type { Pending } from "../session/pending.ts";
import type { Watcher } from "../watch/stage.ts";
import { round } from "./forces.ts";
import { bounded, type Numbered } from "./shown.ts";
import type { ResultTold } from "./told.ts";

/** Results of a game that are remembered. */
const MOST_RESULTS = 20;
const LONGEST_DATA = 1000;
/** Who posts raw messages may choose any. */
const LONGEST_ID = 200;

/** What became of the actions of every game that is here. */
export class Results implements Watcher {
  readonly #clock: Clock;
  readonly #numbers: Numbered;
  /** By the number of the game, the newest last. */
  readonly #games = new Map<number, ResultTold[]>();

  constructor(clock: Clock, numbers: Numbered) {
    this.#clock = clock;
    this.#numbers = numbers;
  }

  game({ id }: Playing, isHere: boolean): void {
    if (isHere) this.#games.set(id, []);
    else this.#games.delete(id);
  }

  event({ id }: Playing, event: SessionEvent): void {
    if (event.kind !== "result") return;
    const results = this.#games.get(id);
    const { action, how, outcome } = event;
    const success = how === "answered" ? outcome.success : null;
    results?.push({ ...this.#told(action), state: how, success, message: cut(outcome.message) });
    if (results !== undefined && results.length > MOST_RESULTS) results.shift();
  }

  /** Those of a game, the newest first; those that wait come first. */
  of({ id, pending }: Playing): readonly ResultTold[] {
    const waiting = pending.map((one): ResultTold => {
      return { ...this.#told(one), state: "waiting", success: null, message: "" };
    });
    return [...waiting.toReversed(), ...(this.#games.get(id) ?? []).toReversed()];
  }

  #told(action: Pending): Omit<ResultTold, "state" | "success" | "message"> {
    const ms = this.#clock.now() - action.sentAt;
    return {
      key: this.#numbers.of(action),
      id: bounded(action.id, LONGEST_ID),
      at: round(this.#clock.wall() - ms),
      name: bounded(action.name, LONGEST_NAME),
      data: action.data === undefined ? null : cut(action.data),
      forced: action.force !== null,
      ms: round(ms),
    };
  }
}

function cut(text: string): string {
  return bounded(text, LONGEST_DATA);
}
