import { type Clock, systemClock } from "../host/clock.ts";
import { FileShares } from "../host/files/file-shares.ts";
import { onSignals } from "../host/lifecycle.ts";
import { Log } from "../host/log.ts";
import { type Address, openedBy } from "../host/service.ts";
import { type Level, settings } from "../config/table.ts";
import { load } from "../config/load.ts";
import { hostIn } from "../config/option.ts";
import { openPlace } from "../config/place.ts";
import type { HttpServer } from "../net/http.ts";
import { ServerShutdownError, ServerStartupError } from "../services/web/site/errors.ts";
import { handlerProblem, type RequestHandler, respond } from "../services/web/site/handler.ts";
import { IsolatedTicker } from "../services/web/ticker/isolated.ts";
import { OwnedShared } from "../services/web/ticker/shared.ts";
import {
  type Logger,
  Ticker,
  type TickerStatus,
  type Ticks,
  ticksProblem,
} from "../services/web/ticker/ticker.ts";

/** Options of a `Server`. */
export interface WebServerOptions {
  /** `127.0.0.1` when not given. */
  host?: string;
  /** 0 to 65535; 0 takes a free one. */
  port: number;
  /** Answers requests. One that has a `tick` is ticked in this process, unless there is a `ticker`. */
  handler: RequestHandler;
  /**
   * Work apart from the requests: the path or URL of a module whose default
   * export is a `Ticks`, run in a Worker; or, with `isolate: false`, such an
   * object itself, run in this process.
   */
  ticker?: string | URL | Ticks;
  /** True to run the ticker in a Worker, as when not given. */
  isolate?: boolean;
  /** Takes a line for each request. */
  logMessage?: (line: string) => void;
  /** Milliseconds that a stop waits for requests in flight and for the ticker; 5000 when not given. */
  drainMs?: number;
  /** Milliseconds that a request may take; 30,000 when not given, at most 240,000. */
  requestTimeoutMs?: number;
  /** Largest body of a request in bytes; 1 MiB when not given. */
  maxBodyBytes?: number;
  /** The source of time; the system's clock when not given. */
  clock?: Clock;
}

/** Its name in messages. It shares the files that may be open with no other door. */
const DOOR = { name: "server", maxClients: 0, isMain: true };

const OPTIONS = [
  "host",
  "port",
  "handler",
  "ticker",
  "isolate",
  "logMessage",
  "drainMs",
  "requestTimeoutMs",
  "maxBodyBytes",
  "clock",
];

/** A log to the console, for a program that has none of its own. */
export function createLog(name: string, level: Level = "INFO"): Log {
  const { config } = load(settings, { object: {} });
  return new Log(name, { ...config.logger, log_level: level }, systemClock);
}

/** An HTTP server for a program of one's own, with work beside the requests. */
export class Server {
  /** Resolves with the address once clients can connect; rejects when `run` does. */
  readonly listening: Promise<Address>;
  readonly #log: Logger;
  readonly #options: WebServerOptions;
  readonly #clock: Clock;
  readonly #shared = new OwnedShared();
  readonly #ticker: Ticker | IsolatedTicker | null;
  readonly #listening = Promise.withResolvers<Address>();
  readonly #stop = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #begun = false;

  /** @throws ServerStartupError naming the argument that is wrong */
  constructor(log: Logger, options: WebServerOptions) {
    const problem = problemOf(log, options);
    if (problem) throw new ServerStartupError(problem);
    this.#log = log;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#ticker = this.#makeTicker();
    this.listening = this.#listening.promise;
    // A caller may wait for `run` alone: these must not go unhandled.
    this.listening.catch(() => {});
    this.#ended.promise.catch(() => {});
  }

  /** State that the handler and the ticker share. */
  get shared(): OwnedShared {
    return this.#shared;
  }

  /** The state of the ticker, or null without one. */
  status(): TickerStatus | null {
    return this.#ticker?.status() ?? null;
  }

  /**
   * Serves until `stop()`, SIGINT or SIGTERM; a second signal ends the process.
   * @returns the exit code: 0, or 1 when the stop was not graceful
   * @throws ServerStartupError when it cannot listen or was started before
   */
  async run(): Promise<number> {
    if (this.#begun) throw new ServerStartupError("a server is run once");
    this.#begun = true;
    const http = await this.#listen();
    const ignoreSignals = onSignals({
      stop: () => this.#stop.resolve(),
      cut: () => process.exit(1),
    });
    this.#log.info(`listening on ${openedBy(http.address)}`);
    void this.#ticker?.start(this.#shared);
    this.#listening.resolve(http.address);
    await this.#stop.promise;
    const failure = await this.#drain(http);
    ignoreSignals();
    if (failure === null) {
      this.#log.info("stopped");
      this.#ended.resolve();
      return 0;
    }
    this.#log.error(failure.message);
    this.#ended.reject(failure);
    return 1;
  }

  /**
   * Refuses new connections, lets requests in flight finish and stops the
   * ticker; resolves when that is done.
   * @throws ServerShutdownError when something had to be cut at the deadline
   */
  async stop(): Promise<void> {
    this.#stop.resolve();
    if (this.#begun) await this.#ended.promise;
  }

  async #listen(): Promise<HttpServer> {
    const { host = "127.0.0.1", port, handler, logMessage } = this.#options;
    const { maxBodyBytes = 2 ** 20, requestTimeoutMs = 30_000 } = this.#options;
    const bounds = { maxBodyBytes, requestTimeoutMs, trustedProxies: [] };
    const settings = { ...bounds, accessLog: logMessage ?? null };
    const { HttpServer } = await import("../net/http.ts");
    try {
      return new HttpServer(
        openPlace(DOOR.name, hostIn(host) as string, port),
        settings,
        (request, _, http) => respond(handler, request, this.#shared, http),
        { clock: this.#clock, log: this.#log, files: new FileShares([DOOR]) },
      );
    } catch (error) {
      const failure = ServerStartupError.from(error);
      this.#listening.reject(failure);
      throw failure;
    }
  }

  async #drain(http: HttpServer): Promise<ServerShutdownError | null> {
    const { drainMs = 5000 } = this.#options;
    const [cut, ended = true] = await Promise.all([
      http.drain(drainMs),
      this.#ticker?.stop(drainMs),
    ]);
    const found: string[] = [];
    if (cut > 0) found.push(`${cut} requests were cut`);
    if (!ended) found.push("the ticker did not stop");
    if (found.length === 0) return null;
    return new ServerShutdownError(`not stopped within ${drainMs} ms: ${found.join("; ")}`);
  }

  #makeTicker(): Ticker | IsolatedTicker | null {
    const { ticker = null, handler } = this.#options;
    const parts = { clock: this.#clock, log: this.#log };
    if (ticker === null) {
      return "tick" in handler ? new Ticker(handler as unknown as Ticks, parts) : null;
    }
    if (typeof ticker === "string" || ticker instanceof URL) {
      return new IsolatedTicker(ticker, this.#shared, parts);
    }
    return new Ticker(ticker, parts);
  }
}

/** The first argument that is wrong, with the reason; null when none is. */
function problemOf(log: Logger, options: WebServerOptions): string | null {
  if (typeof log?.info !== "function") return "log: not a log; createLog makes one";
  if (typeof options !== "object" || options === null) return "options: not an object";
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined) return `${unknown}: unknown; known: ${OPTIONS.join(", ")}`;
  const { host, port, handler, ticker, isolate, logMessage } = options;
  if (host !== undefined && (typeof host !== "string" || hostIn(host) === undefined)) {
    return `host: found ${Bun.inspect(host)}; allowed: a name or an address`;
  }
  const numbers = [
    ["port", port, 0, 65_535],
    ["drainMs", options.drainMs ?? 0, 0, 1e9],
    ["requestTimeoutMs", options.requestTimeoutMs ?? 1, 1, 240_000],
    ["maxBodyBytes", options.maxBodyBytes ?? 0, 0, 2 ** 30],
  ] as const;
  for (const [name, found, min, max] of numbers) {
    if (Number.isInteger(found) && found >= min && found <= max) continue;
    return `${name}: found ${Bun.inspect(found)}; allowed: a whole number from ${min} to ${max}`;
  }
  const wrong = handlerProblem(handler);
  if (wrong) return `handler: ${wrong}`;
  if (ticker === undefined && "tick" in handler) {
    const problem = ticksProblem(handler);
    if (problem) return `handler: ${problem}`;
  }
  if (isolate !== undefined && typeof isolate !== "boolean") {
    return `isolate: found ${Bun.inspect(isolate)}; allowed: true or false`;
  }
  if (logMessage !== undefined && typeof logMessage !== "function") {
    return "logMessage: not a function";
  }
  return ticker === undefined ? null : tickerProblem(ticker, isolate ?? true);
}

function tickerProblem(ticker: unknown, isolate: boolean): string | null {
  const isModule = (typeof ticker === "string" && ticker !== "") || ticker instanceof URL;
  if (isModule && isolate) return null;
  if (isModule) {
    return "ticker: a module runs in a Worker; give the object it exports to run it in this process";
  }
  const problem = ticksProblem(ticker);
  if (problem) return `ticker: ${problem}`;
  if (!isolate) return null;
  return "ticker: an object cannot move to a Worker; give the module that exports it, or isolate: false";
}
