import { messageOf } from "../../host/errors.ts";
import { writeWhole } from "../../host/files/whole-file.ts";
import { backupText } from "../../services/store/journal/backup.ts";
import { say } from "../terminal/say.ts";
import type { Subcommand } from "../subcommand.ts";
import { readAll } from "./source.ts";

export const backup: Subcommand = {
  name: "backup",
  about:
    "backup FILE: write all keys as they are at one moment, while the server goes on, with the token that may do everything. A file of that name is replaced once the new one is whole. Where no server runs, its files are read.",
  takesFile: true,
  flags: [],
  examples: [["backup store.backup", "Makes a copy of all keys, for restore."]],
  async run({ args, file }) {
    try {
      let from: string | null = null;
      let size = 0;
      await writeWhole(file, async (copy) => {
        const text = backupText();
        copy.write(text.head);
        from = await readAll(args, (lines) => copy.write(text.after(lines)));
        if (from === null) return false;
        copy.write(text.after(null));
        size = copy.size;
        return true;
      });
      if (from === null) return 2;
      process.stdout.write(`${file}: ${size} bytes, from ${from}\n`);
      return 0;
    } catch (error) {
      say.error(messageOf(error));
      return 1;
    }
  },
};
