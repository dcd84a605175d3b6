import { posix } from "node:path";
import { readPages } from "./read-pages.ts" with { type: "macro" };

/** A page of the documentation. */
export interface Page {
  /** Its name on the command line: its title in small letters, as `command-line`. */
  readonly topic: string;
  /** Its path in the checkout. */
  readonly path: string;
  readonly text: string;
  /** Its first sentence, without links and marks. */
  readonly about: string;
}

/** Every page. The texts are read while the program is built, so they are part of it. */
export const PAGES: readonly Page[] = readPages().map(([path, text]) => {
  const [, title = "", first = ""] = /^# (.*)\n\n(.*)/.exec(text) ?? [];
  const topic = title.toLowerCase().replaceAll(" ", "-");
  const about = first.replace(/(?<=\.) .*/, "");
  return { topic, path, text, about: about.replace(/\[([^\]]*)\]\([^)]*\)|`/g, "$1") };
});

/** The page that a link on another page leads to, if it leads to one. */
export function linked(from: Page, target: string): Page | undefined {
  const [file = ""] = target.split("#");
  const path = file === "" ? from.path : posix.join(posix.dirname(from.path), file);
  return PAGES.find((page) => page.path === path);
}
