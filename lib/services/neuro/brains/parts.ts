import type { Config } from "../../../config/table.ts";
import type { Clock } from "../../../host/clock.ts";
import type { Log } from "../../../host/log.ts";
import type { Stage } from "../watch/stage.ts";

/** The parts that a brain is made from. */
export interface BrainParts {
  readonly clock: Clock;
  readonly log: Log;
  /** The settings in force. */
  settings(): Config["neuro"];
  /** All that plays; there from the first game on, not yet when a brain is made. */
  stage(): Stage;
}
