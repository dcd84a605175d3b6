import type { SessionEvent } from "../session/events.ts";
import type { CancelReason, Force, ForceState } from "../session/force.ts";
import type { PendingEnd } from "../session/pending.ts";
import type { Priority } from "../protocol.ts";

/** A moment in the life of a game's forces and actions, as plain data. */
export type Moment =
  | {
      readonly kind: "force";
      /** Counts the forces of one timeline. */
      readonly force: number;
      readonly state: ForceState;
      /** Milliseconds since the force came. */
      readonly after: number;
      readonly retries: number;
      readonly priority: Priority;
      readonly names: readonly string[];
      /** Why it was cancelled. */
      readonly why?: CancelReason;
    }
  | {
      readonly kind: "action";
      readonly id: string;
      readonly name: string;
      /** The force that it was chosen for; null for an action that no force asked for. */
      readonly force: number | null;
      /** Milliseconds since that force came; null without one. */
      readonly after: number | null;
    }
  | {
      readonly kind: "result";
      readonly id: string;
      readonly name: string;
      readonly force: number | null;
      readonly how: PendingEnd;
      readonly success: boolean;
      readonly message: string;
      /** Milliseconds since the action was sent. */
      readonly after: number;
    }
  | { readonly kind: "said"; readonly text: string }
  | {
      readonly kind: "diagnostic";
      readonly code: string;
      readonly severity: string;
      readonly text: string;
    };

/** Makes moments of what happens in sessions. */
export class Timeline {
  readonly #numbers = new WeakMap<Force, number>();
  #last = 0;

  /** @param now clock milliseconds @returns null for what is no moment */
  momentOf(event: SessionEvent, now: number): Moment | null {
    switch (event.kind) {
      case "force":
        return this.#ofForce(event.force, event.state);
      case "action": {
        const { id, name, force, sentAt } = event.action;
        const after = force === null ? null : rounded(sentAt - startOf(force));
        return { kind: "action", id, name, force: this.#numberOf(force), after };
      }
      case "result": {
        const { action, how, outcome } = event;
        const { id, name, sentAt } = action;
        const force = this.#numberOf(action.force);
        return { kind: "result", id, name, force, how, ...outcome, after: rounded(now - sentAt) };
      }
      case "said":
        return event;
      case "diagnostic": {
        const { code, severity, text } = event.diagnostic;
        return { kind: "diagnostic", code, severity, text };
      }
      default:
        return null;
    }
  }

  #ofForce(force: Force, state: ForceState): Moment {
    const { steps, retries, names, data, why } = force;
    const at = steps.at(-1)?.at ?? 0;
    return {
      kind: "force",
      force: this.#numberOf(force) as number,
      state,
      after: rounded(at - startOf(force)),
      retries,
      priority: data.priority,
      names,
      ...(why && { why }),
    };
  }

  #numberOf(force: Force | null): number | null {
    if (force === null) return null;
    let number = this.#numbers.get(force);
    if (number === undefined) {
      number = ++this.#last;
      this.#numbers.set(force, number);
    }
    return number;
  }
}

function startOf({ steps }: Force): number {
  return steps[0]?.at ?? 0;
}

/** Milliseconds with one digit after the point. */
export function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
