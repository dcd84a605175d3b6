import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { load, problemText, remarks } from "../../config/load.ts";
import { reasonOf } from "../../config/reason.ts";
import { type Config, settings } from "../../config/table.ts";
import { systemClock } from "../../host/clock.ts";
import { oneLine, printable } from "../../host/content.ts";
import { messageOf } from "../../host/errors.ts";
import { onSignals } from "../../host/lifecycle.ts";
import { junitReport } from "../../services/neuro/scenario/report/junit.ts";
import { type Plan, readFile } from "../../services/neuro/scenario/file/read.ts";
import {
  endLines,
  jsonReport,
  stepLine,
  summaryLine,
  titleLine,
} from "../../services/neuro/scenario/report/report.ts";
import type { Listener, Outcome } from "../../services/neuro/scenario/play/run.ts";
import { serveScenarios } from "../../services/neuro/scenario/serve.ts";
import type { Arguments } from "../command.ts";
import { say } from "../terminal/say.ts";
import { besideResults } from "./log.ts";
import { layer, neuroSources } from "./sources.ts";
import type { Call, Subcommand } from "../subcommand.ts";

export const test: Subcommand = {
  name: "test",
  about:
    "test FILE ...: play the scenarios of these files against a game, which they start or which is started by hand; exit code 0 when all passed, else 1, and 2 when a file is wrong.",
  takesFile: true,
  takesMore: true,
  flags: [
    { name: "junit", value: "PATH", completes: "file", about: "test: write JUnit's XML there." },
    { name: "json", about: "test: print the results as JSON." },
  ],
  examples: [
    ["test my-game.toml", "Plays its scenarios, and says what became of them."],
    ["test *.toml --junit out/neuro.xml", "The same in CI: of several files, with a report."],
  ],
  run: play,
};

async function play({ args, files }: Call): Promise<number> {
  const readings = await Promise.all(files.map((file) => readFile(file, systemClock)));
  const plans = readings.flatMap((reading) => reading.plans);
  const startsAll = plans.every(({ start }) => start !== null);
  const free = startsAll ? [layer("neuro test", { port: 0 })] : [];
  const loaded = load(settings, neuroSources(args, ...free));
  const problems = [...loaded.problems, ...readings.flatMap((reading) => reading.problems)];
  const [junit] = args.flags.get("junit") ?? [];
  if (problems.length === 0 && junit !== undefined) problems.push(...unwritable(junit));
  if (problems.length > 0) {
    for (const problem of problems) say.error(problemText(problem));
    say.log("Nothing was played.");
    return 2;
  }
  for (const remark of remarks(loaded)) say.warn(remark);
  const outcomes = await serve(loaded.config, plans, args, startsAll);
  if (junit !== undefined) writeFileSync(junit, junitReport(outcomes));
  if (args.flags.has("json")) {
    process.stdout.write(`${oneLine(JSON.stringify(jsonReport(outcomes)))}\n`);
  } else process.stdout.write(`${summaryLine(outcomes)}\n`);
  return outcomes.every(({ state }) => state === "passed") ? 0 : 1;
}

/** The problem of a file that cannot be written; found out before anything is played. */
function unwritable(path: string) {
  try {
    mkdirSync(dirname(path), { recursive: true });
    closeSync(openSync(path, "w"));
    return [];
  } catch (error) {
    return [{ where: "--junit", message: `${path} cannot be written: ${reasonOf(error)}` }];
  }
}

/** Serves games while scenarios are played. */
async function serve(
  config: Config,
  plans: readonly Plan[],
  args: Arguments,
  startsAll: boolean,
): Promise<readonly Outcome[]> {
  const log = besideResults(config, args);
  const { run, url, stop } = await serveScenarios(config, systemClock, log, listener(args));
  const ignoreSignals = onSignals({
    stop: (signal) => run.interrupt(`interrupted by ${signal}`),
    cut: () => process.exit(1),
  });
  // What a scenario's function does not wait for fails here.
  const stray = (error: unknown) => run.interrupt(`outside of any step: ${messageOf(error)}`);
  process.on("uncaughtException", stray);
  process.on("unhandledRejection", stray);
  if (!startsAll) say.info(`games connect to ${url}`);
  try {
    return await run.play(plans);
  } finally {
    ignoreSignals();
    await stop();
    await log.close();
  }
}

/** Prints each step once it has ended; when asked to be quiet, scenarios that failed alone. */
function listener({ flags }: Arguments): Listener {
  const isVerbose = flags.has("verbose");
  const isQuiet = flags.has("quiet");
  const printed = (line: string) => {
    if (isVerbose) process.stderr.write(`game: ${printable(line)}\n`);
  };
  if (flags.has("json")) return { printed };
  let held: string[] = [];
  const print = (...lines: readonly string[]) => {
    if (isQuiet) held.push(...lines);
    else for (const line of lines) process.stdout.write(`${line}\n`);
  };
  return {
    began: (plan) => print(titleLine(plan)),
    step: (step) => print(stepLine(step)),
    ended(outcome) {
      if (outcome.state === "skipped") print(titleLine(outcome.plan));
      print(...endLines(outcome), "");
      if (outcome.state === "failed") for (const line of held) process.stdout.write(`${line}\n`);
      held = [];
    },
    printed,
  };
}
