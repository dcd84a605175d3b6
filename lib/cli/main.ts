import { version } from "../../package.json";
import { load, type Loaded, problemText, type Sources } from "../config/load.ts";
import { renderEffective, renderReference, renderToml } from "../config/render.ts";
import { settings } from "../config/table.ts";
import type { Config } from "../config/table.ts";
import { StartError } from "../host/errors.ts";
import type { Services } from "../host/lifecycle.ts";
import { endStdout, watchStdout } from "../host/stdout.ts";
import { type Arguments, helpText, readArguments } from "./args.ts";
import { run } from "./run.ts";
import { say } from "./say.ts";
import { status } from "./status.ts";
import { top } from "./top.ts";

/** What a person calls to get here, for the help. */
const PROGRAM = Bun.main.endsWith(".ts") ? "bun run index.ts" : "summoner";

/** How long a server that has stopped waits for a console that does not read. */
const LAST_LINES_MS = 1000;

/** Does what a command line says and ends standard output. @returns the exit code: 0, 1 or 2 */
export async function main(argv: readonly string[], services: Services<Config>): Promise<number> {
  watchStdout();
  const args = readArguments(argv);
  const code = await perform(args, argv, services);
  const failure = await endStdout(args.command.name === "run" ? LAST_LINES_MS : Infinity);
  if (failure === "") return code;
  say.error(`cannot write to standard output: ${failure}`);
  return code || 1;
}

async function perform(
  args: Arguments,
  argv: readonly string[],
  services: Services<Config>,
): Promise<number> {
  if (args.problems.length > 0) {
    for (const problem of args.problems) say.error(problem);
    say.log(`${PROGRAM} --help shows how to call it.`);
    return 2;
  }
  if (args.flags.has("version")) {
    process.stdout.write(`${version}\n`);
    return 0;
  }
  if (args.flags.has("help")) {
    const named = argv.includes(args.command.name);
    process.stdout.write(helpText(PROGRAM, named ? args.command : null));
    return 0;
  }
  const sources = sourcesOf(args);
  switch (args.command.name) {
    case "check":
      return check(sources);
    case "config":
      return config(sources, args);
    case "status":
      return asked(sources, status);
    case "top":
      return asked(sources, top);
    default:
      return run(sources, services, PROGRAM);
  }
}

function sourcesOf({ flags }: Arguments): Sources {
  return {
    file: flags.get("config")?.[0],
    preset: flags.get("preset")?.[0],
    sets: flags.get("set") ?? [],
    host: flags.get("host")?.[0],
    port: flags.get("port")?.[0],
  };
}

/** Asks the server of a configuration something. */
async function asked(
  sources: Sources,
  ask: (loaded: Loaded<Config>) => Promise<number>,
): Promise<number> {
  const loaded = load(settings, sources);
  for (const problem of loaded.problems) say.error(problemText(problem));
  if (loaded.problems.length > 0) return 2;
  try {
    return await ask(loaded);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    say.error(error.message);
    return 1;
  }
}

function check(sources: Sources): number {
  const loaded = load(settings, sources);
  for (const warning of loaded.warnings) say.warn(problemText(warning));
  for (const problem of loaded.problems) say.error(problemText(problem));
  const name = loaded.file ?? "the defaults";
  if (loaded.problems.length > 0) {
    say.log(`${name}: ${count(loaded.problems.length, "problem")}`);
    return 2;
  }
  process.stdout.write(`${name}: no problems\n`);
  return 0;
}

function config(sources: Sources, { flags }: Arguments): number {
  if (flags.has("defaults")) {
    process.stdout.write(renderToml(settings));
    return 0;
  }
  if (flags.has("reference")) {
    process.stdout.write(renderReference(settings));
    return 0;
  }
  const loaded = load(settings, sources);
  for (const warning of loaded.warnings) say.warn(problemText(warning));
  for (const problem of loaded.problems) say.error(problemText(problem));
  if (loaded.problems.length > 0) return 2;
  process.stdout.write(renderEffective(settings, loaded));
  return 0;
}

function count(n: number, word: string): string {
  return `${n} ${word}${n === 1 ? "" : "s"}`;
}
