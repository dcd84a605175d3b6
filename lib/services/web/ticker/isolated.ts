import { resolve } from "node:path";
import { type Clock, within } from "../../../host/clock.ts";
import type { Health } from "../../../host/service.ts";
import { errorOf, uncaught } from "../../../host/system/workers.ts";
import type { Lent, OwnedShared } from "./shared.ts";
import type { FromWorker, Report, ToWorker } from "./messages.ts";
import { DEADLINE_MS, type Logger, overdue, type TickerStatus } from "./ticker.ts";

/** Milliseconds between two questions for a sign of life. */
const CHECK_MS = 1000;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;
/** A Worker that ran this many milliseconds before it died is started again after the shortest wait. */
const RAN_WELL_MS = 60_000;

/** One Worker, from its start to its death. */
interface Life {
  readonly worker: Worker;
  readonly lent: Lent;
  readonly endChecks: () => void;
  report: Report | null;
  /** The time on the clock when it was first known to run; null before. */
  runningSince: number | null;
  /** True if a message has come from it since the last check. */
  heard: boolean;
  /** Checks in a row without a message from it. */
  silent: number;
  /** Its stage and count of ticks at the last check; null when idle. */
  at: string | null;
  /** Checks in a row that found the same `at` as the one before. */
  same: number;
  /** True once it has reported its stop. */
  stopped: boolean;
}

/**
 * Runs a module's `Ticks` in a Worker; it has the methods of `Ticker`. The
 * Worker is started again, after a wait that grows from 1 s to 60 s, when it
 * dies, exits, cannot load its module, fails to start or takes longer for one
 * thing than the deadline; but not when the first load finds no ticker in the
 * module. It is checked once a second, so a hang is found up
 * to two seconds after its deadline.
 */
export class IsolatedTicker {
  readonly #name: string;
  readonly #href: string;
  readonly #shared: OwnedShared;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** Resolves when the first Worker has run the start hook or has died. */
  readonly #started = Promise.withResolvers<void>();
  /** Resolves when the first load has ended: with the reason when the module holds no ticker, else null. */
  readonly #loaded = Promise.withResolvers<string | null>();
  /** True while someone waits for that reason, who will tell it. */
  #asked = false;
  /** Resolves when the ticker has ended; false when the Worker was cut. */
  readonly #stopped = Promise.withResolvers<boolean>();
  #life: Life | null = null;
  #begun = false;
  #stopping = false;
  #ended = false;
  /** The sums over the Workers that are gone. */
  #past = { ticks: 0, errors: 0, restarts: 0 };
  /** The status in the last report, also after the death of its Worker. */
  #last: TickerStatus | null = null;
  #lastError: string | null = null;
  /** The reason of the last death; null once a Worker runs. */
  #death: string | null = null;
  /** The reason for which the module holds no ticker; null unless the first load told it. */
  #unfit: string | null = null;
  #waitMs = 0;
  /** The planned start: its time on the clock, and the function that cancels it. */
  #again: { due: number; cancel: () => void } | null = null;

  /**
   * @param module path (relative to the working directory) or URL of a module whose
   * default export is a `Ticks`, or a class that makes one without arguments
   */
  constructor(
    module: string | URL,
    shared: OwnedShared,
    { clock, log }: { clock: Clock; log: Logger },
  ) {
    this.#name = String(module);
    this.#href = module instanceof URL ? module.href : Bun.pathToFileURL(resolve(module)).href;
    this.#shared = shared;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Starts the Worker; resolves when its start hook has run or has failed.
   * After a failure, which is logged, the Worker is started again; this does not reject.
   * @throws Error when it was started or stopped before
   */
  async start(): Promise<void> {
    if (this.#begun || this.#stopping) throw new Error("a ticker is started once");
    this.#begun = true;
    this.#spawn();
    await this.#started.promise;
  }

  /**
   * The reason for which the module holds no ticker, when it shows within `ms`
   * milliseconds; null when it holds one, died, or still loads. Later it is logged.
   */
  async unfit(ms: number): Promise<string | null> {
    this.#asked = true;
    const found = await within(this.#clock, ms, this.#loaded.promise);
    this.#asked = false;
    return found;
  }

  /**
   * Ends the ticks in the Worker, waits for the one that runs and for the stop
   * hook, and ends the Worker. From now on no Worker is started again.
   * @param deadlineMs after this many milliseconds the Worker is cut
   * @returns false when the Worker had to be cut
   */
  async stop(deadlineMs?: number): Promise<boolean> {
    if (!this.#stopping) {
      this.#stopping = true;
      this.#again?.cancel();
      this.#again = null;
      if (this.#life === null) this.#end();
      else this.#tell(this.#life, { kind: "stop" });
    }
    const cancel =
      deadlineMs === undefined ? () => {} : this.#clock.after(deadlineMs, () => this.#cut());
    const graceful = await this.#stopped.promise;
    cancel();
    return graceful;
  }

  /**
   * The status in the Worker's last report, at most a second old unless it
   * hangs. Ticks and errors are the reported sums over all Workers. `mode` and
   * `seconds` are FLEX and null until the module has been loaded.
   */
  status(): TickerStatus {
    const present = this.#life?.report?.ticker?.status;
    return {
      state: this.#state(),
      ticks: this.#past.ticks + (present?.ticks ?? 0),
      errors: this.#past.errors + (present?.errors ?? 0),
      restarts: this.#past.restarts,
      tickingMs: present?.tickingMs ?? null,
      lastTickMs: this.#last?.lastTickMs ?? null,
      lastError: this.#lastError,
      nextInMs: present?.nextInMs ?? null,
      mode: this.#last?.mode ?? "FLEX",
      seconds: this.#last?.seconds ?? null,
    };
  }

  health(): Health {
    if (this.#unfit !== null) return { ok: false, reason: this.#unfit };
    if (this.#ended || this.#death === null) return { ok: true, reason: this.#state() };
    const died = `died (${this.#death})`;
    if (this.#again === null) return { ok: false, reason: `${died}; starting again` };
    const seconds = Math.max(0, Math.ceil((this.#again.due - this.#clock.now()) / 1000));
    return { ok: false, reason: `${died}; starting again in ${seconds} s` };
  }

  #state(): TickerStatus["state"] {
    if (this.#ended) return "stopped";
    if (this.#life === null) return this.#begun ? "dead" : "starting";
    return this.#life.report?.ticker?.status.state ?? "starting";
  }

  #spawn(): void {
    const worker = new Worker(new URL("./worker.ts", import.meta.url).href);
    const life: Life = {
      worker,
      lent: this.#shared.lend((answer) => this.#tell(life, answer)),
      endChecks: this.#clock.every(CHECK_MS, () => this.#check(life)),
      report: null,
      runningSince: null,
      heard: false,
      silent: 0,
      at: null,
      same: 0,
      stopped: false,
    };
    this.#life = life;
    worker.addEventListener("message", ({ data }) => {
      if (this.#life !== life) return;
      life.heard = true;
      const message = (data as { ofTicker?: FromWorker } | null)?.ofTicker;
      if (message !== undefined) this.#take(life, message);
    });
    worker.addEventListener("messageerror", () => {
      if (this.#life === life) this.#die(life, "a message that cannot be read", null);
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      if (this.#life === life) this.#die(life, ...uncaught(event.message));
    });
    worker.addEventListener("close", (event) => {
      if (this.#life !== life) return;
      if (!life.stopped) return this.#die(life, `exit code ${event.code}`, null);
      this.#forget(life);
      this.#end();
    });
    this.#tell(life, { kind: "run", href: this.#href, name: this.#name });
  }

  #tell(life: Life, message: ToWorker): void {
    life.worker.postMessage(message);
  }

  #take(life: Life, message: FromWorker): void {
    switch (message.kind) {
      case "report":
        this.#note(life, message);
        break;
      case "log":
        this.#log[message.level](`ticker ${this.#name}: ${message.message}`);
        break;
      case "bug":
        this.#log.bug(errorOf(message.stack), `ticker ${this.#name}: ${message.context}`);
        break;
      case "failed":
        this.#die(life, message.reason, message.stack);
        break;
      case "unfit":
        if (this.#last === null && this.#past.restarts === 0) this.#giveUp(life, message.reason);
        else this.#die(life, message.reason, null);
        break;
      case "stopped":
        life.stopped = true;
        life.worker.terminate();
        break;
      case "get":
      case "set":
      case "lock":
      case "commit":
      case "release":
        life.lent.take(message);
        break;
    }
  }

  #note(life: Life, report: Report): void {
    life.report = report;
    if (report.ticker === null) return;
    this.#loaded.resolve(null);
    const { status } = report.ticker;
    this.#last = status;
    this.#lastError = status.lastError ?? this.#lastError;
    if (status.state !== "running" || life.runningSince !== null) return;
    life.runningSince = this.#clock.now();
    this.#death = null;
    this.#started.resolve();
  }

  /**
   * Ends a Worker that is silent or does one thing for longer than its deadline,
   * and asks any other for a sign of life. Checks are counted, not milliseconds:
   * a time in which this thread itself hung or slept counts as one check.
   */
  #check(life: Life): void {
    life.silent = life.heard ? 0 : life.silent + 1;
    life.heard = false;
    const stage = life.report === null ? "load" : life.report.stage;
    const at = stage === null ? null : `${stage} ${this.status().ticks}`;
    life.same = at !== null && at === life.at ? life.same + 1 : 0;
    life.at = at;
    const deadlineMs = life.report?.ticker?.deadlineMs ?? DEADLINE_MS;
    const silent = life.silent * CHECK_MS > deadlineMs;
    if (silent || (stage !== null && life.same * CHECK_MS > deadlineMs)) {
      let reason = `no sign of life for ${(life.silent * CHECK_MS) / 1000} s`;
      if (stage === "load") reason = `not loaded within ${deadlineMs / 1000} s`;
      else if (stage !== null && !silent) reason = overdue(stage, deadlineMs);
      this.#die(life, reason, null);
    } else this.#tell(life, { kind: "ping" });
  }

  /** Ends the ticker for good: its module holds none. */
  #giveUp(life: Life, reason: string): void {
    this.#forget(life);
    this.#unfit = this.#lastError = reason;
    this.#loaded.resolve(reason);
    if (!this.#asked) this.#log.error(`ticker ${reason}; it is not started again`);
    this.#end();
  }

  #die(life: Life, reason: string, stack: string | null): void {
    this.#forget(life);
    this.#loaded.resolve(null);
    this.#death = this.#lastError = reason;
    const died = `ticker ${this.#name} died (${reason})`;
    if (this.#stopping) {
      this.#say(died, stack);
      return this.#end();
    }
    const now = this.#clock.now();
    const well = life.runningSince !== null && now - life.runningSince >= RAN_WELL_MS;
    this.#waitMs =
      well || this.#waitMs === 0 ? FIRST_WAIT_MS : Math.min(2 * this.#waitMs, LONGEST_WAIT_MS);
    const again = () => {
      this.#again = null;
      this.#past.restarts++;
      this.#log.info(`ticker ${this.#name} is started again`);
      this.#spawn();
    };
    this.#again = { due: now + this.#waitMs, cancel: this.#clock.after(this.#waitMs, again) };
    this.#say(`${died}; starting again in ${this.#waitMs / 1000} s`, stack);
    this.#started.resolve();
  }

  #say(died: string, stack: string | null): void {
    if (stack === null) this.#log.error(died);
    else this.#log.bug(errorOf(stack), died);
  }

  #cut(): void {
    if (this.#life === null) return;
    this.#log.warning(`ticker ${this.#name} has not stopped in time and is cut`);
    this.#forget(this.#life);
    this.#end(false);
  }

  /** Ends a Worker and adds its numbers to the sums. Its later messages are ignored. */
  #forget(life: Life): void {
    life.endChecks();
    life.lent.end();
    life.worker.terminate();
    const status = life.report?.ticker?.status;
    this.#past.ticks += status?.ticks ?? 0;
    this.#past.errors += status?.errors ?? 0;
    this.#life = null;
  }

  #end(graceful = true): void {
    this.#ended = true;
    this.#loaded.resolve(null);
    this.#started.resolve();
    this.#stopped.resolve(graceful);
  }
}
