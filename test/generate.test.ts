import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate } from "../.ci/generate.ts";
import { flag, whole } from "../lib/config/option.ts";
import { renderReference, renderToml } from "../lib/config/render.ts";
import { section } from "../lib/config/section.ts";
import { servicesOf } from "../lib/config/services.ts";
import { settings } from "../lib/config/table.ts";
import { storeReference } from "../lib/services/store/commands/reference.ts";
import { pages } from "./pages.ts";

const ROOT = join(import.meta.dir, "..");
const folder = mkdtempSync(join(tmpdir(), "summoner-generate-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("what is generated is up to date", async () => {
  const { files, problems } = await generate(ROOT, settings);
  expect(problems).toEqual([]);
  expect([...files.keys()].toSorted()).toEqual(["summoner.toml", ...pages.keys()].toSorted());
  for (const [path, text] of files) {
    expect(await Bun.file(join(ROOT, path)).text()).toBe(text);
  }
});

test("the pages hold the references", () => {
  const config = pages.get("lib/config/README.md");
  expect(config).toContain(`<!-- settings -->\n\n${renderReference(settings)}\n<!-- /settings -->`);
  const store = pages.get("lib/services/store/README.md");
  expect(store).toContain(`<!-- store-actions -->\n\n${storeReference()}\n<!-- /store-actions -->`);
  for (const { name } of servicesOf(settings)) {
    expect(pages.get(`lib/services/${name}/README.md`)).toContain(`### \`[${name}]\``);
  }
});

describe("a service that is new", () => {
  const tally = section("Counts lines.", {
    enabled: flag(false, "Whether it runs."),
    port: whole(8899, [0, 65535], "Its TCP port."),
  });
  const entries = { tally };
  const page = "lib/services/tally/README.md";
  const write = (path: string, text: string) => Bun.write(join(folder, path), text);

  test("gets a page, and its part of the whole reference", async () => {
    await write("README.md", "# Top\n\n<!-- settings -->\nold\n<!-- /settings -->\n\nEnd.\n");
    const { files, problems } = await generate(folder, entries);
    expect(problems).toEqual([]);
    expect(Object.fromEntries(files)).toEqual({
      "summoner.toml": renderToml(entries),
      "README.md": `# Top\n\n<!-- settings -->\n\n${renderReference(entries)}\n<!-- /settings -->\n\nEnd.\n`,
      [page]: `# Tally\n\nCounts lines.\n\n## Settings\n\n<!-- settings: tally -->\n\n${renderReference(entries)}\n<!-- /settings -->\n`,
    });
    expect(files.get(page)).toContain("| `port` ");
  });

  test.each([
    [
      "no mark at all\n",
      `${page}: has no <!-- settings: tally --> with <!-- /settings --> after it`,
    ],
    ["<!-- settings: tally -->\n", `${page}: <!-- settings: tally --> has no <!-- /settings -->`],
    [
      "<!-- settings: tally taly -->\n<!-- /settings -->\n",
      `${page}: <!-- settings: tally taly -->: there is no setting taly`,
    ],
  ])("is told of when its page lacks something: %j", async (text, problem) => {
    await write(page, text);
    const { files, problems } = await generate(folder, entries);
    expect(problems).toEqual([problem]);
    expect(files.get(page)).toBe(text);
  });
});
