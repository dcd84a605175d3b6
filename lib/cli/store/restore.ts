import { systemClock } from "../../host/clock.ts";
import { count } from "../../host/count.ts";
import { keysOfBackup, restoreTo } from "../../services/store/journal/backup.ts";
import type { Subcommand } from "../subcommand.ts";
import { attempt, folderOf, OUT } from "./folder.ts";

export const restore: Subcommand = {
  name: "restore",
  about:
    "restore FILE: make store.path of a backup, or the folder of --out; it must be empty, or not be there yet. No server may use it.",
  takesFile: true,
  flags: [
    OUT,
    {
      name: "raise",
      about:
        "restore: raise all versions by 1,000,000,000, so that none that a client has seen since the backup fits another value.",
    },
  ],
  examples: [["restore store.backup", "Makes the folder that the server starts with."]],
  async run({ args, file }) {
    const folder = args.flags.get("out")?.[0] ?? folderOf(args);
    if (folder === null) return 2;
    return attempt(() => {
      const keys = keysOfBackup(file, systemClock);
      if (args.flags.has("raise")) keys.raiseVersions();
      restoreTo(folder, keys);
      process.stdout.write(`${folder}: ${count(keys.size, "key")} restored\n`);
      return 0;
    });
  },
};
