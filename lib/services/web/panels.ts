import { type Act, type Panel, Refused, type View } from "../../host/service/panel.ts";
import type { Host } from "../../host/service.ts";
import type { HttpServer } from "../../net/http.ts";
import type { Codings } from "../../net/http/compression/compression.ts";
import { unmet } from "../../net/http/conditions.ts";
import { audited, refuseUnknown } from "./admin.ts";
import { json, JSON_FIELDS, objectOf, refusal, SECURE } from "./answers.ts";
import { PageFile } from "./page.ts";

/** Milliseconds in which a view is made at most `MOST_MADE` times for one query; who asks then gets the last. */
const SPAN_MS = 100;
const MOST_MADE = 10;
/** Views by query that are kept for those who ask at once. */
const MOST_KEPT = 64;
/** Characters of a query as it is sent, where one may stand for a ninth of another; what is longer is refused. */
const MOST_QUERY = 12_000;

/** A part of a panel, by its path. */
export type PanelPart =
  | { readonly kind: "file"; readonly file: PageFile }
  | { readonly kind: "view"; readonly view: View; readonly name: string }
  | { readonly kind: "act"; readonly act: Act; readonly name: string }
  /** There is a panel, but no such view or act. */
  | { readonly kind: "nothing"; readonly of: "view" | "act"; readonly known: readonly string[] };

/** A panel, as the page is told of it. */
export interface PanelTold {
  readonly service: string;
  readonly title: string;
  readonly styles: readonly string[];
  /** The tables of the service that it shows itself. */
  readonly tables: readonly string[];
  /** The groups of its numbers that it shows itself. */
  readonly groups: readonly string[];
  readonly changes: number;
}

interface Made {
  since: number;
  times: number;
  answer: Promise<{ readonly text: string; readonly etag: string; readonly codings: Codings }>;
}

/** Serves the panels of all services, whose names it need not know. */
export class Panels {
  readonly #host: Pick<Host<never>, "clock" | "log" | "services">;
  /** Made when first asked for. */
  readonly #files = new WeakMap<Panel, ReadonlyMap<string, PageFile>>();
  /** By service, view and query; the one that was asked for last is the last. */
  readonly #made = new Map<string, Made>();

  constructor(host: Pick<Host<never>, "clock" | "log" | "services">) {
    this.#host = host;
  }

  /** The part at a path; null where there is none. */
  at(path: string): PanelPart | null {
    const found = /^\/(dashboard\/panels|panels|admin)\/([^/]+)\/([^/]+)$/.exec(path);
    if (found === null) return null;
    const [, where, service = "", name = ""] = found;
    const panel = this.#host.services.get(service)?.panel;
    if (panel === undefined) return null;
    if (where === "dashboard/panels") {
      const file = this.#filesOf(panel).get(name);
      return file === undefined ? null : { kind: "file", file };
    }
    const full = `${service}/${name}`;
    if (where === "panels") {
      return Object.hasOwn(panel.views, name)
        ? { kind: "view", view: panel.views[name] as View, name: full }
        : { kind: "nothing", of: "view", known: Object.keys(panel.views) };
    }
    return Object.hasOwn(panel.acts, name)
      ? { kind: "act", act: panel.acts[name] as Act, name: full }
      : { kind: "nothing", of: "act", known: Object.keys(panel.acts) };
  }

  /** Every panel there is, as the page is told of it. */
  told(): readonly PanelTold[] {
    return [...this.#host.services].flatMap(([service, { panel }]) => {
      if (panel === undefined) return [];
      const styles = Object.keys(panel.files).filter((name) => name.endsWith(".css"));
      const { title, tables = [], groups = [] } = panel;
      return { service, title, styles, tables, groups, changes: panel.changes() };
    });
  }

  /** The changes of each panel, by its service. */
  changes(): Readonly<Record<string, number>> {
    const all: Record<string, number> = {};
    for (const [service, { panel }] of this.#host.services) {
      if (panel !== undefined) all[service] = panel.changes();
    }
    return all;
  }

  /** Answers with a view. */
  async read(name: string, view: View, request: Request, http: HttpServer): Promise<Response> {
    try {
      const { text, etag, codings } = await this.#recent(name, view, new URL(request.url));
      const headers = { ...JSON_FIELDS, etag };
      if (unmet(request, { etag, modifiedMs: null }) === 304) {
        return new Response(null, { status: 304, headers: { ...SECURE, etag } });
      }
      return await http.compression.answer(request, text, headers, codings);
    } catch (error) {
      if (error instanceof Refused) return refusal(error.status, error.message);
      throw error;
    }
  }

  /** Carries out an act in the name of `who`. */
  async act(name: string, act: Act, request: Request, who: string): Promise<Response> {
    const fields = await objectOf(request);
    if (fields instanceof Response) return fields;
    try {
      refuseUnknown("field", fields, act.fields);
      const { outcome, more } = await audited(name, this.#host, who, () => act.run(fields));
      return json({ ...more, ok: true, outcome });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return json({ ...error.more, ok: false, outcome: error.message }, error.status);
    }
  }

  #recent(name: string, view: View, { search, searchParams }: URL): Made["answer"] {
    if (search.length > MOST_QUERY) throw new Refused(400, "The query is too long.");
    // Of a parameter that is given twice the first one is taken.
    const query = Object.fromEntries([...searchParams].toReversed());
    refuseUnknown("parameter", query, view.parameters);
    const key = `${name}?${new URLSearchParams(query)}`;
    const now = this.#host.clock.now();
    const make = async () => {
      const text = `${JSON.stringify(await view.read(query))}\n`;
      return { text, etag: `W/"${Bun.hash(text).toString(36)}"`, codings: new Map() };
    };
    const before = this.#made.get(key);
    this.#made.delete(key);
    const isFresh = before !== undefined && now - before.since < SPAN_MS;
    const made = isFresh ? before : { since: now, times: 0, answer: make() };
    if (isFresh && made.times < MOST_MADE) made.answer = make();
    made.times++;
    this.#made.set(key, made);
    if (this.#made.size > MOST_KEPT) this.#made.delete(this.#made.keys().next().value as string);
    return made.answer;
  }

  #filesOf(panel: Panel): ReadonlyMap<string, PageFile> {
    let files = this.#files.get(panel);
    if (files === undefined) {
      const made = Object.entries(panel.files).map(([name, text]) => {
        const type = name.endsWith(".css") ? "text/css" : "text/javascript";
        return [name, new PageFile(type, text)] as const;
      });
      files = new Map(made);
      this.#files.set(panel, files);
    }
    return files;
  }
}

/** Refuses what is not there, and says what is. */
export function notThere(what: "view" | "action", known: readonly string[]): Response {
  return refusal(404, `There is no such ${what}; there are ${known.join(", ")}.`);
}
