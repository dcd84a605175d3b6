import type { Clock } from "../../../host/clock.ts";
import type { ActionOutcome } from "../protocol.ts";
import { type Diagnostic, diagnose, quoted, secondsOf, shown } from "../diagnostics.ts";
import type { Force } from "./force.ts";

/** An action that has been sent and not been answered. */
export interface Pending {
  readonly id: string;
  readonly name: string;
  readonly data: string | undefined;
  /** Clock milliseconds. */
  readonly sentAt: number;
  /** The force that it was chosen for. */
  readonly force: Force | null;
  /** Called once, when it has been answered or will not be. */
  settle(outcome: ActionOutcome): void;
}

/** Why an action is pending no more. */
export type PendingEnd = "answered" | "timed out" | "startup" | "disconnect";

/** An action that is pending no more. */
interface Ended {
  readonly name: string;
  readonly sentAt: number;
  readonly how: PendingEnd;
}

/** So many of those that have ended are known, to tell what a late result belongs to. */
const MOST_ENDED = 100;

/** The unanswered actions of one game: one at most, but for those that are sent without being asked for. */
export class Pendings {
  readonly #clock: Clock;
  readonly #open = new Map<string, { readonly pending: Pending; readonly cancel: () => void }>();
  readonly #ended = new Map<string, Ended>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#open.size;
  }

  get all(): readonly Pending[] {
    return [...this.#open.values()].map(({ pending }) => pending);
  }

  has(id: string): boolean {
    return this.#open.has(id);
  }

  /** Waits for the result of an action; `late` is called when there has been none in time. */
  add(pending: Pending, timeoutMs: number, late: (pending: Pending) => void): void {
    const cancel = this.#clock.after(timeoutMs, () => {
      this.take(pending.id, "timed out");
      late(pending);
    });
    this.#open.set(pending.id, { pending, cancel });
  }

  /** Ends an action; null when it is not pending. */
  take(id: string, how: PendingEnd): Pending | null {
    const found = this.#open.get(id);
    if (found === undefined) return null;
    const { pending, cancel } = found;
    cancel();
    this.#open.delete(id);
    this.#ended.set(id, { name: pending.name, sentAt: pending.sentAt, how });
    if (this.#ended.size > MOST_ENDED) {
      const [oldest] = this.#ended.keys();
      this.#ended.delete(oldest as string);
    }
    return pending;
  }

  /** Ends all of them. */
  takeAll(how: PendingEnd): readonly Pending[] {
    return [...this.#open.keys()].map((id) => this.take(id, how) as Pending);
  }

  /**
   * What is told of a result that belongs to nothing that is pending.
   * @param other the name of another game that an action of this id was sent to, or null
   */
  stray(id: string, other: string | null): Diagnostic {
    const ended = this.#ended.get(id);
    if (ended === undefined) {
      const what = { id: quoted(id) };
      return other === null
        ? diagnose("unknown_result", what)
        : diagnose("others_result", { ...what, other: shown(other) });
    }
    const action = shown(ended.name);
    if (ended.how === "answered") return diagnose("second_result", { action });
    if (ended.how === "startup") return diagnose("moot_result", { action });
    return diagnose("late_result", {
      action,
      seconds: secondsOf(this.#clock.now() - ended.sentAt),
    });
  }
}
