import type { Clock } from "../../../../host/clock.ts";
import type { Playing } from "../../brains/brain.ts";
import { shown } from "../../diagnostics.ts";
import type { Pending } from "../../session/pending.ts";
import type { Report } from "../../watch/reports.ts";
import type { Stage } from "../../watch/stage.ts";
import { Random } from "../../random.ts";
import type { ScenarioBrain } from "./brain.ts";
import { lineOf } from "./line.ts";
import type { GameProgram } from "./program.ts";
import type { Plan } from "../file/read.ts";
import type { Happening, Noted } from "./transcript.ts";

/** What scenarios are played with. */
export interface Parts {
  readonly clock: Clock;
  readonly brain: ScenarioBrain;
  readonly stage: Stage;
  /** Of what is chosen at random. */
  readonly seed: number;
}

/** A step has failed, or the scenario as a whole. */
export class Failed extends Error {}

/** Happenings of one kind. */
type Of<K extends Happening["kind"]> = Extract<Happening, { readonly kind: K }>;

/** What came meanwhile is told as far as this. */
const MOST_TOLD = 6;

/**
 * One scenario while it is played: its game, what it has heard of it, and when
 * it ends. An expectation may be met by all that the game has said since what
 * the brain did last; each thing meets one expectation.
 */
export class Playthrough {
  readonly plan: Plan;
  readonly clock: Clock;
  readonly brain: ScenarioBrain;
  readonly stage: Stage;
  readonly random: Random;
  readonly startedAt: number;
  /** Connections that the game has had. */
  readonly connections = new Set<number>();
  /** The game may be away: it was disconnected, or has taken leave as expected. */
  mayBeAway = true;
  /** The action that was sent last, until its result was expected. */
  sent: Pending | null = null;
  /** The process of the game, where the scenario has started it. */
  program: GameProgram | null = null;
  readonly #startedAtWall: number;
  /** Games that came earlier are none of this scenario's. */
  readonly #firstGame: number;
  #name: string | null;
  /** What came before this is past. */
  #from: number;
  /** The number of the last thing that has met an expectation. */
  #met: number;
  #interruption: string | null = null;
  /** Looks again at what somebody waits for. */
  #look = () => {};

  /**
   * @param from what has been noted before this is past
   * @param firstGame the least id that the game may have
   */
  constructor(plan: Plan, parts: Parts, from: number, firstGame: number) {
    const { clock, brain, stage, seed } = parts;
    this.plan = plan;
    this.clock = clock;
    this.brain = brain;
    this.stage = stage;
    this.random = new Random(seed);
    this.startedAt = clock.now();
    this.#startedAtWall = clock.wall();
    this.#name = plan.game;
    this.#firstGame = firstGame;
    this.#from = from;
    this.#met = from - 1;
    brain.transcript.changed = () => this.look();
  }

  /** The game's name, as far as it is known. */
  get name(): string | null {
    return this.#name;
  }

  /** Where the next scenario begins to listen. */
  get next(): number {
    return this.#met + 1;
  }

  /** The game as it is here now, or null. */
  get playing(): Playing | null {
    const mine = [...this.brain.games].filter(
      ({ id, name }) =>
        id >= this.#firstGame && (name === this.#name || (this.#name === null && name !== "")),
    );
    const found = (this.#name === null ? mine[0] : mine.at(-1)) ?? null;
    if (found !== null) this.connections.add(found.clientId);
    return found;
  }

  /** From now on it is this game. */
  bind({ name }: Playing): void {
    this.#name = name;
  }

  /** The game, which has to be here. @throws Failed when it is not and nothing says that it may be away */
  here(): Playing | null {
    const { playing, program } = this;
    if (playing !== null) {
      this.mayBeAway = false;
      return playing;
    }
    // A game that was started by another program may go on without it.
    if (program?.end?.isFailure) throw new Failed(`the game ${program.end.text}`);
    if (!this.mayBeAway) throw new Failed("the game has left");
    return null;
  }

  // --- waiting

  /** Ends whatever is waited for. */
  interrupt(why: string): void {
    this.#interruption ??= why;
    this.look();
  }

  /** Looks again at what is waited for. */
  look(): void {
    this.#look();
  }

  get endsAt(): number {
    return this.startedAt + this.plan.limitMs;
  }

  /**
   * Waits until `look` finds something; what it throws ends the waiting too.
   * @returns null when it takes longer than `ms`
   * @throws Failed when the scenario takes too long as a whole, or is interrupted
   */
  wait<T>(look: () => T | undefined, ms: number): Promise<T | null> {
    return new Promise((resolve, reject) => {
      const left = this.endsAt - this.clock.now();
      let cancel = () => {};
      const end = () => {
        cancel();
        this.#look = () => {};
      };
      const check = (): boolean => {
        try {
          if (this.#interruption !== null) throw new Failed(this.#interruption);
          const found = look();
          if (found === undefined) return false;
          end();
          resolve(found);
        } catch (error) {
          end();
          reject(error);
        }
        return true;
      };
      if (check()) return;
      this.#look = check;
      cancel = this.clock.after(Math.min(ms, left), () => {
        if (check()) return;
        end();
        if (ms <= left) resolve(null);
        else reject(new TooLong(`the scenario takes longer than its limit of ${this.limit}`));
      });
    });
  }

  get limit(): string {
    return secondsText(this.plan.limitMs);
  }

  /**
   * Waits for something that has to come.
   * @param told the time that is told, where some of it has passed already
   * @throws Failed that says what did not come in time
   */
  async need<T>(
    look: () => T | undefined,
    ms: number,
    missing: () => string,
    told = ms,
  ): Promise<T> {
    try {
      const found = await this.wait(look, ms);
      if (found !== null) return found;
    } catch (error) {
      if (error instanceof TooLong) throw new Failed(`${missing()}; ${error.message}`);
      throw error;
    }
    throw new Failed(`${missing()} within ${secondsText(told)}`);
  }

  // --- what was heard

  /** Waits until the game does something that fits. */
  async hear<K extends Happening["kind"]>(
    kind: K,
    fits: (what: Of<K>) => boolean,
    ms: number,
    missing: string,
  ): Promise<Of<K>> {
    const noted = await this.need(
      () => {
        const [found] = this.#heard(kind, fits, this.#from);
        if (found === undefined) this.here();
        return found;
      },
      ms,
      () => `${missing}${this.#earlier(this.#heard(kind, fits, 0))}`,
    );
    this.take(noted);
    return noted.what;
  }

  /** It has met an expectation. */
  take(noted: Noted): void {
    noted.isTaken = true;
    this.#met = Math.max(this.#met, noted.number);
  }

  /** What the game did that is of a kind, fits, and has met no expectation. */
  #heard<K extends Happening["kind"]>(
    kind: K,
    fits: (what: Of<K>) => boolean,
    from: number,
  ): Noted<Of<K>>[] {
    return this.#mine(from).filter(
      (noted): noted is Noted<Of<K>> =>
        !noted.isTaken && noted.what.kind === kind && fits(noted.what as Of<K>),
    );
  }

  #mine(from: number): readonly Noted[] {
    return this.brain.transcript
      .since(from)
      .filter(({ playing: { id, name } }) => id >= this.#firstGame && name === this.#name);
  }

  /** The brain does something: what it is an answer to, and all before, is past. */
  act(answered = 0): void {
    this.#met = Math.max(this.#met, answered);
    this.#from = this.#met + 1;
  }

  /** Says that what is missing came too early. */
  #earlier(fitting: readonly Noted[]): string {
    const last = fitting.findLast(({ number }) => number < this.#from);
    if (last === undefined) return "";
    const at = secondsText(last.at - this.startedAt);
    return ` (one came at ${at}, before what was done last: expect it before that)`;
  }

  /** What the game did that met no expectation so far, in a few lines. */
  meanwhile(): readonly string[] {
    const left = this.#mine(this.#from).filter(({ isTaken }) => !isTaken);
    const lines = left.flatMap(({ what, at }) => {
      const line = lineOf(what);
      return line === null ? [] : [`${secondsText(at - this.startedAt)} ${line}`];
    });
    const more = lines.length - MOST_TOLD;
    return more > 0 ? [`${more} more`, ...lines.slice(more)] : lines;
  }

  /** Names of games that are here and are not the one that is played. */
  others(): readonly string[] {
    const names = [...this.brain.games].map(({ name }) => name);
    return [...new Set(names)].filter((name) => name !== this.#name).map(shown);
  }

  /** What the game's developer was told since the scenario began, errors first. */
  diagnostics(): readonly Report[] {
    const { reports } = this.stage;
    const all =
      this.#name === null ? reports.of("") : [...reports.of(this.#name), ...reports.of("")];
    const rank = ["error", "warning", "info"];
    return all
      .filter(({ lastAt }) => lastAt >= this.#startedAtWall)
      .toReversed()
      .toSorted(
        (a, b) => rank.indexOf(a.diagnostic.severity) - rank.indexOf(b.diagnostic.severity),
      );
  }
}

/** The scenario has taken too long as a whole. */
class TooLong extends Failed {}

/** `0.25 s`, `5 s`. */
export function secondsText(ms: number): string {
  return `${Math.round(ms / 10) / 100} s`;
}
