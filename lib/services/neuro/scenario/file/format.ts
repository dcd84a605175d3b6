/** What the file of a scenario may hold; reading, reports and the page are made from this. */
import { choice, flag, type Option } from "../../../../config/option.ts";
import type { Values } from "../../../../config/section.ts";
import { PRIORITIES } from "../../protocol.ts";
import type { Play } from "./scenario.ts";
import {
  code,
  command,
  data,
  filled,
  orNone,
  seconds,
  several,
  table,
  tables,
  wording,
} from "./values.ts";

/** Keys that hold for one scenario, or for all in their file. */
const SHARED = {
  game: filled("The game's name, as it calls itself; without it, the first game that comes."),
  start: command(
    "The command that starts the game, in the folder of the file, with NEURO_SDK_WS_URL set. Each scenario starts it anew and ends it. Without it, the game is started by somebody else.",
  ),
  connect_within: seconds("How long the game may take to connect; 60 when not given."),
  within: seconds("How long a step may take that does not say; 10 when not given."),
  limit: seconds("How long the whole scenario may take; 300 when not given."),
};

const PLAYED = {
  steps: tables("What happens, one thing after the other."),
  play: code<Play>("What happens, as a function."),
};

/** A scenario among others of a file. */
export const SCENARIO = {
  name: filled("What reports call it."),
  ...SHARED,
  ...PLAYED,
};

/** A file. */
export const FILE = {
  ...SCENARIO,
  scenarios: tables("Several scenarios, each with a name, steps and the keys above as it likes."),
};

/** A kind of step. */
interface StepKind {
  /** The key that it is known by. */
  readonly verb: "expect" | "answer" | "send" | "say" | "ask" | "disconnect" | "wait";
  readonly about: string;
  readonly entries: Readonly<Record<string, Option<any>>>;
  /** The key that it cannot do without. */
  readonly needs?: string;
}

const within = seconds("How long it may take.");
const actions = several("Names of actions.");
const message = wording("What the text has to say.");
const unchecked = flag(
  false,
  "Send the data as it stands, whether or not it fits the schema, to see what the game makes of it.",
);

function expected<E extends StepKind["entries"]>(about: string, entries: E, needs?: keyof E) {
  return { verb: "expect", about, entries, ...(needs === undefined ? {} : { needs }) } as const;
}

const except = several("Codes of diagnostics that do not count.");

/** Every kind of step, by its name: what is expected, or the key of what is done. */
export const STEPS = {
  connect: expected("The game is here, or back.", { within }),
  startup: expected("The game says that it has started.", { within }),
  register: expected(
    "These actions are registered.",
    {
      actions,
      description: wording("What the description of each has to say."),
      schema: table("What the schema of each has to hold, among other things."),
      within,
    },
    "actions",
  ),
  unregister: expected("None of these actions is registered.", { actions, within }, "actions"),
  context: expected("The game tells something.", {
    message,
    silent: orNone(flag(false, "Whether the game wants no reaction to it.")),
    within,
  }),
  force: expected("The game asks for one of its actions.", {
    actions: several("Names that the force has to offer, among others."),
    query: wording("What the query has to say."),
    state: wording("What the state has to say."),
    priority: orNone(choice("low", PRIORITIES, "The priority of the force.")),
    within,
  }),
  success: expected("The game says that the last action succeeded.", { message, within }),
  failure: expected("The game says that the last action failed.", { message, within }),
  "shutdown ready": expected("The game may be closed.", { within }),
  leave: expected("The game ends its connection.", { within }),
  "no errors": expected("The game's developer was told no errors so far.", { except }),
  "no warnings": expected("Neither errors nor warnings so far.", { except }),
  answer: {
    verb: "answer",
    about: "Chooses this action for the force that the game sends, or has sent.",
    entries: {
      answer: filled('The action\'s name, or "random".'),
      data: data("What it is sent with."),
      say: filled("What is said aloud with it."),
      unchecked,
      within,
    },
  },
  send: {
    verb: "send",
    about: "Sends an action that no force asked for.",
    entries: {
      send: filled('The action\'s name, or "random".'),
      data: data("What it is sent with."),
      unchecked,
      within,
    },
  },
  say: {
    verb: "say",
    about: "Says something aloud; it takes its time, which forces of low priority wait for.",
    entries: { say: filled("What is said.") },
  },
  ask: {
    verb: "ask",
    about: "Asks the game to register its actions again, or to shut down.",
    entries: {
      ask: choice(
        "reregister",
        ["reregister", "graceful shutdown", "immediate shutdown", "no shutdown"],
        "What the game is asked for; no shutdown takes a request back.",
      ),
    },
  },
  disconnect: {
    verb: "disconnect",
    about: "Ends the game's connection, to see whether it comes back.",
    entries: {
      disconnect: choice("cleanly", ["cleanly", "abruptly"], "With a close frame, or without."),
    },
  },
  wait: {
    verb: "wait",
    about: "Does nothing for a while.",
    entries: { wait: seconds("Seconds.") },
  },
} as const satisfies Readonly<Record<string, StepKind>>;

export type StepName = keyof typeof STEPS;
/** What a kind of step was given; null where it was not. */
export type StepValues<N extends StepName> = Values<(typeof STEPS)[N]["entries"]>;

/** A step that has been read. */
export type ReadStep = {
  [N in StepName]: {
    readonly name: N;
    readonly values: StepValues<N>;
    /** `tic-tac-toe.toml:12:3`. */
    readonly where: string;
    /** As a person reads it. */
    readonly text: string;
  };
}[StepName];

/** The keys that a step is known by; `say` may also come with an answer. */
export const VERBS = [...new Set(Object.values(STEPS).map(({ verb }) => verb))].toSorted(
  (a, b) => Number(a === "say") - Number(b === "say"),
);

/** What may be expected. */
export const EXPECTED = Object.entries(STEPS)
  .filter(([, { verb }]) => verb === "expect")
  .map(([name]) => name);
