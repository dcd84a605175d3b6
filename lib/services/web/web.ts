import { meansLoopback } from "../../config/loopback.ts";
import { placeOf } from "../../config/place.ts";
import { TOKEN_VARIABLE } from "../../config/sections/web.ts";
import type { Config } from "../../config/table.ts";
import { within } from "../../host/clock.ts";
import { type Fault, faultsIn } from "../../host/errors.ts";
import { moduleTrouble } from "../../host/system/module.ts";
import type {
  Address,
  ClientPage,
  ClientQuery,
  Health,
  Host,
  Running,
} from "../../host/service.ts";
import type { Panel } from "../../host/service/panel.ts";
import type { Distribution } from "../../host/stats.ts";
import { HttpServer, type HttpSettings } from "../../net/http.ts";
import { DECLARED } from "./declared.ts";
import { Events } from "./events.ts";
import { Gate, readToken } from "./gate.ts";
import { Guard } from "./guard.ts";
import { webPanel } from "./panel/panel.ts";
import { Parts } from "./parts.ts";
import { Panels } from "./panels.ts";
import { isTaken, Routes } from "./routes.ts";
import { Sampler } from "./sampler.ts";
import { Files } from "../../net/http/files/files.ts";
import { Site } from "./site/site.ts";
import { Streams } from "./streams.ts";
import { Views } from "./told/views.ts";

/** Milliseconds between two looks at whether a panel has changed. */
const LOOK_MS = 250;
/** Milliseconds that a drain waits for the last event. */
const LAST_TICK_MS = 500;

/**
 * Starts the web service.
 * @throws StartError when it cannot listen, or a module, folder or token of its settings cannot be used
 */
export async function web(config: Config, host: Host<Config>): Promise<Running> {
  return new Web(config, host, await Site.load(config.web, host));
}

web.check = ({ web: own }: Config): readonly Fault[] => [
  ...faultsIn(() => readToken(own.token_file)),
  ...(isTaken(own.dashboard)
    ? [{ key: "web.dashboard", message: `${own.dashboard} is a built-in path; choose another` }]
    : []),
  ...(own.static === "" ? [] : faultsIn(() => new Files(own.static, { key: "web.static" }))),
  ...(["handler", "ticker"] as const).flatMap((name) => {
    const trouble = own[name] === "" ? null : moduleTrouble(own[name]);
    if (trouble === null) return [];
    return { key: `web.${name}`, message: `${own[name]} cannot be loaded: ${trouble}` };
  }),
];

web.pageLacks = ({ web: own }: Config): string | null => {
  try {
    if (readToken(own.token_file) !== null) return null;
  } catch {
    // That it cannot be used is told as a fault.
    return null;
  }
  return `nobody may act there without a token: set ${TOKEN_VARIABLE} or web.token_file`;
};

/** HTTP for operators, scrapers and a user's own site. */
class Web implements Running {
  readonly drainsLast = true;
  readonly declared = DECLARED;
  readonly addresses: readonly Address[];
  readonly distributions: readonly Distribution[];
  readonly panel: Panel;
  readonly #host: Host<Config>;
  #config: Config;
  readonly #site: Site;
  readonly #gate: Gate;
  readonly #guard: Guard;
  readonly #sampler: Sampler;
  readonly #views: Views;
  readonly #streams: Streams;
  readonly #events: Events;
  readonly #parts: Parts;
  readonly #http: HttpServer;
  readonly #stopTicking: () => void;

  constructor(config: Config, host: Host<Config>, site: Site) {
    this.#host = host;
    this.#config = config;
    this.#site = site;
    this.#gate = new Gate(host, readToken(config.web.token_file));
    this.#guard = new Guard(this.#gate, meansLoopback(config.web.host), host.log);
    this.#sampler = new Sampler(host);
    this.#views = new Views(config, host, this.#sampler, site);
    this.#streams = new Streams(host);
    const panels = new Panels(host);
    this.#parts = new Parts(host);
    this.#events = new Events(config, host, {
      sampler: this.#sampler,
      views: this.#views,
      panels,
      streams: this.#streams,
    });
    const routes = new Routes(config.web.dashboard, host, {
      guard: this.#guard,
      views: this.#views,
      events: this.#events,
      panels,
      parts: this.#parts,
      site,
    });
    this.#http = new HttpServer(
      placeOf(config, "web"),
      {
        ...this.#settings(config),
        routeOf: (path) => routes.nameOf(path),
        probes: ["/healthz", "/readyz"],
      },
      (request, path, http) => routes.answer(request, path, http),
      host,
    );
    this.addresses = [this.#http.address];
    this.distributions = [
      {
        name: "answer",
        unit: "seconds",
        about: "Time from a request's head to its answer.",
        label: "route",
        histograms: this.#http.answers.times,
      },
    ];
    this.panel = webPanel({
      clock: host.clock,
      gate: this.#gate,
      guard: this.#guard,
      streams: this.#streams,
      times: this.#http.answers.times,
      settings: () => this.#config.web,
      tickers: () => site.tickers(),
    });
    const stops = [
      host.clock.every(1000, () => void this.#events.tick()),
      host.clock.every(LOOK_MS, () => this.#events.look()),
    ];
    this.#stopTicking = () => stops.forEach((stop) => stop());
    host.onReload((next) => this.#reload(next));
  }

  started(): Promise<void> {
    return this.#site.start();
  }

  stats(): Record<string, number> {
    const tickers = this.#site.tickers();
    const sum = (of: "ticks" | "errors" | "restarts") =>
      tickers.reduce((total, status) => total + status[of], 0);
    return {
      ...this.#http.counts,
      ...this.#http.answers.stats(),
      unauthorised: this.#guard.refused,
      in_flight: this.#http.inFlight,
      streams: this.#streams.size + this.#parts.streams,
      slow_streams: this.#streams.slow + this.#parts.slow,
      ticks: sum("ticks"),
      tick_errors: sum("errors"),
      ticker_restarts: sum("restarts"),
    };
  }

  health(): Health {
    const listening = this.#http.health();
    const trouble = listening.ok ? this.#site.trouble() : null;
    return trouble === null ? listening : { ok: false, reason: trouble };
  }

  clients(query: ClientQuery): ClientPage {
    return this.#streams.page(query);
  }

  kick(id: number): string | null {
    return this.#streams.close(id);
  }

  async drain(deadlineMs: number): Promise<void> {
    const end = this.#host.clock.now() + deadlineMs;
    this.#stopTicking();
    // A service that does not list its clients must not hold up the stop.
    await within(this.#host.clock, LAST_TICK_MS, this.#events.tick());
    this.#streams.closeAll();
    this.#parts.closeAll();
    const cut = await this.#http.drain(deadlineMs);
    if (cut > 0) this.#host.log.warning(`web: cut ${cut} requests that were not answered in time`);
    this.#gate.end();
    await this.#site.stop(Math.max(0, end - this.#host.clock.now()));
    this.#sampler.stop();
  }

  #reload(next: Config): void {
    const token = readToken(next.web.token_file);
    this.#config = next;
    this.#http.configure(placeOf(next, "web"), this.#settings(next));
    this.#streams.closeDenied(this.#http);
    this.#parts.closeDenied(this.#http);
    this.#gate.setToken(token);
    this.#views.configure(next);
    this.#events.configure(next);
  }

  #settings({ web }: Config): HttpSettings {
    return {
      maxBodyBytes: web.max_body_bytes,
      requestTimeoutMs: web.request_timeout_ms,
      trustedProxies: web.trusted_proxies,
      accessLog: web.access_log ? (line) => this.#host.log.record(() => `web: ${line}`) : null,
    };
  }
}
