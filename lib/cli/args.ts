import { parseArgs } from "node:util";
import { nearest } from "../config/nearest.ts";
import { type Arguments, type Command, EVERYWHERE } from "./command.ts";

/** Reads a command line. Every problem is in the result. The first of the commands needs no name. */
export function readArguments(
  argv: readonly string[],
  commands: readonly [Command, ...Command[]],
): Arguments {
  const flags = [...commands.flatMap((command) => command.flags), ...EVERYWHERE];
  const { tokens } = parseArgs({
    args: [...argv],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      flags.map(({ name, short, value }) => [
        name,
        {
          type: value ? ("string" as const) : ("boolean" as const),
          ...(short ? { short } : {}),
        },
      ]),
    ),
  });
  const problems: string[] = [];
  // The word after an unknown option is most likely its value: one slip, one problem.
  const strays = tokens.filter(
    (token) => token.kind === "option" && !flags.some(({ name }) => name === token.name),
  );
  const words = tokens
    .filter((token) => token.kind === "positional")
    .filter(({ index }) => !strays.some((stray) => stray.index === index - 1));
  const named = words[0]?.value;
  const command = commands.find(({ name }) => name === named) ?? commands[0];
  if (named !== undefined && command.name !== named) {
    const meant = nearest(
      named,
      commands.map(({ name }) => name),
    );
    problems.push(`${named}: no such command${meant ? `; did you mean ${meant}?` : ""}`);
  }
  const operands = words.slice(1).map(({ value }) => value);
  const asksForHelp = tokens.some((token) => token.kind === "option" && token.name === "help");
  if (command.name === named) problems.push(...operandProblems(command, operands, asksForHelp));
  else for (const operand of operands) problems.push(`${operand}: unexpected argument`);
  const found = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const known = [...command.flags, ...EVERYWHERE].find(({ name }) => name === token.name);
    if (!known) {
      const elsewhere = commands.find((one) => one.flags.some(({ name }) => name === token.name));
      const meant = nearest(
        token.name,
        [...command.flags, ...EVERYWHERE].map(({ name }) => name),
      );
      const hint = elsewhere
        ? `; it belongs to ${elsewhere.name}`
        : meant
          ? `; did you mean --${meant}?`
          : "";
      problems.push(`${token.rawName}: no such option${hint}`);
    } else if (known.value && (token.value === undefined || token.value === "")) {
      problems.push(`${token.rawName}: needs a value, ${known.value}`);
    } else if (!known.value && token.value !== undefined) {
      problems.push(`${token.rawName}: takes no value`);
    } else {
      const values = found.get(known.name) ?? [];
      if (values.length > 0 && known.value && !known.repeats) {
        problems.push(`${token.rawName}: given twice`);
      }
      found.set(known.name, [...values, token.value ?? ""]);
    }
  }
  if (found.has("quiet") && found.has("verbose")) problems.push("--quiet: not with --verbose");
  return { command, named: command.name === named, flags: found, operands, problems };
}

function operandProblems(
  { operands = [] }: Command,
  given: readonly string[],
  asksForHelp: boolean,
): string[] {
  const further = operands.at(-1)?.repeats ? [] : given.slice(operands.length);
  const problems = further.map((word) => `${word}: unexpected argument`);
  for (const [i, { name, choices, optional }] of operands.entries()) {
    const word = given[i];
    if (word === undefined) {
      if (!optional && !asksForHelp) problems.push(missing(name, choices));
    } else if (choices && !choices.includes(word)) {
      const meant = nearest(word, choices);
      const hint = meant ? `; did you mean ${meant}?` : "";
      problems.push(`${name}: found ${word}; allowed: ${choices.join(", ")}${hint}`);
    }
  }
  return problems;
}

function missing(name: string, choices: readonly string[] | undefined): string {
  return `${name}: missing${choices ? `; allowed: ${choices.join(", ")}` : ""}`;
}

/** The line after bad usage: where the help of a command is, or of the program. */
export function hintText(program: string, command: Command | null): string {
  return `${program}${command === null ? "" : ` ${command.name}`} --help shows how to call it.`;
}

/** The most columns of a line of help. */
const WIDTH = 80;

/** The help of the program. */
export function programHelp(program: string, commands: readonly [Command, ...Command[]]): string {
  const [first] = commands;
  return textOf([
    "Summoner: a message server; one process, one TOML file.",
    "",
    `Usage: ${program} [COMMAND] [OPTIONS]`,
    "",
    "Commands:",
    ...columns(commands.map(({ name, about }) => [name, about])),
    "",
    `${program} COMMAND --help tells more about a command.`,
    `${program} help lists the pages of the documentation.`,
    "",
    `Options of ${first.name}, which needs no name:`,
    ...optionsOf(program, first),
  ]);
}

/** The help of one command. */
export function commandHelp(program: string, command: Command): string {
  const { name, about, more = [], operands = [] } = command;
  const words = operands.map((operand) => {
    const word = operand.repeats ? `${operand.name} ...` : operand.name;
    return operand.optional ? `[${word}]` : word;
  });
  const rows = columns(operands.map((operand) => [operand.name, operand.about]));
  return textOf([
    ...wrapped(about),
    "",
    `Usage: ${[program, name, ...words, "[OPTIONS]"].join(" ")}`,
    ...more.flatMap((paragraph) => ["", ...wrapped(paragraph)]),
    ...(rows.length > 0 ? ["", "Arguments:", ...rows] : []),
    "",
    "Options:",
    ...optionsOf(program, command),
  ]);
}

/** The options of a command, and its examples. */
function optionsOf(program: string, { flags, examples }: Command): string[] {
  return [
    ...columns(
      [...flags, ...EVERYWHERE].map(({ name, short, value, about }) => [
        `${short ? `-${short}, ` : "    "}--${name}${value ? ` ${value}` : ""}`,
        about,
      ]),
    ),
    "",
    "Examples:",
    ...examples.flatMap(([line, effect]) => [
      `  ${`${program} ${line}`.trimEnd()}`,
      `      ${effect}`,
    ]),
    "",
    "Exit code: 0 when all went well, 1 when running fails, 2 on bad usage or settings.",
  ];
}

function textOf(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

/** Two columns, the right one broken at the width of a terminal. */
export function columns(rows: readonly (readonly [left: string, right: string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.flatMap(([left, right]) =>
    wrapped(right, WIDTH - width - 4).map(
      (line, i) => `  ${(i === 0 ? left : "").padEnd(width)}  ${line}`,
    ),
  );
}

function wrapped(text: string, width = WIDTH): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}
