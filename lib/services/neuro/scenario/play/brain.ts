import type { Clock } from "../../../../host/clock.ts";
import type { Brain, Choice, ForceRequest, Playing } from "../../brains/brain.ts";
import type { Force } from "../../session/force.ts";
import { Transcript } from "./transcript.ts";

/** A force that waits for an answer. */
export interface Asked {
  readonly request: ForceRequest;
  readonly force: Force | null;
  answer(choice: Choice): void;
  /** Ends the force. */
  refuse(why: Error): void;
}

/** Chooses nothing by itself: a scenario answers what it is asked. */
export class ScenarioBrain implements Brain {
  readonly name = "scenario";
  readonly isPatient = true;
  readonly transcript: Transcript;
  /** The games that are here, in the order of their coming. */
  readonly #here = new Set<Playing>();
  readonly #asked = new Map<Playing, Asked>();
  /** The highest id that a game has had. */
  lastGame = 0;

  constructor(clock: Clock) {
    this.transcript = new Transcript(clock);
  }

  get games(): Iterable<Playing> {
    return this.#here;
  }

  /** What a game waits for, if it does. */
  askedBy(playing: Playing): Asked | null {
    return this.#asked.get(playing) ?? null;
  }

  /** Ends all forces that wait. */
  refuse(why: string): void {
    for (const asked of this.#asked.values()) asked.refuse(new Error(why));
    this.#asked.clear();
  }

  gameChanged(playing: Playing, what: "here" | "actions" | "gone"): void {
    if (what === "here") {
      this.#here.add(playing);
      this.lastGame = Math.max(this.lastGame, playing.id);
    }
    if (what === "gone") {
      this.#here.delete(playing);
      this.#asked.delete(playing);
    }
    if (what === "actions") this.transcript.changed();
    else this.transcript.note(playing, { kind: what });
  }

  chooseForceAction(_game: string, request: ForceRequest, playing: Playing): Promise<Choice> {
    return new Promise((answer, refuse) => {
      const asked = { request, force: playing.force, answer, refuse };
      this.#asked.set(playing, asked);
      // What is not wanted any more is never answered: nobody waits for it.
      request.signal.addEventListener("abort", () => {
        if (this.#asked.get(playing) === asked) this.#asked.delete(playing);
      });
      this.transcript.changed();
    });
  }
}
