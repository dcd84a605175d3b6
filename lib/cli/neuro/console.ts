import { start } from "../start.ts";
import { layer, neuroAlone, neuroSources } from "./sources.ts";
import type { Subcommand } from "../subcommand.ts";

export const console: Subcommand = {
  name: "console",
  about: "console (or nothing): start this service alone, and play in this terminal.",
  takesFile: false,
  flags: [
    { name: "brain", value: "BRAIN", about: "console: who plays instead of you, as random." },
  ],
  examples: [
    ["", "Starts it, and plays what games ask for."],
    ["--port 0 --brain random", "Takes a free port, and plays by chance."],
  ],
  run({ args, context }) {
    const [brain = "console"] = args.flags.get("brain") ?? [];
    const given = layer("--brain", { brain });
    return start(neuroSources(args, given), neuroAlone(context), context.program);
  },
};
