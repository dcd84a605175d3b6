import type { Clock } from "../../../host/clock.ts";
import type { Panel } from "../../../host/service/panel.ts";
import { FILES } from "../page/files.ts";
import type { Stage } from "../watch/stage.ts";
import { actsOf } from "./acts.ts";
import { gameView } from "./game.ts";
import { gamesView } from "./games.ts";
import { Results } from "./results.ts";
import { Numbered } from "./shown.ts";

/** The parts that the panel needs besides the games. */
export interface PanelParts {
  readonly clock: Clock;
  /** Where games connect to. */
  address(): string;
  /** The most times that a force may be chosen for again. */
  mostRetries(): number;
  /** What is said aloud takes its time. */
  speaks(): boolean;
}

/** The panel of the service: the games, what they do, and what a person may do with them. */
export function neuroPanel(stage: Stage, parts: PanelParts): Panel {
  const { clock, address, mostRetries, speaks } = parts;
  const numbers = new Numbered();
  const results = new Results(clock, numbers);
  let changes = 0;
  const changed = () => void changes++;
  stage.watch(results);
  stage.watch({ game: changed, event: changed });
  return {
    title: "Neuro: games",
    files: FILES,
    tables: ["games"],
    views: {
      games: gamesView(stage, address),
      game: gameView(stage, { clock, numbers, results, mostRetries, speaks }),
    },
    acts: actsOf(stage, clock, numbers),
    changes: () => changes,
  };
}
