import { placeOf } from "../../config/place.ts";
import type { Config } from "../../config/table.ts";
import { messageOf, StartError } from "../../host/errors.ts";
import type { Host, Running } from "../../host/service.ts";
import type { Brain } from "./brains/brain.ts";
import { moduleBrain } from "./brains/module.ts";
import { RandomBrain } from "./brains/random.ts";
import { NeuroServing } from "./server.ts";
import type { NeuroSettings } from "./settings.ts";

/** What a brain is made from. */
export interface BrainParts {
  readonly host: Host<Config>;
  /** The settings in force. */
  readonly settings: () => Config["neuro"];
}

/** The program's own brains, by the names that settings have for them. */
const BRAINS: Readonly<Record<string, (parts: BrainParts) => Brain | Promise<Brain>>> = {
  random: ({ host, settings }) =>
    new RandomBrain(host.clock, () => ({
      seed: settings().random_seed,
      delayMs: settings().random_delay_ms,
    })),
};

/**
 * Starts the Neuro service.
 * @throws StartError when it cannot listen, or a brain cannot be had
 */
export async function neuro(config: Config, host: Host<Config>): Promise<Running> {
  let current = config;
  const brains = await brainsOf({ host, settings: () => current.neuro });
  const serving = new NeuroServing(placeOf(config, "neuro"), settingsOf(config), {
    host,
    maxMessageBytes: config.neuro.max_message_bytes,
    brainFor: brains,
  });
  host.onReload((next) => {
    serving.configure(placeOf(next, "neuro"), settingsOf(next));
    current = next;
  });
  return serving;
}

/** Makes every brain that the settings name. @returns who plays a game of a name */
async function brainsOf(parts: BrainParts): Promise<(game: string) => Brain> {
  const { brain, brains } = parts.settings();
  const made = new Map<string, Brain>();
  const make = async (key: string, named: string) => {
    try {
      const brainOf = BRAINS[named];
      if (!made.has(named)) made.set(named, await (brainOf?.(parts) ?? moduleBrain(named)));
    } catch (error) {
      throw new StartError([{ key: `neuro.${key}`, message: messageOf(error) }]);
    }
    return made.get(named) as Brain;
  };
  const usual = await make("brain", brain);
  const own = new Map<string, Brain>();
  for (const item of brains) {
    const end = item.lastIndexOf("=");
    own.set(item.slice(0, end), await make("brains", item.slice(end + 1)));
  }
  return (game) => own.get(game) ?? usual;
}

function settingsOf({ neuro }: Config): NeuroSettings {
  return {
    resultTimeoutMs: neuro.result_timeout_secs * 1000,
    forceRetries: neuro.force_retries,
    choiceTimeoutMs: neuro.choice_timeout_secs * 1000,
    strict: neuro.strict,
    keepsFirst: neuro.compat === "before-2026-08",
    mostActions: neuro.max_actions,
    character: { id: neuro.character_id, displayName: neuro.display_name },
    acknowledges: neuro.acknowledge,
    reregister: neuro.reregister,
    sharesNames: neuro.action_scope === "character",
    outboxBytes: neuro.outbox_bytes,
    wordsPerMinute: neuro.speech.words_per_minute,
    announces: neuro.speech.announce,
  };
}
