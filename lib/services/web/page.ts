import admin from "./dashboard/admin.js" with { type: "text" };
import charts from "./dashboard/charts.js" with { type: "text" };
import clientsStyle from "./dashboard/clients.css" with { type: "text" };
import clients from "./dashboard/clients.js" with { type: "text" };
import connection from "./dashboard/connection.js" with { type: "text" };
import dialogsStyle from "./dashboard/dialogs.css" with { type: "text" };
import elements from "./dashboard/elements.js" with { type: "text" };
import format from "./dashboard/format.js" with { type: "text" };
import log from "./dashboard/log.js" with { type: "text" };
import narrowStyle from "./dashboard/narrow.css" with { type: "text" };
import numbers from "./dashboard/numbers.js" with { type: "text" };
import pageStyle from "./dashboard/page.css" with { type: "text" };
import markup from "./dashboard/page.html" with { type: "text" };
import page from "./dashboard/page.js" with { type: "text" };
import panelsStyle from "./dashboard/panels.css" with { type: "text" };
import panels from "./dashboard/panels.js" with { type: "text" };
import server from "./dashboard/server.js" with { type: "text" };
import status from "./dashboard/status.js" with { type: "text" };
import tables from "./dashboard/tables.js" with { type: "text" };

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

/** The page's style: what stands later wins. */
const STYLE = [pageStyle, panelsStyle, clientsStyle, dialogsStyle, narrowStyle].join("\n");

/** The modules of the page's script; `page` imports the others. */
const MODULES = {
  admin,
  charts,
  clients,
  connection,
  elements,
  format,
  log,
  numbers,
  page,
  panels,
  server,
  status,
  tables,
};

/** The dashboard's page for the path that it has: what it loads is named from there, so that a proxy may put a prefix before all of it. */
export function pageAt(path: string): PageFile {
  const up = "../".repeat(path.split("/").length - 2);
  return pageFile("text/html", (markup as unknown as string).replaceAll("ROOT/", up || "./"));
}

/** What the page loads, by path: the same wherever the page is. */
export const PAGE_FILES: ReadonlyMap<string, PageFile> = new Map([
  ["/dashboard/page.css", pageFile("text/css", STYLE)],
  ...Object.entries(MODULES).map(
    ([name, text]) => [`/dashboard/${name}.js`, pageFile("text/javascript", text)] as const,
  ),
]);
