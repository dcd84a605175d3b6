import { type Code, CODES } from "../refusal.ts";
import type { Plan } from "./command.ts";
import { COMMANDS, PLANS } from "./commands.ts";

const NAMES = Object.keys(CODES) as readonly Code[];

/** The name of a code's number in `stats()`. */
export const errorsOf = (code: Code) => `errors_${code.toLowerCase()}`;

/** Counts requests. */
export class RequestCounts {
  all = 0;
  refused = 0;
  /** Requests that were answered without being parsed. */
  plainGets = 0;
  plainSets = 0;
  readonly #byCode = new Map<Code, number>(NAMES.map((code) => [code, 0]));
  readonly #byPlan = new Map<Plan, number>([...PLANS.values()].map((plan) => [plan, 0]));

  /** Counts a request for an action, besides in `all`. */
  count(plan: Plan): void {
    this.#byPlan.set(plan, (this.#byPlan.get(plan) as number) + 1);
  }

  /**
   * Counts an answer with an error. That there is no such key is an answer like
   * any other: who asks for what is not there does nothing wrong.
   * @returns true if the request was refused
   */
  countError(code: Code): boolean {
    this.#byCode.set(code, (this.#byCode.get(code) as number) + 1);
    if (code === "NOT_FOUND") return false;
    this.refused++;
    return true;
  }

  /** Answers with each code, by the name of their number in `stats()`. */
  byCode(): Record<string, number> {
    return Object.fromEntries(NAMES.map((code) => [errorsOf(code), this.#byCode.get(code) ?? 0]));
  }

  /** Requests for each action, by the name of their number in `stats()`. */
  byAction(): Record<string, number> {
    const plain: Record<string, number> = { GET: this.plainGets, SET: this.plainSets };
    const named = Object.keys(COMMANDS).map((action) => [
      `requests_${action.toLowerCase()}`,
      (this.#byPlan.get(PLANS.get(action) as Plan) ?? 0) + (plain[action] ?? 0),
    ]);
    return Object.fromEntries(named);
  }
}
