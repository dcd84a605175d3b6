import { load, problemText } from "../../config/load.ts";
import { type Config, settings } from "../../config/table.ts";
import { tokenIn } from "../../net/admission/token.ts";
import { LEVELS } from "../../services/collector/levels.ts";
import { type Arguments, type Flag, sourcesOf } from "../command.ts";

/** The settings that a command line names, with their problems. */
export interface LogSettings {
  readonly config: Config;
  /** Those of the collector. */
  readonly own: Config["collector"];
  /** The file that they come from, in words. */
  readonly where: string;
  readonly problems: string[];
}

/** The settings of the log that a command line names, with the problems of all its settings. */
export function logSettings(args: Arguments): LogSettings {
  // `--host` and `--port` are those of a door.
  const sources = { ...sourcesOf(args), host: undefined, port: undefined };
  const { config, problems, file } = load(settings, sources);
  return {
    config,
    own: config.collector,
    where: file ?? "the defaults",
    problems: problems.map(problemText),
  };
}

/** The token that the doors for gRPC and HTTP ask for; "" for none. @throws StartError when it cannot be read */
export function tokenOf({ token_file }: Config["collector"]): string {
  return token_file === "" ? "" : tokenIn(token_file, "collector.token_file");
}

/** The names of levels, for people. */
export const LEVEL_NAMES = LEVELS.join(", ").toLowerCase();

/** A flag of more than one subcommand. */
export const LEVEL_FLAG: Flag = {
  name: "level",
  value: "LEVEL",
  about: `tail: only this level and more severe ones: ${LEVEL_NAMES}. send: that of the records; default info.`,
};
