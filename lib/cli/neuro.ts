import { console } from "./neuro/console.ts";
import { replay } from "./neuro/replay.ts";
import { test } from "./neuro/test.ts";
import { NEURO_SOURCES } from "./neuro/sources.ts";
import { commandOf } from "./subcommand.ts";

export const neuroCommand = commandOf({
  name: "neuro",
  about: "Serve the Neuro game API alone, for whoever makes a game.",
  subcommands: [console, test, replay],
  flags: NEURO_SOURCES,
  serves: true,
});
