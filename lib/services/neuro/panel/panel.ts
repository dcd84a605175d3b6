import type { Panel } from "../../../host/panel.ts";
import { FILES } from "../page/files.ts";
import type { Stage } from "../watch/stage.ts";
import { gamesView } from "./games.ts";

/** The panel of the service: the games, what they do, and what a person may do with them. */
export function neuroPanel(stage: Stage): Panel {
  let changes = 0;
  const changed = () => void changes++;
  stage.watch({ game: changed, event: changed });
  return {
    title: "Neuro",
    files: FILES,
    views: { games: gamesView(stage) },
    acts: {},
    changes: () => changes,
  };
}
