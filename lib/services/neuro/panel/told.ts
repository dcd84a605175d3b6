/**
 * What the views of the panel answer with, as plain JSON. Whatever a game has
 * sent is cut to a bound and safe to show; a text that is cut ends with how
 * much more there is. Times are milliseconds since 1970, durations milliseconds.
 */
import type { Field } from "../schema/fields.ts";

/** `games`: those that are here, the oldest first. */
export interface GamesTold {
  readonly total: number;
  readonly offset: number;
  readonly games: readonly GameRow[];
}

/** A game in the list of all. */
export interface GameRow {
  readonly id: number;
  readonly name: string;
  /** Number and address of its connection. */
  readonly client: number;
  readonly address: string;
  readonly since: number;
  readonly brain: BrainTold;
  /** How many are registered. */
  readonly actions: number;
  /** How many have not been answered yet. */
  readonly unanswered: number;
  /** The state of the force in play, or null. */
  readonly force: string | null;
  /** A person is asked to choose. */
  readonly asks: boolean;
}

export interface BrainTold {
  readonly name: string;
  /** Why it cannot play at present, or null. */
  readonly trouble: string | null;
  /** A person plays. */
  readonly person: boolean;
}

/** `game`: all about one game, each part of it bounded. */
export interface GameTold extends Omit<GameRow, "actions" | "force"> {
  /** When this was told, for what is counted up or down. */
  readonly at: number;
  readonly actions: ActionsTold;
  readonly unanswered_actions: readonly UnansweredTold[];
  readonly force: ForceTold | null;
  /** Forces that have ended, the newest first. */
  readonly ended: readonly EndedTold[];
  /** What became of actions, the newest first. */
  readonly results: readonly ResultTold[];
  readonly context: ContextTold;
  /** The newest first. */
  readonly diagnostics: readonly ReportTold[];
}

/** A page of a game's actions, in the order of their registration. */
export interface ActionsTold {
  readonly total: number;
  readonly offset: number;
  readonly actions: readonly ActionTold[];
}

export interface ActionTold {
  /** As the game has it: what acts are given. */
  readonly name: string;
  /** The same, safe to show. */
  readonly title: string;
  readonly description: string;
  /** Its schema as JSON text, perhaps cut; null for an action without data. */
  readonly schema: string | null;
  /** The form of its data, of kind `object`, `choice` or, where a form cannot express it, `json`; null for an action without data. */
  readonly form: Field | null;
  /** Why it cannot be sent, in a sentence; null when it can. */
  readonly cannot: string | null;
}

export interface UnansweredTold {
  readonly id: string;
  readonly action: string;
  /** JSON text; null for none. */
  readonly data: string | null;
  /** Since it was sent. */
  readonly ms: number;
  /** It was chosen for a force. */
  readonly forced: boolean;
}

/** A step in the life of a force. */
export interface StepTold {
  /** queued, choosing, sent, succeeded, failed, timed_out, replaced, cancelled */
  readonly state: string;
  /** Since it came. */
  readonly ms: number;
}

export interface EndedTold {
  /** Unique in the server's life. */
  readonly number: number;
  readonly state: string;
  /** When it came. */
  readonly since: number;
  readonly steps: readonly StepTold[];
  readonly priority: string;
  readonly query: string;
  /** Lines of text, often Markdown or JSON; null for none. */
  readonly state_text: string | null;
  /** Its state and query are forgotten once it has ended. */
  readonly ephemeral: boolean;
  readonly retries: number;
  /** Choices that came to nothing, the oldest first; of many the last ones. */
  readonly failures: readonly FailureTold[];
  /** What was sent for it last, or null. */
  readonly action: string | null;
  /** Why it was cancelled, or null. */
  readonly why: string | null;
  /** From its coming to its first action; null where none was sent. */
  readonly choice_ms: number | null;
}

export interface FailureTold {
  readonly action: string;
  readonly data: string | null;
  readonly message: string;
}

/** The force in play. */
export interface ForceTold extends EndedTold {
  /** How often it may still be chosen for again. */
  readonly retries_left: number;
  /** A person is asked: the number that `choose` is given, else null. It is another one at each retry. */
  readonly turn: number | null;
  /** What may be chosen; of many the first ones. */
  readonly choices: readonly ActionTold[];
  readonly more_choices: number;
}

export interface ResultTold {
  readonly action: string;
  readonly data: string | null;
  readonly at: number;
  /** From the action to its result. */
  readonly ms: number;
  readonly forced: boolean;
  /** answered, timed out, startup (the game began anew), disconnect */
  readonly how: string;
  readonly success: boolean;
  readonly message: string;
}

/** What the brain would read now; the newest last. */
export interface ContextTold {
  /** All that is kept of this game. */
  readonly total: number;
  readonly characters: number;
  /** A rough count: a token for each four characters. */
  readonly tokens: number;
  /** Entries before the first one here. */
  readonly offset: number;
  readonly entries: readonly EntryTold[];
}

export interface EntryTold {
  /** context: the game said it; result: what it said of an action; force: what it asked. */
  readonly kind: string;
  readonly at: number;
  readonly text: string;
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

/** What is wrong with the answers to a form, in an answer of `send` or `choose`. */
export interface ProblemTold {
  /** The keys that lead to it in the data; none for all of it. */
  readonly path: readonly string[];
  readonly message: string;
}
