import { load, problemText, remarks } from "../config/load.ts";
import { settings } from "../config/table.ts";
import { pageRemarks, problemsOf } from "../host/service/check.ts";
import { barredHere } from "../net/admission/barred.ts";
import { type Command, SOURCES, sourcesOf } from "./command.ts";
import { say } from "./terminal/say.ts";
import { count } from "../host/count.ts";

export const check: Command = {
  name: "check",
  about: "Report every problem of a configuration; exit code 0 when there is none, else 2.",
  more: [
    "It looks at all that a start looks at before it listens: the files and folders that the settings name, whether a certificate and its key fit, names of hosts, ports that two services share. It changes nothing, runs no handler or ticker, and does not mind that a server runs with the same settings. What it may read and write is what who calls it may.",
  ],
  flags: SOURCES,
  examples: [
    ["check", "Checks ./summoner.toml, or the defaults where there is none."],
    ["check --config server.json", "Checks a file of the reference server."],
  ],
  async run(args, { services }) {
    const loaded = load(settings, sourcesOf(args));
    const problems = await problemsOf(loaded, services);
    const { config } = loaded;
    const told =
      loaded.problems.length > 0 ? [] : [...barredHere(config), ...pageRemarks(services, config)];
    for (const remark of [...remarks(loaded), ...told]) say.warn(remark);
    for (const problem of problems) say.error(problemText(problem));
    const file = loaded.file ?? "the defaults";
    const isGiven = problems.length > 0 && problems.every(({ where }) => where.startsWith("--"));
    const name = isGiven ? "the command line" : file;
    if (problems.length > 0) {
      const found = problems.reduce((sum, problem) => sum + (problem.count ?? 1), 0);
      say.log(`${name}: ${count(found, "problem")}`);
      return 2;
    }
    if (!args.flags.has("quiet")) process.stdout.write(`${name}: no problems\n`);
    return 0;
  },
};
