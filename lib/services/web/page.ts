import markup from "./dashboard/page.html" with { type: "text" };
import script from "./dashboard/page.js" with { type: "text" };
import style from "./dashboard/page.css" with { type: "text" };

/** A file of the dashboard, embedded in the program. */
export interface PageFile {
  readonly type: string;
  readonly content: string;
  readonly etag: string;
}

function pageFile(type: string, content: unknown): PageFile {
  const text = content as string;
  return {
    type: `${type}; charset=utf-8`,
    content: text,
    etag: `"${Bun.hash(text).toString(36)}"`,
  };
}

/** The dashboard: one page, its script and its style. */
export const PAGE = {
  markup: pageFile("text/html", markup),
  script: pageFile("text/javascript", script),
  style: pageFile("text/css", style),
} as const;
