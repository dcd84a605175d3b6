import type { Config } from "../../../config/table.ts";
import { StartError } from "../../../host/errors.ts";
import type { Clock } from "../../../host/clock.ts";
import type { Health, Host } from "../../../host/service.ts";
import type { HttpServer } from "../../../net/http.ts";
import { Files } from "../../../net/http/files/files.ts";
import { type RequestHandler, respond } from "./handler.ts";
import { IsolatedTicker } from "../ticker/isolated.ts";
import { loadHandler } from "./load.ts";
import { OwnedShared } from "../ticker/shared.ts";
import { Ticker, type TickerStatus, type Ticks, ticksProblem } from "../ticker/ticker.ts";

/** Milliseconds that a start waits until the module of the ticker has been loaded. */
const FIRST_LOAD_MS = 5000;

/** A user's own site beside the built-in routes: files, a handler, and tickers that share a state with it. */
export class Site {
  readonly #clock: Clock;
  readonly #files: Files | null;
  readonly #handler: RequestHandler | null;
  readonly #shared: OwnedShared;
  readonly #tickers: readonly (Ticker | IsolatedTicker)[];
  /** The one among them that a module of its own holds. */
  readonly #isolated: IsolatedTicker | undefined;

  private constructor(
    clock: Clock,
    files: Files | null,
    handler: RequestHandler | null,
    shared: OwnedShared,
    tickers: readonly (Ticker | IsolatedTicker)[],
  ) {
    this.#clock = clock;
    this.#files = files;
    this.#handler = handler;
    this.#shared = shared;
    this.#tickers = tickers;
    this.#isolated = tickers.find((ticker) => ticker instanceof IsolatedTicker);
  }

  /** @throws StartError when a module or folder of the settings cannot be used */
  static async load(
    { handler: path, ticker: module, static: folder }: Config["web"],
    { clock, log }: Pick<Host<Config>, "clock" | "log">,
  ): Promise<Site> {
    const handler = path === "" ? null : await loadHandler(path);
    const files = folder === "" ? null : new Files(folder, { key: "web.static" });
    const shared = new OwnedShared();
    const tickers: (Ticker | IsolatedTicker)[] = [];
    if (module !== "") tickers.push(new IsolatedTicker(module, shared, { clock, log }));
    if (handler && "tick" in handler) {
      const problem = ticksProblem(handler);
      if (problem) throw new StartError([{ key: "web.handler", message: `${path}: ${problem}` }]);
      tickers.push(new Ticker(handler as unknown as Ticks, { clock, log }));
    }
    return new Site(clock, files, handler, shared, tickers);
  }

  /**
   * Starts the tickers.
   * @throws StartError when the module of the settings turns out to hold no ticker
   */
  async start(): Promise<void> {
    for (const ticker of this.#tickers) void ticker.start(this.#shared);
    const unfit = await this.#isolated?.unfit(FIRST_LOAD_MS);
    if (unfit) throw new StartError([{ key: "web.ticker", message: unfit }]);
  }

  /** Stops the tickers. After `deadlineMs` milliseconds those in a Worker are cut, others are left. */
  async stop(deadlineMs: number): Promise<void> {
    await Promise.all(this.#tickers.map((ticker) => ticker.stop(deadlineMs)));
  }

  /** The answer of the site to a request, or null when it has none. */
  respond(request: Request, path: string, http: HttpServer): Response | Promise<Response> | null {
    const file = this.#files?.respond(request, path, {
      compression: http.compression,
      wall: this.#clock.wall(),
    });
    if (file) return file;
    if (!this.#handler) return null;
    return respond(this.#handler, request, this.#shared, http);
  }

  tickers(): TickerStatus[] {
    return this.#tickers.map((ticker) => ticker.status());
  }

  /** The trouble of the first ticker that has one, or null. */
  trouble(): string | null {
    const bad = this.#tickers.map((ticker): Health => ticker.health()).find(({ ok }) => !ok);
    return bad ? `ticker: ${bad.reason}` : null;
  }
}
