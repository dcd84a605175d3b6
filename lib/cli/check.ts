import { load, problemText, remarks } from "../config/load.ts";
import { settings } from "../config/table.ts";
import { type Command, SOURCES, sourcesOf } from "./command.ts";
import { say } from "./say.ts";
import { count } from "./words.ts";

export const check: Command = {
  name: "check",
  about: "Report every problem of a configuration; exit code 0 when there is none, else 2.",
  flags: SOURCES,
  examples: [
    ["check", "Checks ./summoner.toml, or the defaults where there is none."],
    ["check --config server.json", "Checks a file of the reference server."],
  ],
  run(args) {
    const loaded = load(settings, sourcesOf(args));
    for (const remark of remarks(loaded)) say.warn(remark);
    for (const problem of loaded.problems) say.error(problemText(problem));
    const name = loaded.file ?? "the defaults";
    if (loaded.problems.length > 0) {
      const problems = loaded.problems.reduce((sum, problem) => sum + (problem.count ?? 1), 0);
      say.log(`${name}: ${count(problems, "problem")}`);
      return 2;
    }
    if (!args.flags.has("quiet")) process.stdout.write(`${name}: no problems\n`);
    return 0;
  },
};
