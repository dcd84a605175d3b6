import { messageOf } from "../../host/errors.ts";
import { BackupFile } from "../../services/store/journal/backup.ts";
import { say } from "../terminal/say.ts";
import type { Subcommand } from "../subcommand.ts";
import { readAll } from "./source.ts";

export const backup: Subcommand = {
  name: "backup",
  about:
    "backup FILE: write all keys as they are at one moment, while the server goes on, with the token that may do everything. Where no server runs, its files are read.",
  takesFile: true,
  flags: [],
  examples: [["backup store.backup", "Makes a copy of all keys, for restore."]],
  async run({ args, file }) {
    try {
      const copy = new BackupFile(file);
      let from: string | null = null;
      let isWhole = false;
      try {
        from = await readAll(args, (lines) => copy.add(lines));
        if (from !== null) copy.finish();
        isWhole = from !== null;
      } finally {
        if (!isWhole) copy.abandon();
      }
      if (from === null) return 2;
      process.stdout.write(`${file}: ${copy.size} bytes, from ${from}\n`);
      return 0;
    } catch (error) {
      say.error(messageOf(error));
      return 1;
    }
  },
};
