import net, { type Server, type Socket } from "node:net";
import tls, { type Server as TlsServer, type TLSSocket } from "node:tls";
import type { TLSOptions } from "bun";
import type { Place } from "../../config/place.ts";
import type { Clock } from "../../host/clock.ts";
import type { FileShares } from "../../host/files/file-shares.ts";
import type { Log } from "../../host/log.ts";
import { type Address, addressText, type Health } from "../../host/service.ts";
import { tlsOptions } from "../../host/files/tls-files.ts";
import { unmapped } from "../admission/access.ts";
import type { Refused, Why } from "../admission.ts";
import type { Clients } from "../clients.ts";
import { listenError } from "../../host/system/listen-error.ts";
import { Relisten } from "../tcp/relisten.ts";

/** One connection, which several calls may share. */
export interface Connection {
  /** Encrypted or not. */
  socket: Socket;
  readonly ip: string;
  readonly port: number;
  /** The refusal that its calls get, or null. */
  readonly refused: Refused | null;
  /** Calls that are not over. */
  calls: number;
  /** Its TLS handshake is not complete. */
  isSecuring: boolean;
  isGone: boolean;
  /** The time at which it is cut; clock milliseconds. */
  cutBy: number;
}

/** The parts of the host that connections need. */
export interface ConnectionsHost {
  readonly clock: Clock;
  readonly log: Log;
  readonly files: FileShares;
}

/** Milliseconds that a TLS handshake may take. */
const HANDSHAKE_MS = 10_000;
/** Milliseconds that a connection has left once it is turned away or has to end. */
const LINGER_MS = 1000;
const SWEEP_MS = 250;

/**
 * The TCP part of a door whose protocol a library speaks, on sockets of
 * `node:net`. A connection takes one place among the clients, or one for each
 * of its calls if there are several.
 */
export class Connections {
  readonly #clients: Clients<any>;
  readonly #serve: (socket: Socket) => void;
  readonly #clock: Clock;
  readonly #files: FileShares;
  readonly #again: Relisten;
  /** By `ip:port`, as Node spells it. */
  readonly #all = new Map<string, Connection>();
  readonly #stopSweeping: () => void;
  readonly #emptied = Promise.withResolvers<void>();
  #lingering = 0;
  #place: Place;
  #tls: TLSOptions | undefined;
  #tlsServer: TlsServer | null;
  #listener: Server | null = null;
  #address: Address;
  #closed = false;

  /** @param serve takes a socket after its handshake, also that of a connection whose calls will be refused */
  constructor(
    place: Place,
    clients: Clients<any>,
    serve: (socket: Socket) => void,
    { clock, log, files }: ConnectionsHost,
  ) {
    this.#place = place;
    this.#files = files;
    this.#address = { host: place.host, port: place.port };
    this.#clients = clients;
    this.#serve = serve;
    this.#clock = clock;
    this.#again = new Relisten(place.name, { clock, log });
    this.#tls = tlsOptions(place);
    this.#tlsServer = this.#securing(this.#tls);
    this.#stopSweeping = clock.every(SWEEP_MS, () => this.#sweep());
  }

  get address(): Address {
    return this.#address;
  }

  health(): Health {
    const trouble = this.#closed ? "draining" : this.#again.trouble;
    return { ok: trouble === null, reason: trouble ?? "listening" };
  }

  /** @throws StartError when it cannot listen */
  async listen(): Promise<void> {
    const { host, port } = this.#address;
    const listener = net.createServer({ noDelay: true }, (socket) => this.#accept(socket));
    try {
      await new Promise<void>((resolve, reject) => {
        listener.once("error", reject);
        listener.listen(port, host, resolve);
      });
    } catch (error) {
      throw listenError(this.#place, this.#address, error);
    }
    listener.on("error", () => this.#died(listener));
    listener.on("close", () => this.#died(listener));
    this.#listener = listener;
    this.#address = { host, port: (listener.address() as net.AddressInfo).port };
    if (this.#closed) listener.close();
  }

  #died(listener: Server): void {
    if (listener !== this.#listener || this.#closed) return;
    this.#listener = null;
    listener.close();
    this.#again.begin(() => this.listen());
  }

  /**
   * Takes other certificates, access lists and limits. Connections that are
   * denied now are closed.
   * @throws Error when TLS does not work; everything stays as it was
   */
  configure(place: Place): void {
    const tls = tlsOptions(place);
    if (JSON.stringify(this.#tls) !== JSON.stringify(tls)) {
      this.#tls = tls;
      this.#tlsServer = this.#securing(tls);
    }
    this.#place = place;
    const { admission } = this.#clients;
    admission.configure(place);
    this.#clients.closeDenied();
    for (const connection of this.#all.values()) {
      if (admission.denied(connection.ip)) this.#endSoon(connection);
    }
  }

  /** The connection of a peer, by `ip:port` as Node spells it. */
  of(peer: string): Connection | undefined {
    return this.#all.get(peer);
  }

  /** A call begins: the first one takes over the place of its connection. */
  begin(connection: Connection): void {
    if (connection.calls++ === 0) this.#clients.admission.leave(connection.ip);
  }

  /** A call is over, and has given its place back if it was admitted. */
  end(connection: Connection): void {
    if (--connection.calls > 0 || connection.isGone) return;
    this.#clients.admission.enter(connection.ip);
    if (this.#closed) this.#endSoon(connection);
  }

  /** Counts and logs a connection, or a call of one message, that is not let in. */
  turnAway(why: Why, ip: string, port: number): void {
    // A client is a stream here: whatever is counted as closed was counted as it came.
    this.#clients.accepted++;
    this.#clients.turnedAway(why, addressText(ip, port));
  }

  /** A connection that is turned away has been told the reason: it ends. */
  dismiss({ socket }: Connection): void {
    // The bytes that the library has written in this turn leave first.
    setImmediate(() => socket.end());
  }

  /** Lets nobody in any more, and ends the connections without calls. */
  close(): void {
    this.#closed = true;
    this.#again.end();
    this.#listener?.close();
    for (const connection of this.#all.values()) {
      if (connection.isSecuring) connection.socket.destroy();
      else if (connection.calls === 0) this.#endSoon(connection);
    }
  }

  /** Resolves when no connection is left. */
  async empty(): Promise<void> {
    if (this.#all.size > 0) await this.#emptied.promise;
  }

  /** Ends all connections. */
  cut(): void {
    for (const { socket } of this.#all.values()) socket.destroy();
    this.#stopSweeping();
  }

  // --- one connection

  #accept(socket: Socket): void {
    const { remoteAddress = "", remotePort: port = 0 } = socket;
    this.#files.connections++;
    socket.on("close", () => this.#files.connections--);
    // A close follows every error.
    socket.on("error", () => {});
    // A peer that reset before we looked has no address any more.
    if (remoteAddress === "" || this.#closed) return void socket.destroy();
    const { keepaliveSecs } = this.#place;
    if (keepaliveSecs > 0) socket.setKeepAlive(true, keepaliveSecs * 1000);
    const ip = unmapped(remoteAddress);
    const clients = this.#clients;
    const refused = clients.refusal(ip, port);
    if (refused) {
      this.turnAway(refused, ip, port);
      // For a client that is denied, a handshake costs too much just to tell it so.
      const isCut = this.#tlsServer && refused.reason === "denied";
      if (isCut || this.#lingering >= clients.admission.maxLingering) return void socket.destroy();
      this.#lingering++;
    } else clients.admission.enter(ip);
    const isSecuring = this.#tlsServer !== null;
    const ms = refused ? LINGER_MS : isSecuring ? HANDSHAKE_MS : Infinity;
    const connection: Connection = {
      socket,
      ip,
      port,
      refused,
      calls: 0,
      isSecuring,
      isGone: false,
      cutBy: this.#clock.now() + ms,
    };
    const peer = `${remoteAddress}:${port}`;
    this.#all.set(peer, connection);
    socket.on("close", () => this.#gone(peer, connection));
    if (this.#tlsServer) this.#tlsServer.emit("connection", socket);
    else this.#serve(socket);
  }

  /** Node's TLS server, for its handshakes only: it listens nowhere, connections are handed to it. */
  #securing(options: TLSOptions | undefined): TlsServer | null {
    if (!options) return null;
    const server = tls.createServer({ ...(options as tls.TlsOptions), ALPNProtocols: ["h2"] });
    server.on("secureConnection", (socket: TLSSocket) => {
      const connection = this.#all.get(`${socket.remoteAddress}:${socket.remotePort}`);
      socket.on("error", () => {});
      if (!connection) return void socket.destroy();
      connection.socket = socket;
      connection.isSecuring = false;
      if (!connection.refused) connection.cutBy = Infinity;
      this.#serve(socket);
    });
    server.on("tlsClientError", (_error, socket) => void socket.destroy());
    return server;
  }

  #endSoon(connection: Connection): void {
    connection.cutBy = Math.min(connection.cutBy, this.#clock.now() + LINGER_MS);
  }

  #gone(peer: string, connection: Connection): void {
    this.#all.delete(peer);
    if (this.#closed && this.#all.size === 0) this.#emptied.resolve();
    connection.isGone = true;
    const { ip, port } = connection;
    if (connection.refused) this.#lingering--;
    else {
      if (connection.calls === 0) this.#clients.admission.leave(ip);
      if (connection.isSecuring) this.turnAway({ reason: "handshake" }, ip, port);
    }
  }

  #sweep(): void {
    const now = this.#clock.now();
    this.#clients.sweep(now);
    for (const { socket, cutBy } of this.#all.values()) if (now >= cutBy) socket.destroy();
  }
}
