import { type Place, placeOf } from "../../config/place.ts";
import type { Config } from "../../config/table.ts";
import { type Fault, faultsIn } from "../../host/errors.ts";
import { type Address, type Host, openedBy, type Running } from "../../host/service.ts";
import type { Brain } from "./brains/brain.ts";
import { brainFaults, Brains, brainsOf, personKey } from "./brains/brains.ts";
import { Control, controlPlace } from "./http/control.ts";
import { ServedGame, servedFiles } from "./http/served-game.ts";
import { neuroPanel } from "./panel/panel.ts";
import { faultsOf } from "./brains/faults/faults.ts";
import { recordFaults, Recorder } from "./record/recorder.ts";
import { NeuroServing } from "./server.ts";
import type { NeuroHost } from "./server-parts.ts";
import type { NeuroSettings } from "./settings.ts";

/**
 * Starts the Neuro service.
 * @throws StartError when it cannot listen, or a brain cannot be had
 */
export async function neuro(config: Config, host: Host<Config>): Promise<Running> {
  const { serving, configure } = await startNeuro(config, placeOf(config, "neuro"), host);
  let own = config.neuro;
  serving.panel = neuroPanel(serving, {
    clock: host.clock,
    address: () => openedBy(serving.addresses[0] as Address),
    mostRetries: () => own.force_retries,
    speaks: () => own.speech.words_per_minute > 0,
  });
  host.onReload((next) => {
    configure(next, placeOf(next, "neuro"));
    own = next.neuro;
  });
  return serving;
}

neuro.check = ({ neuro: own }: Config): readonly Fault[] => [
  ...brainFaults(own),
  ...recordFaults(own),
  ...(own.serve_game === "" ? [] : faultsIn(() => servedFiles(own.serve_game))),
];

neuro.needsPage = ({ neuro: own }: Config): string | null => {
  const key = personKey(own);
  return key === null ? null : `${key}: a person plays in the dashboard`;
};

neuro.places = (config: Config): readonly Place[] => [
  placeOf(config, "neuro"),
  ...(config.neuro.control ? [controlPlace(config)] : []),
];

/** A server that has been started, and what gives it other settings. */
export interface Started {
  readonly serving: NeuroServing;
  configure(next: Config, place: Place): void;
}

/**
 * Starts a server with settings as a file would have them.
 * @param brain plays every game, instead of the brains that the settings name
 * @throws StartError when it cannot listen, or a brain cannot be had
 */
export async function startNeuro(
  config: Config,
  place: Place,
  host: NeuroHost,
  brain: Brain | null = null,
): Promise<Started> {
  let current = config.neuro;
  const { serve_game } = current;
  const served = serve_game === "" ? null : new ServedGame(serve_game, host.clock);
  const parts = {
    clock: host.clock,
    log: host.log,
    settings: () => current,
    stage: () => serving,
  };
  const brains = brain ? new Brains([brain]) : await brainsOf(parts);
  const faults = faultsOf(parts);
  const serving = new NeuroServing(place, settingsOf(config), {
    host,
    maxMessageBytes: config.neuro.max_message_bytes,
    brains,
    ...(faults && { choose: (playing, force) => faults.choose(playing, force) }),
    ...(served && { route: (...asked) => served.answer(...asked) }),
  });
  if (served) {
    const [address] = serving.addresses as readonly [Address];
    host.log.info(`neuro: serves ${serve_game} at ${openedBy(address).replace(/^ws/, "http")}`);
  }
  const { recorder, control } = await besides(config, host, serving);
  const configure: Started["configure"] = (next, nextPlace) => {
    recorder.configure(next.neuro);
    serving.configure(nextPlace, settingsOf(next));
    control?.configure(controlPlace(next));
    current = next.neuro;
  };
  return { serving, configure };
}

/**
 * Starts what runs beside the games' door.
 * @throws StartError when that fails; the door is shut again then
 */
async function besides(config: Config, host: NeuroHost, serving: NeuroServing) {
  try {
    const recorder = new Recorder(config.neuro, host, serving);
    serving.beside.add(recorder);
    const control = config.neuro.control
      ? new Control(controlPlace(config), host, () => serving)
      : null;
    if (control) serving.beside.add(control);
    return { recorder, control };
  } catch (error) {
    await serving.drain(0);
    throw error;
  }
}

function settingsOf({ neuro: own }: Pick<Config, "neuro">): NeuroSettings {
  return {
    resultTimeoutMs: own.result_timeout_secs * 1000,
    forceRetries: own.force_retries,
    choiceTimeoutMs: own.choice_timeout_secs * 1000,
    strict: own.strict,
    keepsFirst: own.compat === "before-2026-08",
    mostActions: own.max_actions,
    character: { id: own.character_id, displayName: own.display_name },
    acknowledges: own.acknowledge,
    reregister: own.reregister,
    sharesNames: own.action_scope === "character",
    outboxBytes: own.outbox_bytes,
    wordsPerMinute: own.speech.words_per_minute,
    announces: own.speech.announce,
  };
}
