import type { Server, TLSOptions } from "bun";
import { meansLoopback } from "../config/loopback.ts";
import type { Place } from "../config/place.ts";
import type { Clock } from "../host/clock.ts";
import type { FileShares } from "../host/files/file-shares.ts";
import type { Log } from "../host/log.ts";
import { type Address, addressText, type Health } from "../host/service.ts";
import { tlsOptions } from "../host/files/tls-files.ts";
import { Admission, type Refused, type TurnedAwayNotices } from "./admission.ts";
import { Compression } from "./http/compression/compression.ts";
import { HttpAnswers, pathOf, type TakeLine } from "./http/answers.ts";
import { HttpBody } from "./http/body.ts";
import { HttpConnections } from "./http/connections.ts";
import { type Answered, HttpFlights } from "./http/flights.ts";
import { HostNames, targetOf } from "./http/host.ts";
import { HttpOrigins, type Origin } from "./http/origin.ts";
import { keepAliveHttp } from "./tcp/keepalive.ts";
import { listenError } from "../host/system/listen-error.ts";
import { plain } from "./http/plain.ts";
import { Relisten } from "./tcp/relisten.ts";
import type { WebSockets } from "./websocket.ts";

/** The settings of an HTTP server besides its place. */
export interface HttpSettings {
  /** The longest body of a request in bytes; fixed for the server's life. */
  readonly maxBodyBytes: number;
  /** Milliseconds from a request's head to its answer; fixed for the server's life. */
  readonly requestTimeoutMs: number;
  /** Addresses and CIDR ranges of proxies that are trusted to name the client of a request. */
  readonly trustedProxies: readonly string[];
  /** Takes a line for each request; null for none. */
  readonly accessLog: TakeLine | null;
  /** Gives a path one of few names, by which the times of answers are kept; without it none are. */
  readonly routeOf?: (path: string) => string;
  /** Paths that are asked often and whose answers are the same for any host, so that a second Host header may go unseen. */
  readonly probes?: readonly string[];
}

/** Answers a request for a path, or for the host and port of CONNECT; it may throw or reject. */
export type Answer = (
  request: Request,
  path: string,
  http: HttpServer,
) => Answered | Promise<Answered>;

/** The notices for clients that are turned away. */
const TURNED_AWAY: TurnedAwayNotices = {
  limit: "The server has too many clients. Please try again later.\n",
  perAddress: "There are too many clients from your address.\n",
  denied: "Your address may not connect to this server.\n",
};

const SWEEP_MS = 250;
/** Milliseconds between two looks at the requests in flight during a drain. */
const ANSWERED_MS = 20;
const QUIET_LOOKS = 4;
/** Milliseconds between two sweeps for connections that are too many: until then they may take files from others. */
const CONNECTIONS_MS = 20;
/** Seconds beyond a request's deadline that Bun leaves a connection idle, so that our deadline comes first. */
const IDLE_SLACK_SECONDS = 10;

/** The log of an HTTP server. */
type HttpLog = Pick<Log, "info" | "warning" | "error" | "bug">;

/** An HTTP door: limits, deadlines, errors, the access log and a drain around one function that answers. */
export class HttpServer {
  readonly address: Address;
  readonly compression: Compression;
  readonly counts = { requests: 0, failures: 0, timeouts: 0, aborted: 0, denied: 0, limited: 0 };
  readonly answers: HttpAnswers;
  readonly #admission: Admission;
  readonly #webSockets: WebSockets<any> | null;
  readonly #answer: Answer;
  readonly #clock: Clock;
  readonly #isLocal: boolean;
  readonly #connections: HttpConnections;
  readonly #flights: HttpFlights;
  /** The peers of requests that have not been answered whole. */
  readonly #busy = new Set<string>();
  readonly #origins = new HttpOrigins(() => this.#server);
  readonly #probes: ReadonlySet<string>;
  readonly #hostNames = new HostNames(this.#origins, () => ({
    scheme: this.#tls ? "https" : "http",
    host: addressText(this.address.host, this.address.port),
  }));
  readonly #again: Relisten;
  readonly #stopSweeping: () => void;
  #place: Place;
  #tls: TLSOptions | undefined;
  #settings: HttpSettings;
  #server: Server<unknown>;
  #draining = false;

  /**
   * @param webSockets for `upgrade`; null for a door without WebSockets
   * @throws StartError when it cannot listen
   */
  constructor(
    place: Place,
    settings: HttpSettings,
    answer: Answer,
    host: { readonly clock: Clock; readonly log: HttpLog; readonly files: FileShares },
    webSockets: WebSockets<any> | null = null,
  ) {
    const { clock, log } = host;
    this.#place = place;
    this.#tls = tlsOptions(place);
    this.#settings = settings;
    this.compression = new Compression(clock);
    this.#webSockets = webSockets;
    this.#admission = webSockets?.clients.admission ?? new Admission(place, host, TURNED_AWAY);
    this.#connections = new HttpConnections(this.#admission, host.files, {
      busy: () => this.#busyAddresses(),
      isProxy: (ip) => this.#origins.isProxy(ip),
    });
    this.#flights = new HttpFlights(place.name, settings.requestTimeoutMs, this.counts, host);
    this.answers = new HttpAnswers(settings.accessLog, settings.routeOf ?? null, clock);
    this.#probes = new Set(settings.probes);
    this.#answer = answer;
    this.#clock = clock;
    this.#isLocal = meansLoopback(place.host);
    this.#origins.trust(settings.trustedProxies);
    this.#again = new Relisten(place.name, { clock, log });
    this.#server = this.#listen(place.host, place.port);
    const port = this.#server.port as number;
    const url = `${this.#tls ? "https" : "http"}://${addressText(place.host, port)}/`;
    this.address = { host: place.host, port, url };
    this.#keepAlive();
    const sweeps = [
      clock.every(SWEEP_MS, () => this.#sweep()),
      clock.every(CONNECTIONS_MS, () => this.#boundConnections()),
    ];
    this.#stopSweeping = () => {
      for (const stop of sweeps) stop();
    };
  }

  /** Requests that have not been answered whole. */
  get inFlight(): number {
    return this.#server.pendingRequests;
  }

  get tls(): boolean {
    return this.#tls !== undefined;
  }

  health(): Health {
    if (this.#draining) return { ok: false, reason: "draining" };
    const { trouble } = this.#again;
    return { ok: trouble === null, reason: trouble ?? "listening" };
  }

  /** True if the access lists deny this address. */
  denies(ip: string): boolean {
    return this.#admission.denied(ip) !== null;
  }

  /** The origin of a request. */
  originOf(request: Request): Origin {
    return this.#origins.of(request);
  }

  /** True if a trusted proxy passed the request on for a client that is, or may be, on another machine. */
  isFromAfar(request: Request): boolean {
    return this.#origins.isFromAfar(request);
  }

  /**
   * The answer if there are too many clients, else null. To be asked before a
   * request that is answered later, or by a stream: such requests count as
   * clients, those that are answered at once do not.
   */
  refuses(request: Request): Response | null {
    if (!this.#admission.crowded) return null;
    const origin = this.originOf(request);
    const refused = this.#admission.limited(origin.ip);
    return refused && this.#turnAway(refused, origin);
  }

  /** Counts a request as a client from now on. @returns ends that; it may be called twice */
  enter(request: Request): () => void {
    const { ip } = this.originOf(request);
    const { address } = this.#origins.peerOf(request);
    let isInside = true;
    this.#admission.enter(ip);
    this.#busy.add(address);
    return () => {
      if (!isInside) return;
      isInside = false;
      this.#admission.leave(ip);
      this.#busy.delete(address);
    };
  }

  /**
   * Makes the connection of a request for a path a WebSocket, and a client.
   * @returns undefined if that is done, else the answer that says why not
   */
  upgrade(request: Request, path: string): Response | undefined {
    const webSockets = this.#webSockets as WebSockets<any>;
    const { clients } = webSockets;
    const { ip, port, address } = this.originOf(request);
    const refused = clients.refusal(ip, port);
    if (refused) {
      clients.turnedAway(refused, address);
      return refusal(refused);
    }
    if (
      this.#server.upgrade(this.#origins.asGiven(request), {
        data: webSockets.connection(ip, port, path),
      })
    )
      return undefined;
    const headers = { upgrade: "websocket", connection: "Upgrade" };
    return plain(426, "This is for WebSockets.", headers);
  }

  /** Lets the request's connection be idle for this many seconds, 255 at most; 0 is for ever. */
  setIdleTimeout(request: Request, seconds: number): void {
    this.#server.timeout(this.#origins.asGiven(request), seconds);
  }

  /**
   * Takes another place and settings, except the host and port.
   * @throws Error when TLS does not work; everything stays as it was
   */
  configure(place: Place, settings: HttpSettings): void {
    const tls = tlsOptions(place);
    const changed = JSON.stringify(this.#tls) !== JSON.stringify(tls);
    this.#place = place;
    this.#tls = tls;
    this.#settings = settings;
    this.answers.log = settings.accessLog;
    this.#origins.trust(settings.trustedProxies);
    this.#admission.configure(place);
    this.#webSockets?.clients.closeDenied();
    if (changed) this.#relisten();
    else this.#keepAlive();
  }

  /**
   * Lets no connection in any more and waits for the requests in flight; those
   * left at the deadline are cut. @returns the number of those that were cut
   */
  async drain(deadlineMs: number): Promise<number> {
    this.#draining = true;
    this.#again.end();
    const { promise: due, resolve } = Promise.withResolvers<void>();
    let quiet = 0;
    // Bun also waits for connections that have sent half a request, which are owed nothing. After
    // some looks without a request in flight, all that had reached this machine are answered.
    const look = () => {
      quiet = this.inFlight === 0 ? quiet + 1 : 0;
      if (quiet === QUIET_LOOKS) resolve();
    };
    const jobs = [this.#clock.after(deadlineMs, resolve), this.#clock.every(ANSWERED_MS, look)];
    await Promise.race([this.#server.stop(false), due]);
    for (const stop of jobs) stop();
    const cut = this.#server.pendingRequests;
    await this.#server.stop(true);
    this.#flights.close();
    this.#stopSweeping();
    this.#admission.close();
    return cut;
  }

  #listen(host: string, port: number): Server<unknown> {
    const { maxBodyBytes, requestTimeoutMs } = this.#settings;
    const idle = Math.ceil(requestTimeoutMs / 1000) + IDLE_SLACK_SECONDS;
    try {
      return Bun.serve({
        hostname: host,
        port,
        maxRequestBodySize: maxBodyBytes,
        idleTimeout: Math.min(255, idle),
        development: false,
        // Otherwise Bun, unless in development, shares the port with another process that listens there.
        reusePort: false,
        fetch: (request) => this.#serve(request),
        error: (error) => this.#flights.bug(error),
        ...(this.#tls ? { tls: this.#tls } : {}),
        ...(this.#webSockets ? { websocket: this.#webSockets.handler } : {}),
        // Bun's types do not take a `websocket` that may be missing.
      } as Bun.Serve.Options<unknown>);
    } catch (error) {
      throw listenError(this.#place, { host, port }, error);
    }
  }

  /** Bun cannot change the certificates of a server: a new server takes its place, and requests in flight finish. */
  #relisten(): void {
    const { host, port } = this.address;
    void this.#server.stop(false);
    const listen = () => {
      this.#server = this.#listen(host, port);
      this.#keepAlive();
    };
    this.#again.begin(listen);
  }

  #keepAlive(): void {
    // A client on this machine cannot vanish without its connection being closed.
    if (!this.#isLocal) keepAliveHttp(this.address.port, this.#place.keepaliveSecs);
  }

  // --- one request

  #serve(given: Request): Answered | Promise<Answered> {
    this.counts.requests++;
    // Bun makes a new string at each read.
    const { url } = given;
    const bare = targetOf(url);
    const whole = this.#hostNames.whole(given, url, this.#probes.has(bare));
    const request = whole ?? given;
    // The path as it came may hold `..`, which the URL has resolved.
    const target = bare === url && url.startsWith("/") ? targetOf(request.url) : bare;
    const since = this.#clock.now();
    const from = this.answers.log === null ? "" : this.#from(request);
    const answer = whole === null ? noHost() : this.#answered(request, target);
    return this.answers.pass(request, target, answer, since, from);
  }

  /** The client as the access log names it: `local` at a loopback address without proxies, since asking for its IP costs more than the rest of the line. */
  #from(request: Request): string {
    const isLocal = this.#isLocal && this.#settings.trustedProxies.length === 0;
    return isLocal ? "local" : this.originOf(request).ip;
  }

  #answered(request: Request, target: string): Answered | Promise<Answered> {
    if (this.#admission.selective) {
      const origin = this.originOf(request);
      const denied = this.#admission.denied(origin.ip);
      if (denied) return this.#turnAway(denied, origin);
    }
    const asked = { request, body: bodyOf(request) };
    if (asked.body && !isMet(request))
      return plain(417, "Nothing but 100-continue can be expected.");
    try {
      const answer = this.#answer(request, pathOf(target), this);
      if (!(answer instanceof Promise)) return answer;
      return this.#flights.await(asked, answer, this.enter(request));
    } catch (error) {
      return this.#flights.failed(error, asked);
    }
  }

  #turnAway(refused: Refused, { address }: Origin): Response {
    this.counts[refused.reason === "denied" ? "denied" : "limited"]++;
    // A door with WebSockets counts those turned away among its closes.
    const door = this.#webSockets?.clients ?? this.#admission;
    door.turnedAway(refused, address);
    return refusal(refused);
  }

  #busyAddresses(): ReadonlySet<string> {
    const sockets = this.#webSockets?.clients.all ?? [];
    return new Set([...this.#busy, ...[...sockets].map(({ address }) => address)]);
  }

  #boundConnections(): void {
    for (const address of this.#connections.sweep(this.address.port)) {
      this.counts.limited++;
      this.#admission.turnedAway({ reason: "limit", cause: "too many connections" }, address);
    }
  }

  #sweep(): void {
    const now = this.#clock.now();
    this.#webSockets?.clients.sweep(now);
    this.#flights.sweep(now);
  }
}

/** Watches the body of a request; null for GET and HEAD, of which Bun gives none even if there is one. */
function bodyOf(request: Request): HttpBody | null {
  return request.method === "GET" || request.method === "HEAD" ? null : new HttpBody(request);
}

/** True if Bun meets the request's `Expect`. */
function isMet({ headers }: Request): boolean {
  const expected = headers.get("expect");
  return expected === null || expected.toLowerCase() === "100-continue";
}

function noHost(): Response {
  return plain(400, "A request names one host.");
}

/** The answer to a client that is turned away. */
function refusal({ reason, notice }: Refused): Response {
  return plain(reason === "limit" ? 503 : 403, notice.trimEnd());
}
