import type { Clock } from "../../../host/clock.ts";
import { messageOf } from "../../../host/errors.ts";
import type { Log } from "../../../host/log.ts";
import type { Health } from "../../../host/service.ts";
import type { Shared } from "./shared.ts";

/**
 * The rule for the time of the next tick.
 *
 * - `FLEX`: one period after the last due time. If that time has passed when
 *   the last tick ends, or a whole period was missed, the tick comes at once
 *   and the schedule starts anew from there.
 * - `STRICT`: on a fixed grid. Ticks that were missed while one ran follow it
 *   back to back.
 * - `SPACED`: one period after the end of the last tick.
 */
export type TickMode = "FLEX" | "STRICT" | "SPACED";

/** Periodic work: any object with a `tick`. The other fields are read once, before `start` is called. */
export interface Ticks {
  /** The period, a finite number above 0; without it each tick follows the last at once. */
  seconds?: number;
  /** `FLEX` when not given. */
  mode?: TickMode;
  /** True (when not given) for a first tick at once, false for one a period after the start. */
  immediate?: boolean;
  /**
   * Seconds that a hook or a tick may take, at least 1; `max(30, 10 * seconds)`
   * when not given. Beyond that a Worker is ended and started again; a ticker
   * in this process cannot be ended, so only its health says so.
   */
  deadlineSeconds?: number;
  /** Called once, before the first tick; when it throws, the ticker is dead. */
  start?(shared: Shared): void | Promise<void>;
  /** Never called before the last call has settled. Its errors are logged and counted. */
  tick(): void | Promise<void>;
  /** Called once, after the last tick, unless `start` failed. */
  stop?(): void | Promise<void>;
}

/** The part of a log that a ticker uses. */
export type Logger = Pick<Log, "info" | "warning" | "error" | "bug">;

export interface TickerStatus {
  /** `starting` until the start hook has run; `dead` when that failed or while a Worker is down. */
  state: "starting" | "running" | "stopped" | "dead";
  /** Ticks that have ended, with or without an error. */
  ticks: number;
  /** Ticks that ended with an error. */
  errors: number;
  /** Times that it was started again; 0 unless it runs in a Worker. */
  restarts: number;
  /** Milliseconds that the present tick has run, or null between ticks. */
  tickingMs: number | null;
  /** Milliseconds that the last tick took, or null before the first has ended. */
  lastTickMs: number | null;
  lastError: string | null;
  /** Milliseconds until the next tick, or null during one and when none will come. */
  nextInMs: number | null;
  mode: TickMode;
  /** The period, or null without one. */
  seconds: number | null;
}

/** A part of the user's code. */
export type Stage = "start" | "tick" | "stop";

/** The stages in words for an operator. */
export const STAGES: Readonly<Record<Stage, string>> = {
  start: "the start hook",
  tick: "a tick",
  stop: "the stop hook",
};

const MODES: readonly unknown[] = ["FLEX", "STRICT", "SPACED"] satisfies TickMode[];

/** Milliseconds that a hook or a tick may take, unless the ticker sets another time or its period is long. */
export const DEADLINE_MS = 30_000;

/** Errors in ticks that are logged within one second; any more are only counted. */
const ERRORS_PER_SECOND = 10;

/** The fault that keeps a value from being a `Ticks`, with the field's name; null when there is none. */
export function ticksProblem(value: unknown): string | null {
  if (typeof value !== "object" || value === null) {
    return `a ticker is an object with a tick function, not ${Bun.inspect(value)}`;
  }
  const { seconds, mode, immediate, deadlineSeconds, tick, start, stop } = value as Record<
    string,
    unknown
  >;
  if (typeof tick !== "function") return `tick must be a function, not ${Bun.inspect(tick)}`;
  for (const [name, hook] of Object.entries({ start, stop })) {
    if (hook !== undefined && typeof hook !== "function") {
      return `${name} must be a function, not ${Bun.inspect(hook)}`;
    }
  }
  if (seconds !== undefined && !(Number.isFinite(seconds) && (seconds as number) > 0)) {
    return `seconds must be a finite number above 0, not ${Bun.inspect(seconds)}`;
  }
  if (mode !== undefined && !MODES.includes(mode)) {
    return `mode must be FLEX, STRICT or SPACED, not ${Bun.inspect(mode)}`;
  }
  if (immediate !== undefined && typeof immediate !== "boolean") {
    return `immediate must be true or false, not ${Bun.inspect(immediate)}`;
  }
  if (
    deadlineSeconds !== undefined &&
    !(Number.isFinite(deadlineSeconds) && (deadlineSeconds as number) >= 1)
  ) {
    return `deadlineSeconds must be a finite number, at least 1, not ${Bun.inspect(deadlineSeconds)}`;
  }
  return null;
}

/**
 * Runs a `Ticks` in this process. A tick that never returns, or that exits,
 * stops the whole program; an `IsolatedTicker` prevents that.
 */
export class Ticker {
  /** Milliseconds that a hook or a tick may take. */
  readonly deadlineMs: number;
  readonly #ticks: Ticks;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #afterTick: () => void;
  readonly #mode: TickMode;
  readonly #immediate: boolean;
  /** Milliseconds, or null without a period. */
  readonly #period: number | null;
  #state: TickerStatus["state"] = "starting";
  #doing: { stage: Stage; since: number } | null = null;
  /** Resolves at the end of the start or tick that runs or ran last; null before the start. */
  #running: Promise<void> | null = null;
  #stopping: Promise<boolean> | null = null;
  /** The due time of the next tick, or of the one that runs, on the clock. */
  #due = 0;
  #cancelNext: (() => void) | null = null;
  #count = 0;
  #errors = 0;
  #lastTickMs: number | null = null;
  #lastError: string | null = null;
  /** The second that limits the logging of errors: its begin on the clock, and the errors in it. */
  #second = { since: 0, errors: 0 };

  /**
   * @param options.afterTick called when a tick has ended and the next is planned
   * @throws TypeError naming the field that is wrong
   */
  constructor(ticks: Ticks, options: { clock: Clock; log: Logger; afterTick?: () => void }) {
    const problem = ticksProblem(ticks);
    if (problem !== null) throw new TypeError(problem);
    this.#ticks = ticks;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#afterTick = options.afterTick ?? (() => {});
    this.#mode = ticks.mode ?? "FLEX";
    this.#immediate = ticks.immediate ?? true;
    this.#period = ticks.seconds === undefined ? null : ticks.seconds * 1000;
    this.deadlineMs =
      ticks.deadlineSeconds === undefined
        ? Math.max(DEADLINE_MS, 10 * (this.#period ?? 0))
        : ticks.deadlineSeconds * 1000;
  }

  /** The part of the user's code that runs; null when none does. */
  get stage(): Stage | null {
    return this.#doing?.stage ?? null;
  }

  /**
   * Runs the start hook and plans the first tick. An error in the hook is
   * logged and leaves the ticker dead; this does not reject for it.
   * @throws Error when it was started or stopped before
   */
  async start(shared: Shared): Promise<void> {
    if (this.#running !== null || this.#stopping !== null) {
      throw new Error("a ticker is started once");
    }
    await this.#underWay(() => this.#start(shared));
  }

  /**
   * Ends the ticks, waits for the one that runs and runs the stop hook; only the
   * first call does. A tick that waits for this waits for ever.
   * @param deadlineMs milliseconds to wait; without end when not given
   * @returns false if it has not stopped in that time
   */
  async stop(deadlineMs?: number): Promise<boolean> {
    this.#stopping ??= this.#stop();
    if (deadlineMs === undefined) return this.#stopping;
    const late = Promise.withResolvers<boolean>();
    const cancel = this.#clock.after(deadlineMs, () => {
      const what = this.#doing === null ? "it" : STAGES[this.#doing.stage];
      this.#log.warning(`the ticker has not stopped in time: ${what} still runs`);
      late.resolve(false);
    });
    const stopped = await Promise.race([this.#stopping, late.promise]);
    cancel();
    return stopped;
  }

  status(): TickerStatus {
    const now = this.#clock.now();
    return {
      state: this.#state,
      ticks: this.#count,
      errors: this.#errors,
      restarts: 0,
      tickingMs: this.#doing?.stage === "tick" ? now - this.#doing.since : null,
      lastTickMs: this.#lastTickMs,
      lastError: this.#lastError,
      nextInMs: this.#cancelNext === null ? null : Math.max(0, this.#due - now),
      mode: this.#mode,
      seconds: this.#period === null ? null : this.#period / 1000,
    };
  }

  health(): Health {
    if (this.#state === "dead") return { ok: false, reason: `died (${this.#lastError})` };
    if (this.#doing !== null && this.#clock.now() - this.#doing.since > this.deadlineMs) {
      return { ok: false, reason: overdue(this.#doing.stage, this.deadlineMs) };
    }
    return { ok: true, reason: this.#state };
  }

  async #start(shared: Shared): Promise<void> {
    try {
      await this.#run("start", () => this.#ticks.start?.(shared));
    } catch (error) {
      this.#state = "dead";
      this.#lastError = `${STAGES.start} failed: ${messageOf(error)}`;
      this.#log.bug(error, `the ticker died: ${STAGES.start} failed`);
      return;
    }
    this.#state = "running";
    this.#due = this.#clock.now() + (this.#immediate ? 0 : (this.#period ?? 0));
    this.#plan();
  }

  async #stop(): Promise<true> {
    this.#cancelNext?.();
    this.#cancelNext = null;
    await this.#running;
    if (this.#state === "running") {
      try {
        await this.#run("stop", () => this.#ticks.stop?.());
      } catch (error) {
        this.#lastError = messageOf(error);
        this.#log.bug(error, `${STAGES.stop} of the ticker failed`);
      }
    }
    this.#state = "stopped";
    return true;
  }

  /** Runs `work`. `stop` waits for it from before its first line, which may itself call `stop`. */
  #underWay(work: () => Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#running = promise;
    void work().then(resolve);
    return promise;
  }

  async #run(stage: Stage, call: () => void | Promise<void>): Promise<void> {
    this.#doing = { stage, since: this.#clock.now() };
    try {
      await call();
    } finally {
      this.#doing = null;
    }
  }

  async #tick(): Promise<void> {
    const begun = this.#clock.now();
    try {
      await this.#run("tick", () => this.#ticks.tick());
    } catch (error) {
      this.#errors++;
      this.#lastError = messageOf(error);
      this.#tell(error);
    }
    this.#count++;
    const now = this.#clock.now();
    this.#lastTickMs = now - begun;
    if (this.#period === null) this.#due = now;
    else if (this.#mode === "STRICT") this.#due += this.#period;
    else if (this.#mode === "SPACED") this.#due = now + this.#period;
    else this.#due = Math.max(this.#due + this.#period, now);
    this.#plan();
    this.#afterTick();
  }

  /** Plans the next tick for its due time, at the earliest for the next turn of the event loop. */
  #plan(): void {
    if (this.#stopping !== null) return;
    const due = () => {
      this.#cancelNext = null;
      const late = this.#clock.now() - this.#due;
      if (this.#mode === "FLEX" && late >= (this.#period ?? 0)) this.#due += late;
      void this.#underWay(() => this.#tick());
    };
    const wait = this.#due - this.#clock.now();
    if (wait > 0) {
      this.#cancelNext = this.#clock.after(wait, due);
      return;
    }
    const soon = setImmediate(due);
    this.#cancelNext = () => clearImmediate(soon);
  }

  /** Logs an error in a tick, up to a bound within a second. */
  #tell(error: unknown): void {
    const now = this.#clock.now();
    if (now - this.#second.since >= 1000) this.#second = { since: now, errors: 0 };
    if (++this.#second.errors <= ERRORS_PER_SECOND) this.#log.bug(error, "an error in a tick");
    else if (this.#second.errors === ERRORS_PER_SECOND + 1) {
      this.#log.warning("more errors in ticks within a second are counted, not logged");
    }
  }
}

/** A sentence for a stage that takes longer than its deadline. */
export function overdue(stage: Stage, deadlineMs: number): string {
  return `${STAGES[stage]} has run for longer than ${deadlineMs / 1000} s`;
}
