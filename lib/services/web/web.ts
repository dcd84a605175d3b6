import { version } from "../../../package.json";
import { meansLoopback } from "../../config/loopback.ts";
import { overlay } from "../../config/option.ts";
import type { Config } from "../../config/table.ts";
import { StartError } from "../../host/errors.ts";
import {
  type Address,
  addressText,
  type ClientPage,
  type ClientQuery,
  type Health,
  type Host,
  type Running,
} from "../../host/service.ts";
import { tlsOptions } from "../../net/tls.ts";
import { ACTIONS, act, Unwilling } from "./admin.ts";
import { event, json, objectOf, pageFile, refusal, SECURE } from "./answers.ts";
import { connzPage, type ConnzQuery, readConnzQuery } from "./clients.ts";
import { DECLARED } from "./declared.ts";
import { type Access, Door } from "./door.ts";
import { Files } from "./files.ts";
import { Gate, readToken } from "./gate.ts";
import { type RequestHandler, respond } from "./handler.ts";
import { HttpServer, type HttpSettings } from "./http.ts";
import { IsolatedTicker } from "./isolated.ts";
import { loadHandler } from "./load.ts";
import { Observer } from "./observe.ts";
import { PAGE, PAGE_FILES } from "./page.ts";
import { OwnedShared } from "./shared.ts";
import { Streams } from "./streams.ts";
import { Ticker, type Ticks, ticksProblem } from "./ticker.ts";
import { Views } from "./views.ts";

interface Route {
  readonly access: Access;
  readonly GET?: (request: Request) => Response | Promise<Response>;
  readonly POST?: (request: Request) => Response | Promise<Response>;
}

/** Milliseconds after which the page asks for its stream again. */
const RETRY_MS = 2000;
/** Ticks that may wait at once for services to tell of their clients. */
const TELLING_MAX = 5;

/**
 * Starts the web service.
 * @throws StartError when it cannot listen, or a module, folder or token of its settings will not do
 */
export async function web(config: Config, host: Host<Config>): Promise<Running> {
  const { handler: path, ticker: module, static: folder } = config.web;
  const handler = path === "" ? null : await loadHandler(path);
  const files = folder === "" ? null : new Files(folder);
  const shared = new OwnedShared();
  const { clock, log } = host;
  const tickers: (Ticker | IsolatedTicker)[] = [];
  if (module !== "") tickers.push(new IsolatedTicker(module, shared, { clock, log }));
  if (handler && "tick" in handler) {
    const problem = ticksProblem(handler);
    if (problem) throw new StartError(`web: web.handler: ${path}: ${problem}`);
    tickers.push(new Ticker(handler as unknown as Ticks, { clock, log }));
  }
  const service = new Web(config, host, { handler, files, shared, tickers });
  for (const ticker of tickers) void ticker.start(shared);
  return service;
}

/** What a user has put beside the built-in routes. */
interface Site {
  readonly handler: RequestHandler | null;
  readonly files: Files | null;
  readonly shared: OwnedShared;
  readonly tickers: readonly (Ticker | IsolatedTicker)[];
}

/** HTTP for operators, scrapers and a user's own site. */
class Web implements Running {
  readonly observer = true;
  readonly declared = DECLARED;
  readonly addresses: readonly Address[];
  readonly #host: Host<Config>;
  readonly #site: Site;
  readonly #gate: Gate;
  readonly #door: Door;
  readonly #views: Views;
  readonly #streams: Streams;
  readonly #observer: Observer;
  readonly #http: HttpServer;
  readonly #routes = new Map<string, Route>();
  readonly #jobs: (() => void)[];
  #config: Config;
  #toldEvents = 0;
  /** Ticks that wait for the services to tell of their clients. */
  #telling = 0;

  constructor(config: Config, host: Host<Config>, site: Site) {
    this.#config = config;
    this.#host = host;
    this.#site = site;
    this.#gate = new Gate(host.clock);
    this.#gate.setToken(readToken(config.web.token_file));
    const isLocal = meansLoopback(config.web.host);
    this.#door = new Door(this.#gate, isLocal, host.log, () => this.#http);
    this.#streams = new Streams(host);
    this.#observer = new Observer(host);
    const tickers = () => site.tickers.map((ticker) => ticker.status());
    this.#views = new Views(host, this.#observer, this, () => this.#config, tickers);
    this.#addRoutes();
    this.#http = new HttpServer(
      "web",
      config.web,
      this.#httpSettings(config),
      (request, path) => this.#answer(request, path),
      host,
    );
    this.addresses = [this.#http.address];
    this.#gate.nameCookie(this.#http.address.port);
    this.#jobs = [host.clock.every(1000, () => void this.#tick())];
    host.onReload((next) => this.#reload(next));
  }

  // --- the contract

  stats(): Record<string, number> {
    const { requests, failures, timeouts, denied } = this.#http.counts;
    const ticks = this.#site.tickers.map((ticker) => ticker.status());
    const sum = (of: "ticks" | "errors" | "restarts") =>
      ticks.reduce((total, status) => total + status[of], 0);
    return {
      requests,
      failures,
      timeouts,
      denied,
      unauthorised: this.#door.refused,
      in_flight: this.#http.inFlight,
      streams: this.#streams.size,
      slow_streams: this.#streams.slow,
      ticks: sum("ticks"),
      tick_errors: sum("errors"),
      ticker_restarts: sum("restarts"),
    };
  }

  health(): Health {
    const listening = this.#http.health();
    if (!listening.ok) return listening;
    for (const ticker of this.#site.tickers) {
      const { ok, reason } = ticker.health();
      if (!ok) return { ok, reason: `ticker: ${reason}` };
    }
    return listening;
  }

  clients(query: ClientQuery): ClientPage {
    return this.#streams.page(query);
  }

  kick(id: number): string | null {
    return this.#streams.close(id);
  }

  async drain(deadlineMs: number): Promise<void> {
    const end = this.#host.clock.now() + deadlineMs;
    for (const stop of this.#jobs) stop();
    await this.#tick();
    this.#streams.closeAll();
    const cut = await this.#http.drain(deadlineMs);
    if (cut > 0) this.#host.log.warning(`web: cut ${cut} requests that were not answered in time`);
    const left = Math.max(0, end - this.#host.clock.now());
    await Promise.all(this.#site.tickers.map((ticker) => ticker.stop(left)));
    this.#observer.stop();
  }

  #reload(next: Config): void {
    const token = readToken(next.web.token_file);
    this.#http.configure(this.#httpSettings(next));
    this.#gate.setToken(token);
    this.#config = next;
  }

  #httpSettings(config: Config): HttpSettings {
    const { web, tls, access, hyper_parameters } = config;
    return {
      tls: tlsOptions(overlay(tls, web.tls)),
      access: overlay(access, web.access),
      maxBodyBytes: web.max_body_bytes,
      requestTimeoutMs: web.request_timeout_ms,
      relistenMs: hyper_parameters.accept_error_backoff_ms,
      accessLog: web.access_log ? (line) => this.#host.log.record(() => `web: ${line}`) : null,
    };
  }

  // --- routes

  #addRoutes(): void {
    const routes = this.#routes;
    const { dashboard } = this.#config.web;
    routes.set("/healthz", {
      access: "open",
      GET: (request) => this.#views.healthz(() => this.#door.mayRead(request)),
    });
    routes.set("/readyz", {
      access: "open",
      GET: (request) => this.#views.readyz(() => this.#door.mayRead(request)),
    });
    routes.set("/varz", { access: "read", GET: () => json(this.#views.varz()) });
    routes.set("/connz", { access: "read", GET: (request) => this.#connz(request) });
    routes.set("/metrics", { access: "read", GET: () => this.#views.metrics() });
    routes.set("/events", { access: "read", GET: (request) => this.#events(request) });
    routes.set(dashboard, { access: "open", GET: (request) => this.#page(request) });
    // The login form needs them, and they hold nothing but the page.
    for (const [path, file] of PAGE_FILES) {
      routes.set(path, { access: "open", GET: (request) => pageFile(request, file) });
    }
    routes.set("/session", { access: "open", GET: (request) => json(this.#door.session(request)) });
    routes.set("/login", { access: "open", POST: (request) => this.#door.login(request) });
    routes.set("/logout", { access: "open", POST: (request) => this.#door.logout(request) });
    for (const name of Object.keys(ACTIONS)) {
      const POST = (request: Request) => this.#act(name, request);
      routes.set(`/admin/${name}`, { access: "act", POST });
    }
  }

  #answer(request: Request, path: string): Response | Promise<Response> {
    const route = this.#routes.get(path);
    if (!route || (route.access === "act" && !this.#gate.locked)) {
      return this.#askSite(request, path);
    }
    const method = request.method === "HEAD" ? "GET" : request.method;
    const answer = method === "GET" ? route.GET : method === "POST" ? route.POST : undefined;
    if (!answer) {
      const allow = route.GET ? "GET, HEAD" : "POST";
      return refusal(405, "This method is not allowed here.", { allow });
    }
    const refused = this.#door.refuses(request, route.access);
    return refused ?? answer(request);
  }

  #askSite(request: Request, path: string): Response | Promise<Response> {
    if (this.#host.draining) {
      return refusal(503, "The server is stopping.", { connection: "close" });
    }
    const { files, handler, shared } = this.#site;
    const file = files?.respond(request, path);
    if (file) return file;
    if (handler) return respond(handler, request, shared);
    return refusal(404, "There is nothing here.");
  }

  async #connz(request: Request): Promise<Response> {
    const query = this.#queryOf(request);
    if (typeof query === "string") return refusal(400, query);
    return json(await connzPage(query, this.#host.services));
  }

  #queryOf(request: Request): ConnzQuery | string {
    return readConnzQuery(new URL(request.url).searchParams, this.#host.services);
  }

  // --- the dashboard

  #page(request: Request): Response {
    return pageFile(request, PAGE, this.#door.mayRead(request) ? 200 : 401);
  }

  #events(request: Request): Response {
    if (this.#streams.size >= this.#config.web.max_streams) {
      return refusal(503, "Too many event streams are open.", { "retry-after": "10" });
    }
    const wantsClients = request.url.includes("?");
    const query = wantsClients ? this.#queryOf(request) : null;
    if (typeof query === "string") return refusal(400, query);
    const headers = { ...SECURE, "content-type": "text/event-stream" };
    if (request.method === "HEAD") return new Response(null, { headers });
    const body = this.#streams.open(
      request,
      this.#http.originOf(request),
      query,
      () => this.#hello(query),
      (seconds) => this.#http.setIdleTimeout(request, seconds),
    );
    return new Response(body, { headers });
  }

  /** What a stream is told first: what the page must know, and how things are now. */
  async #hello(query: ConnzQuery | null): Promise<string> {
    const clients = await this.#clientsFor(query);
    const { log } = this.#host;
    const numbers = this.#observer.numbers();
    const declared = Object.fromEntries([...numbers].map(([name, part]) => [name, part.declared]));
    const hello = {
      name: this.#config.name,
      version,
      started_at: this.#observer.startedAt,
      declared,
      history: this.#observer.history,
      // Younger ones come with the next tick.
      log: log.tail().slice(0, this.#toldEvents - log.events || undefined),
    };
    const tick = { ...this.#views.snapshot(numbers, []), ...clients };
    return `retry: ${RETRY_MS}\n${event("hello", hello)}${event("tick", tick)}`;
  }

  /** Once a second: the sample for the charts, and what every stream is told. */
  async #tick(): Promise<void> {
    const { log } = this.#host;
    const numbers = this.#observer.sample();
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

  // --- admin

  async #act(name: string, request: Request): Promise<Response> {
    const fields = await objectOf(request);
    if (fields instanceof Response) return fields;
    const { ip, port } = this.#http.originOf(request);
    const how = request.headers.get("authorization") ? "token" : "dashboard";
    try {
      const who = `${addressText(ip, port)} (${how})`;
      const outcome = await act(name, fields, this.#host as never, who);
      return json({ ok: true, outcome });
    } catch (error) {
      if (error instanceof Unwilling) return refusal(error.status, error.message);
      throw error;
    }
  }
}
