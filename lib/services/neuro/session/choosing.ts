import type { Clock } from "../../../host/clock.ts";
import { turn } from "../../../net/tcp/quiet.ts";
import { CannotChoose, type Choice, type ForceRequest } from "../brains/brain.ts";
import { type Diagnostic, diagnose, secondsOf, shown, thrownText } from "../diagnostics.ts";
import { type BadChoice, checkedChoice, type Chosen } from "./fit.ts";
import type { CancelReason, Force } from "./force.ts";
import type { Action } from "../protocol.ts";
import { lookAt } from "../schema/rules.ts";

/** Choices in a row that cannot be sent. */
const MOST_BAD_CHOICES = 5;
/** Parts of schemas that are read in one turn of the event loop. */
const MOST_PARTS = 2000;

/** Whom a choice is made for, and by whom. */
export interface Chooser {
  /** The name of whoever chooses, in diagnostics. */
  readonly brain: string;
  /** Milliseconds that a choice may take; 0 is for ever. */
  readonly limitMs: number;
  readonly clock: Clock;
  ask(request: ForceRequest): Choice | Promise<Choice>;
  /** An action that is registered at present. */
  actionOf(name: string): Action | null;
  tell(diagnostic: Diagnostic): void;
  chosen(chosen: Chosen): void;
  gaveUp(why: CancelReason): void;
}

/** One choice for a force, from the question to the first answer that can be sent. */
export class Choosing {
  readonly #force: Force;
  readonly #chooser: Chooser;
  readonly #abort = new AbortController();
  #cancelLimit = () => {};

  constructor(force: Force, chooser: Chooser) {
    this.#force = force;
    this.#chooser = chooser;
  }

  /** Asks. Nothing is thrown: `chosen` or `gaveUp` is called once, unless it is stopped. */
  async start(): Promise<void> {
    const { clock, limitMs, brain } = this.#chooser;
    const actions: Action[] = [];
    let read = 0;
    for (const name of this.#force.names) {
      read += this.#consider(name, actions);
      if (read <= MOST_PARTS) continue;
      // Many large schemas take long to read: others have their turn meanwhile.
      await turn();
      if (this.#abort.signal.aborted) return;
      read = 0;
    }
    if (actions.length === 0) {
      this.#giveUp("schemas");
      return;
    }
    if (limitMs > 0) {
      this.#cancelLimit = clock.after(limitMs, () => {
        const seconds = secondsOf(limitMs);
        this.#chooser.tell(diagnose("brain_late", { brain, seconds }));
        this.#giveUp("choice timeout");
      });
    }
    const chosen = await this.#chosen(actions);
    if (this.#abort.signal.aborted) return;
    this.#cancelLimit();
    if (chosen === null) this.#giveUp("brain");
    else this.#chooser.chosen(chosen);
  }

  /** The choice is not wanted any more. */
  stop(): void {
    this.#cancelLimit();
    this.#abort.abort();
  }

  #giveUp(why: CancelReason): void {
    this.stop();
    this.#chooser.gaveUp(why);
  }

  /** Adds an action to those that may be chosen, if it may. @returns how many parts of its schema were read */
  #consider(name: string, usable: Action[]): number {
    const action = this.#chooser.actionOf(name);
    if (action === null) return 0;
    const { trouble, remarks, parts } = lookAt(action);
    for (const one of trouble === null ? remarks : [trouble]) this.#chooser.tell(one);
    if (trouble === null) usable.push(action);
    return parts;
  }

  /** Asks until an answer can be sent; null when the brain fails, or after too many that cannot. */
  async #chosen(actions: readonly Action[]): Promise<Chosen | null> {
    const { brain, tell } = this.#chooser;
    const { signal } = this.#abort;
    const names = new Set(actions.map(({ name }) => name));
    const actionOf = (name: string) => (names.has(name) ? this.#chooser.actionOf(name) : null);
    for (let bad = 0; bad < MOST_BAD_CHOICES; bad++) {
      const [first, ...more] = [...names].flatMap((name) => actionOf(name) ?? []);
      if (first === undefined) return null;
      let chosen: Chosen | BadChoice;
      try {
        const answer = await this.#chooser.ask(this.#request([first, ...more]));
        if (signal.aborted) return null;
        chosen = await checkedChoice(answer, actionOf);
      } catch (error) {
        if (signal.aborted) return null;
        tell(cannotChoose(error) ?? diagnose("brain_failed", { brain, why: thrownText(error) }));
        return null;
      }
      if (signal.aborted) return null;
      if (!("problem" in chosen)) return chosen;
      const { name, data, problem } = chosen;
      tell(diagnose("bad_choice", { brain, action: shown(name), why: problem }));
      this.#force.failed({ name, data, message: problem });
    }
    tell(diagnose("choices_used", { count: MOST_BAD_CHOICES, brain }));
    return null;
  }

  #request(actions: ForceRequest["actions"]): ForceRequest {
    const { data, failures } = this.#force;
    const { state, query, ephemeral: ephemeralContext, priority } = data;
    const { signal } = this.#abort;
    return { state, query, ephemeralContext, actions, priority, failures: [...failures], signal };
  }
}

/** Why a brain says that none can be chosen; null for any other fault of it. What it throws may throw itself. */
function cannotChoose(error: unknown): Diagnostic | null {
  try {
    return error instanceof CannotChoose ? error.diagnostic : null;
  } catch {
    return null;
  }
}
