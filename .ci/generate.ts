// Writes the files that are made from tables of the code: summoner.toml, and the parts of the pages
// between two marks. With --check it writes nothing, and fails if a file is out of date.
import { join } from "node:path";
import { allCommands } from "../lib/cli/commands.ts";
import { markdownTable } from "../lib/config/markdown.ts";
import { presets } from "../lib/config/presets.ts";
import { renderReference, renderToml } from "../lib/config/render.ts";
import type { Entries } from "../lib/config/section.ts";
import { load } from "../lib/config/load.ts";
import { servicesOf } from "../lib/config/services.ts";
import { settings } from "../lib/config/table.ts";
import type { Panel } from "../lib/host/service/panel.ts";
import { collectorPanel } from "../lib/services/collector/panel/panel.ts";
import { DIAGNOSTICS } from "../lib/services/neuro/diagnostics.ts";
import { scenarioReference } from "../lib/services/neuro/scenario/file/reference.ts";
import { neuroPanel } from "../lib/services/neuro/panel/panel.ts";
import { storeReference } from "../lib/services/store/commands/reference.ts";
import { ACTIONS } from "../lib/services/web/admin.ts";

const commands = await allCommands();

/** The text between `<!-- name: words -->` and `<!-- /name -->`, by name. */
const BLOCKS: Readonly<Record<string, (entries: Entries, words: readonly string[]) => string>> = {
  settings: (entries, names) => renderReference(entries, names.length > 0 ? names : undefined),
  services: (entries) =>
    servicesOf(entries)
      .map(
        ({ name, about }) =>
          `- [${titleOf(name)}](services/${name}/README.md): ${about.replace(/(?<=\.) .*/, "")}`,
      )
      .join("\n"),
  presets: () =>
    table(
      ["Preset", "What for"],
      Object.entries(presets).map(([name, { about }]) => [name, about]),
    ),
  commands: () =>
    table(
      ["Command", "What it does"],
      commands.map(({ name, about }) => [name, about]),
    ),
  "store-actions": storeReference,
  "neuro-diagnostics": () =>
    table(
      ["Code", "", "What happened", "Cure"],
      Object.values(DIAGNOSTICS).map(({ code, severity, text, cure }) => [
        code,
        severity,
        text,
        cure,
      ]),
    ),
  "neuro-scenarios": scenarioReference,
  "neuro-views": () => viewsOf("neuro", NEURO.views),
  "collector-views": () => viewsOf("collector", COLLECTOR.views),
  "neuro-acts": () =>
    table(["`POST /admin/neuro/...`", "What it does", "Fields"], actsOf(NEURO.acts)),
  "web-actions": () => table(["`POST /admin/...`", "What it does", "Fields"], actsOf(ACTIONS)),
};

/** The panel of a server without games. */
const NEURO = neuroPanel(
  { games: [], watch: () => () => {} } as never,
  { address: () => "", mostRetries: () => 0 } as never,
);

/** The panel of a collector without a log. */
const COLLECTOR = collectorPanel({
  log: {},
  settings: () => load(settings, { object: {} }).config.collector,
} as never);

function viewsOf(service: string, views: Panel["views"]): string {
  return table(
    [`\`GET /panels/${service}/...\``, "What it shows", "Parameters"],
    Object.entries(views).map(([name, { about, parameters }]) => [
      name,
      about,
      glossed(parameters),
    ]),
  );
}

interface Described {
  readonly about: string;
  readonly fields: Readonly<Record<string, string>>;
}

function actsOf(acts: Readonly<Record<string, Described>>): string[][] {
  return Object.entries(acts).map(([name, { about, fields }]) => [name, about, glossed(fields)]);
}

/** Names, each with its meaning. */
function glossed(meanings: Readonly<Record<string, string>>): string {
  return Object.entries(meanings)
    .map(([name, meaning]) => `\`${name}\`: ${meaning}`)
    .join("; ");
}

/** A table whose first column is code. */
function table(head: string[], rows: readonly (readonly string[])[]): string {
  const body = rows.map(([name, ...rest]) => [`\`${name}\``, ...rest]);
  return markdownTable([head, ...body]).join("\n");
}

/** The files that are generated or have generated parts, as they should be. */
export interface Generated {
  readonly files: ReadonlyMap<string, string>;
  /** The faults for which a file cannot be made, one line each. */
  readonly problems: readonly string[];
}

/** Makes everything for the pages below a folder; writes nothing. */
export async function generate(root: string, entries: Entries): Promise<Generated> {
  const files = new Map([["summoner.toml", renderToml(entries)]]);
  const problems: string[] = [];
  const found = ["README.md", ...new Bun.Glob("lib/**/README.md").scanSync(root)];
  const paths = found.map((path) => path.replaceAll("\\", "/")).toSorted();
  const texts = new Map<string, string>();
  for (const path of paths) texts.set(path, await Bun.file(join(root, path)).text());
  for (const { name, about } of servicesOf(entries)) {
    const path = `lib/services/${name}/README.md`;
    const text = texts.get(path);
    if (text === undefined) texts.set(path, firstPage(name, about));
    else if (!settingsIn(text).includes(name)) {
      problems.push(`${path}: has no <!-- settings: ${name} --> with <!-- /settings --> after it`);
    }
  }
  for (const [path, text] of texts) {
    files.set(
      path,
      filled(text, entries, (problem) => problems.push(`${path}: ${problem}`)),
    );
  }
  return { files, problems };
}

function titleOf(name: string): string {
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}

/** The first version of a service's page. */
function firstPage(name: string, about: string): string {
  return `# ${titleOf(name)}\n\n${about}\n\n## Settings\n\n<!-- settings: ${name} -->\n<!-- /settings -->\n`;
}

const MARK = /^<!-- ([\w-]+)(?:: (.*))? -->$/gm;

/** The names that the blocks of settings in a page have. */
function settingsIn(text: string): string[] {
  const marks = [...text.matchAll(MARK)].filter(([, name]) => name === "settings");
  return marks.flatMap(([, , words = ""]) => words.split(" "));
}

/** A page with the text between its marks made anew. */
function filled(text: string, entries: Entries, problem: (what: string) => void): string {
  let [done, rest] = ["", text];
  for (const [mark, name = "", words = ""] of text.matchAll(MARK)) {
    const block = BLOCKS[name];
    if (block === undefined) continue;
    const names = words.split(" ").filter((word) => word !== "");
    const unknown = name === "settings" && names.find((one) => !Object.hasOwn(entries, one));
    const start = rest.indexOf(mark) + mark.length;
    const end = rest.indexOf(`<!-- /${name} -->`, start);
    if (end < 0) problem(`${mark} has no <!-- /${name} -->`);
    else if (unknown) problem(`${mark}: there is no setting ${unknown}`);
    else {
      done += `${rest.slice(0, start)}\n\n${block(entries, names).trim()}\n\n`;
      rest = rest.slice(end);
    }
  }
  return done + rest;
}

/** @returns the exit code */
async function main(words: readonly string[]): Promise<number> {
  if (words.some((word) => word !== "--check")) {
    console.error("bun run generate [--check]");
    return 2;
  }
  const root = join(import.meta.dir, "..");
  const { files, problems } = await generate(root, settings);
  for (const problem of problems) console.error(problem);
  let stale = 0;
  for (const [path, text] of files) {
    const file = Bun.file(join(root, path));
    const exists = await file.exists();
    if (exists && (await file.text()) === text) continue;
    stale++;
    if (!words.includes("--check")) {
      await file.write(text);
      console.log(`${path}: written`);
    } else console.error(`${path}: ${exists ? "out of date" : "missing"}; run bun run generate`);
  }
  if (words.includes("--check") && stale > 0) return 1;
  return problems.length > 0 ? 1 : 0;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
