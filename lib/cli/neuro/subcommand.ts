import type { Arguments, Context, Flag } from "../command.ts";

/** What follows `neuro` on a command line. */
export interface Subcommand {
  readonly name: string;
  /** A sentence for the help, beginning with its name. */
  readonly about: string;
  /** True if it takes a FILE, which it needs. */
  readonly takesFile: boolean;
  /** True if more files may follow. */
  readonly takesMore?: boolean;
  /** Its own flags, besides the sources of settings. */
  readonly flags: readonly Flag[];
  /** Words after `neuro`, and their effect. */
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
  /** The same, and those that follow. */
  readonly files: readonly string[];
}
