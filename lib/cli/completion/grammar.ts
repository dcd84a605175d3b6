import { optionPaths } from "../../config/paths.ts";
import { settings } from "../../config/table.ts";
import { type Command, EVERYWHERE, type Flag } from "../command.ts";

/** The command line and the settings, from which the scripts are made. */
export interface Grammar {
  /** The commands with all their flags; the first needs no name. */
  readonly commands: readonly Command[];
  readonly keys: readonly Key[];
}

/** A setting. */
export interface Key {
  readonly key: string;
  readonly about: string;
  /** The only allowed values; empty if there are many. */
  readonly values: readonly string[];
}

/** The whole command line, from its table and the table of settings. */
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

/** The spellings of all options that take a value. */
export function takingValues({ commands }: Grammar): string[] {
  const flags = commands.flatMap(({ flags }) => flags).filter(({ value }) => value);
  return [...new Set(flags.flatMap(spellings))];
}

/** `--config` and `-c`. */
export function spellings({ name, short }: Flag): string[] {
  return short ? [`--${name}`, `-${short}`] : [`--${name}`];
}

/** A description in one line: the first clause of `about`. */
export function summary({ about }: { readonly about: string }): string {
  return about.split(/[.;:](?: |$)/)[0] as string;
}

/** Keys grouped by their values. */
export function byValues({ keys }: Grammar): [values: readonly string[], keys: string[]][] {
  const groups = Map.groupBy(
    keys.filter(({ values }) => values.length > 0),
    ({ values }) => values.join(" "),
  );
  return [...groups].map(([values, found]) => [values.split(" "), found.map(({ key }) => key)]);
}
