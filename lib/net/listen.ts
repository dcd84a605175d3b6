import type {
  Socket,
  SocketHandler,
  TCPSocketListener,
  TCPSocketListenOptions,
  TLSOptions,
} from "bun";
import type { Place } from "../config/place.ts";
import type { Clock } from "../host/clock.ts";
import type { FileShares } from "../host/file-shares.ts";
import type { LogLines } from "../host/log.ts";
import type { Address, Health } from "../host/service.ts";
import { tlsOptions } from "../host/tls-files.ts";
import { unmapped } from "./access.ts";
import type { Client } from "./client.ts";
import type { Clients } from "./clients.ts";
import { type Inherited, inheritedSocket } from "./tcp/inherited.ts";
import { listenError } from "../host/listen-error.ts";
import { turn } from "./tcp/quiet.ts";
import { Relisten } from "./relisten.ts";

/** Options of a listener. */
export interface ListenerOptions {
  /** True if it listens on a socket that the service manager hands over, if there is one. */
  readonly inherits?: boolean;
  /** Milliseconds between two attempts to listen again. */
  readonly relistenMs?: () => number;
  /** True if other threads of the program listen on the same port. */
  readonly sharesPort?: boolean;
}

type Files = Pick<FileShares, "connections">;

/** Milliseconds that a TLS handshake may take. */
const HANDSHAKE_MS = 10_000;
const SWEEP_MS = 250;

interface Connection<C extends Client> {
  /** Null until the TLS handshake is complete. */
  client: C | null;
  /** The time at which its TLS handshake is given up; clock milliseconds. */
  handshakeBy: number;
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
  /** Connections whose TLS handshake is not complete. */
  readonly #handshakes = new Set<Socket<Connection<C>>>();
  #place: Place;
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
   * Takes other certificates, access lists and limits. Clients that are denied
   * now are closed.
   * @throws Error when TLS does not work; everything stays as it was
   */
  configure(place: Place): void {
    const tls = tlsOptions(place);
    const changed =
      JSON.stringify(this.#place.tls) !== JSON.stringify(place.tls) ||
      JSON.stringify(this.#tls) !== JSON.stringify(tls);
    this.#place = place;
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
    for (const socket of this.#handshakes) socket.terminate();
    await this.#clients.drain(deadlineMs, notice);
    this.#stopSweeping();
  }

  // --- listening

  #listen(host: string, port: number): TCPSocketListener<Connection<C>> {
    const tls = tlsOptions(this.#place);
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
        socket.data = { client: null, handshakeBy: Infinity };
        clients.accepted++;
        this.#files.connections++;
        const { keepaliveSecs } = this.#place;
        if (keepaliveSecs > 0) socket.setKeepAlive(true, keepaliveSecs * 1000);
        if (isPlain) this.#accept(socket, true);
        else this.#awaitHandshake(socket);
      },
      handshake: (socket, success, error) => {
        this.#handshaken(socket, success, error);
      },
      data: ({ data: { client } }, chunk) => {
        if (client) clients.received(client, chunk);
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

  #accept(socket: Socket<Connection<C>>, isPlain: boolean): void {
    // A peer that reset before we looked has no address any more.
    if (socket.remoteAddress) {
      const ip = unmapped(socket.remoteAddress);
      socket.data.client = this.#clients.accept(socket, ip, socket.remotePort, isPlain);
    } else socket.terminate();
  }

  #awaitHandshake(socket: Socket<Connection<C>>): void {
    const { admission } = this.#clients;
    const ip = unmapped(socket.remoteAddress);
    const refused = admission.denied(ip) ?? admission.expect();
    if (refused) {
      this.#clients.turnedAway(refused.reason, socket.remoteAddress);
      socket.terminate();
      return;
    }
    socket.data.handshakeBy = this.#clock.now() + HANDSHAKE_MS;
    this.#handshakes.add(socket);
  }

  #handshaken(
    socket: Socket<Connection<C>>,
    success: boolean,
    error: Error | null | undefined,
  ): void {
    if (!this.#endsHandshake(socket)) return;
    const unauthorised = this.#place.tls.require_client_cert && error != null;
    if (success && !unauthorised) this.#accept(socket, false);
    else this.#giveUp(socket);
  }

  #endsHandshake(socket: Socket<Connection<C>>): boolean {
    if (!this.#handshakes.delete(socket)) return false;
    this.#clients.admission.expected();
    return true;
  }

  #giveUp(socket: Socket<Connection<C>>): void {
    this.#clients.turnedAway("handshake", socket.remoteAddress ?? "an address unknown");
    socket.terminate();
  }

  #closed(socket: Socket<Connection<C>>, error: Error | undefined): void {
    if (this.#endsHandshake(socket)) {
      this.#clients.turnedAway("handshake", socket.remoteAddress ?? "an address unknown");
    }
    const client = socket.data?.client;
    if (client) this.#clients.disconnected(client, error ? "reset" : "eof");
  }

  // --- the clock's work

  #sweep(): void {
    const now = this.#clock.now();
    this.#clients.sweep(now);
    for (const socket of this.#handshakes) {
      if (now >= socket.data.handshakeBy && this.#endsHandshake(socket)) this.#giveUp(socket);
    }
  }
}
