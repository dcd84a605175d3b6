import { styleText } from "node:util";
import { nearest } from "../config/nearest.ts";
import { columns, commandHelp } from "./args.ts";
import type { Command, Context } from "./command.ts";
import type { Page } from "./help/pages.ts";
import { say } from "./terminal/say.ts";
import { typeset } from "./help/typeset.ts";

/** Columns of a line without a terminal, and the most columns in one. */
const WIDTH = 80;
const WIDEST = 100;

export const help: Command = {
  name: "help",
  about: "Print a page of the documentation, or list what there is.",
  more: ["The name of a command prints what its --help does."],
  operands: [{ name: "TOPIC", optional: true, about: "A page, or a command." }],
  flags: [],
  examples: [
    ["help", "Lists the pages."],
    ["help settings | less", "Reads one page by page."],
  ],
  async run({ operands: [topic] }, context) {
    const { PAGES, linked } = await import("./help/pages.ts");
    const commands = await context.commands();
    if (topic === undefined) {
      process.stdout.write(contents(PAGES, context));
      return 0;
    }
    const page = PAGES.find((one) => one.topic === topic);
    const command = commands.find(({ name }) => name === topic);
    if (page) {
      const shown = (target: string) => {
        const to = linked(page, target);
        return to === undefined ? ` <${target}>` : to === page ? "" : ` (help ${to.topic})`;
      };
      process.stdout.write(printed(page.text, context, shown));
    } else if (command) {
      process.stdout.write(commandHelp(context.program, command));
    } else {
      const names = PAGES.map((one) => one.topic);
      const all = [...names, ...commands.map(({ name }) => name)];
      const meant = about(topic, PAGES) ?? nearest(topic, all);
      const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
      say.error(`${topic}: no such topic; there are ${names.join(", ")}, and the commands${hint}`);
      return 2;
    }
    return 0;
  },
};

/** The topic of the page that is in a folder of this name, or has a heading with this word. */
function about(word: string, pages: readonly Page[]): string | undefined {
  const folder = pages.find(({ path }) => path.split("/").at(-2) === word.toLowerCase());
  const pattern = new RegExp(`^#+ .*\\b${RegExp.escape(word)}\\b`, "im");
  return (folder ?? pages.find(({ text }) => pattern.test(text)))?.topic;
}

/** The commands, with all topics as the choices of `help`, for a completion. */
export async function withTopics(commands: readonly Command[]): Promise<readonly Command[]> {
  const { PAGES } = await import("./help/pages.ts");
  const names = [...PAGES.map(({ topic }) => topic), ...commands.map(({ name }) => name)];
  const choices = [...new Set(names)];
  const operands = help.operands?.map((operand) => ({ ...operand, choices })) ?? [];
  return commands.map((one) => (one === help ? { ...help, operands } : one));
}

/** The list of all topics. */
function contents(pages: readonly Page[], { program }: Context): string {
  const list = columns(pages.map(({ topic, about }) => [topic, about]));
  return ["Topics:", ...list, "", `${program} help TOPIC prints one.`, ""].join("\n");
}

/** A page for standard output: wrapped, and with a little style in a terminal. */
function printed(text: string, { program }: Context, shown: (target: string) => string): string {
  const { columns: wide } = process.stdout;
  const styled = styleText("bold", "it") !== "it";
  return typeset(text.replaceAll("bun run index.ts", program), Math.min(wide || WIDTH, WIDEST), {
    heading: (words) => styleText("bold", words.replaceAll("`", "")),
    code: (words) => (styled ? styleText("cyan", words) : `\`${words}\``),
    link: (words, target) => words + shown(target),
  });
}
