import { version } from "../../../../package.json";
import { maskedConfig } from "../../../config/render.ts";
import { type Config, settings } from "../../../config/table.ts";
import { addressText, type Health, type Host, type Running } from "../../../host/service.ts";
import type { HttpServer } from "../../../net/http.ts";
import { type Io, sendsTold } from "../../../net/sends/way.ts";
import { json, JSON_FIELDS, SECURE } from "../answers.ts";
import { roomTold } from "./clusterz.ts";
import { METRICS_TYPE, metricsText } from "../metrics.ts";
import { Problems } from "./problems.ts";
import { type BarredRow, barredRow } from "./quarantinez.ts";
import type { Numbers, Sampler, Taken } from "../sampler.ts";
import { SharedText } from "./shared-text.ts";
import type { Site } from "../site/site.ts";

// A copy of an answer costs a fifth less than the same answer anew.
const HEALTHY = json({ status: "ok", why: {} });
const DRAINING = json({ status: "draining", why: {} });
const READY = json({ ready: true, why: {} });
/** Most quarantines in one event; `/varz` holds up to ten times as many. */
const QUARANTINES_TOLD = 100;

/** What a probe asks: `alive` is the log's health too, `ready` that the rooms of services pass lines. */
type Asked = "alive" | "ready";

/** The state of the whole program, for the routes and the event streams. */
export class Views {
  readonly problems: Problems;
  readonly #host: Host<Config>;
  readonly #sampler: Sampler;
  readonly #site: Site;
  readonly #varz: SharedText;
  readonly #metrics: SharedText;
  /** It takes a restart to change. */
  readonly #io: Io;
  #config: Config;

  constructor(config: Config, host: Host<Config>, sampler: Sampler, site: Site) {
    this.#config = config;
    this.#io = config.net.io;
    this.#host = host;
    this.#sampler = sampler;
    this.#site = site;
    this.problems = new Problems(host, () => this.#healths());
    this.#varz = new SharedText(host.clock, () => `${JSON.stringify(this.#state())}\n`);
    this.#metrics = new SharedText(host.clock, () => this.#metricsText());
  }

  configure(config: Config): void {
    this.#config = config;
  }

  /** True if a service counts as healthy because it is drained. */
  #isDraining(service: Running): boolean {
    return this.#host.draining && !service.drainsLast;
  }

  /** The health of every service and of the log. */
  #healths(): Map<string, Health> {
    const healths = new Map<string, Health>();
    for (const [name, service] of this.#host.services) {
      const draining = { ok: true, reason: "draining" };
      healths.set(name, this.#isDraining(service) ? draining : service.health());
    }
    const { failing } = this.#host.log;
    healths.set("log", { ok: failing === null, reason: failing ?? "written" });
    return healths;
  }

  /** @param mayTell returns true if the answer may give the reasons, which name ports and folders */
  healthz(mayTell: () => boolean): Response {
    const { draining } = this.#host;
    const why = this.#failing(mayTell, "alive");
    if (why === null) return copy(draining ? DRAINING : HEALTHY);
    return json({ status: "failing", why }, 503);
  }

  /** True if nothing is wrong. Every probe calls it, so it makes no objects. */
  #isWell(asked: Asked): boolean {
    const { services, log } = this.#host;
    for (const service of services.values()) {
      if (this.#isDraining(service)) continue;
      if (!isWell(service.health(), asked) || (asked === "ready" && service.room?.trouble)) {
        return false;
      }
    }
    return asked === "ready" || log.failing === null;
  }

  /** The reasons of all that is wrong, by name; null when nothing is. */
  #failing(mayTell: () => boolean, asked: Asked): Record<string, string> | null {
    if (this.#isWell(asked)) return null;
    const why: Record<string, string> = {};
    const showsReasons = mayTell();
    for (const [name, health] of this.#healths()) {
      if (asked === "ready" && name === "log") continue;
      const room = asked === "ready" ? this.#host.services.get(name)?.room : undefined;
      const reason = isWell(health, asked) ? room?.trouble?.reason : health.reason;
      if (reason !== undefined) why[name] = showsReasons ? reason : "failing";
    }
    return why;
  }

  /** @param mayTell as for `healthz` */
  readyz(mayTell: () => boolean): Response {
    const why = this.#host.draining
      ? { drain: "the server is stopping" }
      : this.#failing(mayTell, "ready");
    return why === null ? copy(READY) : json({ ready: false, why }, 503);
  }

  /** Answers `GET /varz`. */
  varz(request: Request, http: HttpServer): Response | Promise<Response> {
    return this.#varz.answer(request, http, JSON_FIELDS);
  }

  #state(): object {
    const { log, draining, clock } = this.#host;
    const numbers = this.#sampler.numbers();
    return {
      name: this.#config.name,
      version,
      pid: process.pid,
      config_file: this.#host.operator.source ?? null,
      started_at: new Date(this.#sampler.startedAt).toISOString(),
      now: new Date(clock.wall()).toISOString(),
      draining,
      log_level: log.level,
      health: Object.fromEntries(this.#healths()),
      problems: this.problems.now,
      process: numbers.get("process")?.stats,
      log: numbers.get("log")?.stats,
      sends: sendsTold(this.#io),
      services: servicesTold(this.#host, numbers, 10 * QUARANTINES_TOLD),
      tickers: this.#site.tickers(),
      config: maskedConfig(settings, this.#config),
    };
  }

  /** Answers `GET /metrics`, for Prometheus. */
  metrics(request: Request, http: HttpServer): Response | Promise<Response> {
    return this.#metrics.answer(request, http, { ...SECURE, "content-type": METRICS_TYPE });
  }

  #metricsText(): string {
    const healthy = new Map([...this.#healths()].map(([name, { ok }]) => [name, ok] as const));
    return metricsText(this.#sampler.numbers(), healthy, version);
  }

  /** The content of an event, from a sample of the numbers and the log's new lines. */
  snapshot({ at, numbers }: Taken, lines: readonly string[]): object {
    const { draining, log } = this.#host;
    return {
      at,
      draining,
      log_level: log.level,
      health: Object.fromEntries(this.#healths()),
      problems: this.problems.now,
      process: numbers.get("process")?.stats,
      log: { stats: numbers.get("log")?.stats, lines },
      services: servicesTold(this.#host, numbers, QUARANTINES_TOLD),
    };
  }
}

function copy(answer: Response): Response {
  // In Bun's types the copy is of another type.
  return answer.clone() as Response;
}

function servicesTold(
  { services, clock }: Pick<Host<Config>, "services" | "clock">,
  numbers: ReadonlyMap<string, Numbers>,
  quarantines: number,
): object {
  const told = ([name, service]: [string, Running]) => [
    name,
    {
      // TCP and UDP may share one.
      addresses: [...new Set(service.addresses.map(({ host, port }) => addressText(host, port)))],
      stats: numbers.get(name)?.stats,
      ...quarantineOf(service, quarantines),
      tables: service.tables?.(),
      room: service.room && roomTold(service.room, clock),
    },
  ];
  return Object.fromEntries([...services].map(told));
}

function quarantineOf(service: Running, most: number): object {
  if (!service.quarantine) return {};
  const entries: BarredRow[] = [];
  for (const one of service.quarantine.entries()) {
    if (entries.length === most) break;
    entries.push(barredRow(one));
  }
  return { quarantine: entries };
}

function isWell({ ok, serves = false }: Health, asked: Asked): boolean {
  return ok || (asked === "ready" && serves);
}
