import type { Clock } from "../../host/clock.ts";
import type { LogLines } from "../../host/log.ts";
import type { Problem } from "../../host/service.ts";

/** Milliseconds between two looks. */
export const LOOK_MS = 5000;
/** The part of the time beyond which a thread counts as busy. */
const MUCH = 0.8;
/** Milliseconds for which it has to be busy before that is told. */
const LONG_MS = 60_000;

const SETTING = "hyper_parameters.worker_threads";

/** Tells when the one thread that serves all clients has little time left. */
export class Busy {
  readonly #clock: Pick<Clock, "now">;
  readonly #log: Pick<LogLines, "info">;
  readonly #computedMs: () => number;
  #at: number;
  #before: number;
  /** The time since which it is busy; clock milliseconds, null while it is not. */
  #since: number | null = null;
  #percent = 0;
  #isTold = false;

  /** @param computedMs milliseconds that this thread has computed so far */
  constructor(
    clock: Pick<Clock, "now">,
    log: Pick<LogLines, "info">,
    computedMs: () => number = computed,
  ) {
    this.#clock = clock;
    this.#log = log;
    this.#computedMs = computedMs;
    this.#at = clock.now();
    this.#before = computedMs();
  }

  problems(): readonly Problem[] {
    if (!this.#isTold) return [];
    return [{ key: "busy", severity: "note", text: `${this.#text}.`, setting: SETTING }];
  }

  get #text(): string {
    return `The one thread that serves the relay is busy ${this.#percent}% of the time; ${SETTING} spreads its clients over more cores`;
  }

  /** Called once every `LOOK_MS`. */
  look(): void {
    const [at, before] = [this.#at, this.#before];
    this.#at = this.#clock.now();
    this.#before = this.#computedMs();
    const part = (this.#before - before) / Math.max(1, this.#at - at);
    this.#percent = Math.min(100, Math.round(100 * part));
    if (part <= MUCH) {
      this.#since = null;
      this.#isTold = false;
      return;
    }
    this.#since ??= at;
    if (this.#isTold || this.#at - this.#since < LONG_MS) return;
    this.#isTold = true;
    this.#log.info(`relay: ${this.#text}`);
  }
}

function computed(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
