/** Forces, as the page gets them. */
import type { Clock } from "../../../host/clock.ts";
import { LONGEST_NAME } from "../protocol.ts";
import type { Force, ForceState } from "../session/force.ts";
import { bounded, type Numbered, roomFor } from "./shown.ts";
import type { EndedTold, ForceTold, StepTold } from "./told.ts";

const LONGEST_QUERY = 4000;
const LONGEST_STATE = 60_000;
const LONGEST_MESSAGE = 1000;
const MOST_FAILURES = 10;
/** Of a force with more steps than these the time in each state is told, all tries together. */
const MOST_STEPS = 60;

/** What a person names to answer a force: each try has another. */
export function keyOf(force: Force, numbers: Numbered): string {
  return `${numbers.of(force)}-${force.retries + 1}`;
}

/** The force in play. @param left the names among its own that are registered */
export function forceTold(
  force: Force,
  left: readonly string[],
  mostRetries: number,
  numbers: Numbered,
  clock: Pick<Clock, "now">,
): ForceTold {
  const { query, state, priority, ephemeral } = force.data;
  const names = roomFor(left);
  const now = clock.now();
  return {
    key: keyOf(force, numbers),
    age_ms: round(now - cameAt(force)),
    query: bounded(query, LONGEST_QUERY),
    state: state === null ? null : state.slice(0, LONGEST_STATE).toWellFormed(),
    state_cut: (state?.length ?? 0) > LONGEST_STATE,
    names,
    more: left.length - names.length,
    priority,
    ephemeral,
    failures: force.failures.slice(-MOST_FAILURES).map(({ name, message }) => ({
      name: bounded(name, LONGEST_NAME),
      message: bounded(message, LONGEST_MESSAGE),
    })),
    tries: force.retries + 1,
    most_tries: mostRetries + 1,
    steps: stepsTold(force, now),
    action: actionOf(force),
  };
}

/** A force that has ended. */
export function endedTold(force: Force, numbers: Numbered, clock: Clock): EndedTold {
  const now = clock.now();
  return {
    key: String(numbers.of(force)),
    at: round(clock.wall() - (now - cameAt(force))),
    name: actionOf(force),
    steps: stepsTold(force, now),
    end: force.state,
    why: force.why,
    tries: force.retries + 1,
  };
}

/** The action that was sent last; a brain that tries faults may choose any name. */
function actionOf({ action }: Force): string | null {
  return action === null ? null : bounded(action.name, LONGEST_NAME);
}

function cameAt({ steps }: Force): number {
  return steps[0]?.at ?? 0;
}

const LIVE = ["queued", "choosing", "sent"] as const satisfies readonly ForceState[];

/** How long it was in each state, up to now for the present one. */
function stepsTold({ steps }: Force, now: number): StepTold[] {
  const told = steps.flatMap(({ state, at }, i): StepTold[] => {
    const live = LIVE.find((one) => one === state);
    return live === undefined ? [] : [[live, round((steps[i + 1]?.at ?? now) - at)]];
  });
  if (told.length <= MOST_STEPS) return told;
  const sum = (state: string) =>
    round(told.reduce((all, [one, ms]) => (one === state ? all + ms : all), 0));
  return LIVE.map((state): StepTold => [state, sum(state)]);
}

/** Milliseconds with a digit. */
export function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
