import type { Socket, SocketHandler, TCPSocketListener, TLSOptions } from "bun";
import type { AccessSettings, TlsSettings } from "../config/table.ts";
import type { Clock } from "../host/clock.ts";
import { reasonOf } from "../config/reason.ts";
import { messageOf, StartError } from "../host/errors.ts";
import type { Log } from "../host/log.ts";
import {
  type Address,
  addressText,
  type ClientInfo,
  type Health,
} from "../host/service.ts";
import { fileLimit } from "./file-limit.ts";
import { probeTls, tlsOptions } from "./tls.ts";
import { TurnedAway } from "./turned-away.ts";
import { Access, isLoopback, unmapped } from "./access.ts";
import {
  CLOSE_REASONS,
  type Client,
  type CloseReason,
  Hold,
} from "./client.ts";

/** What a service does with its clients. */
export interface Protocol<C extends Client> {
  /** The state of a newcomer. */
  create(socket: Socket<unknown>, ip: string, port: number, now: number): C;
  /** Why a newcomer is turned away, or null. */
  refuses?(ip: string, port: number): Refused | null;
  /** Greets a newcomer; it is served once this resolves, unless it was closed meanwhile. */
  greet?(client: C): Promise<void> | undefined;
  /** The client is served from now on. */
  opened?(client: C): void;
  /** Bytes came; never called for a client that is held or closing. */
  received(client: C, chunk: Buffer): void;
  /** The client sent its FIN; a last unterminated line counts. */
  ended(client: C): void;
  /** Its socket takes bytes again; `client.outbox` has been flushed as far as it goes. */
  drained?(client: C): void;
  /** The client is dead; every index must forget it. `wasOpen` is false for one that was still being greeted. */
  closed?(client: C, wasOpen: boolean): void;
}

export interface Refused {
  readonly reason: CloseReason;
  /** One line for the client, with its newline. */
  readonly notice: string;
}

/** What bounds a listener. All of it may change while it runs. */
export interface ListenSettings {
  readonly tls: TlsSettings;
  readonly access: AccessSettings;
  /** 0: what the limit of open files allows. */
  readonly maxClients: number;
  /** 0: a quarter of `maxClients`, and no limit on loopback. */
  readonly maxClientsPerAddress: number;
  /** Milliseconds between two attempts to listen again. */
  readonly relistenMs: number;
}

/** Sentences for newcomers that are turned away. */
export const TURNED_AWAY = {
  limit: "Warning: The server has too many clients. Please try again later.\n",
  perAddress: "Warning: There are too many clients from your address.\n",
  denied: "Warning: Your address may not connect to this server.\n",
} as const;

/** How long a closed client may take to read its notice and close its side. */
const LINGER_MS = 1000;
/** How many closed clients may linger at once; beyond that they are cut. An eighth of the files, at most this. */
const MAX_LINGERING = 512;
/** How long a TLS handshake may take. */
const HANDSHAKE_MS = 10_000;
/** Files that the process needs besides its clients. */
const RESERVED_FILES = 64;
const SWEEP_MS = 250;

/** A socket before its client is born: only with TLS, until the handshake. */
interface Unborn {
  readonly since: number;
}

interface Connection<C extends Client> {
  client: C | null;
  unborn: Unborn | null;
}

/**
 * A TCP door: accepts clients within its limits, gives each one birth and one
 * death with a reason, and keeps one client's trouble from every other.
 */
export class Listener<C extends Client> {
  /** All clients that have been born and have not died. */
  readonly clients = new Set<C>();
  readonly closes: Record<CloseReason, number>;
  accepted = 0;
  readonly #service: string;
  readonly #protocol: Protocol<C>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #lingering = new Set<Client>();
  readonly #unborn = new Set<Socket<Connection<C>>>();
  readonly #perAddress = new Map<string, number>();
  readonly #turnedAway: TurnedAway;
  readonly #jobs: (() => void)[] = [];
  #tls: TLSOptions | undefined;
  #settings: ListenSettings;
  #access: Access;
  #socket: TCPSocketListener<Connection<C>>;
  readonly address: Address;
  #trouble: string | null = null;
  #draining = false;
  #quiet: (() => void) | null = null;

  /** @throws StartError when it cannot listen */
  constructor(
    service: string,
    at: { host: string; port: number },
    settings: ListenSettings,
    protocol: Protocol<C>,
    { clock, log }: { clock: Clock; log: Log },
  ) {
    this.#service = service;
    this.#protocol = protocol;
    this.#clock = clock;
    this.#log = log;
    this.#turnedAway = new TurnedAway(service, log);
    this.#settings = settings;
    this.#access = new Access(settings.access);
    this.closes = Object.fromEntries(
      Object.keys(CLOSE_REASONS).map((reason) => [reason, 0]),
    ) as Record<CloseReason, number>;
    this.#socket = this.#listen(at.host, at.port, settings.tls);
    this.address = { host: at.host, port: this.#socket.port };
    this.#jobs.push(clock.every(SWEEP_MS, () => this.#sweep()));
    this.#jobs.push(clock.every(1000, () => this.#turnedAway.tell()));
    this.#checkFileLimit();
  }

  get tls(): boolean {
    return this.#tls !== undefined;
  }

  /** Why newcomers cannot get in at present, or null. */
  get trouble(): string | null {
    return this.#draining ? "draining" : this.#trouble;
  }

  get maxClients(): number {
    // Bun reports no accept that fails for want of a file, and spins: stay clear of it.
    const byFiles = Math.max(1, fileLimit() - RESERVED_FILES - maxLingering());
    return Math.min(this.#settings.maxClients || byFiles, byFiles);
  }

  /**
   * Applies new settings. Clients that are denied now are closed.
   * @throws Error when TLS does not work; everything stays as it was
   */
  configure(settings: ListenSettings): void {
    const before = this.#settings;
    const tls = tlsOptions(settings.tls);
    const tlsChanged =
      JSON.stringify(before.tls) !== JSON.stringify(settings.tls) ||
      JSON.stringify(this.#tls) !== JSON.stringify(tls);
    if (tlsChanged) {
      if (tls) probeTls(tls);
      this.#settings = settings;
      this.#relisten();
    }
    this.#settings = settings;
    this.#access = new Access(settings.access);
    for (const client of this.clients) {
      if (!this.#access.admits(client.ip)) {
        this.close(client, "denied", TURNED_AWAY.denied);
      }
    }
    this.#checkFileLimit();
  }

  health(): Health {
    const { trouble } = this;
    return { ok: trouble === null, reason: trouble ?? "listening" };
  }

  *infos(): Generator<ClientInfo> {
    const now = this.#clock.now();
    for (const client of this.clients) yield client.info(now);
  }

  /** Closes a client by its id, as `kicked`; false when there is none. */
  kick(id: number, notice: string): boolean {
    for (const client of this.clients) {
      if (client.id !== id) continue;
      this.close(client, "kicked", notice);
      return true;
    }
    return false;
  }

  /** Ends a client: it dies at once, then its notice and what else it is owed leave within a second. */
  close(client: C, reason: CloseReason, notice = ""): void {
    if (!this.#die(client, reason)) return;
    if (notice !== "") client.send(notice);
    this.#linger(client, LINGER_MS);
  }

  /** Ends a client at once; what it has not taken is lost to it. */
  cut(client: C, reason: CloseReason): void {
    if (!this.#die(client, reason)) return;
    this.#end(client, "terminate");
  }

  /** Ends a client that does not take what it is sent: its notice leaves only if its socket takes it at once. */
  closeSlow(client: C, notice: string): void {
    if (!this.#die(client, "slow")) return;
    client.outbox.keepLine();
    client.outbox.blocked = false;
    client.send(notice);
    if (client.outbox.bytes === 0) this.#linger(client, LINGER_MS);
    else this.#end(client, "terminate");
  }

  /** Serves what came in while a client was held, in order, as far as it stays readable. */
  resume(client: C, why: Hold): void {
    client.release(why);
    this.#serveHeld(client, false);
  }

  /** Refuses newcomers, closes everybody with `notice` and waits for the last byte or the deadline. */
  async drain(deadlineMs: number, notice: string): Promise<void> {
    this.#draining = true;
    this.#socket.stop();
    for (const socket of this.#unborn) socket.terminate();
    for (const client of this.clients) {
      if (!this.#die(client, "shutdown")) continue;
      client.send(notice);
      this.#linger(client, deadlineMs);
    }
    if (this.#lingering.size > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#quiet = resolve;
      await promise;
    }
    for (const stop of this.#jobs) stop();
  }

  // --- listening

  #listen(
    host: string,
    port: number,
    settings: TlsSettings,
  ): TCPSocketListener<Connection<C>> {
    const where = `${this.#service}: cannot listen on ${addressText(host, port)}`;
    const tls = tlsOptions(settings);
    try {
      const socket = Bun.listen<Connection<C>>({
        hostname: host,
        port,
        allowHalfOpen: true,
        socket: this.#handlers(),
        ...(tls ? { tls } : {}),
      });
      this.#tls = tls;
      return socket;
    } catch (error) {
      const { code } = error as { code?: string };
      const key = code === "EADDRINUSE" || code === "EACCES" ? "port" : "host";
      const about = code === undefined ? "" : ` (settings: ${key})`;
      throw new StartError(`${where}: ${reasonOf(error)}${about}`);
    }
  }

  /** Bun cannot change the certificates of a listener: a new one takes its place, and clients stay. */
  #relisten(): void {
    const { host, port } = this.address;
    this.#socket.stop();
    try {
      this.#socket = this.#listen(host, port, this.#settings.tls);
      if (this.#trouble) this.#log.info(`${this.#service}: listening again`);
      this.#trouble = null;
    } catch (error) {
      this.#trouble = messageOf(error);
      this.#log.error(`${this.#trouble}; trying again`);
      this.#jobs.push(
        this.#clock.after(this.#settings.relistenMs, () => {
          if (!this.#draining) this.#relisten();
        }),
      );
    }
  }

  #checkFileLimit(): void {
    const wanted = this.#settings.maxClients;
    if (wanted > this.maxClients) {
      this.#log.warning(
        `${this.#service}: max_clients ${wanted} is more than the limit of open files allows; serving at most ${this.maxClients}`,
      );
    }
  }

  // --- one client's life

  #handlers(): SocketHandler<Connection<C>> {
    return {
      open: (socket) => {
        socket.data = { client: null, unborn: null };
        this.accepted++;
        if (this.#tls) this.#awaitHandshake(socket);
        else this.#admit(socket);
      },
      handshake: (socket, success, error) => {
        this.#handshaken(socket, success, error);
      },
      data: ({ data: { client } }, chunk) => {
        if (client) this.#received(client, chunk);
      },
      drain: ({ data: { client } }) => {
        if (client) this.#drained(client);
      },
      end: (socket) => {
        const { client } = socket.data;
        if (client) this.#ended(client);
        else socket.end();
      },
      close: (socket, error) => {
        this.#closed(socket, error);
      },
      error: (socket, error) => {
        const client = socket.data?.client;
        if (client) this.#failed(client, error);
      },
    };
  }

  #awaitHandshake(socket: Socket<Connection<C>>): void {
    if (!this.#access.admits(unmapped(socket.remoteAddress))) {
      this.#turnAway("denied", socket.remoteAddress);
      socket.terminate();
    } else if (this.#population() >= this.maxClients) {
      this.#turnAway("limit", socket.remoteAddress);
      socket.terminate();
    } else {
      socket.data.unborn = { since: this.#clock.now() };
      this.#unborn.add(socket);
    }
  }

  #handshaken(
    socket: Socket<Connection<C>>,
    success: boolean,
    error: Error | null | undefined,
  ): void {
    if (!this.#unborn.delete(socket)) return;
    socket.data.unborn = null;
    const unauthorised =
      this.#settings.tls.require_client_cert && error != null;
    if (success && !unauthorised) this.#admit(socket);
    else this.#dropUnborn(socket);
  }

  #dropUnborn(socket: Socket<Connection<C>>): void {
    this.#turnAway("handshake", socket.remoteAddress);
    socket.terminate();
  }

  #population(): number {
    return this.clients.size + this.#unborn.size;
  }

  #admit(socket: Socket<Connection<C>>): void {
    // A peer that reset before we looked has no address any more.
    if (!socket.remoteAddress) {
      socket.terminate();
      return;
    }
    const ip = unmapped(socket.remoteAddress);
    const port = socket.remotePort;
    const client = this.#protocol.create(socket, ip, port, this.#clock.now());
    socket.data.client = client;
    const refused = this.#refuses(client);
    if (refused) {
      this.#turnAway(refused.reason, client.address);
      client.state = "closing";
      client.reason = refused.reason;
      client.send(refused.notice);
      this.#linger(client, LINGER_MS);
      return;
    }
    this.clients.add(client);
    this.#perAddress.set(ip, (this.#perAddress.get(ip) ?? 0) + 1);
    const greeting = this.#guarded(client, () =>
      this.#protocol.greet?.(client),
    );
    if (greeting) {
      client.hold(Hold.greeting);
      greeting.then(
        () => this.#open(client),
        (error) => this.#failed(client, error),
      );
    } else {
      this.#open(client);
    }
  }

  #open(client: C): void {
    if (client.state !== "greeting") return;
    client.state = "open";
    this.#guarded(client, () => this.#protocol.opened?.(client));
    if (client.isHeld(Hold.greeting)) this.resume(client, Hold.greeting);
  }

  #refuses({ ip, port }: C): Refused | null {
    if (!this.#access.admits(ip)) {
      return { reason: "denied", notice: TURNED_AWAY.denied };
    }
    const refused = this.#protocol.refuses?.(ip, port);
    if (refused) return refused;
    const { maxClients } = this;
    if (this.#population() >= maxClients) {
      return { reason: "limit", notice: TURNED_AWAY.limit };
    }
    const perAddress =
      this.#settings.maxClientsPerAddress ||
      (isLoopback(ip) ? Infinity : Math.max(1, Math.floor(maxClients / 4)));
    if ((this.#perAddress.get(ip) ?? 0) >= perAddress) {
      return { reason: "limit", notice: TURNED_AWAY.perAddress };
    }
    return null;
  }

  #received(client: C, chunk: Buffer): void {
    if (client.state === "closing" || client.state === "closed") return;
    client.bytesIn += chunk.length;
    if (
      !client.reading ||
      client.state === "greeting" ||
      client.held.length > 0
    ) {
      client.held.push(chunk);
    } else {
      this.#guarded(client, () => this.#protocol.received(client, chunk));
    }
  }

  /** @param all whether to go on when the client may not be read, since nothing will come later */
  #serveHeld(client: C, all: boolean): void {
    while ((client.reading || all) && client.state === "open") {
      const chunk = client.held.shift();
      if (chunk === undefined) return;
      this.#guarded(client, () => this.#protocol.received(client, chunk));
    }
  }

  #drained(client: C): void {
    client.outbox.blocked = false;
    const before = client.bytesOut;
    client.flush();
    if (client.bytesOut !== before) client.tookAt = this.#clock.now();
    if (client.state === "closing") this.#finish(client);
    else if (client.state === "open") {
      this.#guarded(client, () => this.#protocol.drained?.(client));
    }
  }

  #ended(client: C): void {
    client.peerEnded = true;
    if (client.state === "closing") {
      this.#finish(client);
      return;
    }
    this.#serveHeld(client, true);
    if (client.state === "open") {
      this.#guarded(client, () => this.#protocol.ended(client));
    }
    this.close(client, "eof");
  }

  #closed(socket: Socket<Connection<C>>, error: Error | undefined): void {
    if (this.#unborn.delete(socket)) {
      this.#turnAway("handshake", socket.remoteAddress ?? "an address unknown");
    }
    const { client } = socket.data ?? {};
    if (!client || client.state === "closed") return;
    if (client.state !== "closing") {
      this.#serveHeld(client, true);
      this.#die(client, error ? "reset" : "eof");
    }
    this.#forget(client);
  }

  /** A fault of ours while serving one client: it is closed, everybody else goes on. */
  #failed(client: C, error: unknown): void {
    this.#log.bug(error, `serving ${client.address}`);
    this.cut(client, "bug");
  }

  #guarded<T>(client: C, serve: () => T): T | undefined {
    try {
      return serve();
    } catch (error) {
      this.#failed(client, error);
      return undefined;
    }
  }

  #die(client: C, reason: CloseReason): boolean {
    if (client.state === "closing" || client.state === "closed") return false;
    const wasOpen = client.state === "open";
    client.state = "closing";
    client.reason = reason;
    client.held.length = 0;
    this.closes[reason]++;
    this.clients.delete(client);
    const others = (this.#perAddress.get(client.ip) ?? 1) - 1;
    if (others === 0) this.#perAddress.delete(client.ip);
    else this.#perAddress.set(client.ip, others);
    try {
      this.#protocol.closed?.(client, wasOpen);
    } catch (error) {
      this.#log.bug(error, `closing ${client.address}`);
    }
    return true;
  }

  #linger(client: C, ms: number): void {
    if (this.#lingering.size >= maxLingering() && !this.#draining) {
      this.#end(client, "terminate");
      return;
    }
    client.closeBy = this.#clock.now() + ms;
    this.#lingering.add(client);
    // Reading goes on, unheard, so that the client's own close is noticed and
    // unread bytes do not turn our close into a reset that eats the notice.
    client.releaseAll();
    this.#finish(client);
  }

  #finish(client: C): void {
    if (client.outbox.bytes > 0 && !client.flush()) return;
    if (client.peerEnded) {
      this.#end(client, "end");
    } else if (!client.shutDown) {
      client.shutDown = true;
      client.closeBy = Math.min(client.closeBy, this.#clock.now() + LINGER_MS);
      client.socket.shutdown();
    }
  }

  #end(client: C, how: "end" | "terminate"): void {
    this.#forget(client);
    if (how === "end") client.socket.end();
    else client.socket.terminate();
  }

  #forget(client: C): void {
    client.state = "closed";
    client.outbox.clear();
    this.#lingering.delete(client);
    if (this.#lingering.size === 0) this.#quiet?.();
  }

  #turnAway(reason: CloseReason, who: string): void {
    this.closes[reason]++;
    this.#turnedAway.add(reason, who);
  }

  // --- the clock's work

  #sweep(): void {
    const now = this.#clock.now();
    for (const client of this.#lingering) {
      if (now >= client.closeBy)
        this.#end(client as C, client.shutDown ? "end" : "terminate");
    }
    for (const socket of this.#unborn) {
      if (now - (socket.data.unborn?.since ?? 0) >= HANDSHAKE_MS) {
        this.#unborn.delete(socket);
        this.#dropUnborn(socket);
      }
    }
  }
}

function maxLingering(): number {
  return Math.min(MAX_LINGERING, fileLimit() >> 3);
}
