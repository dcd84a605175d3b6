import { join } from "node:path";

const file = join(import.meta.dir, "../lib/services/web/dashboard/merge.js");
// The server imports this file as a text, so it is no module for whoever runs in the same process.
const source = (await Bun.file(file).text()).replace(/^export /gm, "");

/** The page's own way to bring its state up to date. */
export const merged = new Function(`${source}; return merged;`)() as (
  before: unknown,
  news: unknown,
) => unknown;
