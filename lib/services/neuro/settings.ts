import type { Clock } from "../../host/clock.ts";
import type { ClientOptions } from "./session/client.ts";
import type { Character } from "./protocol.ts";
import type { ActionRoom } from "./session/registry.ts";
import type { Turns } from "./turns.ts";

export interface SessionSettings {
  readonly resultTimeoutMs: number;
  readonly forceRetries: number;
  /** Milliseconds that a brain may choose; 0 is for ever. */
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

export interface SessionOptions extends ClientOptions {
  readonly clock?: Clock;
  readonly settings?: () => SessionSettings;
  readonly turns?: Turns;
  /** The name of whoever chooses, in diagnostics. */
  readonly brain?: string;
  /** Shared by the games of one connection. */
  readonly room?: ActionRoom;
}

/** Settings of the whole server. */
export interface NeuroSettings extends SessionSettings {
  readonly character: Character;
  readonly acknowledges: boolean;
  readonly reregister: "auto" | "always" | "never";
  /** All games share one space of names of actions. */
  readonly sharesNames: boolean;
  /** Bytes that may wait for a game; while there are more, it is not read. */
  readonly outboxBytes: number;
  /** 0: nothing is spoken. */
  readonly wordsPerMinute: number;
  /** Send speech_finished. */
  readonly announces: boolean;
}
