import { type Given, whole } from "../../../host/service/asked.ts";
import { Refused } from "../../../host/service/panel.ts";
import type { Playing } from "../brains/brain.ts";
import type { Stage } from "../watch/stage.ts";

/** The game that is asked for by its number. @throws Refused when it is not here */
export function gameOf(given: Given, stage: Stage): Playing {
  const id = whole(given, "game", 1, Number.MAX_SAFE_INTEGER);
  for (const playing of stage.games) if (playing.id === id) return playing;
  throw new Refused(404, `There is no game ${id}; it may have left.`);
}
