import { problemText } from "../../../config/load.ts";
import type { Fault } from "../../../host/errors.ts";
import { Seldom } from "../../../host/seldom.ts";
import type { Brain, Choice, ForceRequest, Playing } from "../brains/brain.ts";
import type { BrainParts } from "../brains/parts.ts";
import { shown } from "../diagnostics.ts";
import { ScenarioBrain } from "./play/brain.ts";
import { secondsText } from "./play/playthrough.ts";
import { type Plan, readFile, visibleProblems } from "./file/read.ts";
import { type Outcome, ScenarioRun } from "./play/run.ts";

/** What keeps the file of scenarios of the settings from being played, as far as it shows without running it. */
export function scenarioFaults(path: string): readonly Fault[] {
  if (path === "") return [];
  return visibleProblems(path).map((problem) => ({ key: "neuro.scenario", ...problem }));
}

/**
 * Scenarios in a running server: they are played with each game that comes,
 * unless another is played at present, and the log has what became of them.
 */
export class PlayedScenarios implements Brain {
  readonly name = "scenario";
  readonly isPatient = true;
  readonly #parts: BrainParts;
  readonly #plans: readonly Plan[];
  readonly #inner: ScenarioBrain;
  readonly #seldom: Seldom;
  /** What is played at present, and with whom. */
  #now: { readonly run: ScenarioRun; readonly game: string } | null = null;
  #isWatching = false;

  private constructor(parts: BrainParts, plans: readonly Plan[]) {
    const { clock, log } = parts;
    this.#parts = parts;
    // The game is here already: nothing is started.
    this.#plans = plans.map((plan) => ({ ...plan, start: null }));
    this.#inner = new ScenarioBrain(clock);
    this.#seldom = new Seldom(clock, (kind, more) => {
      log.info(`neuro: ${more} more of ${kind ?? "other scenarios"}`);
    });
  }

  /** @throws Error that says what is wrong with the file */
  static async create(this: void, parts: BrainParts): Promise<PlayedScenarios> {
    const { plans, problems } = await readFile(parts.settings().scenario, parts.clock);
    if (problems.length > 0) throw new Error(problems.map(problemText).join("\n"));
    return new PlayedScenarios(parts, plans);
  }

  gameChanged(playing: Playing, what: "here" | "actions" | "gone"): void {
    if (!this.#isWatching) {
      this.#isWatching = true;
      this.#parts.stage().watch(this.#inner.transcript);
    }
    this.#inner.gameChanged(playing, what);
    if (what === "here" && this.#now === null) this.#begin(playing);
  }

  chooseForceAction(game: string, force: ForceRequest, playing: Playing): Promise<Choice> {
    if (this.#now?.game === game) return this.#inner.chooseForceAction(game, force, playing);
    throw new Error("no scenario is played with this game at present");
  }

  stop(): void {
    this.#now?.run.interrupt("the server stops");
    this.#seldom.close();
  }

  #begin(game: Playing): void {
    const { name } = game;
    const plans = this.#plans.filter((plan) => plan.game === null || plan.game === name);
    const { clock, log, stage, settings } = this.#parts;
    const { random_seed: seed } = settings();
    const parts = { clock, brain: this.#inner, stage: stage(), seed, url: "this server", game };
    const run = new ScenarioRun(parts, { ended: (outcome) => this.#tell(outcome) });
    this.#now = { run, game: name };
    run
      .play(plans.map((plan) => ({ ...plan, game: name })))
      .catch((error: unknown) => log.bug(error, "playing scenarios"))
      .finally(() => {
        this.#now = null;
        this.#inner.refuse("the scenario has ended");
      });
  }

  #tell({ plan, state, failure, ms }: Outcome): void {
    const what = `scenario ${shown(plan.name)} with ${shown(plan.game ?? "")}`;
    if (!this.#seldom.isFirst(`${what} ${state}`)) return;
    const { log } = this.#parts;
    if (failure === null) log.info(`neuro: ${what} ${state} in ${secondsText(ms)}`);
    else log.warning(`neuro: ${what} failed: ${failure.where}: ${failure.why}`);
  }
}
