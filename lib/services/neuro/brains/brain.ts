import type { Failure } from "../force.ts";
import type { Action, Priority } from "../protocol.ts";

/** What a brain is asked. */
export interface ForceRequest {
  readonly state: string | null;
  readonly query: string;
  /** State and query are to be forgotten afterwards. */
  readonly ephemeralContext: boolean;
  /** What may be chosen: never empty, and each with a schema that can be checked. */
  readonly actions: readonly Action[];
  readonly priority: Priority;
  /** Its choices of this force that came to nothing, the oldest first. */
  readonly failures: readonly Failure[];
  /** Aborts when the choice is not wanted any more. */
  readonly signal: AbortSignal;
}

/** What a brain chooses. */
export interface Choice {
  readonly name: string;
  /** An object, or JSON text that is sent as it stands; left out for an action without data. */
  readonly data?: object | string | undefined;
  /** Sent whether or not it fits: for faults on purpose. */
  readonly unchecked?: boolean;
  /** What is said aloud with it. */
  readonly say?: string;
}

/** What a brain may do with a game besides answering its forces. */
export interface Playing {
  readonly game: string;
  /** Number of the connection. */
  readonly client: number;
  readonly actions: readonly Action[];
  /**
   * Sends an action that nobody forced, and waits for its result.
   * @throws ActionRefused when it is not to be sent
   */
  submitAction(name: string, data?: object | string): Promise<ActionOutcome>;
}

export interface ActionOutcome {
  readonly success: boolean;
  readonly message: string;
}

/**
 * Who plays. One brain may play any number of games. What it throws, and what
 * it chooses that cannot be sent, is told to the games' developers; a promise
 * that never settles is given up after `choice_timeout_secs`.
 */
export interface Brain {
  readonly name: string;
  /** How many forces it can be asked at once; any number when not given. */
  readonly atOnce?: number;
  /** A person, who may take any time to choose. */
  readonly isPerson?: boolean;
  /**
   * Something has entered the context of a game.
   * @returns what is said aloud in reply, if anything; only where `replyIfNotBusy` is set
   */
  addContext?(
    game: string,
    message: string,
    replyIfNotBusy: boolean,
    playing: Playing,
  ): string | void | Promise<string | void>;
  chooseForceAction(game: string, force: ForceRequest, playing: Playing): Choice | Promise<Choice>;
  /** A game has come, its actions have changed, or it has gone. */
  gameChanged?(playing: Playing, what: "here" | "actions" | "gone"): void;
  /** The server stops. */
  stop?(): void | Promise<void>;
}

/** Why an action is not sent. */
export class ActionRefused extends Error {}
