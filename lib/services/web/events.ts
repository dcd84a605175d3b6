import { version } from "../../../package.json";
import type { Config } from "../../config/table.ts";
import type { Host } from "../../host/service.ts";
import { wanted } from "../../net/http/compression/codings.ts";
import { isCrossSite, unacceptable, VARY } from "../../net/http/compression/compression.ts";
import type { HttpServer } from "../../net/http.ts";
import { event, refusal, SECURE } from "./answers.ts";
import { connzPage, type ConnzQuery, readConnzQuery } from "./connz.ts";
import type { Panels } from "./panels.ts";
import type { Sampler } from "./sampler.ts";
import type { Streams } from "./streams.ts";
import type { Views } from "./views.ts";

/** Milliseconds after which the page asks for its stream again. */
const RETRY_MS = 2000;
/** Ticks that may wait at once for the services' lists of clients. */
const TELLING_MAX = 5;

/** The events of the streams: a greeting, the state of the program once a second, and which panels have changed. */
export class Events {
  readonly #host: Host<Config>;
  readonly #sampler: Sampler;
  readonly #views: Views;
  readonly #panels: Panels;
  readonly #streams: Streams;
  /** The changes of each panel that the streams were told of. */
  #toldChanges: Readonly<Record<string, number>> = {};
  #config: Config;
  /** The log's count of events at the last tick: those up to it have been sent. */
  #toldEvents = 0;
  /** Ticks that wait for the services' lists of clients. */
  #telling = 0;

  constructor(
    config: Config,
    host: Host<Config>,
    parts: { sampler: Sampler; views: Views; panels: Panels; streams: Streams },
  ) {
    this.#config = config;
    this.#host = host;
    this.#sampler = parts.sampler;
    this.#views = parts.views;
    this.#panels = parts.panels;
    this.#streams = parts.streams;
  }

  configure(config: Config): void {
    this.#config = config;
  }

  /** Answers with a stream; with a query its events hold those clients too. */
  open(request: Request, http: HttpServer): Response {
    if (this.#streams.size >= this.#config.web.max_streams) {
      return refusal(503, "Too many event streams are open.", { "retry-after": "10" });
    }
    const asked = readAsked(request, this.#host.services);
    if (typeof asked === "string") return refusal(400, asked);
    const { query, known } = asked;
    // Only gzip, which every browser takes: it can be sent in pieces that streams share.
    const { coding, insists } = wanted(request, ["gzip"]);
    const gzip = coding !== null && mayCompress(request, query);
    const headers = {
      ...SECURE,
      "content-type": "text/event-stream",
      // Otherwise Nginx would hold events back until it has some kilobytes of them.
      "x-accel-buffering": "no",
      vary: VARY,
      ...(gzip ? { "content-encoding": "gzip" } : {}),
    };
    if (coding === null && insists) return unacceptable(headers);
    const body =
      request.method === "HEAD"
        ? new ReadableStream()
        : this.#streams.open(request, http, query, gzip, (own) => this.#hello(query, known, own));
    return new Response(body, { headers });
  }

  /** The greeting of a stream: the facts that the page needs first, and the present state. */
  async #hello(
    query: ConnzQuery | null,
    known: Known | null,
    own: { readonly id: number; readonly address: string },
  ): Promise<string> {
    const clients = await this.#clientsFor(query);
    const { log } = this.#host;
    const numbers = this.#sampler.numbers();
    const declared = Object.fromEntries([...numbers].map(([name, part]) => [name, part.declared]));
    const { startedAt, history, hour } = this.#sampler;
    // A page that asks for other clients has all the rest.
    const since = known?.of === startedAt ? known.since : 0;
    const hello = {
      name: this.#config.name,
      version,
      started_at: startedAt,
      // So that whoever watches can leave itself out.
      stream: own,
      ...(since > 0 ? {} : { declared, panels: this.#panels.told() }),
      history: history.filter(({ at }) => at > since),
      hour: hour.told(since),
      // The next tick sends the newer lines.
      log: log.tail().slice(0, this.#toldEvents - log.events || undefined),
    };
    const at = this.#host.clock.wall();
    const tick = { ...this.#views.snapshot({ at, numbers }, []), ...clients };
    return `retry: ${RETRY_MS}\n${event("hello", hello)}${event("tick", tick)}`;
  }

  /** Takes the sample for the charts and sends every stream its event; called once a second. */
  async tick(): Promise<void> {
    const { log } = this.#host;
    const taken = this.#sampler.sample();
    this.#views.problems.look(taken.numbers.get("process")?.stats ?? {});
    // While a service does not list its clients, ticks are left out and take no memory.
    if (this.#telling === TELLING_MAX) return;
    const news = Math.min(log.events - this.#toldEvents, log.tail().length);
    this.#toldEvents = log.events;
    if (this.#streams.size === 0) return;
    const snapshot = this.#views.snapshot(taken, news > 0 ? log.tail().slice(-news) : []);
    this.#telling++;
    try {
      await this.#streams.send(async (query) => {
        return event("tick", { ...snapshot, ...(await this.#clientsFor(query)) });
      });
    } catch (error) {
      log.bug(error, "telling the event streams");
    }
    this.#telling--;
  }

  /** Tells the streams which panels have changed; called a few times a second. */
  async look(): Promise<void> {
    const now = this.#panels.changes();
    const news = Object.entries(now).filter(([name, n]) => this.#toldChanges[name] !== n);
    this.#toldChanges = now;
    if (news.length === 0 || this.#streams.size === 0) return;
    const text = event("changed", Object.fromEntries(news));
    await this.#streams.send(async () => text);
  }

  async #clientsFor(query: ConnzQuery | null): Promise<object> {
    return query ? { clients: await connzPage(query, this.#host.services) } : {};
  }
}

/** What a page that was connected before has already. */
interface Known {
  /** The start of the server that told it, milliseconds since 1970. */
  readonly of: number;
  /** The time of its newest sample. */
  readonly since: number;
}

/** The query of a request: that for clients, and `of` and `since`. @returns a text about the fault if it has one */
function readAsked(
  request: Request,
  services: Host<Config>["services"],
): { query: ConnzQuery | null; known: Known | null } | string {
  if (!request.url.includes("?")) return { query: null, known: null };
  const url = new URL(request.url);
  const [of, since] = ["of", "since"].map((name) => {
    const text = url.searchParams.get(name);
    url.searchParams.delete(name);
    return text;
  });
  if ((of === null) !== (since === null)) return "of, since: give both or none of them";
  if (of !== null && !/^\d{1,16}(\.\d{1,9})? \d{1,16}(\.\d{1,9})?$/.test(`${of} ${since}`)) {
    return "of, since: allowed: milliseconds since 1970";
  }
  const known = of === null ? null : { of: Number(of), since: Number(since) };
  if (url.search === "") return { query: null, known };
  const query = readConnzQuery(url, services);
  return typeof query === "string" ? query : { query, known };
}

/**
 * True if no other site can have chosen a text in the stream: compressed
 * together with the log, its length would reveal lines of the log.
 */
function mayCompress(request: Request, query: ConnzQuery | null): boolean {
  return !isCrossSite(request) && (query === null || query.address === "");
}
