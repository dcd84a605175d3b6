import type { Question } from "../../section.ts";

/** The brains of the program itself, with what the wizard says of them. */
const PLAYERS = {
  random: { label: "Chance, with data that fits the schemas" },
  console: { label: "You, in the terminal that the server runs in" },
  llm: { label: "A model behind an OpenAI-compatible endpoint" },
  web: { label: "You, in the dashboard", hint: "needs the web service" },
  scenario: { label: "A scenario, from a file" },
} as const;

export type BrainName = keyof typeof PLAYERS;

const BRAIN_NAMES = Object.keys(PLAYERS) as readonly BrainName[];

/** The allowed values of a setting that names a brain, in words. */
export const BRAINS = `${BRAIN_NAMES.map((name) => `"${name}"`).join(", ")}, or the path of a module`;

/** True if a text names a brain: one of the program's own, or a module. */
export function isBrain(found: string): boolean {
  return BRAIN_NAMES.some((name) => name === found) || /\.[cm]?[jt]s$/.test(found);
}

/** Who plays, and what whoever plays needs. */
export const QUESTIONS: readonly Question[] = [
  {
    key: "brain",
    title: "Who plays the games?",
    choices: [
      ...BRAIN_NAMES.map((value) => ({ value, ...PLAYERS[value] })),
      { value: null, label: "A module of yours" },
    ],
  },
  {
    key: "llm.base_url",
    title: "Where is the model?",
    applies: (valueOf) => valueOf("brain") === "llm",
  },
  {
    key: "llm.model",
    title: "Which model is it?",
    applies: (valueOf) => valueOf("brain") === "llm",
  },
  {
    key: "scenario",
    title: "Which file is the scenario?",
    applies: (valueOf) => valueOf("brain") === "scenario",
  },
];
