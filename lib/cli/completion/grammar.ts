import { optionPaths } from "../../config/paths.ts";
import { settings } from "../../config/table.ts";
import { type Command, EVERYWHERE, type Flag } from "../command.ts";

/** What the scripts are made of. */
export interface Grammar {
  /** The commands with all flags they take; the first needs no name. */
  readonly commands: readonly Command[];
  readonly keys: readonly Key[];
}

/** A setting. */
export interface Key {
  readonly key: string;
  readonly about: string;
  /** The only values there are, or none when there are many. */
  readonly values: readonly string[];
}

/** The whole command line, from its table and that of the settings. */
export function grammarOf(commands: readonly Command[]): Grammar {
  const keys = [...optionPaths(settings)].map(([key, option]) => ({
    key,
    about: option.about,
    values: option.words ?? (option.read(true) === true ? ["true", "false"] : []),
  }));
  return {
    commands: commands.map((one) => ({ ...one, flags: [...one.flags, ...EVERYWHERE] })),
    keys,
  };
}

/** The options that take a value, as they are typed. */
export function takingValues({ commands }: Grammar): string[] {
  const flags = commands.flatMap(({ flags }) => flags).filter(({ value }) => value);
  return [...new Set(flags.flatMap(spellings))];
}

/** `--config` and `-c`. */
export function spellings({ name, short }: Flag): string[] {
  return short ? [`--${name}`, `-${short}`] : [`--${name}`];
}

/** What is said of something in one line: its first clause. */
export function summary({ about }: { readonly about: string }): string {
  return about.split(/[.;:](?: |$)/)[0] as string;
}

/** Keys that have the same values, together. */
export function byValues({ keys }: Grammar): [values: readonly string[], keys: string[]][] {
  const groups = Map.groupBy(
    keys.filter(({ values }) => values.length > 0),
    ({ values }) => values.join(" "),
  );
  return [...groups].map(([values, found]) => [values.split(" "), found.map(({ key }) => key)]);
}
