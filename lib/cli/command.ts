import type { Sources } from "../config/load.ts";
import { presets } from "../config/presets.ts";
import { MAIN_SERVICE } from "../config/services.ts";
import type { Config } from "../config/table.ts";
import type { Services } from "../host/service.ts";

/** The words that a shell offers: files, keys of settings, the values of the key before, or `KEY=VALUE`. */
export type Completes = "file" | "key" | "value" | "setting";

/** An option of a command. */
export interface Flag {
  readonly name: string;
  readonly short?: string;
  /** The name of its value in the help; a flag without one takes no value. */
  readonly value?: string;
  /** The only allowed values. */
  readonly choices?: readonly string[];
  readonly completes?: Completes;
  readonly repeats?: boolean;
  readonly about: string;
}

/** A word that follows a command. */
export interface Operand {
  /** Its name in the help, as `KEY`. */
  readonly name: string;
  /** The only allowed words. */
  readonly choices?: readonly string[];
  readonly completes?: Completes;
  readonly optional?: boolean;
  /** True if more such words may follow; only for the last one. */
  readonly repeats?: boolean;
  readonly about: string;
}

/** A command; parsing, help and completion are read from this. */
export interface Command {
  readonly name: string;
  /** One sentence. */
  readonly about: string;
  /** Further paragraphs of its help. */
  readonly more?: readonly string[];
  readonly operands?: readonly Operand[];
  readonly flags: readonly Flag[];
  /** Words after the program's name, and their effect. */
  readonly examples: readonly (readonly [line: string, about: string])[];
  /** True if it may run the server: once that has stopped, output that nobody reads holds up the exit for a second at most. */
  readonly serves?: boolean;
  /** @returns the exit code: 0, 1 if it fails, 2 for bad usage or settings */
  run(args: Arguments, context: Context): number | Promise<number>;
}

/** A command line as understood; if there are problems, it must not be carried out. */
export interface Arguments {
  readonly command: Command;
  /** True if the command was named. */
  readonly named: boolean;
  /** Values of the flags given, in order; a flag without value has "". */
  readonly flags: ReadonlyMap<string, readonly string[]>;
  readonly operands: readonly string[];
  readonly problems: readonly string[];
}

/** The program around a command. */
export interface Context {
  /** The words that start the program, for the help. */
  readonly program: string;
  readonly services: Services<Config>;
  /** Every command, which loads the code of all. */
  commands(): Promise<readonly [Command, ...Command[]]>;
}

/** The flags for the sources of settings; every command that reads settings takes these. */
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

/** The sources of settings that a command line names. */
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
