/**
 * What the views of the panel answer with, as plain JSON. Each part of it has a
 * bound, whatever a game has sent; a text that is cut ends with how much more
 * there is, or has a `cut` beside it. The page makes texts safe to show. Times
 * are milliseconds since 1970, durations milliseconds.
 */
import type { Field } from "../schema/fields.ts";

/** `games`: a page of the games that are here, the oldest first. */
export interface GamesTold {
  readonly games: readonly GameRow[];
  /** Those whose name contains the text of the query. */
  readonly total: number;
  /** All of them. */
  readonly here: number;
  readonly offset: number;
  /** Where games connect to. */
  readonly address: string;
}

/** A game, and who plays it. */
export interface GameFacts {
  readonly id: number;
  readonly name: string;
  /** The name of its brain. */
  readonly brain: string;
  readonly is_person: boolean;
  /** The reason why its brain cannot play at present, or null. */
  readonly trouble: string | null;
}

/** A game in the list of all. */
export interface GameRow extends GameFacts {
  /** The number of its registered actions. */
  readonly actions: number;
  /** The state of the force in play, or null. */
  readonly force: string | null;
  /** The number of errors that its developer was told of. */
  readonly errors: number;
}

/** `game`: all about one game. */
export interface GameTold {
  readonly game: GameFacts & {
    /** Number and address of its connection. */
    readonly client: number;
    readonly address: string;
    readonly age_ms: number;
  };
  /** What is said aloud with a choice is spoken. */
  readonly speaks: boolean;
  readonly force: ForceTold | null;
  /** Forces that have ended, the newest first. */
  readonly ended: readonly EndedTold[];
  /** The names of its actions: those that are asked for, then the others in the order of their registration. */
  readonly actions: readonly { readonly name: string; readonly forced: boolean }[];
  /** Names that are left out. */
  readonly more_actions: number;
  /** The action that the query names; without one, or when it is not registered, the first. */
  readonly action: ActionTold | null;
  /** What became of actions, the newest first; those that wait for their result come first. */
  readonly results: readonly ResultTold[];
  readonly context: ContextTold;
  /** What its developer is told, the newest first. */
  readonly diagnostics: readonly ReportTold[];
}

export interface ActionTold {
  readonly name: string;
  readonly description: string;
  /** Its schema as JSON text; null for an action without data. */
  readonly schema: string | null;
  /** The form of its data; a field of kind json where there is no better one, null for an action without data. */
  readonly form: Field | null;
  /** The reason why it cannot be sent, in a sentence; null when it can. */
  readonly trouble: string | null;
}

/** A state in the life of a force, and how long it was, or is, in it. */
export type StepTold = readonly [state: "queued" | "choosing" | "sent", ms: number];

/** The force in play. */
export interface ForceTold {
  /** What `choose` is given; another one at each try. */
  readonly key: string;
  readonly age_ms: number;
  readonly query: string;
  /** Often Markdown or JSON; null for none. */
  readonly state: string | null;
  readonly state_cut: boolean;
  /** What may be chosen. */
  readonly names: readonly string[];
  /** Names that are left out. */
  readonly more: number;
  readonly priority: string;
  /** Its state and query are forgotten once it has ended. */
  readonly ephemeral: boolean;
  /** Choices that came to nothing, the oldest first; of many the last ones. */
  readonly failures: readonly { readonly name: string; readonly message: string }[];
  /** The present one counts. */
  readonly tries: number;
  readonly most_tries: number;
  readonly steps: readonly StepTold[];
  /** The action that was sent last, or null. */
  readonly action: string | null;
}

/** A force that has ended. */
export interface EndedTold {
  readonly key: string;
  /** When it came. */
  readonly at: number;
  /** The action that was sent last, or null. */
  readonly name: string | null;
  readonly steps: readonly StepTold[];
  /** succeeded, failed, timed_out, replaced, cancelled */
  readonly end: string;
  /** Why it was cancelled, or null. */
  readonly why: string | null;
  readonly tries: number;
}

export interface ResultTold {
  readonly key: number;
  /** The action's own, as it was sent. */
  readonly id: string;
  /** When the action was sent. */
  readonly at: number;
  readonly name: string;
  /** JSON text; null for none. */
  readonly data: string | null;
  /** It was chosen for a force. */
  readonly forced: boolean;
  /** waiting, answered, timed out, startup (the game began anew), disconnect */
  readonly state: string;
  /** What the game says; null where it said nothing. */
  readonly success: boolean | null;
  readonly message: string;
  /** From the action to its result, or until now. */
  readonly ms: number;
}

/** What the brain would read now, the oldest first. */
export interface ContextTold {
  /** All that is kept, roughly: a token for each four characters. */
  readonly tokens: number;
  /** Entries before the first one here. */
  readonly more: number;
  readonly entries: readonly EntryTold[];
}

export interface EntryTold {
  readonly key: number;
  readonly at: number;
  /** context: the game said it; result: what it said of an action; force: what it asked. */
  readonly kind: string;
  readonly text: string;
  /** Characters that are left out. */
  readonly cut: number;
  /** Nobody is to react to it. */
  readonly silent: boolean;
  /** A result that says failure. */
  readonly failed: boolean;
}

export interface ReportTold {
  readonly code: string;
  readonly severity: string;
  readonly text: string;
  readonly cure: string;
  readonly times: number;
  readonly first_at: number;
  readonly last_at: number;
}
