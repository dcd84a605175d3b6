import { isLocked } from "../../host/lock.ts";
import * as fs from "node:fs";
import { printable } from "../../host/content.ts";
import { acknowledgeFolder } from "../../services/store/journal/read/salvage.ts";
import { list, object, orNull, text } from "../client/shape.ts";
import type { Subcommand } from "../subcommand.ts";
import { attempt, folderOf } from "./folder.ts";
import { connect } from "./source.ts";

interface Salvaged {
  readonly at: string;
  readonly damages: readonly string[];
}

const salvagedShape = orNull(object<Salvaged>({ at: text, damages: list(text) }));

export const acknowledge: Subcommand = {
  name: "acknowledge",
  about:
    "acknowledge: tell what the store was salvaged from, and that somebody knows of it now: /healthz is well again. It asks the server, or where none runs, changes its files.",
  takesFile: false,
  flags: [],
  examples: [["acknowledge", "Lists the damages, and ends the alarm."]],
  async run({ args }) {
    const folder = folderOf(args);
    if (folder === null) return 2;
    const isElsewhere = args.flags.has("host") || args.flags.has("port");
    if (!isElsewhere && fs.existsSync(folder) && !isLocked(fs, folder)) {
      return attempt(() => told(acknowledgeFolder(folder)));
    }
    const connection = await connect(args);
    if (connection === null) return 2;
    try {
      return told(
        connection.checked(await connection.ask({ action: "ACKNOWLEDGE" }), salvagedShape),
      );
    } finally {
      connection.close();
    }
  },
};

function told(salvaged: Salvaged | null): number {
  if (salvaged === null) {
    process.stdout.write("There is no damage to acknowledge.\n");
    return 0;
  }
  for (const damage of salvaged.damages) process.stdout.write(`${printable(damage)}\n`);
  process.stdout.write(`Salvaged at ${printable(salvaged.at)}; acknowledged now.\n`);
  return 0;
}
