import type { Plan } from "./command.ts";
import { COMMANDS, PLANS } from "./commands.ts";

/** Counts requests. */
export class RequestCounts {
  all = 0;
  refused = 0;
  /** Requests that were answered without being parsed. */
  plainGets = 0;
  plainSets = 0;
  readonly #byPlan = new Map<Plan, number>([...PLANS.values()].map((plan) => [plan, 0]));

  /** Counts a request for an action, besides in `all`. */
  count(plan: Plan): void {
    this.#byPlan.set(plan, (this.#byPlan.get(plan) as number) + 1);
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
