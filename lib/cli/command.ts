import type { Sources } from "../config/load.ts";
import { presets } from "../config/presets.ts";
import { MAIN_SERVICE } from "../config/services.ts";
import type { Config } from "../config/table.ts";
import type { Services } from "../host/service.ts";

/** What a shell offers for a word: files, keys of settings, the values of the key before, or `KEY=VALUE`. */
export type Completes = "file" | "key" | "value" | "setting";

/** An option of a command. */
export interface Flag {
  readonly name: string;
  readonly short?: string;
  /** What the value is called in the help; a flag without one takes none. */
  readonly value?: string;
  /** The only values there are. */
  readonly choices?: readonly string[];
  readonly completes?: Completes;
  readonly repeats?: boolean;
  readonly about: string;
}

/** A word that follows a command. */
export interface Operand {
  /** What it is called in the help, as `KEY`. */
  readonly name: string;
  /** The only words there are. */
  readonly choices?: readonly string[];
  readonly completes?: Completes;
  readonly optional?: boolean;
  /** Whether more such words may follow; only for the last one. */
  readonly repeats?: boolean;
  readonly about: string;
}

/** A command: parsing, help and completion are read off this. */
export interface Command {
  readonly name: string;
  /** One sentence. */
  readonly about: string;
  /** What a person should know besides, a paragraph each. */
  readonly more?: readonly string[];
  readonly operands?: readonly Operand[];
  readonly flags: readonly Flag[];
  /** What may follow the program's name, with what it does. */
  readonly examples: readonly (readonly [line: string, about: string])[];
  /** Whether it may serve: once that ends, a console that does not read is not waited for. */
  readonly serves?: boolean;
  /** @returns the exit code: 0, 1 when it fails, 2 on bad usage or settings */
  run(args: Arguments, context: Context): number | Promise<number>;
}

/** A command line as understood; with problems it must not be acted on. */
export interface Arguments {
  readonly command: Command;
  /** Whether the command was named. */
  readonly named: boolean;
  /** Values of the flags given, in order; a flag without value has "". */
  readonly flags: ReadonlyMap<string, readonly string[]>;
  readonly operands: readonly string[];
  readonly problems: readonly string[];
}

/** What a command finds around it. */
export interface Context {
  /** What a person calls to get here, for the help. */
  readonly program: string;
  readonly services: Services<Config>;
  readonly commands: readonly [Command, ...Command[]];
}

/** Where settings come from; every command that reads them takes these. */
export const SOURCES: readonly Flag[] = [
  {
    name: "config",
    short: "c",
    value: "PATH",
    completes: "file",
    about: "Configuration file, TOML or the reference's server.json; default ./summoner.toml.",
  },
  {
    name: "preset",
    value: "NAME",
    choices: Object.keys(presets),
    about: `Start from a preset, which the file overrides: ${Object.keys(presets).join(", ")}.`,
  },
  {
    name: "set",
    value: "KEY=VALUE",
    completes: "setting",
    repeats: true,
    about: "Set one key, as hyper_parameters.client_timeout_secs=60; may be repeated.",
  },
  { name: "host", value: "HOST", about: `Address the ${MAIN_SERVICE.name} listens on.` },
  { name: "port", value: "PORT", about: `Port of the ${MAIN_SERVICE.name}; 0 takes a free one.` },
];

/** Flags that every command takes. */
export const EVERYWHERE: readonly Flag[] = [
  { name: "quiet", short: "q", about: "Say nothing but warnings and errors." },
  { name: "verbose", short: "v", about: "Say more: for run, log at DEBUG." },
  { name: "help", short: "h", about: "Print this help." },
  { name: "version", about: "Print the version." },
];

/** The sources that a command line names. */
export function sourcesOf({ flags }: Arguments): Sources {
  const level = flags.has("verbose") ? "DEBUG" : flags.has("quiet") ? "WARNING" : null;
  return {
    file: flags.get("config")?.[0],
    preset: flags.get("preset")?.[0],
    sets: [...(level === null ? [] : [`logger.log_level=${level}`]), ...(flags.get("set") ?? [])],
    host: flags.get("host")?.[0],
    port: flags.get("port")?.[0],
  };
}
