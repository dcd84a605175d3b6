/** The terms of the Neuro protocol. */

export const PRIORITIES = ["low", "medium", "high", "critical"] as const;
/** How urgent a force is. */
export type Priority = (typeof PRIORITIES)[number];

/** A JSON Schema as a game gives it: an object with at least one key. */
export type Schema = Readonly<Record<string, unknown>>;

/** How many games one connection may carry; others are ignored. */
export const MOST_GAMES = 32;
/** The longest name of a game or an action: names outlast what they come with. */
export const LONGEST_NAME = 1000;

/** Something that a game offers to be done. */
export interface Action {
  readonly name: string;
  readonly description: string;
  /** The schema of its data; null for an action without data. */
  readonly schema: Schema | null;
}

/** A request of a game: choose one of these actions. */
export interface ForceData {
  readonly query: string;
  readonly names: readonly string[];
  readonly state: string | null;
  /** State and query are forgotten once the force has ended. */
  readonly ephemeral: boolean;
  readonly priority: Priority;
}

/** The answer of a game to an action. */
export interface ResultData {
  readonly id: string;
  readonly success: boolean;
  /** "" where there is none. */
  readonly message: string;
}

/** A message of a game, understood. `other` is a command that the protocol does not have. */
export type Command = { readonly game: string } & (
  | { readonly command: "startup" }
  | { readonly command: "context"; readonly message: string; readonly silent: boolean }
  | { readonly command: "actions/register"; readonly actions: readonly Action[] }
  | { readonly command: "actions/unregister"; readonly names: readonly string[] }
  | ({ readonly command: "actions/force" } & ForceData)
  | ({ readonly command: "action/result" } & ResultData)
  | { readonly command: "shutdown/ready" }
  | { readonly command: "other"; readonly name: string; readonly data: unknown }
);

/** The character that plays, as the acknowledgement tells it. */
export interface Character {
  readonly id: string;
  readonly displayName: string;
}

/** The outcome of an action. */
export interface ActionOutcome {
  readonly success: boolean;
  /** The game's words about it; "" where it says nothing. */
  readonly message: string;
}
