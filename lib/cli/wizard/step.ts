import type { Back } from "./ask.ts";
import type { Draft } from "./draft.ts";

/** One question, or a few that belong together. */
export interface Step {
  /** True if it applies to this draft; if not given, it always does. */
  applies?(draft: Draft): boolean;
  /** @param keep stores a draft that stays even if the person goes back from this step */
  ask(draft: Draft, keep: (draft: Draft) => void): Promise<Draft | Back>;
}
