import { load, problemText } from "../../config/load.ts";
import { type Config, settings } from "../../config/table.ts";
import { count } from "../../host/count.ts";
import { messageOf } from "../../host/errors.ts";
import type { Findings } from "../../services/store/journal/read/salvage.ts";
import { type Arguments, type Flag, sourcesOf } from "../command.ts";
import { say } from "../terminal/say.ts";

/** The service whose files these are. */
export const SERVICE = "store";

/** Names another folder than that of the settings. */
export const OUT: Flag = {
  name: "out",
  value: "FOLDER",
  completes: "file",
  about: "salvage, restore: the new folder; empty, or not there yet.",
};

/** The settings that a command line names; null when there are problems, which have been told. */
export function settingsOf(args: Arguments): Config[typeof SERVICE] | null {
  // `--host` and `--port` are those of a running server.
  const { config, problems } = load(settings, {
    ...sourcesOf(args),
    host: undefined,
    port: undefined,
  });
  for (const problem of problems) say.error(problemText(problem));
  return problems.length > 0 ? null : config[SERVICE];
}

/** The folder that a command line names; null when there are problems, which have been told. */
export function folderOf(args: Arguments): string | null {
  return settingsOf(args)?.path ?? null;
}

/** Runs an attempt, and tells its error. @returns its exit code */
export function attempt(act: () => number): number {
  try {
    return act();
  } catch (error) {
    say.error(messageOf(error));
    return 1;
  }
}

/** Tells what was found, the damages first. */
export function tell(folder: string, found: Findings): void {
  for (const damage of found.damages) say.error(damage);
  if (found.torn !== null) say.warn(found.torn);
  const whole = [
    `${found.batches} whole ${found.batches === 1 ? "batch" : "batches"}, ${count(found.records, "record")}`,
    count(found.keys, "key"),
    found.damages.length === 0 ? "no damage" : count(found.damages.length, "damage"),
  ];
  const old = found.isOld ? " (of an older version's format)" : "";
  process.stdout.write(`${folder}${old}: ${whole.join(", ")}\n`);
}
