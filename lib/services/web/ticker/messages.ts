import type { SharedAnswer, SharedRequest } from "./shared.ts";
import type { Stage, TickerStatus } from "./ticker.ts";

/** A message from the main thread to the Worker. `run` comes first and once. */
export type ToWorker =
  | { kind: "run"; href: string; name: string }
  /** Answered by a report at once, unless the Worker hangs. */
  | { kind: "ping" }
  | { kind: "stop" }
  | SharedAnswer;

/** The state of the Worker's ticker. */
export interface Report {
  kind: "report";
  /** The part of the user's code that runs; null when none does. */
  stage: "load" | Stage | null;
  /** Null until the module has been loaded. */
  ticker: { status: TickerStatus; deadlineMs: number } | null;
}

/** A message from the Worker to the main thread, wrapped as `{ ofTicker: message }`. */
export type FromWorker =
  | Report
  | { kind: "log"; level: "info" | "warning" | "error"; message: string }
  /** An error in the user's code; the ticker goes on. */
  | { kind: "bug"; context: string; stack: string }
  /** An error that ends the ticker: `reason` in one line, and the stack if there is one. */
  | { kind: "failed"; reason: string; stack: string | null }
  /** The module has been loaded and holds no ticker, for this reason. */
  | { kind: "unfit"; reason: string }
  /** The ticks have ended and the stop hook has run. */
  | { kind: "stopped" }
  | SharedRequest;
