import { clientFlags } from "./client/destination.ts";
import { acknowledge } from "./store/acknowledge.ts";
import { backup } from "./store/backup.ts";
import { check } from "./store/check.ts";
import { exportKeys } from "./store/export.ts";
import { SERVICE } from "./store/folder.ts";
import { importKeys } from "./store/import.ts";
import { restore } from "./store/restore.ts";
import { salvage } from "./store/salvage.ts";
import { commandOf } from "./subcommand.ts";

export const storeCommand = commandOf({
  name: SERVICE,
  about: "Look after the keys of the store: copy them, find damage, and save what is whole.",
  subcommands: [check, backup, restore, exportKeys, importKeys, salvage, acknowledge],
  flags: clientFlags(SERVICE),
});
