import { parseArgs } from "node:util";
import { nearest } from "../config/nearest.ts";
import { presets } from "../config/presets.ts";

export interface Flag {
  readonly name: string;
  readonly short?: string;
  /** What the value is called in the help; a flag without one takes none. */
  readonly value?: string;
  readonly repeats?: boolean;
  readonly about: string;
}

export interface Command {
  readonly name: string;
  readonly about: string;
  readonly flags: readonly Flag[];
  readonly examples: readonly string[];
}

const CONFIG: Flag = {
  name: "config",
  short: "c",
  value: "PATH",
  about: "Configuration file, TOML or the reference's server.json; default ./summoner.toml.",
};
const SET: Flag = {
  name: "set",
  value: "KEY=VALUE",
  repeats: true,
  about: "Set one key, as hyper_parameters.client_timeout_secs=60; may be repeated.",
};
const HOST: Flag = {
  name: "host",
  value: "HOST",
  about: "Address the relay listens on.",
};
const PORT: Flag = {
  name: "port",
  value: "PORT",
  about: "Port of the relay; 0 takes a free one.",
};
const PRESET: Flag = {
  name: "preset",
  value: "NAME",
  about: `Start from a preset, which the file overrides: ${Object.keys(presets).join(", ")}.`,
};
const SOURCES = [CONFIG, PRESET, SET, HOST, PORT];

/** Every command, once: parsing and help are read off this table. */
export const COMMANDS: readonly Command[] = [
  {
    name: "run",
    about: "Start the server. This is what happens without a command.",
    flags: SOURCES,
    examples: ["", "--port 9000", "--config server.json", "--set logger.log_level=DEBUG"],
  },
  {
    name: "check",
    about: "Report every problem of a configuration; exit code 0 when there is none, else 2.",
    flags: SOURCES,
    examples: ["check", "check --config server.json"],
  },
  {
    name: "config",
    about: "Print the effective configuration and where each value came from.",
    flags: [
      ...SOURCES,
      {
        name: "defaults",
        about: "Print a commented summoner.toml with all defaults instead.",
      },
      {
        name: "reference",
        about: "Print the reference of all settings as Markdown instead.",
      },
    ],
    examples: ["config", "config --defaults > summoner.toml"],
  },
  {
    name: "status",
    about:
      "Print in one line how the server of this configuration fares; exit code 0 when it is alive and ready, else 1.",
    flags: SOURCES,
    examples: ["status", "status --config /etc/summoner.toml"],
  },
  {
    name: "top",
    about: "Watch the server of this configuration: its numbers and its clients, once a second.",
    flags: SOURCES,
    examples: ["top", "top | head -5"],
  },
];

const EVERYWHERE: readonly Flag[] = [
  { name: "help", short: "h", about: "Print this help." },
  { name: "version", about: "Print the version." },
];

/** A command line as understood; with problems it must not be acted on. */
export interface Arguments {
  readonly command: Command;
  /** Values of the flags given, in order; a flag without value has "". */
  readonly flags: ReadonlyMap<string, readonly string[]>;
  readonly problems: readonly string[];
}

/** Reads a command line; every problem is in the answer. */
export function readArguments(argv: readonly string[]): Arguments {
  const flags = [...COMMANDS.flatMap((command) => command.flags), ...EVERYWHERE];
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
  // What follows an unknown option is most likely its value: one slip, one problem.
  const strays = tokens.filter(
    (token) => token.kind === "option" && !flags.some(({ name }) => name === token.name),
  );
  const words = tokens
    .filter((token) => token.kind === "positional")
    .filter(({ index }) => !strays.some((stray) => stray.index === index - 1));
  const named = words[0]?.value ?? "run";
  const command = COMMANDS.find(({ name }) => name === named) ?? (COMMANDS[0] as Command);
  if (words[0] && command.name !== named) {
    const meant = nearest(
      named,
      COMMANDS.map(({ name }) => name),
    );
    problems.push(`${named}: no such command${meant ? `; did you mean ${meant}?` : ""}`);
  }
  for (const { value } of words.slice(1)) problems.push(`${value}: unexpected argument`);
  const found = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const known = [...command.flags, ...EVERYWHERE].find(({ name }) => name === token.name);
    if (!known) {
      const elsewhere = COMMANDS.find((one) => one.flags.some(({ name }) => name === token.name));
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
  return { command, flags: found, problems };
}

/** The help of the program, or of one command. */
export function helpText(program: string, command: Command | null): string {
  const lines: string[] = [];
  if (command === null) {
    lines.push("Summoner: a message server; one process, one TOML file.", "");
    lines.push(`Usage: ${program} [COMMAND] [OPTIONS]`, "", "Commands:");
    lines.push(...columns(COMMANDS.map(({ name, about }) => [name, about])));
    lines.push("", `${program} COMMAND --help tells more about a command.`);
  }
  const shown = command ?? (COMMANDS[0] as Command);
  if (command) lines.push(command.about, "", `Usage: ${program} ${command.name} [OPTIONS]`);
  lines.push("", command ? "Options:" : `Options of ${shown.name}:`);
  lines.push(
    ...columns(
      [...shown.flags, ...EVERYWHERE].map(({ name, short, value, about }) => [
        `${short ? `-${short}, ` : "    "}--${name}${value ? ` ${value}` : ""}`,
        about,
      ]),
    ),
  );
  lines.push("", "Examples:");
  for (const example of shown.examples) lines.push(`  ${program} ${example}`.trimEnd());
  lines.push(
    "",
    "Exit code: 0 after a clean stop, 1 when running fails, 2 on bad usage or settings.",
  );
  return `${lines.join("\n")}\n`;
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const width = Math.max(...rows.map(([left = ""]) => left.length));
  return rows.map(([left = "", right = ""]) => `  ${left.padEnd(width)}  ${right}`);
}
