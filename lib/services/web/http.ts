import type { Server as BunServer, TLSOptions } from "bun";
import { meansLoopback } from "../../config/loopback.ts";
import type { AccessSettings } from "../../config/table.ts";
import type { Clock } from "../../host/clock.ts";
import { type Address, addressText, type Health } from "../../host/service.ts";
import { Access, unmapped } from "../../net/access.ts";
import { listenError } from "../../net/listen-error.ts";
import { Relisten } from "../../net/relisten.ts";
import { probeTls } from "../../net/tls.ts";
import { HandlerError } from "./errors.ts";
import type { Logger } from "./ticker.ts";

/** Where a request came from. */
export interface Origin {
  readonly ip: string;
  readonly port: number;
}

/** What bounds an HTTP server. */
export interface HttpSettings {
  readonly tls: TLSOptions | undefined;
  readonly access: AccessSettings;
  /** Bytes; fixed for the server's life. */
  readonly maxBodyBytes: number;
  /** Milliseconds from a request's head to its answer; fixed for the server's life. */
  readonly requestTimeoutMs: number;
  /** Milliseconds between two attempts to listen again. */
  readonly relistenMs: number;
  /** Takes a line for each request; null for none. */
  readonly accessLog: ((line: string) => void) | null;
}

/** Answers a request for a path, "" where there is none, as for CONNECT; it may throw or reject. */
export type Answer = (request: Request, path: string) => Response | Promise<Response>;

/** A request whose answer is awaited. */
interface Flight {
  /** When it is given up; clock milliseconds. */
  readonly by: number;
  readonly request: Request;
  readonly settle: (response: Response) => void;
}

const SWEEP_MS = 250;
/** Seconds that Bun leaves a connection idle beyond a request's own deadline, so that ours speaks first. */
const IDLE_SLACK_SECONDS = 10;

/** One HTTP door: limits, deadlines, errors, the access log and a graceful stop around one function that answers. */
export class HttpServer {
  readonly address: Address;
  readonly counts = { requests: 0, failures: 0, timeouts: 0, denied: 0 };
  readonly #service: string;
  readonly #answer: Answer;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #flights = new Set<Flight>();
  readonly #jobs: (() => void)[];
  #settings: HttpSettings;
  #access: Access | null = null;
  #server: BunServer<undefined>;
  readonly #again: Relisten;
  #draining = false;
  readonly #isLocal: boolean;

  /**
   * @param service what it is called in messages
   * @throws StartError when it cannot listen
   */
  constructor(
    service: string,
    at: { host: string; port: number },
    settings: HttpSettings,
    answer: Answer,
    { clock, log }: { clock: Clock; log: Logger },
  ) {
    this.#service = service;
    this.#settings = settings;
    this.#answer = answer;
    this.#clock = clock;
    this.#log = log;
    this.#again = new Relisten(service, { clock, log });
    this.#isLocal = meansLoopback(at.host);
    this.#admit(settings.access);
    this.#server = this.#listen(at.host, at.port);
    const port = this.#server.port as number;
    const url = `${settings.tls ? "https" : "http"}://${addressText(at.host, port)}/`;
    this.address = { host: at.host, port, url };
    this.#jobs = [clock.every(SWEEP_MS, () => this.#sweep())];
  }

  /** Requests that have not been answered whole. */
  get inFlight(): number {
    return this.#server.pendingRequests;
  }

  get tls(): boolean {
    return this.#settings.tls !== undefined;
  }

  health(): Health {
    if (this.#draining) return { ok: false, reason: "draining" };
    const { trouble } = this.#again;
    return { ok: trouble === null, reason: trouble ?? "listening" };
  }

  /** Who asks. */
  originOf(request: Request): Origin {
    const found = this.#server.requestIP(request);
    return { ip: unmapped(found?.address ?? ""), port: found?.port ?? 0 };
  }

  /** Lets a connection be idle for so many seconds, at most 255; 0 is for ever. */
  setIdleTimeout(request: Request, seconds: number): void {
    this.#server.timeout(request, seconds);
  }

  /**
   * Applies new settings.
   * @throws Error when TLS does not work; everything stays as it was
   */
  configure(settings: HttpSettings): void {
    const changed = JSON.stringify(this.#settings.tls) !== JSON.stringify(settings.tls);
    if (changed && settings.tls) probeTls(settings.tls);
    this.#settings = settings;
    this.#admit(settings.access);
    if (changed) this.#relisten();
  }

  /**
   * Lets no connection in any more and waits for the requests in flight; what
   * is left at the deadline is cut. @returns how many were cut
   */
  async drain(deadlineMs: number): Promise<number> {
    this.#draining = true;
    this.#again.end();
    const late = Promise.withResolvers<void>();
    const cancel = this.#clock.after(deadlineMs, late.resolve);
    await Promise.race([this.#server.stop(false), late.promise]);
    cancel();
    const cut = this.#server.pendingRequests;
    await this.#server.stop(true);
    this.#flights.clear();
    for (const stop of this.#jobs) stop();
    return cut;
  }

  #listen(hostname: string, port: number): BunServer<undefined> {
    const { tls, maxBodyBytes, requestTimeoutMs } = this.#settings;
    const idle = Math.ceil(requestTimeoutMs / 1000) + IDLE_SLACK_SECONDS;
    try {
      return Bun.serve({
        hostname,
        port,
        maxRequestBodySize: maxBodyBytes,
        idleTimeout: Math.min(255, idle),
        development: false,
        // Out of development Bun shares the port with whoever listens there already, unless told not to.
        reusePort: false,
        fetch: (request) => this.#serve(request),
        error: (error) => this.#failed(error),
        ...(tls ? { tls } : {}),
      });
    } catch (error) {
      throw listenError(this.#service, { host: hostname, port }, `${this.#service}.`, error);
    }
  }

  /** Certificates cannot be changed in a running server: a new one takes its place, and requests in flight finish. */
  #relisten(): void {
    void this.#server.stop(false);
    const listen = () => {
      this.#server = this.#listen(this.address.host, this.address.port);
    };
    this.#again.begin(listen, () => this.#settings.relistenMs);
  }

  #admit({ allow, deny }: AccessSettings): void {
    this.#access = allow.length + deny.length > 0 ? new Access({ allow, deny }) : null;
  }

  // --- one request

  #serve(request: Request): Response | Promise<Response> {
    this.counts.requests++;
    // Each look at it makes the text anew.
    const { url } = request;
    const start = url.indexOf("/", url.indexOf("//") + 2);
    const target = start < 0 ? "" : url.slice(start);
    if (this.#settings.accessLog === null) return this.#answered(request, target);
    const since = this.#clock.now();
    // Whoever reaches a loopback address is this machine; asking who costs more than all the rest of the line.
    const from = this.#isLocal ? "local" : this.originOf(request).ip;
    const answer = this.#answered(request, target);
    if (answer instanceof Promise) {
      return answer.then((response) => this.#told(request, target, response, from, since));
    }
    return this.#told(request, target, answer, from, since);
  }

  #told(
    { method }: Request,
    target: string,
    response: Response,
    from: string,
    since: number,
  ): Response {
    const ms = Math.round((this.#clock.now() - since) * 10) / 10;
    this.#settings.accessLog?.(`${from} ${method} ${target} ${response.status} ${ms} ms`);
    return response;
  }

  #answered(request: Request, target: string): Response | Promise<Response> {
    if (this.#access && !this.#access.admits(this.originOf(request).ip)) {
      this.counts.denied++;
      return new Response("Your address may not connect to this server.\n", { status: 403 });
    }
    try {
      const query = target.indexOf("?");
      const answer = this.#answer(request, query < 0 ? target : target.slice(0, query));
      return answer instanceof Promise ? this.#awaited(request, answer) : answer;
    } catch (error) {
      return this.#failed(error, request);
    }
  }

  #awaited(request: Request, answer: Promise<Response>): Promise<Response> {
    return new Promise((resolve) => {
      const flight: Flight = {
        by: this.#clock.now() + this.#settings.requestTimeoutMs,
        request,
        settle: (response) => {
          if (this.#flights.delete(flight)) resolve(response);
        },
      };
      this.#flights.add(flight);
      answer.then(flight.settle, (error) => flight.settle(this.#failed(error, request)));
    });
  }

  /** The client learns nothing of it but that it happened. */
  #failed(error: unknown, request?: Request): Response {
    this.counts.failures++;
    const what = request ? `${request.method} ${request.url}` : this.#service;
    const cause = error instanceof HandlerError ? error.cause : error;
    const who = error instanceof HandlerError ? `: ${error.message}` : "";
    this.#log.bug(cause, `${what}${who}`);
    return new Response("The server failed to answer this request.\n", { status: 500 });
  }

  #sweep(): void {
    if (this.#flights.size === 0) return;
    const now = this.#clock.now();
    for (const { by, request, settle } of this.#flights) {
      if (by > now) continue;
      this.counts.timeouts++;
      this.#log.warning(
        `${request.method} ${request.url} was given up after ${this.#settings.requestTimeoutMs} ms`,
      );
      const headers = { connection: "close" };
      settle(new Response("The request took too long.\n", { status: 503, headers }));
    }
  }
}
