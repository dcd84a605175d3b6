import type {
  Socket,
  SocketHandler,
  TCPSocketListener,
  TCPSocketListenOptions,
  TLSOptions,
} from "bun";
import { overlay } from "../config/option.ts";
import type { AccessSettings, Config, TlsSettings } from "../config/table.ts";
import type { Clock } from "../host/clock.ts";
import type { Log } from "../host/log.ts";
import type { Address, Health } from "../host/service.ts";
import { listenError } from "./listen-error.ts";
import { fileLimit } from "./file-limit.ts";
import { type Inherited, inheritedSocket } from "./inherited.ts";
import {
  Lives,
  maxLingering,
  type Protocol,
  type Refused,
  type TurnedAwayNotices,
} from "./lives.ts";
import { Relisten } from "./relisten.ts";
import { probeTls, tlsOptions } from "./tls.ts";
import { TurnedAway } from "./turned-away.ts";
import { Access, unmapped } from "./access.ts";
import { isLoopback } from "../config/loopback.ts";
import type { Client, CloseReason } from "./client.ts";

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

/** What bounds the listener of a service, by the settings of its section. */
export function listenSettings(config: Config, service: "relay" | "store"): ListenSettings {
  const section = config[service];
  return {
    tls: overlay(config.tls, section.tls),
    access: overlay(config.access, section.access),
    maxClients: section.max_clients,
    maxClientsPerAddress: section.max_clients_per_address,
    relistenMs: config.hyper_parameters.accept_error_backoff_ms,
  };
}

/** Sentences for newcomers that are turned away, where the service has no words of its own. */
export const TURNED_AWAY: TurnedAwayNotices = {
  limit: "Warning: The server has too many clients. Please try again later.\n",
  perAddress: "Warning: There are too many clients from your address.\n",
  denied: "Warning: Your address may not connect to this server.\n",
};

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

/** A TCP door: lets clients in within its limits, and says why it turns others away. */
export class Listener<C extends Client> {
  /** Connections accepted so far, served or not. */
  accepted = 0;
  readonly address: Address;
  readonly lives: Lives<C>;
  readonly #service: string;
  readonly #protocol: Protocol<C>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #unborn = new Set<Socket<Connection<C>>>();
  readonly #turnedAway: TurnedAway;
  readonly #jobs: (() => void)[] = [];
  readonly #inherited: Inherited | null;
  #tls: TLSOptions | undefined;
  #settings: ListenSettings;
  #access: Access;
  #socket: TCPSocketListener<Connection<C>>;
  readonly #again: Relisten;
  #draining = false;

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
    this.#again = new Relisten(service, { clock, log });
    this.#settings = settings;
    this.#access = new Access(settings.access);
    this.lives = new Lives(protocol, clock, log);
    this.#inherited = inheritedSocket(service);
    const { host, port } = this.#inherited?.address ?? at;
    this.#socket = this.#listen(host, port, settings.tls);
    this.address = { host, port: this.#inherited ? port : this.#socket.port };
    this.#jobs.push(clock.every(SWEEP_MS, () => this.#sweep()));
    this.#jobs.push(clock.every(1000, () => this.#turnedAway.tell()));
    this.#checkFileLimit();
  }

  get tls(): boolean {
    return this.#tls !== undefined;
  }

  get #notices(): TurnedAwayNotices {
    return this.#protocol.turnedAway ?? TURNED_AWAY;
  }

  /** Why newcomers cannot get in at present, or null. */
  get trouble(): string | null {
    return this.#draining ? "draining" : this.#again.trouble;
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
    for (const client of this.lives.clients) {
      if (!this.#access.admits(client.ip)) {
        this.lives.close(client, "denied", this.#notices.denied);
      }
    }
    this.#checkFileLimit();
  }

  health(): Health {
    const { trouble } = this;
    return { ok: trouble === null, reason: trouble ?? "listening" };
  }

  /** Refuses newcomers, closes everybody with `notice` and waits for the last byte or the deadline. */
  async drain(deadlineMs: number, notice: string): Promise<void> {
    this.#draining = true;
    this.#again.end();
    this.#socket.stop();
    for (const socket of this.#unborn) socket.terminate();
    await this.lives.drain(deadlineMs, notice);
    for (const stop of this.#jobs) stop();
  }

  // --- listening

  #listen(host: string, port: number, settings: TlsSettings): TCPSocketListener<Connection<C>> {
    const tls = tlsOptions(settings);
    const at = this.#inherited ? { fd: this.#inherited.duplicate() } : { hostname: host, port };
    try {
      const socket = Bun.listen<Connection<C>>({
        ...at,
        allowHalfOpen: true,
        socket: this.#handlers(),
        ...(tls ? { tls } : {}),
        // Bun's types do not tell of `fd`.
      } as TCPSocketListenOptions<Connection<C>>);
      this.#tls = tls;
      return socket;
    } catch (error) {
      throw listenError(this.#service, { host, port }, "", error);
    }
  }

  /** Bun cannot change the certificates of a listener: a new one takes its place, and clients stay. */
  #relisten(): void {
    const { host, port } = this.address;
    this.#socket.stop();
    const listen = () => {
      this.#socket = this.#listen(host, port, this.#settings.tls);
    };
    this.#again.begin(listen, () => this.#settings.relistenMs);
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
        if (client) this.lives.received(client, chunk);
      },
      drain: ({ data: { client } }) => {
        if (client) this.lives.drained(client);
      },
      end: (socket) => {
        const { client } = socket.data;
        if (client) this.lives.ended(client);
        else socket.end();
      },
      close: (socket, error) => {
        this.#closed(socket, error);
      },
      error: (socket, error) => {
        const client = socket.data?.client;
        if (client) this.lives.failed(client, error);
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
    const unauthorised = this.#settings.tls.require_client_cert && error != null;
    if (success && !unauthorised) this.#admit(socket);
    else this.#dropUnborn(socket);
  }

  #dropUnborn(socket: Socket<Connection<C>>): void {
    this.#turnAway("handshake", socket.remoteAddress);
    socket.terminate();
  }

  #population(): number {
    return this.lives.clients.size + this.#unborn.size;
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
      this.lives.refuse(client, refused);
      return;
    }
    this.lives.born(client);
  }

  #refuses({ ip, port }: C): Refused | null {
    if (!this.#access.admits(ip)) {
      return { reason: "denied", notice: this.#notices.denied };
    }
    const refused = this.#protocol.refuses?.(ip, port);
    if (refused) return refused;
    const { maxClients } = this;
    if (this.#population() >= maxClients) {
      return { reason: "limit", notice: this.#notices.limit };
    }
    const perAddress =
      this.#settings.maxClientsPerAddress ||
      (isLoopback(ip) ? Infinity : Math.max(1, Math.floor(maxClients / 4)));
    if (this.lives.from(ip) >= perAddress) {
      return { reason: "limit", notice: this.#notices.perAddress };
    }
    return null;
  }

  #closed(socket: Socket<Connection<C>>, error: Error | undefined): void {
    if (this.#unborn.delete(socket)) {
      this.#turnAway("handshake", socket.remoteAddress ?? "an address unknown");
    }
    const client = socket.data?.client;
    if (client) this.lives.socketClosed(client, error);
  }

  #turnAway(reason: CloseReason, who: string): void {
    this.lives.closes.count(reason);
    this.#turnedAway.add(reason, who);
  }

  // --- the clock's work

  #sweep(): void {
    const now = this.#clock.now();
    this.lives.sweep(now);
    for (const socket of this.#unborn) {
      if (now - (socket.data.unborn?.since ?? 0) >= HANDSHAKE_MS) {
        this.#unborn.delete(socket);
        this.#dropUnborn(socket);
      }
    }
  }
}
