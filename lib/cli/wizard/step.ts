import type { Back } from "./ask.ts";
import type { Draft } from "./draft.ts";

/** One question, or a few that belong together. */
export interface Step {
  /** Whether it is to be asked; always, when not given. */
  applies?(draft: Draft): boolean;
  /** @param keep takes what is to be kept of a step that a person goes back from */
  ask(draft: Draft, keep: (draft: Draft) => void): Promise<Draft | Back>;
}
