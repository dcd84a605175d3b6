import { version } from "../../package.json";
import type { Config } from "../config/table.ts";
import { printable } from "../host/content.ts";
import { messageOf, StartError } from "../host/errors.ts";
import type { Services } from "../host/service.ts";
import { endStderr, endStdout, watchStdout } from "../host/log/stdout.ts";
import { commandHelp, hintText, programHelp } from "./args.ts";
import type { Arguments, Context } from "./command.ts";
import { allCommands, understood } from "./commands.ts";
import { hush, say } from "./terminal/say.ts";

/** The words that start the program, for the help. */
const PROGRAM = Bun.main.endsWith(".ts") ? "bun run index.ts" : "summoner";

/** Milliseconds that a server that has stopped waits for a console to read its output. */
const LAST_LINES_MS = 1000;

/** Carries out a command line and ends standard output. @returns the exit code: 0, 1 or 2 */
export async function main(argv: readonly string[], services: Services<Config>): Promise<number> {
  watchStdout();
  const args = await understood(argv);
  const code = await perform(args, { program: PROGRAM, services, commands: allCommands });
  const patience = args.command.serves ? LAST_LINES_MS : Infinity;
  const failure = await endStdout(patience);
  if (failure !== "") say.error(`cannot write to standard output: ${failure}`);
  await endStderr(patience);
  return failure === "" ? code : code || 1;
}

async function perform(args: Arguments, context: Context): Promise<number> {
  if (args.problems.length > 0) {
    for (const problem of args.problems) say.error(problem);
    say.log(hintText(context.program, args.named ? args.command : null));
    return 2;
  }
  if (args.flags.has("version")) {
    process.stdout.write(`${version}\n`);
    return 0;
  }
  if (args.flags.has("help")) {
    const { command, named } = args;
    const help = named
      ? commandHelp(context.program, command)
      : programHelp(context.program, await allCommands());
    process.stdout.write(help);
    return 0;
  }
  if (args.flags.has("quiet")) hush();
  try {
    return await args.command.run(args, context);
  } catch (error) {
    say.error(error instanceof StartError ? error.message : printable(bugLine(error)));
    if (args.flags.has("verbose") && error instanceof Error) say.log(error.stack ?? "");
    return 1;
  }
}

/** An unexpected error in one line. */
function bugLine(error: unknown): string {
  return `${error instanceof Error ? `${error.name}: ` : ""}${messageOf(error)}`;
}
