import { text } from "../../../host/service/asked.ts";
import type { Clock } from "../../../host/clock.ts";
import type { View } from "../../../host/service/panel.ts";
import type { Playing } from "../brains/brain.ts";
import type { ContextEntry } from "../context.ts";
import { LONGEST_NAME } from "../protocol.ts";
import type { Report } from "../watch/reports.ts";
import type { Stage } from "../watch/stage.ts";
import { actionTold } from "./actions.ts";
import { gameOf } from "./asked.ts";
import { endedTold, forceTold, round } from "./forces.ts";
import { factsOf } from "./games.ts";
import type { Results } from "./results.ts";
import { type Numbered, roomFor } from "./shown.ts";
import type { ContextTold, EntryTold, GameTold, ReportTold } from "./told.ts";

/** Entries of a context, the newest ones, and characters of each. */
const MOST_ENTRIES = 100;
const LONGEST_ENTRY = 4000;
const CHARACTERS_PER_TOKEN = 4;

/** What a view of a game is made from. */
export interface GameViewParts {
  readonly clock: Clock;
  readonly numbers: Numbered;
  readonly results: Results;
  /** The most times that a force may be chosen for again. */
  mostRetries(): number;
  /** What is said aloud takes its time. */
  speaks(): boolean;
}

/** All about one game. */
export function gameView(stage: Stage, parts: GameViewParts): View {
  return {
    about:
      "All about one game: its force, its actions and what became of them, its context, its diagnostics.",
    parameters: {
      game: "its number",
      action: "the name of the action that is shown with its form",
    },
    read(query): GameTold {
      const playing = gameOf(query, stage);
      return gameTold(playing, text(query, "action", LONGEST_NAME, ""), stage, parts);
    },
  };
}

function gameTold(
  playing: Playing,
  wanted: string,
  stage: Stage,
  { clock, numbers, results, mostRetries, speaks }: GameViewParts,
): GameTold {
  const { actionNames, force, ended, name, clientId, address, since } = playing;
  const registered = new Set(actionNames);
  const left = (force?.names ?? []).filter((one) => registered.has(one));
  const forced = new Set(left);
  const names = roomFor([...left, ...actionNames.filter((one) => !forced.has(one))]);
  const shown = registered.has(wanted) ? wanted : names[0];
  const action = playing.actions.find((one) => one.name === shown);
  return {
    game: { ...factsOf(playing), client: clientId, address, age_ms: clock.wall() - since },
    speaks: speaks(),
    force: force && forceTold(force, left, mostRetries(), numbers, clock),
    ended: ended.map((one) => endedTold(one, numbers, clock)).toReversed(),
    actions: names.map((one) => ({ name: one, forced: forced.has(one) })),
    more_actions: actionNames.length - names.length,
    action: action === undefined ? null : actionTold(action),
    results: results.of(playing),
    context: contextTold(stage.memory.of(name), numbers),
    diagnostics: stage.reports.of(name).map(reportTold),
  };
}

function contextTold(entries: readonly ContextEntry[], numbers: Numbered): ContextTold {
  const characters = entries.reduce((sum, { text: one }) => sum + one.length, 0);
  return {
    tokens: Math.ceil(characters / CHARACTERS_PER_TOKEN),
    more: Math.max(0, entries.length - MOST_ENTRIES),
    entries: entries.slice(-MOST_ENTRIES).map((one): EntryTold => {
      const { at, kind, silent, failed } = one;
      const shown = one.text.slice(0, LONGEST_ENTRY).toWellFormed();
      const cut = one.text.length - shown.length;
      return { key: numbers.of(one), at, kind, text: shown, cut, silent, failed };
    }),
  };
}

function reportTold({ diagnostic, times, firstAt, lastAt }: Report): ReportTold {
  const { code, severity, text: said, cure } = diagnostic;
  return {
    code,
    severity,
    text: said,
    cure,
    times,
    first_at: round(firstAt),
    last_at: round(lastAt),
  };
}
