import { hintText } from "./args.ts";
import type { Arguments, Command, Context, Flag } from "./command.ts";
import { say } from "./terminal/say.ts";

/** The word that follows a command on a command line, and stands for a command of its own. */
export interface Subcommand {
  readonly name: string;
  /** A sentence for the help, beginning with its name. */
  readonly about: string;
  /** True if it takes a FILE, which it needs. */
  readonly takesFile: boolean;
  /** True if more files may follow. */
  readonly takesMore?: boolean;
  /** Any number of words that it takes instead of files. */
  readonly words?: { readonly name: string; readonly about: string };
  /** Its own flags, besides the sources of settings. */
  readonly flags: readonly Flag[];
  /** Words after the command, and their effect. */
  readonly examples: readonly (readonly [line: string, about: string])[];
  /** @returns the exit code: 0, 1 if it fails, 2 for bad usage or settings */
  run(call: Call): Promise<number>;
}

/** A subcommand with the words of its command line. */
export interface Call {
  readonly args: Arguments;
  readonly context: Context;
  /** "" where it takes none. */
  readonly file: string;
  /** The same, and those that follow; or its words. */
  readonly files: readonly string[];
}

/** A command that is a table of others. */
export interface Table {
  readonly name: string;
  readonly about: string;
  /** Every subcommand; the first needs no name. */
  readonly subcommands: readonly [Subcommand, ...Subcommand[]];
  /** The flags of all of them. */
  readonly flags: readonly Flag[];
  readonly serves?: boolean;
}

export function commandOf({ name, about, subcommands, flags, serves = false }: Table): Command {
  const command: Command = {
    name,
    about,
    more: subcommands.map((one) => one.about),
    operands: [
      {
        name: "WHAT",
        optional: true,
        choices: subcommands.map((one) => one.name),
        about: `${subcommands.map((one) => one.name).join(", ")}.`,
      },
      ...(subcommands.some(({ takesFile }) => takesFile)
        ? [
            {
              name: "FILE",
              optional: true,
              repeats: true,
              completes: "file" as const,
              about: "The file it needs.",
            },
          ]
        : []),
      ...subcommands.flatMap(({ words }) =>
        words ? [{ ...words, optional: true, repeats: true }] : [],
      ),
    ],
    flags: [...new Set([...flags, ...subcommands.flatMap((one) => one.flags)])],
    serves,
    examples: subcommands.flatMap(({ examples }) =>
      examples.map(([line, effect]) => [`${name} ${line}`.trim(), effect] as const),
    ),
    async run(args, context) {
      const [word, ...files] = args.operands;
      const chosen = subcommands.find((one) => one.name === word) ?? subcommands[0];
      const problems = problemsOf(chosen, subcommands, args);
      for (const problem of problems) say.error(problem);
      if (problems.length > 0) {
        say.log(hintText(context.program, command));
        return 2;
      }
      return chosen.run({ args, context, file: files[0] ?? "", files });
    },
  };
  return command;
}

function problemsOf(chosen: Subcommand, all: readonly Subcommand[], given: Arguments): string[] {
  const { name, takesFile, takesMore = chosen.words !== undefined, flags } = chosen;
  const [, file, ...more] = given.operands;
  const wrong = all
    .flatMap((one) => one.flags)
    .filter((flag) => given.flags.has(flag.name) && !flags.includes(flag));
  const astray = [...new Set(wrong.map((flag) => flag.name))]
    .filter((flag) => !flags.some((own) => own.name === flag))
    .map((flag) => `--${flag}: not with ${name}`);
  if (takesFile && file === undefined) return [...astray, `FILE: missing; ${name} FILE needs it`];
  const extra = takesMore ? [] : takesFile || file === undefined ? more : [file, ...more];
  return [...astray, ...extra.map((word) => `${word}: unexpected argument`)];
}
