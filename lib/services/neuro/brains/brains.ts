import type { Config } from "../../../config/table.ts";
import { type Fault, messageOf, StartError } from "../../../host/errors.ts";
import { moduleTrouble } from "../../../host/system/module.ts";
import { type Brain, troubleOf } from "./brain.ts";
import { ConsoleBrain } from "./console/console.ts";
import { PlayedScenarios, scenarioFaults } from "../scenario/played.ts";
import { LlmBrain } from "./llm/llm.ts";
import { moduleBrain } from "./module.ts";
import type { BrainParts } from "./parts.ts";
import { RandomBrain } from "./random.ts";
import { WebBrain } from "./web.ts";

/** The program's own brains, by the names that settings have for them. */
const BRAINS: Readonly<Record<string, (parts: BrainParts) => Brain | Promise<Brain>>> = {
  random: ({ clock, settings }) =>
    new RandomBrain(clock, () => ({
      seed: settings().random_seed,
      delayMs: settings().random_delay_ms,
    })),
  console: (parts) => new ConsoleBrain(parts),
  llm: (parts) => new LlmBrain(parts),
  web: () => new WebBrain(),
  scenario: PlayedScenarios.create,
};

/** The brain of a setting's game, with the setting's key. */
interface Named {
  readonly key: string;
  /** null for every game that has none of its own. */
  readonly game: string | null;
  readonly brain: string;
}

function namedIn({ brain, brains }: Config["neuro"]): readonly Named[] {
  const own = brains.map((item) => {
    const end = item.lastIndexOf("=");
    return { key: "neuro.brains", game: item.slice(0, end), brain: item.slice(end + 1) };
  });
  return [{ key: "neuro.brain", game: null, brain }, ...own];
}

/** The key of the settings that has a person play on the page, or null. */
export function personKey(settings: Config["neuro"]): string | null {
  return namedIn(settings).find(({ brain }) => brain === "web")?.key ?? null;
}

/** The faults of the settings' modules, as far as they show without running them. */
export function brainFaults(settings: Config["neuro"]): readonly Fault[] {
  return namedIn(settings).flatMap(({ key, brain }) => {
    if (brain === "scenario") return scenarioFaults(settings.scenario);
    if (Object.hasOwn(BRAINS, brain)) return [];
    const trouble = moduleTrouble(brain, ["default", "chooseForceAction"]);
    return trouble === null ? [] : [{ key, message: `${brain}: ${trouble}` }];
  });
}

/** Everybody who plays. */
export class Brains {
  readonly #all: readonly Brain[];
  readonly #of: (game: string) => Brain;

  /** @param of gives the brain of each game; one brain for every game when not given */
  constructor(all: readonly [Brain, ...Brain[]], of: (game: string) => Brain = () => all[0]) {
    this.#all = all;
    this.#of = of;
  }

  /** The brain of a game of this name: one for all games of the same name. */
  of(game: string): Brain {
    return this.#of(game);
  }

  /** Games can connect now. @param url where they do */
  start(url: string): void {
    for (const brain of this.#all) brain.start?.(url);
  }

  /** The reason why one of them cannot play at present, or null. */
  get trouble(): string | null {
    for (const brain of this.#all) {
      const trouble = troubleOf(brain);
      if (trouble !== null) return `brain ${brain.name}: ${trouble}`;
    }
    return null;
  }

  /** The server stops. A brain that does not holds nobody up: what has to be saved it saves as it goes. */
  stop(): void {
    for (const brain of this.#all) {
      try {
        void Promise.resolve(brain.stop?.()).catch(() => {});
      } catch {}
    }
  }
}

/**
 * Makes every brain that the settings name.
 * @throws StartError
 */
export async function brainsOf(parts: BrainParts): Promise<Brains> {
  const made = new Map<string, Brain>();
  const byGame = new Map<string | null, Brain>();
  for (const { key, game, brain: name } of namedIn(parts.settings())) {
    let brain = made.get(name);
    if (brain === undefined) {
      try {
        brain = await (BRAINS[name]?.(parts) ?? moduleBrain(name));
      } catch (error) {
        throw new StartError([{ key, message: messageOf(error) }]);
      }
      made.set(name, brain);
    }
    byGame.set(game, brain);
  }
  const of = (game: string) => byGame.get(game) ?? (byGame.get(null) as Brain);
  return new Brains([...made.values()] as [Brain, ...Brain[]], of);
}
