import type { Failure, Force } from "../session/force.ts";
import type { Pending } from "../session/pending.ts";
import type { Action, ActionOutcome, Priority } from "../protocol.ts";
import { type Diagnostic, thrownText } from "../diagnostics.ts";

/** A question to a brain: choose an action for a force. */
export interface ForceRequest {
  readonly state: string | null;
  readonly query: string;
  /** State and query are to be forgotten afterwards. */
  readonly ephemeralContext: boolean;
  /** The actions that may be chosen, each with a schema that can be checked. */
  readonly actions: readonly [Action, ...Action[]];
  readonly priority: Priority;
  /** Its choices of this force that came to nothing so far, the oldest first. */
  readonly failures: readonly Failure[];
  /** Aborts when the choice is not wanted any more. */
  readonly signal: AbortSignal;
}

/** The choice of a brain. */
export interface Choice {
  readonly name: string;
  /** An object, or JSON text that is sent as it stands; left out for an action without data. */
  readonly data?: object | string | undefined;
  /** Sent whether or not it fits: for faults on purpose. */
  readonly unchecked?: boolean;
  /** The words that are said aloud with it. */
  readonly say?: string;
}

/** A game that is here, as a brain and an operator may deal with it. */
export interface Playing {
  /** Unique over all games of the server's life. */
  readonly id: number;
  /** The game's name. */
  readonly name: string;
  /** Number and address of its connection. */
  readonly clientId: number;
  readonly address: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly brain: Brain;
  readonly actions: readonly Action[];
  readonly actionNames: readonly string[];
  readonly force: Force | null;
  /** The actions that are unanswered. */
  readonly pending: readonly Pending[];
  /** The number of forces it has sent that were taken. */
  readonly forces: number;
  /** The forces that have ended, the newest last. */
  readonly ended: readonly Force[];
  /**
   * Sends an action that nobody forced, checked against its schema, and waits for its result.
   * @param sent is told its id once it has been sent
   * @throws ActionRefused when it is not to be sent
   */
  submitAction(
    name: string,
    data?: object | string,
    sent?: (id: string) => void,
  ): Promise<ActionOutcome>;
  /**
   * Sends an action as it stands. It becomes pending, and is not tried again.
   * @param data JSON text @param id a new one when not given @returns the id
   * @throws ActionRefused when too many are unanswered, or one of this id is
   */
  sendAction(name: string, data?: string, id?: string): string;
  /** Says something aloud to it. @returns false where nothing is spoken, or something else is */
  say(text: string): boolean;
  /** Any frame: what is sent so is on the conscience of whoever does. */
  sendFrame(frame: string): void;
  sendReregisterAll(): void;
  sendShutdownGraceful(wantsShutdown: boolean): void;
  sendShutdownImmediate(): void;
  /** Tells its developer something. */
  tell(diagnostic: Diagnostic): void;
  /** Ends its connection; abruptly, it gets no close frame. */
  disconnect(abruptly?: boolean): void;
}

/**
 * Who plays. One brain may play any number of games. What it throws, and what
 * it chooses that cannot be sent, is told to the games' developers; a promise
 * that never settles is given up after `choice_timeout_secs`.
 */
export interface Brain {
  readonly name: string;
  /** The number of forces it can be asked at once; any number when not given. */
  readonly atOnce?: number;
  /** A person, who may take any time to choose. */
  readonly isPerson?: boolean;
  /** It may take any time although it is no person: it has limits of its own. */
  readonly isPatient?: boolean;
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
  /** It shows what happens in the games that it plays on standard output: the log need not. */
  readonly showsGames?: boolean;
  /** Games can connect now. @param url where they do */
  start?(url: string): void;
  /** The reason why it cannot play at present, for the health of the service; null while it can. */
  readonly trouble?: string | null;
  /** The server stops. */
  stop?(): void | Promise<void>;
}

/** An action is not sent; the message is the reason. */
export class ActionRefused extends Error {}

/** A brain cannot choose, and that lies with the game; the message is the reason. */
export class CannotChoose extends Error {
  readonly diagnostic: Diagnostic;

  constructor(diagnostic: Diagnostic) {
    super(diagnostic.text);
    this.diagnostic = diagnostic;
  }
}

/** The reason why a brain cannot play at present, or null. */
export function troubleOf(brain: Brain): string | null {
  try {
    return brain.trouble ?? null;
  } catch (error) {
    return thrownText(error);
  }
}
