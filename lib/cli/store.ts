import { clientFlags } from "./destination.ts";
import { acknowledge } from "./store/acknowledge.ts";
import { check } from "./store/check.ts";
import { SERVICE } from "./store/folder.ts";
import { salvage } from "./store/salvage.ts";
import { commandOf } from "./subcommand.ts";

export const storeCommand = commandOf({
  name: SERVICE,
  about: "Look after the files of the store: find damage, and save what is whole.",
  subcommands: [check, salvage, acknowledge],
  flags: clientFlags(SERVICE),
});
