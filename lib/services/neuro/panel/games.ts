import { Refused, type View } from "../../../host/panel.ts";
import { type Playing, troubleOf } from "../brains/brain.ts";
import type { Stage } from "../watch/stage.ts";
import { line } from "./shown.ts";
import type { BrainTold, GameRow, GamesTold } from "./told.ts";

const MOST_ROWS = 100;

export function brainTold({ brain }: Playing): BrainTold {
  const trouble = troubleOf(brain);
  return {
    name: line(brain.name),
    trouble: trouble === null ? null : line(trouble, 500),
    person: brain.isPerson === true,
  };
}

export function rowOf(playing: Playing): GameRow {
  const { id, name, clientId, address, since, actionNames, pending, force } = playing;
  return {
    id,
    name: line(name),
    client: clientId,
    address,
    since,
    brain: brainTold(playing),
    actions: actionNames.length,
    unanswered: pending.length,
    force: force?.state ?? null,
    asks: false,
  };
}

/** The games that are here, the oldest first. */
export function gamesView(stage: Stage): View {
  return {
    about: "The games that are here, the oldest first.",
    parameters: { offset: "of how many to begin after", limit: `to ${MOST_ROWS}` },
    read(query): GamesTold {
      const games = [...stage.games];
      const offset = whole(query, "offset", 0, 1e9, 0);
      const limit = whole(query, "limit", 1, MOST_ROWS, MOST_ROWS);
      return {
        total: games.length,
        offset,
        games: games.slice(offset, offset + limit).map(rowOf),
      };
    },
  };
}

/** A whole number of a query or of fields. @throws Refused */
export function whole(
  given: Readonly<Record<string, unknown>>,
  name: string,
  min: number,
  max: number,
  ifMissing?: number,
): number {
  const found = given[name];
  if (found === undefined && ifMissing !== undefined) return ifMissing;
  const value = typeof found === "string" && /^\d{1,15}$/.test(found) ? Number(found) : found;
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) {
    return value;
  }
  throw new Refused(400, `${name}: needs a whole number from ${min} to ${max}`);
}
