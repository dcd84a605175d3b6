/** What every kind of step needs. */
import { shown } from "../../diagnostics.ts";
import type { StepName, StepValues } from "../file/format.ts";
import type { Playthrough } from "./playthrough.ts";

/** Does a step. @returns what a function is given that asked for it @throws Failed */
export type Do<N extends StepName> = (play: Playthrough, values: StepValues<N>) => Promise<unknown>;

/** How long it may take, in milliseconds. */
export function time(play: Playthrough, within: number | null): number {
  return within ?? play.plan.withinMs;
}

/** Says what is not registered, and what is. */
export function unregistered(missing: readonly string[], there: readonly string[]): string {
  const others = there.length === 0 ? "nothing else is" : `there is ${shown(there.join(", "))}`;
  return `${shown(missing.join(", "))} was not registered (${others})`;
}
