import { systemClock } from "../../host/clock.ts";
import { checkFolder } from "../../services/store/journal/read/salvage.ts";
import type { Subcommand } from "../subcommand.ts";
import { attempt, folderOf, tell } from "./folder.ts";

export const check: Subcommand = {
  name: "check",
  about:
    "check: read all files of store.path, tell what is damaged, and change nothing; the exit code is 1 when something is. No server may use them.",
  takesFile: false,
  flags: [],
  examples: [["check", "Tells whether the files of the store are whole."]],
  async run({ args }) {
    const folder = folderOf(args);
    if (folder === null) return 2;
    return attempt(() => {
      const found = checkFolder(folder, systemClock);
      tell(folder, found);
      if (found.salvaged !== null) {
        process.stdout.write(
          `It was salvaged at ${found.salvaged.at}, which nobody has acknowledged yet.\n`,
        );
      }
      return found.damages.length === 0 ? 0 : 1;
    });
  },
};
