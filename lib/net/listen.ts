import type {
  Socket,
  SocketHandler,
  TCPSocketListener,
  TCPSocketListenOptions,
  TLSOptions,
} from "bun";
import type { Place } from "../config/place.ts";
import type { Clock } from "../host/clock.ts";
import type { FileShares } from "../host/files/file-shares.ts";
import type { LogLines } from "../host/log.ts";
import type { Address, Health } from "../host/service.ts";
import { tlsOptions } from "../host/files/tls-files.ts";
import { unmapped } from "./admission/access.ts";
import type { Client, CloseReason } from "./client.ts";
import type { Clients } from "./clients.ts";
import { type Inherited, inheritedSocket } from "./tcp/inherited.ts";
import { listenError } from "../host/system/listen-error.ts";
import { Proxies } from "./http/proxies.ts";
import { ProxyHeader, type Source } from "./tcp/proxy-header.ts";
import { turn } from "./tcp/quiet.ts";
import { Relisten } from "./tcp/relisten.ts";

/** Options of a listener. */
export interface ListenerOptions {
  /** True if it listens on a socket that the service manager hands over, if there is one. */
  readonly inherits?: boolean;
  /** Milliseconds between two attempts to listen again. */
  readonly relistenMs?: () => number;
  /** True if other threads of the program listen on the same port. */
  readonly sharesPort?: boolean;
  /** The TLS of a place, where another thread reads its files. */
  readonly tls?: (place: Place) => TLSOptions | undefined;
}

type Files = Pick<FileShares, "connections">;

/** Milliseconds that a TLS handshake, or the header of a proxy, may take. */
const PENDING_MS = 10_000;
const SWEEP_MS = 250;
/** Milliseconds after which a connection of a proxy's own counts as a client though it has sent nothing: one that only checks the door is gone by then. */
const CHECK_MS = 1000;

interface Connection<C extends Client> {
  /** Null until the TLS handshake, or the header of a proxy, is complete. */
  client: C | null;
  /** The time until which it may be pending; clock milliseconds. */
  pendingUntil: number;
  /** The header with which a trusted proxy has to begin, while it is pending. */
  header: ProxyHeader | null;
}

/** A TCP door: makes connections the clients of a service. */
export class Listener<C extends Client> {
  readonly address: Address;
  readonly #clients: Clients<C>;
  readonly #clock: Clock;
  readonly #files: Files;
  readonly #options: ListenerOptions;
  readonly #inherited: Inherited | null;
  readonly #again: Relisten;
  readonly #stopSweeping: () => void;
  /** Connections that are not clients yet: their TLS handshake, or the header of their proxy, is not complete. */
  readonly #pending = new Set<Socket<Connection<C>>>();
  #place: Place;
  #proxies: Proxies;
  #tls: TLSOptions | undefined;
  #socket: TCPSocketListener<Connection<C>>;
  #draining = false;

  /** @throws StartError when it cannot listen */
  constructor(
    place: Place,
    clients: Clients<C>,
    { clock, log, files }: { clock: Clock; log: LogLines; files: Files },
    options: ListenerOptions = {},
  ) {
    this.#place = place;
    this.#proxies = new Proxies(place.trustedProxies ?? []);
    this.#clients = clients;
    this.#clock = clock;
    this.#files = files;
    this.#options = options;
    this.#inherited = options.inherits ? inheritedSocket(place.name) : null;
    this.#again = new Relisten(place.name, { clock, log });
    const { host, port } = this.#inherited?.address ?? place;
    this.#socket = this.#listen(host, port);
    this.address = { host, port: this.#inherited ? port : this.#socket.port };
    this.#stopSweeping = clock.every(SWEEP_MS, () => this.#sweep());
  }

  /**
   * Takes other certificates, access lists, limits and proxies. Clients that are
   * denied now are closed.
   * @throws Error when TLS does not work; everything stays as it was
   */
  configure(place: Place): void {
    const tls = this.#tlsOf(place);
    const changed =
      JSON.stringify(this.#place.tls) !== JSON.stringify(place.tls) ||
      JSON.stringify(this.#tls) !== JSON.stringify(tls);
    this.#place = place;
    this.#proxies = new Proxies(place.trustedProxies ?? []);
    if (changed) this.#relisten();
    this.#clients.admission.configure(place);
    this.#clients.closeDenied();
  }

  health(): Health {
    const trouble = this.#draining ? "draining" : this.#again.trouble;
    return { ok: trouble === null, reason: trouble ?? "listening" };
  }

  /** Lets nobody in any more, closes every client with `notice` and waits for the last byte or the deadline. */
  async drain(deadlineMs: number, notice: string): Promise<void> {
    this.#draining = true;
    this.#again.end();
    // Clients that have connected by now still get in.
    await turn();
    this.#socket.stop();
    for (const socket of this.#pending) socket.terminate();
    await this.#clients.drain(deadlineMs, notice);
    this.#stopSweeping();
  }

  // --- listening

  #tlsOf(place: Place): TLSOptions | undefined {
    return (this.#options.tls ?? tlsOptions)(place);
  }

  #listen(host: string, port: number): TCPSocketListener<Connection<C>> {
    const tls = this.#tlsOf(this.#place);
    const at = this.#inherited ? { fd: this.#inherited.duplicate() } : { hostname: host, port };
    try {
      const socket = Bun.listen<Connection<C>>({
        ...at,
        allowHalfOpen: true,
        ...(this.#options.sharesPort ? { reusePort: true } : {}),
        socket: this.#handlers(tls === undefined),
        ...(tls ? { tls } : {}),
        // Bun's types lack `fd`.
      } as TCPSocketListenOptions<Connection<C>>);
      this.#tls = tls;
      return socket;
    } catch (error) {
      throw listenError(this.#place, { host, port }, error);
    }
  }

  /** Bun cannot change the certificates of a listener: a new listener takes its place, and clients stay. */
  #relisten(): void {
    const { host, port } = this.address;
    this.#socket.stop();
    const listen = () => {
      this.#socket = this.#listen(host, port);
    };
    this.#again.begin(listen, this.#options.relistenMs);
  }

  // --- one connection

  /** @param isPlain true if the connections are without TLS; a reload may change that for later ones */
  #handlers(isPlain: boolean): SocketHandler<Connection<C>> {
    const clients = this.#clients;
    return {
      open: (socket) => {
        socket.data = { client: null, pendingUntil: Infinity, header: null };
        clients.accepted++;
        this.#files.connections++;
        const { keepaliveSecs } = this.#place;
        if (keepaliveSecs > 0) socket.setKeepAlive(true, keepaliveSecs * 1000);
        if (!isPlain) this.#awaitHandshake(socket);
        else if (this.#proxies.any) this.#awaitHeader(socket);
        else this.#accept(socket, true);
      },
      handshake: (socket, success, error) => {
        this.#handshaken(socket, success, error);
      },
      data: (socket, chunk) => {
        const { client, header } = socket.data;
        if (client) clients.received(client, chunk);
        else if (header) this.#announced(socket, header, chunk);
      },
      drain: ({ data: { client } }) => {
        if (client) clients.drained(client);
      },
      end: (socket) => {
        const { client } = socket.data;
        if (client) clients.ended(client);
        else socket.end();
      },
      close: (socket, error) => {
        this.#files.connections--;
        this.#closed(socket, error);
      },
      error: (socket, error) => {
        const client = socket.data?.client;
        if (client) clients.failed(client, error);
      },
    };
  }

  /** @param source the client that a proxy has told of; if null, it is the peer itself */
  #accept(socket: Socket<Connection<C>>, isPlain: boolean, source: Source | null = null): void {
    // A peer that reset before we looked has no address any more.
    if (socket.remoteAddress) {
      const { ip, port } = source ?? peerOf(socket);
      socket.data.client = this.#clients.accept(socket, ip, port, isPlain);
    } else socket.terminate();
  }

  // --- connections that are not clients yet

  #awaitHandshake(socket: Socket<Connection<C>>): void {
    const { admission } = this.#clients;
    const ip = unmapped(socket.remoteAddress);
    const refused = admission.denied(ip) ?? admission.expect();
    if (refused) {
      this.#clients.turnedAway(refused, socket.remoteAddress);
      socket.terminate();
    } else this.#await(socket);
  }

  #handshaken(
    socket: Socket<Connection<C>>,
    success: boolean,
    error: Error | null | undefined,
  ): void {
    if (!this.#endsPending(socket)) return;
    const unauthorised = this.#place.tls.require_client_cert && error != null;
    if (success && !unauthorised) this.#accept(socket, false);
    else this.#giveUp(socket, "handshake");
  }

  /** Awaits the header of a trusted proxy; any other peer is a client at once. */
  #awaitHeader(socket: Socket<Connection<C>>): void {
    const { ip, port } = peerOf(socket);
    if (ip === "" || !this.#proxies.trusts(ip)) return this.#accept(socket, true);
    const refused = this.#clients.admission.expect();
    if (refused) {
      socket.data.client = this.#clients.accept(socket, ip, port, true, refused);
      return;
    }
    socket.data.header = new ProxyHeader();
    this.#await(socket);
  }

  /** Bytes came from a proxy whose header was not complete, or that has said that it connects for itself. */
  #announced(socket: Socket<Connection<C>>, header: ProxyHeader, chunk: Buffer): void {
    const found = header.take(chunk);
    if (found === "more" || !this.#pending.has(socket)) return;
    if (found === "wrong") {
      this.#endsPending(socket);
      this.#giveUp(socket, "malformed");
      return;
    }
    const peer = peerOf(socket);
    // A proxy that checks the door tells of nobody, or of itself.
    const isOwn = found.source === null || Bun.deepEquals(found.source, peer);
    if (isOwn && found.rest.length === 0) {
      socket.data.pendingUntil = this.#clock.now() + CHECK_MS;
      return;
    }
    this.#endsPending(socket);
    this.#accept(socket, true, found.source ?? peer);
    const { client } = socket.data;
    if (client && found.rest.length > 0) this.#clients.received(client, found.rest);
  }

  #await(socket: Socket<Connection<C>>): void {
    socket.data.pendingUntil = this.#clock.now() + PENDING_MS;
    this.#pending.add(socket);
  }

  /** @returns true if the connection was pending until now */
  #endsPending(socket: Socket<Connection<C>>): boolean {
    if (!this.#pending.delete(socket)) return false;
    this.#clients.admission.expected();
    return true;
  }

  #giveUp(socket: Socket<Connection<C>>, reason: CloseReason): void {
    this.#turnedAway(socket, reason);
    socket.terminate();
  }

  #turnedAway(socket: Socket<Connection<C>>, reason: CloseReason): void {
    const who = socket.remoteAddress ?? "an address unknown";
    this.#clients.turnedAway(
      { reason },
      socket.data.header ? `${who} without a PROXY header` : who,
    );
  }

  #closed(socket: Socket<Connection<C>>, error: Error | undefined): void {
    const how = error ? "reset" : "eof";
    if (this.#endsPending(socket)) {
      const { header } = socket.data;
      if (header === null) this.#turnedAway(socket, "handshake");
      else if (header.hasBegun && !header.isWhole) this.#turnedAway(socket, "malformed");
      // A proxy that checks whether the door is open.
      else this.#clients.turnedAway({ reason: how }, null);
    }
    const client = socket.data?.client;
    if (client) this.#clients.disconnected(client, how);
  }

  // --- the clock's work

  #sweep(): void {
    const now = this.#clock.now();
    this.#clients.sweep(now);
    for (const socket of this.#pending) {
      if (now < socket.data.pendingUntil || !this.#endsPending(socket)) continue;
      const { header } = socket.data;
      if (header?.isWhole) this.#accept(socket, true);
      else this.#giveUp(socket, header === null ? "handshake" : "idle");
    }
  }
}

function peerOf({ remoteAddress = "", remotePort }: Socket<unknown>): Source {
  return { ip: unmapped(remoteAddress), port: remotePort };
}
