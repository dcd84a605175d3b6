import { targetOf } from "../config/edit.ts";
import { load, problemText } from "../config/load.ts";
import type { Option } from "../config/option.ts";
import { valueAt } from "../config/paths.ts";
import { masked, tomlValue } from "../config/render.ts";
import { settings } from "../config/table.ts";
import { type Command, SOURCES, sourcesOf } from "./command.ts";
import { say } from "./terminal/say.ts";

export const get: Command = {
  name: "get",
  about: "Print the effective value of one key as TOML, or all of a section.",
  more: [
    "A key that is not given and has no default is an empty line; in a section it is commented out.",
  ],
  operands: [
    {
      name: "KEY",
      completes: "key",
      about: "A key or a section with the tables around it, as logger.log_level.",
    },
  ],
  flags: [
    ...SOURCES,
    { name: "raw", about: "Print a text as it is, without quotes." },
    { name: "show-secrets", about: "Print secrets too, which are stars otherwise." },
  ],
  examples: [
    ["get port", "Prints the port."],
    ["get hyper_parameters", "Prints a section, as it would stand in the file."],
    ["get logger.log_file_path --raw", "Prints a text for a script."],
  ],
  run(args) {
    const [key = ""] = args.operands;
    const found = targetOf(settings, key, "get");
    if ("message" in found) {
      say.error(problemText(found));
      return 2;
    }
    const { options, isSection } = found;
    const raw = args.flags.has("raw");
    if (raw && isSection) {
      say.error(`--raw: not with a section, and ${key} is one`);
      return 2;
    }
    const loaded = load(settings, sourcesOf(args));
    for (const warning of loaded.warnings) say.warn(problemText(warning));
    for (const problem of loaded.problems) say.error(problemText(problem));
    if (loaded.problems.length > 0) return 2;
    const shown = (path: string, option: Option<unknown>) => {
      const value = valueAt(loaded.config, path);
      return args.flags.has("show-secrets") ? value : masked(option, value);
    };
    for (const [path, option] of options) {
      const value = shown(path, option);
      const text =
        raw && typeof value === "string" ? value : value === null ? "" : tomlValue(value);
      const name = path.slice(key.length + 1);
      const line = value === null ? `# ${name} =` : `${name} = ${text}`;
      process.stdout.write(`${isSection ? line : text}\n`);
    }
    return 0;
  },
};
