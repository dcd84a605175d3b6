import type { Config } from "../../config/table.ts";
import { systemClock } from "../../host/clock.ts";
import { Log } from "../../host/log.ts";
import type { Arguments } from "../command.ts";

/** The log of a command whose results go to standard output: on standard error when asked to be verbose, and never in a file. */
export function besideResults(config: Config, { flags }: Arguments): Log {
  const logger = {
    ...config.logger,
    enable_console_log: flags.has("verbose"),
    enable_file_log: false,
  };
  const print = (text: string) => void process.stderr.write(text);
  return new Log(config.name, logger, systemClock, print);
}
