import { systemClock } from "../../host/clock.ts";
import { salvageFolder } from "../../services/store/journal/read/salvage.ts";
import { say } from "../terminal/say.ts";
import type { Subcommand } from "../subcommand.ts";
import { attempt, folderOf, OUT, tell } from "./folder.ts";

export const salvage: Subcommand = {
  name: "salvage",
  about:
    "salvage: write what is whole of store.path to the folder of --out, which then is one that a server starts with; the damaged one stays as it is.",
  takesFile: false,
  flags: [OUT],
  examples: [["salvage --out ./data/saved", "Saves what is whole of damaged files."]],
  async run({ args }) {
    const [out] = args.flags.get("out") ?? [];
    if (out === undefined) {
      say.error("--out: missing; salvage needs a folder to write to");
      return 2;
    }
    const folder = folderOf(args);
    if (folder === null) return 2;
    return attempt(() => {
      tell(folder, salvageFolder(folder, out, systemClock));
      process.stdout.write(`${out}: written; store.path may name it now\n`);
      return 0;
    });
  },
};
