import type { Clock } from "../../host/clock.ts";
import type { Turns } from "./turns.ts";

export interface SessionSettings {
  readonly resultTimeoutMs: number;
  readonly forceRetries: number;
  /** How long a brain may choose; 0 is for ever. */
  readonly choiceTimeoutMs: number;
  readonly strict: boolean;
  readonly keepsFirst: boolean;
  readonly mostActions: number;
}

export const SESSION_SETTINGS: SessionSettings = {
  resultTimeoutMs: 20_000,
  forceRetries: 5,
  choiceTimeoutMs: 120_000,
  strict: false,
  keepsFirst: false,
  mostActions: 1000,
};

export interface SessionOptions {
  readonly game?: string | null;
  readonly nextId?: () => string;
  readonly clock?: Clock;
  readonly settings?: () => SessionSettings;
  readonly turns?: Turns;
  /** What diagnostics call whoever chooses. */
  readonly brain?: string;
}
