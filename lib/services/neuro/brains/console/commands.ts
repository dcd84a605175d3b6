/** What can be typed at the console besides answers. */
import type { Playing } from "../brain.ts";
import type { Stage } from "../../watch/stage.ts";
import { actionRows } from "./asked.ts";
import { diagnosticText } from "./events.ts";
import { gamesCalled } from "./find.ts";
import { cleaned, columns, linesOf, type Look, tagged } from "./shown.ts";

/** What commands look at. */
export interface Seen {
  readonly stage: Stage;
  /** The games that are played here. */
  readonly games: readonly Playing[];
  readonly look: Look;
}

interface Command {
  /** The words after it, for the help. */
  readonly takes: string;
  readonly about: string;
  /** What it shows; null for what the console does itself. */
  readonly show: ((words: string, seen: Seen) => readonly string[]) | null;
}

/** Entries of the context and diagnostics that are shown of a game. */
const MOST_ENTRIES = 20;

export const COMMANDS: Readonly<Record<string, Command>> = {
  help: {
    takes: "",
    about: "shows this",
    show: (_words, { look }) => helpLines().flatMap((line) => look.fold(line, "    ")),
  },
  list: {
    takes: "[CLIENT]",
    about: "shows the games that are here, and what they can do",
    show: (words, seen) => ofGames(words, seen, gameLines),
  },
  send: {
    takes: "[CLIENT] ACTION",
    about: "makes a game do something that it has not asked for; its data as JSON may follow",
    show: null,
  },
  context: {
    takes: "[CLIENT]",
    about: "shows what games have told lately",
    show: (words, seen) => ofGames(words, seen, contextLines),
  },
  diagnostics: {
    takes: "[CLIENT]",
    about: "shows what a game does wrong, and the cure",
    show: (words, seen) => ofGames(words, seen, diagnosticLines),
  },
};

/** A command of a line, with the words after it; null where it is none. */
export function commandOf(
  line: string,
): { readonly name: string; readonly words: string; readonly command: Command } | null {
  const [, mark = "", word = "", words = ""] = /^\s*(!?)(\w+)(?:\s+([^]*))?$/.exec(line) ?? [];
  const name = word.toLowerCase();
  if (!Object.hasOwn(COMMANDS, name)) return null;
  return { name: mark + name, words: words.trim(), command: COMMANDS[name] as Command };
}

function helpLines(): readonly string[] {
  const rows = Object.entries(COMMANDS).map(([name, { takes, about }]): [string, string] => [
    `  ${name} ${takes}`.trimEnd(),
    about,
  ]);
  return [
    "What you can type:",
    ...columns([...rows, ["  Enter", "goes on: waits for what comes next"]]),
    "CLIENT is the number or the name in [1 Chess]. Tab completes.",
    "When a game wants an action, type the action's number or name; you are then asked for its data.",
    "While you are asked something, put a ! before a command, as !list. !back goes back.",
    "Ctrl-C stops the server.",
  ];
}

/** What is shown of the games that words mean: of all of them where there are none. */
function ofGames(
  words: string,
  { stage, games, look }: Seen,
  linesFor: (playing: Playing, stage: Stage, look: Look) => readonly string[],
): readonly string[] {
  if (games.length === 0) return ["No game is here."];
  const meant = words === "" ? games : gamesCalled(words, games);
  if (meant.length === 0) return [`There is no game ${cleaned(words, 60)}; list shows all.`];
  return meant.flatMap((playing) => tagged(playing, linesFor(playing, stage, look), look));
}

function gameLines(playing: Playing): readonly string[] {
  const { address, actions, force, pending } = playing;
  const [unanswered] = pending;
  const state =
    unanswered !== undefined
      ? `has to answer ${cleaned(unanswered.name, 60)}`
      : force !== null
        ? "wants an action"
        : "asks for nothing at present";
  const count = actions.length === 0 ? "It has no actions." : "It can:";
  return [`${state} (from ${address}). ${count}`, ...actionRows(actions)];
}

function contextLines({ name }: Playing, stage: Stage): readonly string[] {
  const all = stage.memory.of(name);
  const entries = all.slice(-MOST_ENTRIES);
  if (entries.length === 0) return ["has told nothing"];
  const kinds = { context: "", result: "result: ", force: "" };
  return [
    `has told, the oldest first${ofAll(entries, all)}:`,
    ...entries.flatMap(({ kind, text }) => {
      const [first = "", ...more] = linesOf(kinds[kind] + text);
      return [first, ...more.map((line) => `  ${line}`)];
    }),
  ];
}

function diagnosticLines({ name }: Playing, stage: Stage, look: Look): readonly string[] {
  const all = stage.reports.of(name);
  const reports = all.slice(0, MOST_ENTRIES);
  if (reports.length === 0) return ["does all as it should"];
  return [
    `was told, the newest first${ofAll(reports, all)}:`,
    ...reports.map(({ diagnostic, times }) => {
      const often = times === 1 ? "" : ` (${times} times)`;
      return diagnosticText(diagnostic, look) + often;
    }),
  ];
}

/** That only the newest are shown, where there are more. */
function ofAll(some: readonly unknown[], all: readonly unknown[]): string {
  return some.length === all.length ? "" : `, ${some.length} of ${all.length}`;
}
