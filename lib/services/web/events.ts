import { version } from "../../../package.json";
import type { Config } from "../../config/table.ts";
import type { Host } from "../../host/service.ts";
import { wanted } from "../../net/http/compression/codings.ts";
import { isCrossSite, unacceptable, VARY } from "../../net/http/compression/compression.ts";
import type { HttpServer } from "../../net/http.ts";
import { event, json, objectOf, refusal, SECURE } from "./answers.ts";
import { clientTold, WallTime } from "./told/client-told.ts";
import { roomsOf } from "./told/clusterz.ts";
import { connzPage } from "./told/connz.ts";
import type { Data } from "./told/difference.ts";
import type { Panels } from "./panels.ts";
import type { Sampler } from "./sampler.ts";
import type { Greeting, Own, Streams } from "./streams.ts";
import type { Views } from "./told/views.ts";
import { type Known, readAsked, readWanted, type Wanted } from "./told/wanted.ts";

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
  readonly #time: WallTime;
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
    this.#time = new WallTime(host.clock);
  }

  configure(config: Config): void {
    this.#config = config;
  }

  /** Answers with a stream; with a query its states hold those clients too. */
  open(request: Request, http: HttpServer): Response {
    if (this.#streams.size >= this.#config.web.max_streams) {
      return refusal(503, "Too many event streams are open.", { "retry-after": "10" });
    }
    const asked = readAsked(request, this.#host.services);
    if (typeof asked === "string") return refusal(400, asked);
    const { wanted: clients, known, differences } = asked;
    // Only gzip, which every browser takes: it can be sent in pieces that streams share.
    const { coding, insists } = wanted(request, ["gzip"]);
    const gzip = coding !== null && mayCompress(request, clients);
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
        : this.#streams.open(request, http, { wanted: clients, differences, gzip }, (own) =>
            this.#hello(clients, known, own),
          );
    return new Response(body, { headers });
  }

  /** The greeting of a stream: the facts that the page needs first, and the present state. */
  async #hello(wanted: Wanted, known: Known | null, own: Own): Promise<Greeting> {
    const clients = await this.#clientsFor(wanted);
    const { log, services } = this.#host;
    const numbers = this.#sampler.numbers();
    const declared = Object.fromEntries([...numbers].map(([name, part]) => [name, part.declared]));
    const rooms = roomsOf(services).map(([name]) => name);
    const { startedAt, history, hour } = this.#sampler;
    // A page that asks for other clients has all the rest.
    const since = known?.of === startedAt ? known.since : 0;
    const hello = {
      name: this.#config.name,
      version,
      started_at: startedAt,
      // So that whoever watches can leave itself out.
      stream: own,
      ...(since > 0 ? {} : { declared, panels: this.#panels.told(), rooms }),
      history: history.filter(({ at }) => at > since),
      hour: hour.told(since),
      // The next tick sends the newer lines.
      log: log.tail().slice(0, this.#toldEvents - log.events || undefined),
    };
    const at = this.#host.clock.wall();
    const state = { ...this.#views.snapshot({ at, numbers }, []), ...clients };
    return { text: `retry: ${RETRY_MS}\n${event("hello", hello)}`, state };
  }

  /** Answers a page that wants its stream to tell of other clients: the stream does so at once. */
  async want(request: Request): Promise<Response> {
    const fields = await objectOf(request);
    if (fields instanceof Response) return fields;
    const { stream, secret, query } = fields;
    if (typeof stream !== "number" || typeof secret !== "string" || typeof query !== "string") {
      return refusal(400, "stream, secret, query: needs the number of a stream and two texts");
    }
    if (!this.#streams.owns(stream, secret)) return refusal(404, "There is no such stream.");
    const parameters = new URLSearchParams(query);
    const wanted = readWanted(parameters, this.#host.services);
    if (typeof wanted === "string") return refusal(400, wanted);
    await this.#streams.want(stream, wanted, (of) => this.#clientsFor(of));
    return json({ ok: true });
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
      await this.#streams.send(async (wanted) => {
        return { ...snapshot, ...(await this.#clientsFor(wanted)) };
      });
    } catch (error) {
      log.bug(error, "telling the event streams");
    }
    this.#telling--;
  }

  /** Tells the streams which panels have changed; called a few times a second. */
  look(): void {
    const now = this.#panels.changes();
    const before = this.#toldChanges;
    // Whoever greets a page tells of a panel that is seen for the first time.
    const news = Object.entries(now).filter(([name, n]) => (before[name] ?? n) !== n);
    this.#toldChanges = now;
    if (news.length === 0 || this.#streams.size === 0) return;
    this.#streams.sendAll(event("changed", Object.fromEntries(news)));
  }

  async #clientsFor({ page, client }: Wanted): Promise<Data> {
    const { services } = this.#host;
    return {
      ...(page && { clients: await connzPage(page, services) }),
      ...(client && { client: await clientTold(services, client, this.#time) }),
    };
  }
}

/**
 * True if no other site can have chosen a text in the stream: compressed
 * together with the log, its length would reveal lines of the log.
 */
function mayCompress(request: Request, { page }: Wanted): boolean {
  return !isCrossSite(request) && (page === null || page.address === "");
}
