import type { Problem } from "../config/layer.ts";
import { load, problemText, remarks, sourceOf, type Sources } from "../config/load.ts";
import { MAIN_SERVICE } from "../config/services.ts";
import { type Config, settings } from "../config/table.ts";
import { pageRemarks, problemAt, problemsOf } from "../host/service/check.ts";
import { systemClock } from "../host/clock.ts";
import { LossError, StartError } from "../host/errors.ts";
import { onSignals, serve } from "../host/lifecycle.ts";
import { Supervisor } from "../host/system/notify.ts";
import type { Running, Services } from "../host/service.ts";
import { barredHere } from "../net/admission/barred.ts";
import { settledWay } from "../net/sends/way.ts";
import { reload } from "./reload.ts";
import { say } from "./terminal/say.ts";

/** The words of a command about the start, beside those of the log. */
export interface StartWords {
  /** The settings are right. */
  starting?(): void;
  /** Everything listens. */
  ready?(running: ReadonlyMap<string, Running>): void;
}

/** Starts the services of the settings and serves until a signal. @returns the exit code */
export async function start(
  sources: Sources,
  services: Services<Config>,
  program: string,
  words: StartWords = {},
): Promise<number> {
  const loaded = load(settings, sources);
  if (loaded.problems.length > 0) return notStarted(await problemsOf(loaded, services), 2);
  const stop = Promise.withResolvers<string>();
  /** Rejects if the start fails outside of the promise that is awaited. */
  const failed = Promise.withResolvers<never>();
  let isReady = false;
  let supervisor = null as Supervisor | null;
  let settle = () => {};
  const served = serve<Config>({
    services,
    config: loaded.config,
    clock: systemClock,
    source: sourceOf(loaded),
    remarks: [
      ...remarks(loaded),
      ...barredHere(loaded.config),
      ...pageRemarks(services, loaded.config),
    ],
    stop,
    signals: onSignals,
    opened(log) {
      words.starting?.();
      supervisor = new Supervisor(systemClock, log, process.env);
      // A service that is started alone can do without a file.
      if (loaded.file === null && MAIN_SERVICE.name in services) {
        log.info(
          `there is no summoner.toml here, so the defaults apply; ${program} init writes one`,
        );
      }
      settle = () => {
        const way = settledWay(loaded.config.net.io);
        if (way !== null) log.info(way);
      };
      const bug = (error: unknown) => {
        log.bug(error, "outside of any client");
        if (isReady) return;
        log.closeSync();
        failed.reject(error);
      };
      process.on("uncaughtException", bug);
      process.on("unhandledRejection", bug);
    },
    reload(running, log) {
      supervisor?.reloading();
      log.reopen();
      const reloaded = reload({ sources, services, program: running, log });
      supervisor?.ready(reloaded.outcome);
      return reloaded;
    },
    ready(lines, { config, running }) {
      isReady = true;
      words.ready?.(running);
      for (const line of lines) announce(line, config);
      supervisor?.ready(lines.join(", "));
      settle();
    },
    draining(why, { config: { drain_ms } }, log) {
      const draining = `${why}: draining for at most ${drain_ms} ms`;
      log.info(draining);
      supervisor?.stopping(draining, drain_ms);
    },
  });
  try {
    await Promise.race([served, failed.promise]);
  } catch (error) {
    if (error instanceof LossError) return 1;
    const faults = error instanceof StartError ? error.faults : [];
    if (faults.length === 0) throw error;
    return notStarted(
      faults.map((fault) => problemAt(fault, loaded)),
      1,
    );
  }
  supervisor?.close();
  return 0;
}

/** Tells the problems for which nothing was started. @returns the exit code */
function notStarted(problems: readonly Problem[], code: number): number {
  for (const problem of problems) say.error(problemText(problem));
  say.log("Nothing was started.");
  return code;
}

/** Prints a line about being ready, if the console shows no INFO lines of the log. */
function announce(line: string, { logger }: Config): void {
  const { enable_console_log, log_level } = logger;
  if (!enable_console_log || (log_level !== "INFO" && log_level !== "DEBUG")) {
    process.stdout.write(`${line}\n`);
  }
}
