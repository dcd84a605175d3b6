/** Plays scenarios, one after the other. */
import { messageOf } from "../../../../host/errors.ts";
import { printable } from "../../../../host/content.ts";
import { shown } from "../../diagnostics.ts";
import type { Playing } from "../../brains/brain.ts";
import type { Report } from "../../watch/reports.ts";
import type { ReadStep } from "../file/format.ts";
import { GameInHand } from "./hand.ts";
import { Failed, type Parts, Playthrough } from "./playthrough.ts";
import { GameProgram } from "./program.ts";
import type { Plan } from "../file/read.ts";
import type { Play } from "../file/scenario.ts";
import { doStep } from "./steps.ts";
import type { SeenFrame } from "./transcript.ts";

export interface StepOutcome {
  readonly text: string;
  readonly where: string;
  readonly state: "passed" | "failed" | "skipped";
  readonly ms: number;
}

/** The outcome of a scenario. */
export interface Outcome {
  readonly plan: Plan;
  readonly state: "passed" | "failed" | "skipped";
  /** Why it failed, in a sentence, and where that is written; null when it did not. */
  readonly failure: { readonly why: string; readonly where: string } | null;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly ms: number;
  readonly steps: readonly StepOutcome[];
  /** What the game did that met no expectation, before the failure. */
  readonly meanwhile: readonly string[];
  readonly diagnostics: readonly Report[];
  /** The last messages, with their time since the scenario began. */
  readonly frames: readonly SeenFrame[];
  /** What is known of the game's process. */
  readonly program: { readonly end: string | null; readonly lines: readonly string[] } | null;
}

/** Told of what happens, as it happens. */
export interface Listener {
  began?(plan: Plan): void;
  step?(step: StepOutcome): void;
  ended?(outcome: Outcome): void;
  /** A line that the game has printed. */
  printed?(line: string): void;
}

export interface RunParts extends Parts {
  /** Where games connect. */
  readonly url: string;
  /** The game that is played, where it is here already. */
  readonly game?: Playing;
}

/** How long a game that has failed may take to end by itself, so that it can be told how. */
const LAST_WORDS_MS = 2000;

export class ScenarioRun {
  readonly #parts: RunParts;
  readonly #tell: Listener;
  readonly #interrupted = Promise.withResolvers<never>();
  #why: string | null = null;
  #play: Playthrough | null = null;
  /** From where scenarios listen whose game was started by somebody else. */
  #next = 0;
  readonly #firstGame: number;

  constructor(parts: RunParts, tell: Listener = {}) {
    this.#parts = parts;
    this.#firstGame = parts.game?.id ?? 0;
    this.#tell = tell;
    this.#interrupted.promise.catch(() => {});
  }

  /** Ends the scenario that is played; no other is begun. */
  interrupt(why: string): void {
    this.#why ??= why;
    this.#play?.interrupt(why);
    this.#interrupted.reject(new Failed(why));
  }

  /** Plays them all. @returns their outcomes, in order */
  async play(plans: readonly Plan[]): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    for (const plan of plans) {
      const outcome = this.#why === null ? await this.#one(plan) : this.#skipped(plan);
      this.#tell.ended?.(outcome);
      outcomes.push(outcome);
    }
    return outcomes;
  }

  #skipped(plan: Plan): Outcome {
    return {
      plan,
      state: "skipped",
      failure: null,
      startedAt: this.#parts.clock.wall(),
      ms: 0,
      steps: stepsOf(plan).map((step) => outcomeOf(step, "skipped", 0)),
      meanwhile: [],
      diagnostics: [],
      frames: [],
      program: null,
    };
  }

  async #one(plan: Plan): Promise<Outcome> {
    const { clock, brain } = this.#parts;
    this.#tell.began?.(plan);
    const isStarted = plan.start !== null;
    const from = isStarted ? brain.transcript.last + 1 : this.#next;
    const firstGame = isStarted ? brain.lastGame + 1 : this.#firstGame;
    const play = new Playthrough(plan, this.#parts, from, firstGame);
    this.#play = play;
    const startedAt = clock.wall();
    const steps: StepOutcome[] = [];
    const note = (step: StepOutcome) => {
      steps.push(step);
      this.#tell.step?.(step);
    };
    let failure: Outcome["failure"] = null;
    try {
      await this.#perform(play, note);
    } catch (error) {
      failure = failureOf(error, steps, plan);
    }
    const ms = clock.now() - play.startedAt;
    const meanwhile = failure === null ? [] : play.meanwhile();
    if (failure !== null && play.playing === null) await play.program?.mayEnd(LAST_WORDS_MS);
    const end = play.program?.end?.text ?? null;
    await this.#end(play, firstGame);
    const left = stepsOf(plan).slice(steps.filter(({ where }) => where !== "").length);
    for (const step of left) note(outcomeOf(step, "skipped", 0));
    return {
      plan,
      state: failure === null ? "passed" : "failed",
      failure,
      startedAt,
      ms,
      steps,
      meanwhile,
      diagnostics: play.diagnostics(),
      frames: brain.transcript
        .framesOf(play.connections)
        .map((frame) => ({ ...frame, at: frame.at - play.startedAt })),
      program: play.program && { end, lines: play.program.lines },
    };
  }

  /** Ends the game that was started, and whatever of it is still connected. */
  async #end(play: Playthrough, firstGame: number): Promise<void> {
    this.#play = null;
    this.#next = play.next;
    if (play.program === null) return;
    await play.program.stop();
    for (const game of this.#parts.brain.games) if (game.id >= firstGame) game.disconnect(true);
  }

  /** @throws whatever ends the scenario before its end */
  async #perform(play: Playthrough, note: (step: StepOutcome) => void): Promise<void> {
    const { plan } = play;
    const perform = async (step: ReadStep, act: () => Promise<unknown>) => {
      const began = play.clock.now();
      let state: StepOutcome["state"] = "failed";
      try {
        const found = await act();
        state = "passed";
        return found;
      } finally {
        note(outcomeOf(step, state, play.clock.now() - began));
      }
    };
    await perform(CONNECTS, () => this.#connected(play));
    if (typeof plan.played === "function") {
      await this.#call(plan.played, play, (step) => perform(step, () => doStep(play, step)));
      return;
    }
    for (const step of plan.played) await perform(step, () => doStep(play, step));
  }

  /** Waits for the game, which is started before where that is asked for. */
  async #connected(play: Playthrough): Promise<void> {
    const { clock, url, brain } = this.#parts;
    const { start, folder, connectMs } = play.plan;
    if (start !== null) {
      const line = (text: string) => this.#tell.printed?.(text);
      try {
        play.program = new GameProgram({ words: start, folder, url, clock, line });
      } catch (error) {
        throw new Failed(messageOf(error));
      }
      play.program.ended = () => play.look();
    }
    const playing = await play.need(
      () => play.here() ?? undefined,
      connectMs,
      () => {
        const others = play.others();
        const who = play.name === null ? "no game" : `no game named "${shown(play.name)}"`;
        const here = others.length === 0 ? "" : `, but here is ${others.join(", ")}`;
        const end = play.program?.end ? `; the game's command ${play.program.end.text}` : "";
        return `${who} has connected to ${url}${here}${end}`;
      },
    );
    play.bind(playing);
    const came = brain.transcript
      .since(0)
      .find(({ what, playing: by }) => what.kind === "here" && by === playing);
    if (came !== undefined) play.take(came);
  }

  /** Calls the function of a scenario, which may take as long as the scenario. */
  async #call(
    call: Play,
    play: Playthrough,
    perform: (step: ReadStep) => Promise<unknown>,
  ): Promise<void> {
    const game = new GameInHand(play, perform);
    const late = Promise.withResolvers<never>();
    const cancel = play.clock.after(play.endsAt - play.clock.now(), () =>
      late.reject(new Failed(`the function has not returned within the limit of ${play.limit}`)),
    );
    const called = (async () => {
      await call(game);
      await game.settled();
    })();
    try {
      await Promise.race([called, late.promise, this.#interrupted.promise]);
    } catch (error) {
      game.end(new Failed("the scenario has ended"));
      throw error;
    } finally {
      cancel();
      called.catch(() => {});
    }
  }
}

/** The step that every scenario begins with. */
const CONNECTS: ReadStep = {
  name: "connect",
  values: { within: null },
  where: "",
  text: "the game connects",
};

function stepsOf({ played }: Plan): readonly ReadStep[] {
  return typeof played === "function" ? [] : played;
}

function outcomeOf(
  { text, where }: ReadStep,
  state: StepOutcome["state"],
  ms: number,
): StepOutcome {
  return { text, where, state, ms };
}

/** Why a scenario has failed, and where. */
function failureOf(
  error: unknown,
  steps: readonly StepOutcome[],
  { file, played }: Plan,
): Outcome["failure"] {
  const last = steps.at(-1);
  const step = last?.state === "failed" && last.where !== "" ? last.where : file;
  if (error instanceof Failed) return { why: printable(error.message), where: step };
  const thrown = error instanceof Error ? `${error.name}: ${error.message}` : messageOf(error);
  return {
    why: printable(thrown),
    where: typeof played === "function" ? placeIn(error, file) : step,
  };
}

/** The place in a file where something was thrown. */
function placeIn(error: unknown, file: string): string {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const name = file.split("/").at(-1) as string;
  const found = stack.split("\n").find((line) => line.includes(`/${name}:`));
  const at = /:(\d+:\d+)\)?$/.exec(found ?? "")?.[1];
  return at === undefined ? file : `${file}:${at}`;
}
