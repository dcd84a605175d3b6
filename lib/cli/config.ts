import { load, problemText } from "../config/load.ts";
import { renderEffective, renderReference, renderToml } from "../config/render.ts";
import { renderSchema, SCHEMA_LINE } from "../config/schema.ts";
import { settings } from "../config/table.ts";
import { type Arguments, type Command, SOURCES, sourcesOf } from "./command.ts";
import { say } from "./terminal/say.ts";

export const config: Command = {
  name: "config",
  about: "Print the effective configuration and where each value came from.",
  more: [
    `An editor that knows schemas of TOML completes and checks summoner.toml when it begins with the line ${SCHEMA_LINE} and that file stands beside it.`,
  ],
  flags: [
    ...SOURCES,
    { name: "defaults", about: "Print a commented summoner.toml with all defaults instead." },
    { name: "schema", about: "Print a JSON Schema of summoner.toml, for editors, instead." },
    { name: "reference", about: "Print the reference of all settings as Markdown instead." },
  ],
  examples: [
    ["config", "Shows what would be in force, and why."],
    ["config --defaults > summoner.toml", "Writes a configuration to start from."],
    ["config --schema > summoner.schema.json", "Writes what editors check it against."],
  ],
  run(args) {
    const text = textFor(args);
    if (text === null) return 2;
    process.stdout.write(text);
    return 0;
  },
};

/** The text to print, or null if the settings have problems, which have been told. */
function textFor(args: Arguments): string | null {
  if (args.flags.has("defaults")) return renderToml(settings);
  if (args.flags.has("schema")) return renderSchema(settings);
  if (args.flags.has("reference")) return renderReference(settings);
  const loaded = load(settings, sourcesOf(args));
  for (const warning of loaded.warnings) say.warn(problemText(warning));
  for (const problem of loaded.problems) say.error(problemText(problem));
  return loaded.problems.length > 0 ? null : renderEffective(settings, loaded);
}
