import { firstOf } from "../../../host/content.ts";
import type { ForceData } from "../protocol.ts";

/**
 * The life of a force:
 *
 *             begin                send             success
 *     queued -------> choosing ----------> sent ----------------> succeeded
 *       |              |   ^                | |
 *       |              |   | failure, and   | | failure, and no retry
 *       |              |   | tries are left | | or no action is left
 *       |              |   +----------------+ +-----------------> failed
 *       |              |                    |
 *       |              |                    | no result in time
 *       |              |                    +-------------------> timed_out
 *       |              |                    |
 *       +--------------+--------------------+ another force came
 *       |              |                    +-------------------> replaced
 *       |              |                    |
 *       +--------------+--------------------+ its game has gone or begun anew, its
 *                                           | actions have gone, or no choice comes
 *                                           +-------------------> cancelled
 */
const ARROWS = {
  queued: ["choosing", "replaced", "cancelled"],
  choosing: ["sent", "replaced", "cancelled"],
  sent: ["choosing", "succeeded", "failed", "timed_out", "replaced", "cancelled"],
  succeeded: [],
  failed: [],
  timed_out: [],
  replaced: [],
  cancelled: [],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type ForceState = keyof typeof ARROWS;
/** How a force ends. */
export type ForceEnd = Exclude<ForceState, "queued" | "choosing" | "sent">;

/** Why a force is cancelled. */
export type CancelReason =
  | "disconnect"
  | "startup"
  | "unregistration"
  /** None of its actions has a schema that can be met. */
  | "schemas"
  | "brain"
  | "choice timeout"
  | "shutdown";

/** A choice that came to nothing: it could not be sent, or its result said failure. */
export interface Failure {
  readonly name: string;
  /** As it was sent or chosen, the beginning of what is long; undefined where there was none. */
  readonly data: string | undefined;
  readonly message: string;
}

/** Characters of each text that outlast what they came with: those of forces that have ended, and of failures. */
const LONGEST_KEPT = 16_384;

/** A step in the life of a force. */
export interface Step {
  readonly state: ForceState;
  /** Clock milliseconds. */
  readonly at: number;
}

/** One force of a game, from its message to its end. Whoever moves it tells it the time. */
export class Force {
  #data: ForceData;
  /** The names of its actions that were registered when it came. */
  readonly names: readonly string[];
  /** The choices that came to nothing, the oldest first. */
  readonly failures: Failure[] = [];
  /** How often it has been chosen for again after a failure. */
  retries = 0;
  /** The action that was sent last. */
  action: { readonly id: string; readonly name: string } | null = null;
  /** Why it was cancelled. */
  why: CancelReason | null = null;
  readonly #steps: Step[];

  constructor(data: ForceData, names: readonly string[], now: number) {
    this.#data = data;
    this.names = names;
    this.#steps = [{ state: "queued", at: now }];
  }

  /** What the game asked for; once the force has ended, the beginning of each text. */
  get data(): ForceData {
    return this.#data;
  }

  get state(): ForceState {
    return (this.#steps.at(-1) as Step).state;
  }

  /** Every step so far, the first one first. */
  get steps(): readonly Step[] {
    return this.#steps;
  }

  get hasEnded(): boolean {
    return ARROWS[this.state].length === 0;
  }

  /** It is its turn. */
  begin(now: number): void {
    if (this.state !== "queued") throw wrongMove(this.state, "choosing");
    this.#to("choosing", now);
  }

  sent(action: { readonly id: string; readonly name: string }, now: number): void {
    this.#to("sent", now);
    this.action = action;
  }

  /** A choice came to nothing. */
  failed({ name, data, message }: Failure): void {
    this.failures.push({
      name,
      data: data === undefined ? undefined : firstOf(data, LONGEST_KEPT),
      message: firstOf(message, LONGEST_KEPT),
    });
  }

  /** Its action has failed, and it is chosen for again. */
  retry(now: number): void {
    if (this.state !== "sent") throw wrongMove(this.state, "choosing");
    this.#to("choosing", now);
    this.retries++;
  }

  end(how: ForceEnd, now: number, why: CancelReason | null = null): void {
    this.#to(how, now);
    this.why = why;
    const { state, query } = this.#data;
    this.#data = {
      ...this.#data,
      names: this.names,
      state: state === null ? null : firstOf(state, LONGEST_KEPT),
      query: firstOf(query, LONGEST_KEPT),
    };
  }

  #to(state: ForceState, at: number): void {
    const next: readonly ForceState[] = ARROWS[this.state];
    if (!next.includes(state)) throw wrongMove(this.state, state);
    this.#steps.push({ state, at });
  }
}

function wrongMove(from: ForceState, to: ForceState): Error {
  return new Error(`a force that is ${from} cannot become ${to}`);
}
