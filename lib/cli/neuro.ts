import { hintText } from "./args.ts";
import type { Arguments, Command } from "./command.ts";
import { console } from "./neuro/console.ts";
import { replay } from "./neuro/replay.ts";
import { test } from "./neuro/test.ts";
import { NEURO_SOURCES } from "./neuro/sources.ts";
import type { Subcommand } from "./neuro/subcommand.ts";
import { say } from "./say.ts";

/** Every subcommand; the first needs no name. */
const SUBCOMMANDS: readonly [Subcommand, ...Subcommand[]] = [console, test, replay];
const OWN_FLAGS = SUBCOMMANDS.flatMap(({ flags }) => flags);

export const neuroCommand: Command = {
  name: "neuro",
  about: "Serve the Neuro game API alone, for whoever makes a game.",
  more: SUBCOMMANDS.map(({ about }) => about),
  operands: [
    {
      name: "WHAT",
      optional: true,
      choices: SUBCOMMANDS.map(({ name }) => name),
      about: `${SUBCOMMANDS.map(({ name }) => name).join(", ")}.`,
    },
    ...(SUBCOMMANDS.some(({ takesFile }) => takesFile)
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
  ],
  flags: [...NEURO_SOURCES, ...OWN_FLAGS],
  serves: true,
  examples: SUBCOMMANDS.flatMap(({ examples }) =>
    examples.map(([line, about]) => [`neuro ${line}`.trim(), about] as const),
  ),
  async run(args, context) {
    const [name, ...files] = args.operands;
    const chosen = SUBCOMMANDS.find((one) => one.name === name) ?? SUBCOMMANDS[0];
    const problems = problemsOf(chosen, args);
    for (const problem of problems) say.error(problem);
    if (problems.length > 0) {
      say.log(hintText(context.program, neuroCommand));
      return 2;
    }
    return chosen.run({ args, context, file: files[0] ?? "", files });
  },
};

function problemsOf(chosen: Subcommand, given: Arguments): string[] {
  const { name, takesFile, takesMore = false, flags } = chosen;
  const [, file, ...more] = given.operands;
  const wrong = OWN_FLAGS.filter((flag) => given.flags.has(flag.name) && !flags.includes(flag));
  const astray = [...new Set(wrong.map((flag) => flag.name))]
    .filter((flag) => !flags.some((own) => own.name === flag))
    .map((flag) => `--${flag}: not with ${name}`);
  if (takesFile && file === undefined) return [...astray, `FILE: missing; ${name} FILE needs it`];
  const extra = takesMore ? [] : takesFile || file === undefined ? more : [file, ...more];
  return [...astray, ...extra.map((word) => `${word}: unexpected argument`)];
}
