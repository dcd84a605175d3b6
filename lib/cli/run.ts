import { load, problemText, remarks, sourceOf, type Sources } from "../config/load.ts";
import { optionPaths, valueAt } from "../config/paths.ts";
import { type Config, settings } from "../config/table.ts";
import { masked, tomlValue } from "../config/render.ts";
import { systemClock } from "../host/clock.ts";
import { messageOf } from "../host/errors.ts";
import { onSignals, type Program, serve, type Services } from "../host/lifecycle.ts";
import type { Log } from "../host/log.ts";
import { Supervisor } from "../host/notify.ts";
import { type Command, SOURCES, sourcesOf } from "./command.ts";
import { say } from "./say.ts";

export const run: Command = {
  name: "run",
  about: "Start the server. This is what happens without a command.",
  more: [
    "SIGINT and SIGTERM drain it, a second one cuts. SIGHUP reads the settings again, except under a terminal, where it drains too.",
  ],
  flags: SOURCES,
  serves: true,
  examples: [
    ["", "Starts with ./summoner.toml, or the defaults where there is none."],
    ["--port 9000", "Listens on another port."],
    ["--config server.json", "Takes the place of a reference server."],
    ["--preset strict --set logger.log_level=DEBUG", "Starts from a preset, and changes one key."],
  ],
  run: (args, { services, program }) => start(sourcesOf(args), services, program),
};

/** Starts what the settings say and serves until a signal. @returns the exit code */
async function start(
  sources: Sources,
  services: Services<Config>,
  program: string,
): Promise<number> {
  const loaded = load(settings, sources);
  if (loaded.problems.length > 0) {
    for (const problem of loaded.problems) say.error(problemText(problem));
    say.log("Nothing was started.");
    return 2;
  }
  const stop = Promise.withResolvers<string>();
  /** Rejects when the start fails where nobody waits for it. */
  const failed = Promise.withResolvers<never>();
  let isReady = false;
  let supervisor!: Supervisor;
  const served = serve<Config>({
    services,
    config: loaded.config,
    clock: systemClock,
    source: sourceOf(loaded),
    remarks: remarks(loaded),
    stop,
    signals: onSignals,
    opened(log) {
      supervisor = new Supervisor(systemClock, log, process.env);
      if (loaded.file === null) {
        log.info(
          `there is no summoner.toml here, so the defaults apply; ${program} init writes one`,
        );
      }
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
      supervisor.reloading();
      log.reopen();
      const reloaded = reload(sources, running, log);
      supervisor.ready(reloaded.outcome);
      return reloaded;
    },
    ready(lines, { config }) {
      isReady = true;
      for (const line of lines) announce(line, config);
      supervisor.ready(lines.join(", "));
    },
    draining(why, { config: { drain_ms } }, log) {
      const draining = `${why}: draining for at most ${drain_ms} ms`;
      log.info(draining);
      supervisor.stopping(draining, drain_ms);
    },
  });
  await Promise.race([served, failed.promise]);
  supervisor.close();
  return 0;
}

/** Says that something is ready even where the console shows no such lines of the log. */
function announce(line: string, { logger }: Config): void {
  const { enable_console_log, log_level } = logger;
  if (!enable_console_log || (log_level !== "INFO" && log_level !== "DEBUG")) {
    process.stdout.write(`${line}\n`);
  }
}

/** What is in force once `after` has been applied: what takes a restart stays. */
function inForce(before: Config, after: Config): Config {
  const config = structuredClone(after);
  for (const [path, { live }] of optionPaths(settings)) {
    if (live) continue;
    const dot = path.lastIndexOf(".");
    const table = dot < 0 ? config : valueAt(config, path.slice(0, dot));
    Object.assign(table as object, {
      [path.slice(dot + 1)]: valueAt(before, path),
    });
  }
  return config;
}

interface Reloaded {
  readonly ok: boolean;
  /** A sentence for the operator. */
  readonly outcome: string;
}

/** Applies the settings as they stand now. */
function reload(sources: Sources, running: Program<Config>, log: Log): Reloaded {
  const before = running.config;
  const loaded = load(settings, sources);
  if (loaded.problems.length > 0) {
    const problems = loaded.problems.map(problemText);
    for (const problem of problems) log.error(problem);
    log.error("the settings stay as they were");
    const outcome = `${problems.join("; ")}; the settings stay as they were`;
    return { ok: false, outcome };
  }
  for (const remark of remarks(loaded)) log.warning(remark);
  const after = loaded.config;
  const changed = [...optionPaths(settings)].filter(
    ([path]) => !Bun.deepEquals(valueAt(before, path), valueAt(after, path)),
  );
  for (const [path, option] of changed) {
    const shown = (config: Config) => tomlValue(masked(option, valueAt(config, path)));
    const change = `${path}: ${shown(before)} -> ${shown(after)}`;
    if (option.live) log.info(change);
    else log.warning(`${change} takes a restart`);
  }
  const next = inForce(before, after);
  const failures = running.reload(next);
  try {
    log.configure(next.logger);
  } catch (error) {
    failures.push(`${messageOf(error)}; the log stays as it was`);
  }
  for (const failure of failures) log.error(failure);
  const ok = failures.length === 0;
  log.info(ok ? "reloaded" : "reloaded in part");
  const changes = `${changed.length} setting${changed.length === 1 ? "" : "s"} changed`;
  const outcome = ok ? `reloaded, ${changes}` : `reloaded in part: ${failures.join("; ")}`;
  return { ok, outcome };
}
