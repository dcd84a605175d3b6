import { version } from "../../../package.json";
import type { Config } from "../../config/table.ts";
import type { Host } from "../../host/service.ts";
import { wanted } from "../../net/http/compression/codings.ts";
import { isCrossSite, unacceptable, VARY } from "../../net/http/compression/compression.ts";
import type { HttpServer } from "../../net/http.ts";
import { event, refusal, SECURE } from "./answers.ts";
import { connzPage, type ConnzQuery, readConnzQuery } from "./connz.ts";
import type { Sampler } from "./sampler.ts";
import type { Streams } from "./streams.ts";
import type { Views } from "./views.ts";

/** Milliseconds after which the page asks for its stream again. */
const RETRY_MS = 2000;
/** Ticks that may wait at once for services to tell of their clients. */
const TELLING_MAX = 5;

/** What the event streams are told: a greeting, then how things are, once a second. */
export class Events {
  readonly #host: Host<Config>;
  readonly #sampler: Sampler;
  readonly #views: Views;
  readonly #streams: Streams;
  #config: Config;
  /** Events of the log that the streams have been told of. */
  #toldEvents = 0;
  /** Ticks that wait for services to tell of their clients. */
  #telling = 0;

  constructor(
    config: Config,
    host: Host<Config>,
    { sampler, views, streams }: { sampler: Sampler; views: Views; streams: Streams },
  ) {
    this.#config = config;
    this.#host = host;
    this.#sampler = sampler;
    this.#views = views;
    this.#streams = streams;
  }

  configure(config: Config): void {
    this.#config = config;
  }

  /** Answers with a stream; with a query, it tells of those clients too. */
  open(request: Request, http: HttpServer): Response {
    if (this.#streams.size >= this.#config.web.max_streams) {
      return refusal(503, "Too many event streams are open.", { "retry-after": "10" });
    }
    const { services } = this.#host;
    const query = request.url.includes("?") ? readConnzQuery(request, services) : null;
    if (typeof query === "string") return refusal(400, query);
    // Nginx would keep events back until it has some kilobytes of them.
    // By gzip alone, which every browser takes: it can be sent in pieces that streams share.
    const { coding, insists } = wanted(request, ["gzip"]);
    const gzip = coding !== null && mayCompress(request, query);
    const headers = {
      ...SECURE,
      "content-type": "text/event-stream",
      "x-accel-buffering": "no",
      vary: VARY,
      ...(gzip ? { "content-encoding": "gzip" } : {}),
    };
    if (coding === null && insists) return unacceptable(headers);
    const body =
      request.method === "HEAD"
        ? new ReadableStream()
        : this.#streams.open(request, http, query, gzip, () => this.#hello(query));
    return new Response(body, { headers });
  }

  /** What a stream is told first: what the page must know, and how things are now. */
  async #hello(query: ConnzQuery | null): Promise<string> {
    const clients = await this.#clientsFor(query);
    const { log } = this.#host;
    const numbers = this.#sampler.numbers();
    const declared = Object.fromEntries([...numbers].map(([name, part]) => [name, part.declared]));
    const hello = {
      name: this.#config.name,
      version,
      started_at: this.#sampler.startedAt,
      declared,
      history: this.#sampler.history,
      // Younger ones come with the next tick.
      log: log.tail().slice(0, this.#toldEvents - log.events || undefined),
    };
    const tick = { ...this.#views.snapshot(numbers, []), ...clients };
    return `retry: ${RETRY_MS}\n${event("hello", hello)}${event("tick", tick)}`;
  }

  /** Once a second: the sample for the charts, and what every stream is told. */
  async tick(): Promise<void> {
    const { log } = this.#host;
    const numbers = this.#sampler.sample();
    // A service that does not tell of its clients costs ticks, not memory.
    if (this.#telling === TELLING_MAX) return;
    const news = Math.min(log.events - this.#toldEvents, log.tail().length);
    this.#toldEvents = log.events;
    if (this.#streams.size === 0) return;
    const snapshot = this.#views.snapshot(numbers, news > 0 ? log.tail().slice(-news) : []);
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

  async #clientsFor(query: ConnzQuery | null): Promise<object> {
    return query ? { clients: await connzPage(query, this.#host.services) } : {};
  }
}

/** Whether nothing in a stream is chosen by whoever made a browser ask: it would be compressed together with the log. */
function mayCompress(request: Request, query: ConnzQuery | null): boolean {
  return !isCrossSite(request) && (query === null || query.address === "");
}
