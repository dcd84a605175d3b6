/** A scenario as its author writes it in TypeScript. */
import type { Action, ForceData, Priority } from "../../protocol.ts";

/** A part of a text, or a regular expression; as text, it stands between slashes. */
type Text = string | RegExp;
type Several = string | readonly string[];

interface Within {
  /** Seconds that it may take. */
  readonly within?: number;
}

/** What may be expected of a game, with what else may be said of it. */
export interface Expectations {
  /** The game is here, or back. */
  connect: Within;
  startup: Within;
  register: Within & {
    readonly actions: Several;
    readonly description?: Text;
    /** What the schema of each has to hold, among other things. */
    readonly schema?: object;
  };
  unregister: Within & { readonly actions: Several };
  context: Within & { readonly message?: Text; readonly silent?: boolean };
  force: Within & {
    /** Names that it has to offer, among others. */
    readonly actions?: Several;
    readonly query?: Text;
    readonly state?: Text;
    readonly priority?: Priority;
  };
  success: Within & { readonly message?: Text };
  failure: Within & { readonly message?: Text };
  "shutdown ready": Within;
  leave: Within;
  "no errors": { readonly except?: Several };
  "no warnings": { readonly except?: Several };
}

/** What an expectation that is met finds. */
export interface Met {
  connect: void;
  startup: void;
  register: readonly Action[];
  unregister: void;
  /** The text. */
  context: string;
  force: ForceData;
  /** The result's message. */
  success: string;
  failure: string;
  "shutdown ready": void;
  leave: void;
  "no errors": void;
  "no warnings": void;
}

export interface SendOptions extends Within {
  /** Send the data as it stands, whether or not it fits the schema. */
  readonly unchecked?: boolean;
}

export interface AnswerOptions extends SendOptions {
  /** The words that are said aloud with it. */
  readonly say?: string;
}

/** An object, JSON text that is sent as it stands, or "random". */
type Data = object | string;
type Asked = "reregister" | "graceful shutdown" | "immediate shutdown" | "no shutdown";
type Disconnect = "cleanly" | "abruptly";

/** One thing that happens: something that is expected, or something that is done. */
export type Step =
  | { [E in keyof Expectations]: { readonly expect: E } & Expectations[E] }[keyof Expectations]
  | ({ readonly answer: string; readonly data?: Data } & AnswerOptions)
  | ({ readonly send: string; readonly data?: Data } & SendOptions)
  | { readonly say: string }
  | { readonly ask: Asked }
  | { readonly disconnect: Disconnect }
  /** Seconds. */
  | { readonly wait: number };

/** The game, in the hands of a scenario's function: a method for each kind of step. What fails rejects, and ends the scenario. */
export interface ScenarioGame {
  /** The game's name. */
  readonly name: string;
  /** The actions that it has registered. */
  readonly actions: readonly Action[];
  expect<E extends keyof Expectations>(
    what: E,
    ...more: {} extends Expectations[E] ? [Expectations[E]?] : [Expectations[E]]
  ): Promise<Met[E]>;
  /** Chooses an action for the force that the game sends, or has sent; "random" for any. */
  answer(action: string, data?: Data, options?: AnswerOptions): Promise<void>;
  /** Sends an action that no force asked for. */
  send(action: string, data?: Data, options?: SendOptions): Promise<void>;
  say(text: string): Promise<void>;
  ask(what: Asked): Promise<void>;
  disconnect(how?: Disconnect): Promise<void>;
  wait(seconds: number): Promise<void>;
}

/** What happens, as a function. */
export type Play = (game: ScenarioGame) => void | Promise<void>;

interface Shared {
  /** The game's name; without it, the first game that comes. */
  readonly game?: string;
  /** The command that starts the game. */
  readonly start?: Several;
  /** Seconds that the game may take to connect; 60 when not given. */
  readonly connect_within?: number;
  /** Seconds that a step may take that does not say; 10 when not given. */
  readonly within?: number;
  /** Seconds that the whole scenario may take; 300 when not given. */
  readonly limit?: number;
}

/** One scenario. */
export type Scenario = Shared & {
  readonly name?: string;
} & ({ readonly steps: readonly Step[] } | { readonly play: Play });

/** What a file in TypeScript exports as its default: this, or the function alone. */
export type ScenarioFile =
  Scenario | (Shared & { readonly scenarios: readonly (Scenario & { readonly name: string })[] });
