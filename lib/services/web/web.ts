import { version } from "../../../package.json";
import { overlay } from "../../config/option.ts";
import { maskedConfig } from "../../config/render.ts";
import { type Config, settings } from "../../config/table.ts";
import { meansLoopback } from "../../config/loopback.ts";
import { StartError } from "../../host/errors.ts";
import {
  type Address,
  addressText,
  type ClientInfo,
  type Health,
  type Host,
  type Running,
} from "../../host/service.ts";
import { tlsOptions } from "../../net/tls.ts";
import { ACTIONS, act, Unwilling } from "./admin.ts";
import { type ClientQuery, clientPage, readClientQuery } from "./clients.ts";
import { DECLARED } from "./declared.ts";
import { Files } from "./files.ts";
import { Gate, namesLoopback, PAGE_HEADER, readToken, SESSION_COOKIE } from "./gate.ts";
import { type RequestHandler, respond } from "./handler.ts";
import { HttpServer, type HttpSettings } from "./http.ts";
import { IsolatedTicker } from "./isolated.ts";
import { loadHandler } from "./load.ts";
import { METRICS_TYPE, metricsText } from "./metrics.ts";
import { Observer } from "./observe.ts";
import { PAGE, type PageFile } from "./page.ts";
import { OwnedShared } from "./shared.ts";
import { Streams } from "./streams.ts";
import { Ticker, type Ticks, ticksProblem } from "./ticker.ts";

/** Who may ask a built-in route. */
type Access =
  /** Anybody. */
  | "open"
  /** Anybody on loopback, elsewhere those with the token. */
  | "read"
  /** Those with the token; without one the route does not exist. */
  | "act";

interface Route {
  readonly access: Access;
  readonly GET?: (request: Request) => Response;
  readonly POST?: (request: Request) => Response | Promise<Response>;
}

const SECURE = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;
// Made once: a Headers object costs a fifth less in an answer than the same fields anew.
const JSON_HEADERS = new Headers({ ...SECURE, "content-type": "application/json; charset=utf-8" });
const TEXT_HEADERS = { ...SECURE, "content-type": "text/plain; charset=utf-8" };

const WELL = '{"status":"ok","why":{}}\n';
const DRAINING = '{"status":"draining","why":{}}\n';
const READY = '{"ready":true,"why":{}}\n';
/** Milliseconds after which the page asks for its stream again. */
const RETRY_MS = 2000;
/** Quarantines that one event tells of; `/varz` tells of ten times as many. */
const QUARANTINES_TOLD = 100;

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
  readonly #streams: Streams;
  readonly #observer: Observer;
  readonly #http: HttpServer;
  readonly #routes = new Map<string, Route>();
  readonly #isLocal: boolean;
  readonly #jobs: (() => void)[];
  #config: Config;
  #unauthorised = 0;
  #toldEvents = 0;

  constructor(config: Config, host: Host<Config>, site: Site) {
    this.#config = config;
    this.#host = host;
    this.#site = site;
    this.#isLocal = meansLoopback(config.web.host);
    this.#gate = new Gate(host.clock);
    this.#gate.setToken(readToken(config.web.token_file));
    this.#streams = new Streams(host.clock);
    this.#observer = new Observer(host);
    this.#addRoutes();
    this.#http = new HttpServer(
      "web",
      config.web,
      this.#httpSettings(config),
      (request) => this.#answer(request),
      host,
    );
    this.addresses = [this.#http.address];
    this.#jobs = [host.clock.every(1000, () => this.#tick())];
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
      unauthorised: this.#unauthorised,
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

  clients(): Iterable<ClientInfo> {
    return this.#streams.infos();
  }

  kick(id: number): boolean {
    return this.#streams.close(id);
  }

  async drain(deadlineMs: number): Promise<void> {
    const end = this.#host.clock.now() + deadlineMs;
    this.#tick();
    for (const stop of this.#jobs) stop();
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
      accessLog: web.access_log ? (line) => this.#host.log.record(`web: ${line}`) : null,
    };
  }

  // --- routes

  #addRoutes(): void {
    const routes = this.#routes;
    const { dashboard } = this.#config.web;
    routes.set("/healthz", { access: "open", GET: (request) => this.#healthz(request) });
    routes.set("/readyz", { access: "open", GET: (request) => this.#readyz(request) });
    routes.set("/varz", { access: "read", GET: () => json(this.#varz()) });
    routes.set("/connz", { access: "read", GET: (request) => this.#connz(request) });
    routes.set("/metrics", { access: "read", GET: () => this.#metrics() });
    routes.set("/events", { access: "read", GET: (request) => this.#events(request) });
    routes.set(dashboard, { access: "open", GET: (request) => this.#page(request) });
    // The login form needs them, and they hold nothing but the page.
    routes.set("/dashboard.js", { access: "open", GET: (one) => pageFile(one, PAGE.script) });
    routes.set("/dashboard.css", { access: "open", GET: (one) => pageFile(one, PAGE.style) });
    routes.set("/session", { access: "open", GET: (request) => json(this.#session(request)) });
    routes.set("/login", { access: "open", POST: (request) => this.#login(request) });
    routes.set("/logout", { access: "open", POST: (request) => this.#logout(request) });
    for (const name of Object.keys(ACTIONS)) {
      const POST = (request: Request) => this.#act(name, request);
      routes.set(`/admin/${name}`, { access: "act", POST });
    }
  }

  #answer(request: Request): Response | Promise<Response> {
    const path = pathOf(request.url);
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
    const refused = this.#refuses(request, route.access);
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

  // --- who may

  /** Whether anybody may read: on loopback, where the request means this machine and no other site's name for it. */
  #isOpen(request: Request): boolean {
    return this.#isLocal && namesLoopback(request);
  }

  #refuses(request: Request, access: Access): Response | null {
    if (access === "open" || (access === "read" && this.#isOpen(request))) return null;
    if (!this.#gate.locked) {
      return refusal(403, "Ask for this server by localhost or its loopback address.");
    }
    const verdict = this.#gate.judge(request, this.#http.originOf(request).ip);
    if (verdict === "bearer") return null;
    if (verdict === "session") {
      const forged = access === "act" && !request.headers.has(PAGE_HEADER);
      return forged ? refusal(403, `A POST by cookie needs the header ${PAGE_HEADER}.`) : null;
    }
    return this.#unauthorisedAnswer(verdict);
  }

  #unauthorisedAnswer(verdict: "none" | "wrong" | "slow"): Response {
    this.#unauthorised++;
    if (verdict === "slow") {
      const after = String(this.#gate.patienceSeconds);
      return refusal(429, "Too many wrong tokens from your address.", { "retry-after": after });
    }
    const said = verdict === "wrong" ? "This token is wrong." : "This needs the token.";
    return refusal(401, said, { "www-authenticate": 'Bearer realm="summoner"' });
  }

  /** Whether a request may read what is behind the open routes. */
  #mayRead(request: Request): boolean {
    return this.#isOpen(request) || (this.#gate.locked && this.#signedIn(request));
  }

  #signedIn(request: Request): boolean {
    const verdict = this.#gate.judge(request, this.#http.originOf(request).ip);
    return verdict === "bearer" || verdict === "session";
  }

  #session(request: Request): object {
    const admin = !this.#gate.locked ? "off" : this.#signedIn(request) ? "signed-in" : "signed-out";
    return { read: this.#mayRead(request), admin };
  }

  async #login(request: Request): Promise<Response> {
    if (!this.#gate.locked) return refusal(404, "There is no token to sign in with.");
    if (!request.headers.has(PAGE_HEADER)) {
      return refusal(403, `Signing in needs the header ${PAGE_HEADER}.`);
    }
    const body = await objectOf(request);
    if (body instanceof Response) return body;
    const { token } = body;
    if (typeof token !== "string") return refusal(400, "token: needs a text");
    const { ip, port } = this.#http.originOf(request);
    const wrong = this.#gate.try(token, ip);
    if (wrong) return this.#unauthorisedAnswer(wrong);
    this.#host.log.audit(`admin: ${addressText(ip, port)} signed in`);
    return new Response(null, { status: 204, headers: this.#cookie(this.#gate.open(), 86_400) });
  }

  #logout(request: Request): Response {
    if (!request.headers.has(PAGE_HEADER)) {
      return refusal(403, `Signing out needs the header ${PAGE_HEADER}.`);
    }
    this.#gate.close(request);
    return new Response(null, { status: 204, headers: this.#cookie("", 0) });
  }

  #cookie(id: string, seconds: number): Record<string, string> {
    const secure = this.#http.tls ? "; Secure" : "";
    const value = `${SESSION_COOKIE}=${id}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}`;
    return { ...SECURE, "set-cookie": value + secure };
  }

  // --- what there is to tell

  /** Every service and the log: what is well and what is not. A drain is no illness. */
  #healths(): Map<string, Health> {
    const healths = new Map<string, Health>();
    for (const [name, service] of this.#host.services) {
      const draining = this.#host.draining && service !== this;
      healths.set(name, draining ? { ok: true, reason: "draining" } : service.health());
    }
    const { failing } = this.#host.log;
    healths.set("log", { ok: failing === null, reason: failing ?? "written" });
    return healths;
  }

  #healthz(request: Request): Response {
    const { draining } = this.#host;
    const why = this.#ills(request, true);
    if (why === null) return jsonText(draining ? DRAINING : WELL, 200);
    return json({ status: "failing", why }, 503);
  }

  /** What is not well, and why; null when all is. */
  #ills(request: Request, withLog: boolean): Record<string, string> | null {
    let ill = false;
    const healths = this.#healths();
    for (const [name, { ok }] of healths) ill ||= !ok && (withLog || name !== "log");
    if (!ill) return null;
    const why: Record<string, string> = {};
    // A reason may name ports and folders, which are nobody's business elsewhere.
    const told = this.#mayRead(request);
    for (const [name, { ok, reason }] of healths) {
      if (!ok && (withLog || name !== "log")) why[name] = told ? reason : "failing";
    }
    return why;
  }

  #readyz(request: Request): Response {
    const why = this.#host.draining
      ? { drain: "the server is stopping" }
      : this.#ills(request, false);
    return why === null ? jsonText(READY, 200) : json({ ready: false, why }, 503);
  }

  #varz(): object {
    const { log, services, draining, clock } = this.#host;
    const numbers = this.#observer.numbers();
    return {
      name: this.#config.name,
      version,
      pid: process.pid,
      started_at: new Date(this.#observer.startedAt).toISOString(),
      now: new Date(clock.wall()).toISOString(),
      draining,
      log_level: log.level,
      health: Object.fromEntries(this.#healths()),
      process: numbers.get("process")?.stats,
      log: numbers.get("log")?.stats,
      services: Object.fromEntries(
        [...services].map(([name, service]) => [
          name,
          {
            addresses: service.addresses.map(({ host, port }) => addressText(host, port)),
            stats: numbers.get(name)?.stats,
            ...quarantineOf(service, 10 * QUARANTINES_TOLD),
          },
        ]),
      ),
      tickers: this.#site.tickers.map((ticker) => ticker.status()),
      config: maskedConfig(settings, this.#config),
    };
  }

  #connz(request: Request): Response {
    const query = this.#queryOf(request);
    if (typeof query === "string") return refusal(400, query);
    return json(clientPage(query, this.#host.services));
  }

  #queryOf(request: Request): ClientQuery | string {
    return readClientQuery(new URL(request.url).searchParams, this.#host.services);
  }

  #metrics(): Response {
    const healthy = new Map([...this.#healths()].map(([name, { ok }]) => [name, ok] as const));
    const text = metricsText(this.#observer.numbers(), healthy, version);
    return new Response(text, { headers: { ...SECURE, "content-type": METRICS_TYPE } });
  }

  // --- the dashboard

  #page(request: Request): Response {
    return pageFile(request, PAGE.markup, this.#mayRead(request) ? 200 : 401);
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
    const first =
      `retry: ${RETRY_MS}\n` +
      event("hello", hello) +
      event("tick", { ...this.#snapshot(numbers, []), ...this.#clientsFor(query) });
    const body = this.#streams.open(
      request,
      this.#http.originOf(request),
      query,
      first,
      (seconds) => this.#http.setIdleTimeout(request, seconds),
    );
    return new Response(body, { headers });
  }

  /** Once a second: the sample for the charts, and what every stream is told. */
  #tick(): void {
    const { log } = this.#host;
    const numbers = this.#observer.sample();
    const news = Math.min(log.events - this.#toldEvents, log.tail().length);
    this.#toldEvents = log.events;
    if (this.#streams.size === 0) return;
    const snapshot = this.#snapshot(numbers, news > 0 ? log.tail().slice(-news) : []);
    this.#streams.send((query) => event("tick", { ...snapshot, ...this.#clientsFor(query) }));
  }

  #clientsFor(query: ClientQuery | null): object {
    return query ? { clients: clientPage(query, this.#host.services) } : {};
  }

  #snapshot(numbers: ReturnType<Observer["numbers"]>, lines: readonly string[]): object {
    const { clock, draining, services, log } = this.#host;
    return {
      at: clock.wall(),
      draining,
      log_level: log.level,
      health: Object.fromEntries(this.#healths()),
      process: numbers.get("process")?.stats,
      log: { stats: numbers.get("log")?.stats, lines },
      services: Object.fromEntries(
        [...services].map(([name, service]) => [
          name,
          {
            addresses: service.addresses.map(({ host, port }) => addressText(host, port)),
            stats: numbers.get(name)?.stats,
            ...quarantineOf(service, QUARANTINES_TOLD),
          },
        ]),
      ),
    };
  }

  // --- admin

  async #act(name: string, request: Request): Promise<Response> {
    const fields = await objectOf(request);
    if (fields instanceof Response) return fields;
    const { ip, port } = this.#http.originOf(request);
    const how = request.headers.get("authorization") ? "token" : "dashboard";
    try {
      const outcome = act(name, fields, this.#host as never, `${addressText(ip, port)} (${how})`);
      return json({ ok: true, outcome });
    } catch (error) {
      if (error instanceof Unwilling) return refusal(error.status, error.message);
      throw error;
    }
  }
}

function quarantineOf(service: Running, most: number): object {
  if (!service.quarantine) return {};
  const entries: { key: string; seconds_left: number }[] = [];
  for (const [key, leftMs] of service.quarantine.entries()) {
    if (entries.length === most) break;
    entries.push({ key, seconds_left: Math.ceil(leftMs / 1000) });
  }
  return { quarantine: entries };
}

/** The path of a URL, without its query; "" for what is no URL of ours, as CONNECT's. */
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  if (start < 0) return "";
  const query = url.indexOf("?", start);
  return query < 0 ? url.slice(start) : url.slice(start, query);
}

function json(value: unknown, status = 200): Response {
  return jsonText(`${JSON.stringify(value)}\n`, status);
}

function jsonText(text: string, status: number): Response {
  return new Response(text, { status, headers: JSON_HEADERS });
}

function event(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** An answer that says in a sentence why a request was not served. */
function refusal(status: number, why: string, headers: Record<string, string> = {}): Response {
  return new Response(`${why}\n`, { status, headers: { ...TEXT_HEADERS, ...headers } });
}

function pageFile(request: Request, { type, content, etag }: PageFile, status = 200): Response {
  const headers = { ...SECURE, "content-type": type, "cache-control": "no-cache", etag };
  if (status === 200 && request.headers.get("if-none-match") === etag) {
    return new Response(null, { status: 304, headers });
  }
  return new Response(content, { status, headers });
}

/** The JSON object in a request's body, {} for none; or why there is none. */
async function objectOf(request: Request): Promise<Record<string, unknown> | Response> {
  const text = await request.text();
  if (text === "") return {};
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/json\b/i.test(type)) {
    return refusal(415, "The body must be JSON, and its content type application/json.");
  }
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found === "object" && found !== null && !Array.isArray(found)) {
      return found as Record<string, unknown>;
    }
  } catch {}
  return refusal(400, "The body is not a JSON object.");
}
