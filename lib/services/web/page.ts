import type { Coding } from "../../net/http/compression/codings.ts";
import { type Bytes, CAREFUL, compressNow } from "../../net/http/compression/compress.ts";
import admin from "./dashboard/admin.js" with { type: "text" };
import brought from "./dashboard/brought.js" with { type: "text" };
import clientPanel from "./dashboard/client.js" with { type: "text" };
import clientsStyle from "./dashboard/clients.css" with { type: "text" };
import clients from "./dashboard/clients.js" with { type: "text" };
import clusterStyle from "./dashboard/cluster.css" with { type: "text" };
import cluster from "./dashboard/cluster.js" with { type: "text" };
import connection from "./dashboard/connection.js" with { type: "text" };
import controlsStyle from "./dashboard/controls.css" with { type: "text" };
import dialogsStyle from "./dashboard/dialogs.css" with { type: "text" };
import elements from "./dashboard/elements.js" with { type: "text" };
import format from "./dashboard/format.js" with { type: "text" };
import keys from "./dashboard/keys.js" with { type: "text" };
import log from "./dashboard/log.js" with { type: "text" };
import merge from "./dashboard/merge.js" with { type: "text" };
import narrowStyle from "./dashboard/narrow.css" with { type: "text" };
import now from "./dashboard/now.js" with { type: "text" };
import numbers from "./dashboard/numbers.js" with { type: "text" };
import pageStyle from "./dashboard/page.css" with { type: "text" };
import markup from "./dashboard/page.html" with { type: "text" };
import page from "./dashboard/page.js" with { type: "text" };
import part from "./dashboard/part.js" with { type: "text" };
import partsStyle from "./dashboard/parts.css" with { type: "text" };
import places from "./dashboard/places.js" with { type: "text" };
import plot from "./dashboard/plot.js" with { type: "text" };
import quarantine from "./dashboard/quarantine.js" with { type: "text" };
import scoreStyle from "./dashboard/score.css" with { type: "text" };
import score from "./dashboard/score.js" with { type: "text" };
import series from "./dashboard/series.js" with { type: "text" };
import server from "./dashboard/server.js" with { type: "text" };
import status from "./dashboard/status.js" with { type: "text" };
import tables from "./dashboard/tables.js" with { type: "text" };

/** A file of the dashboard, embedded in the program. */
export class PageFile {
  readonly type: string;
  readonly content: Buffer<ArrayBuffer>;
  readonly #hash: string;
  readonly #compressed = new Map<Coding, Bytes>();

  constructor(type: string, content: unknown) {
    this.type = `${type}; charset=utf-8`;
    this.content = Buffer.from(content as string);
    this.#hash = Bun.hash(this.content).toString(36);
  }

  /** The entity tag: one for each content and coding. */
  etag(coding: Coding | null): string {
    return coding === null ? `"${this.#hash}"` : `"${this.#hash}-${coding}"`;
  }

  /** The compressed content, made at the first request for it. */
  compressed(coding: Coding): Bytes {
    let bytes = this.#compressed.get(coding);
    if (bytes === undefined) {
      bytes = compressNow(this.content, coding, CAREFUL);
      this.#compressed.set(coding, bytes);
    }
    return bytes;
  }
}

/** The page's style; a later file overrides an earlier one. */
const STYLE = [
  pageStyle,
  controlsStyle,
  scoreStyle,
  partsStyle,
  clientsStyle,
  clusterStyle,
  dialogsStyle,
  narrowStyle,
].join("\n");

/** The modules of the page's script; `page` imports the others. */
const MODULES = {
  admin,
  brought,
  client: clientPanel,
  clients,
  cluster,
  connection,
  elements,
  format,
  keys,
  log,
  merge,
  now,
  numbers,
  page,
  part,
  places,
  plot,
  quarantine,
  score,
  series,
  server,
  status,
  tables,
};

/**
 * The dashboard's page at a path. It names the files that it loads relative to
 * that path, so a proxy may put a prefix before all of them.
 */
export function pageAt(path: string): PageFile {
  const up = "../".repeat(path.split("/").length - 2);
  return new PageFile("text/html", (markup as unknown as string).replaceAll("ROOT/", up || "./"));
}

/** The files that the page loads, by path; the same for every path of the page. */
export const PAGE_FILES: ReadonlyMap<string, PageFile> = new Map([
  ["/dashboard/page.css", new PageFile("text/css", STYLE)],
  ...Object.entries(MODULES).map(
    ([name, text]) => [`/dashboard/${name}.js`, new PageFile("text/javascript", text)] as const,
  ),
]);
