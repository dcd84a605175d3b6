import { placeOf } from "../../../config/place.ts";
import type { Config } from "../../../config/table.ts";
import type { Clock } from "../../../host/clock.ts";
import { FileShares } from "../../../host/files/file-shares.ts";
import type { Log } from "../../../host/log.ts";
import { startNeuro } from "../neuro.ts";
import { ScenarioBrain } from "./play/brain.ts";
import { type Listener, ScenarioRun } from "./play/run.ts";

/** A server that is there for scenarios alone. */
export interface ScenarioServer {
  readonly run: ScenarioRun;
  /** Where games connect. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Milliseconds that connections may take to end. */
const DRAIN_MS = 1000;
/** Speaking takes time where the settings do not say how much. */
const WORDS_PER_MINUTE = 150;

/**
 * Starts a server whose games are played by scenarios.
 * @throws StartError when it cannot listen
 */
export async function serveScenarios(
  config: Config,
  clock: Clock,
  log: Log,
  tell: Listener,
): Promise<ScenarioServer> {
  const { speech, random_seed: seed } = config.neuro;
  const words = speech.words_per_minute || WORDS_PER_MINUTE;
  // Nobody else has a hand in it.
  const own = { ...config.neuro, control: false, speech: { ...speech, words_per_minute: words } };
  const files = new FileShares([{ name: "neuro", maxClients: 0, isMain: true }]);
  let lastId = 0;
  const host = { clock, log, files, nextId: () => ++lastId };
  const brain = new ScenarioBrain(clock);
  const { serving } = await startNeuro(
    { ...config, neuro: own },
    placeOf(config, "neuro"),
    host,
    brain,
  );
  serving.watch(brain.transcript);
  const url = serving.addresses[0]?.url as string;
  return {
    run: new ScenarioRun({ clock, brain, stage: serving, seed, url }, tell),
    url,
    stop: () => serving.drain(DRAIN_MS),
  };
}
