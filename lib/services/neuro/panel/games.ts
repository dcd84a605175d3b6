import { text, whole } from "../../../host/service/asked.ts";
import type { View } from "../../../host/service/panel.ts";
import { type Playing, troubleOf } from "../brains/brain.ts";
import { LONGEST_NAME } from "../protocol.ts";
import type { Stage } from "../watch/stage.ts";
import { bounded } from "./shown.ts";
import type { GameFacts, GameRow, GamesTold } from "./told.ts";

const MOST_ROWS = 100;
const LONGEST_BRAIN = 200;
const LONGEST_TROUBLE = 500;

/** The games that are here. @param address where they connect to */
export function gamesView(stage: Stage, address: () => string): View {
  return {
    about: "The games that are here, the oldest first.",
    parameters: {
      query: "a text that the name contains",
      offset: "how many to leave out",
      limit: `how many, to ${MOST_ROWS}`,
    },
    read(query): GamesTold {
      const wanted = text(query, "query", LONGEST_NAME, "").toLowerCase();
      const offset = whole(query, "offset", 0, 1e9, 0);
      const limit = whole(query, "limit", 1, MOST_ROWS, MOST_ROWS);
      const all = [...stage.games];
      const found =
        wanted === "" ? all : all.filter(({ name }) => name.toLowerCase().includes(wanted));
      return {
        games: found.slice(offset, offset + limit).map((one) => rowOf(one, stage)),
        total: found.length,
        here: all.length,
        offset,
        address: address(),
      };
    },
  };
}

export function factsOf({ id, name, brain }: Playing): GameFacts {
  const trouble = troubleOf(brain);
  return {
    id,
    name,
    brain: bounded(brain.name, LONGEST_BRAIN),
    is_person: brain.isPerson === true,
    trouble: trouble === null ? null : bounded(trouble, LONGEST_TROUBLE),
  };
}

function rowOf(playing: Playing, { reports }: Stage): GameRow {
  const errors = reports.of(playing.name).filter(({ diagnostic }) => isError(diagnostic));
  return {
    ...factsOf(playing),
    actions: playing.actionNames.length,
    force: playing.force?.state ?? null,
    errors: errors.reduce((sum, { times }) => sum + times, 0),
  };
}

function isError({ severity }: { readonly severity: string }): boolean {
  return severity === "error";
}
