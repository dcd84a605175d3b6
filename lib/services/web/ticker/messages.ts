import type { SharedAnswer, SharedRequest } from "./shared.ts";
import type { Stage, TickerStatus } from "./ticker.ts";

/** What the main thread tells the Worker. `run` comes first and once. */
export type ToWorker =
  | { kind: "run"; href: string; name: string }
  /** Answered by a report at once, unless the Worker hangs. */
  | { kind: "ping" }
  | { kind: "stop" }
  | SharedAnswer;

/** How the Worker's ticker is. */
export interface Report {
  kind: "report";
  /** Which part of the user's code runs; null when none does. */
  stage: "load" | Stage | null;
  /** Null until the module has been loaded. */
  ticker: { status: TickerStatus; deadlineMs: number } | null;
}

/** What the Worker tells the main thread, each wrapped as `{ ofTicker: message }`. */
export type FromWorker =
  | Report
  | { kind: "log"; level: "info" | "warning" | "error"; message: string }
  /** An error in the user's code that the ticker goes on after. */
  | { kind: "bug"; context: string; stack: string }
  /** An error that it does not go on after: `reason` in one line, and the stack if there is one. */
  | { kind: "failed"; reason: string; stack: string | null }
  /** The ticks have ended and the stop hook has run. */
  | { kind: "stopped" }
  | SharedRequest;
