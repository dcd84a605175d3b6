import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Reads the paths in the checkout and the texts of all pages, README.md first. Called while the program is built. */
export function readPages(): [path: string, text: string][] {
  const root = join(import.meta.dir, "../../..");
  const below = [...new Bun.Glob("lib/**/README.md").scanSync(root)].toSorted();
  return ["README.md", ...below].map((path) => [
    path.replaceAll("\\", "/"),
    readFileSync(join(root, path), "utf8"),
  ]);
}
