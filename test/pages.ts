import { join } from "node:path";

const ROOT = join(import.meta.dir, "..");
const paths = ["README.md", ...new Bun.Glob("lib/**/README.md").scanSync(ROOT)].toSorted();

/** The text of every page, by its path in the checkout. */
export const pages: ReadonlyMap<string, string> = new Map(
  await Promise.all(
    paths.map(async (path) => [path, await Bun.file(join(ROOT, path)).text()] as const),
  ),
);

/** All pages, one after the other. */
export const everyPage = [...pages.values()].join("\n");
