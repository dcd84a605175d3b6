import { load, type Loaded, problemText, remarks, type Sources } from "../config/load.ts";
import { optionPaths, valueAt } from "../config/read.ts";
import { type Config, settings } from "../config/table.ts";
import { masked, tomlValue } from "../config/render.ts";
import { systemClock } from "../host/clock.ts";
import { messageOf, StartError } from "../host/errors.ts";
import { onSignals, openLog, Program, type Services } from "../host/lifecycle.ts";
import type { Log } from "../host/log.ts";
import { Supervisor } from "../host/notify.ts";
import { openedBy, type Operator } from "../host/service.ts";
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
  const log = openLog(loaded.config.name, loaded.config.logger, systemClock);
  try {
    return await serve(loaded, sources, services, log, program);
  } catch (error) {
    if (error instanceof StartError) await log.close();
    throw error;
  }
}

async function serve(
  loaded: Loaded<Config>,
  sources: Sources,
  services: Services<Config>,
  log: Log,
  program: string,
): Promise<number> {
  let { config } = loaded;
  const { promise: stopped, resolve: stop } = Promise.withResolvers<string>();
  const supervisor = new Supervisor(systemClock, log, process.env);
  const operator: Operator = {
    reload() {
      supervisor.reloading();
      const { ok, outcome, inForce } = reload(config, sources, running, log);
      config = inForce;
      supervisor.ready(outcome);
      return { ok, outcome };
    },
    drain: stop,
  };
  const running = new Program<Config>(systemClock, log, operator);
  for (const remark of remarks(loaded)) log.warning(remark);
  if (loaded.file === null) {
    log.info(`there is no summoner.toml here, so the defaults apply; ${program} init writes one`);
  }
  process.on("uncaughtException", (error) => log.bug(error, "outside of any client"));
  process.on("unhandledRejection", (error) => log.bug(error, "outside of any client"));
  await running.start(services, config);
  const ignoreSignals = onSignals({
    stop,
    cut: () => {
      log.warning("cut by a second signal");
      log.closeSync();
      process.exit(1);
    },
    reload: operator.reload,
  });
  // Whoever is told that it is ready may send a signal at once.
  const ready = [...running.running].flatMap(([name, { addresses }]) =>
    addresses.map((address) => `${name} is ready on ${openedBy(address)}`),
  );
  for (const line of ready) announce(line, config, log);
  supervisor.ready(ready.join(", "));
  const why = await stopped;
  const draining = `${why}: draining for at most ${config.drain_ms} ms`;
  log.info(draining);
  supervisor.stopping(draining, config.drain_ms);
  await running.drain(config.drain_ms);
  await log.close("Server exited cleanly.");
  supervisor.close();
  ignoreSignals();
  return 0;
}

/** Says that something is ready, on the console too when that shows no such lines. */
function announce(line: string, { logger }: Config, log: Log): void {
  const { enable_console_log, log_level } = logger;
  log.info(line);
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
  readonly inForce: Config;
}

/** Applies the settings as they stand now. */
function reload(before: Config, sources: Sources, running: Program<Config>, log: Log): Reloaded {
  const loaded = load(settings, sources);
  if (loaded.problems.length > 0) {
    const problems = loaded.problems.map(problemText);
    for (const problem of problems) log.error(problem);
    log.error("the settings stay as they were");
    const outcome = `${problems.join("; ")}; the settings stay as they were`;
    return { ok: false, outcome, inForce: before };
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
  return { ok, outcome, inForce: next };
}
