import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import packageFile from "../package.json";
import { understood } from "../lib/cli/commands.ts";
import { load } from "../lib/config/load.ts";
import { optionPaths } from "../lib/config/paths.ts";
import { tomlValue } from "../lib/config/render.ts";
import { settings } from "../lib/config/table.ts";
import { boot } from "./kit.ts";
import { everyPage, pages } from "./pages.ts";

const ROOT = join(import.meta.dir, "..");
const FENCED = /^```(\w*)\n([^]*?)^```$/gm;
const readme = pages.get("README.md") as string;

/** The contents of the code blocks of a language. */
function blocks(language: string): string[] {
  const found = [...everyPage.matchAll(FENCED)].filter(([, one]) => one === language);
  return found.map(([, , code = ""]) => code);
}

/** The anchors of the headings of a page. */
function anchors(text: string): string[] {
  const headings = text.replace(FENCED, "").matchAll(/^#+ (.*)$/gm);
  return [...headings].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

test("every link of every page leads somewhere", async () => {
  let followed = 0;
  for (const [path, text] of pages) {
    for (const [link, target = ""] of text.replace(FENCED, "").matchAll(/\]\(([^)]*)\)/g)) {
      const where = `${path}: ${link}`;
      const [file = "", anchor] = target.split("#");
      const led = file === "" ? path : normalize(join(dirname(path), file)).replaceAll("\\", "/");
      expect(`${where} ${await Bun.file(join(ROOT, led)).exists()}`).toBe(`${where} true`);
      if (anchor === undefined) continue;
      const named = anchors(pages.get(led) ?? "");
      expect(named.includes(anchor) ? where : `${where}: there is only ${named}`).toBe(where);
      followed++;
    }
  }
  expect(followed).toBeGreaterThan(30);
});

test("every file and folder that a page names is there", () => {
  const named = [...everyPage.matchAll(/(?:`|^)((?:lib|test|\.ci)\/[\w./-]*)/gm)];
  expect(named.length).toBeGreaterThan(10);
  for (const [, path = ""] of named)
    expect([path, existsSync(join(ROOT, path))]).toEqual([path, true]);
});

test("README.md, from which links lead to every page, is at most 8 kB long", () => {
  const reached = new Set(["README.md"]);
  for (const path of reached) {
    for (const [, link = ""] of (pages.get(path) ?? "").matchAll(/\]\(([^)#]+\.md)/g)) {
      reached.add(normalize(join(dirname(path), link)).replaceAll("\\", "/"));
    }
  }
  expect([...reached].toSorted()).toEqual([...pages.keys()].toSorted());
  expect(Buffer.byteLength(readme)).toBeLessThanOrEqual(8000);
});

test("every dependency has its line with its version", () => {
  const all = { ...packageFile.dependencies, ...packageFile.devDependencies };
  const lines = [...readme.matchAll(/^- `(\S+)` (\d+\.\d+\.\d+) .*\.$/gm)];
  expect(Object.fromEntries(lines.map(([, name, version]) => [name, version]))).toEqual(all);
});

test("the five settings have these defaults", () => {
  const options = new Map(optionPaths(settings));
  const rows = [...readme.matchAll(/^\| `([\w.]+)`\s*\| `([^`]*)`/gm)];
  expect(rows).toHaveLength(5);
  for (const [, key = "", value] of rows) {
    expect(`${key} ${tomlValue(options.get(key)?.initial)}`).toBe(`${key} ${value}`);
  }
});

test("every configuration in a page can be used", () => {
  // Those of scenarios are no configuration.
  const found = blocks("toml").filter((toml) => !/token =|expect =/.test(toml));
  expect(found.length).toBeGreaterThan(1);
  for (const toml of found) {
    const { problems } = load(settings, {
      object: Bun.TOML.parse(toml) as Record<string, unknown>,
    });
    expect([toml, problems]).toEqual([toml, []]);
  }
});

test("every command line in a page is understood", async () => {
  const inline = [...everyPage.replace(FENCED, "").matchAll(/`([^`\n]+)`/g)].map(([, one]) => one);
  const lines = [...blocks("sh"), ...blocks("console"), ...inline].flatMap((code = "") =>
    code
      .split("\n")
      .flatMap((line) => /(?:bun run index\.ts|^summoner) (.*)/.exec(line)?.[1] ?? []),
  );
  expect(lines.length).toBeGreaterThan(40);
  for (const line of lines) {
    const [command = ""] = line.split(/ +#|[<>]|; /);
    const words = command.match(/'[^']*'|\S+/g)?.map((word) => word.replaceAll("'", "")) ?? [];
    const { problems } = await understood(words);
    const wrong = problems.filter((problem) => !/: missing(;|$)/.test(problem));
    expect([line, wrong]).toEqual([line, []]);
  }
});

test("every number of /metrics that a page names is there", async () => {
  const server = await boot(["relay", "web", "store", "neuro", "collector"]);
  await server.get("/healthz");
  server.clock.advance(1000);
  const text = await (await server.get("/metrics")).text();
  await server.stop();
  const names = [...everyPage.matchAll(/`(summoner_\w+)`/g)].map(([, name]) => name as string);
  expect(names.length).toBeGreaterThan(3);
  for (const name of names) expect(text).toContain(`\n# TYPE ${name} `);
});

test("every notice of the relay's page is one that the server sends", async () => {
  const page = pages.get("lib/services/relay/README.md") as string;
  const notices = [...page.matchAll(/^\| `(Warning: .*?)`/gm)].map(
    ([, notice]) => notice as string,
  );
  expect(notices.length).toBeGreaterThan(10);
  const files = [...new Bun.Glob("lib/{net,services}/**/*.ts").scanSync(ROOT)];
  const code = (await Promise.all(files.map((file) => Bun.file(join(ROOT, file)).text()))).join();
  for (const notice of notices) expect(code).toContain(notice.split(/\.\.\.| N /)[0] as string);
});
