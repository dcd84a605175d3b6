import { load, problemText } from "../../config/load.ts";
import { type Config, settings } from "../../config/table.ts";
import { type Arguments, sourcesOf } from "../command.ts";

/** The settings of the log that a command line names, with the problems of all its settings. */
export function logSettings(args: Arguments): {
  readonly own: Config["collector"];
  readonly problems: string[];
} {
  const { config, problems } = load(settings, sourcesOf(args));
  return { own: config.collector, problems: problems.map(problemText) };
}
