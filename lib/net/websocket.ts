import type { ServerWebSocket, WebSocketHandler } from "bun";
import { Client, type CloseReason } from "./client.ts";
import type { Clients } from "./clients.ts";
import type { Protocol } from "./protocol.ts";
import type { Wire } from "./wire.ts";

/** The kind of all messages, in both directions. */
export type MessageKind = "text" | "binary";

/** The codes that a WebSocket is closed with (RFC 6455, 7.4.1), by the reason; for a message that is too long Bun sends 1009 itself. */
const CLOSE_CODES: Readonly<Record<CloseReason, number>> = {
  eof: 1000,
  reset: 1000,
  idle: 1000,
  shutdown: 1001,
  malformed: 1003,
  slow: 1008,
  pressure: 1008,
  quarantined: 1008,
  unfinished: 1009,
  denied: 1008,
  handshake: 1008,
  refused: 1008,
  kicked: 1008,
  bug: 1011,
  limit: 1013,
};
/** Bun's reason when it has closed a connection for a message that is too long. */
const TOO_LONG = "Received too big message";
/** The code of a connection that ended without a close frame. */
const NO_CODE = 1006;

/** A client on a WebSocket: each `send` is one message. */
export class WebSocketClient extends Client {
  /** Messages that were not of the kind that it is sent. */
  otherKind = 0;

  override tell(notice: string): void {
    if (notice !== "") this.send(notice.trimEnd());
  }

  override keepBegun(): void {
    this.outbox.keepPiece();
  }
}

/** The protocol of a service whose clients are on WebSockets; `received` gets one message each time. */
export type WebSocketProtocol<C extends WebSocketClient> = Protocol<C>;

/** The door's data of a connection. */
interface Connection<C extends WebSocketClient> {
  readonly ip: string;
  readonly port: number;
  /** What was asked for. */
  readonly path: string;
  /** Both null until it is open. */
  wire: WebSocketWire<C> | null;
  client: C | null;
}

type Socket<C extends WebSocketClient> = ServerWebSocket<Connection<C>>;

/** A WebSocket as a client's wire. */
class WebSocketWire<C extends WebSocketClient> implements Wire {
  readonly whole = true;
  readonly path: string;
  readonly #socket: Socket<C>;
  readonly #kind: MessageKind;
  #isFull = false;
  /** The connection will be closed once nothing waits. */
  #isEnding = false;

  constructor(socket: Socket<C>, kind: MessageKind) {
    this.#socket = socket;
    this.#kind = kind;
    this.path = socket.data.path;
  }

  get waiting(): number {
    return this.#socket.getBufferedAmount();
  }

  write(message: Uint8Array | string, offset = 0, length?: number): number {
    // Bun would take more without bound, and keep it in memory.
    if (this.#isFull) return -1;
    const socket = this.#socket;
    const bytes = typeof message === "string" ? Buffer.from(message) : message;
    const size = length ?? bytes.length - offset;
    const part = Buffer.from(bytes.buffer, bytes.byteOffset + offset, size);
    const sent = this.#kind === "text" ? socket.sendText(part.toString()) : socket.sendBinary(part);
    this.#isFull = sent < 0;
    return sent === 0 && socket.readyState !== WebSocket.OPEN ? -1 : size;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  shutdown(): void {
    this.#isEnding = true;
    this.#endOnceEmpty();
  }

  end(): void {
    this.#close();
  }

  terminate(): void {
    this.#socket.terminate();
  }

  /** The connection has become a client, so a close can name its reason. */
  accepted(): void {
    if (this.#isEnding) this.#endOnceEmpty();
  }

  /** Bun has passed on all bytes that it had taken. */
  drained(): void {
    this.#isFull = false;
    if (this.#isEnding) this.#endOnceEmpty();
  }

  /** Closes only once nothing waits: after a close Bun allows some seconds of its own, but a client has the time that it may linger. */
  #endOnceEmpty(): void {
    if (this.waiting === 0 && this.#socket.data.client) this.#close();
  }

  #close(): void {
    const reason = this.#socket.data.client?.reason ?? "eof";
    // An end without a fault needs no word: the code says it.
    this.#socket.close(CLOSE_CODES[reason], reason === "eof" ? "" : reason);
  }
}

/** The WebSockets of an HTTP server: makes connections the clients of a service. */
export class WebSockets<C extends WebSocketClient> {
  readonly clients: Clients<C>;
  /** The callbacks for Bun. */
  readonly handler: WebSocketHandler<Connection<C>>;
  readonly #kind: MessageKind;
  readonly #takesBoth: boolean;

  /**
   * @param maxMessageBytes the longest message; Bun closes the connection of a longer one
   * @param takesBoth true if messages of the other kind are taken too, and counted by their client
   */
  constructor(clients: Clients<C>, kind: MessageKind, maxMessageBytes: number, takesBoth = false) {
    this.clients = clients;
    this.#kind = kind;
    this.#takesBoth = takesBoth;
    this.handler = {
      maxPayloadLength: maxMessageBytes,
      // The service has its own bounds for silence, and for the bytes that wait.
      idleTimeout: 0,
      backpressureLimit: 0,
      open: (socket) => this.#opened(socket),
      message: (socket, message) => this.#received(socket, message),
      drain: ({ data: { wire, client } }) => {
        wire?.drained();
        if (client) clients.drained(client);
      },
      close: ({ data: { client } }, code, reason) => {
        if (client) this.#closed(client, code, reason);
      },
    };
  }

  /** The data of a connection that becomes a WebSocket. */
  connection(ip: string, port: number, path: string): Connection<C> {
    return { ip, port, path, wire: null, client: null };
  }

  #opened(socket: Socket<C>): void {
    const { data } = socket;
    this.clients.accepted++;
    data.wire = new WebSocketWire(socket, this.#kind);
    data.client = this.clients.accept(data.wire, data.ip, data.port);
    data.wire.accepted();
  }

  #received({ data: { client } }: Socket<C>, message: string | Buffer): void {
    if (!client) return;
    const isText = typeof message === "string";
    if (isText !== (this.#kind === "text")) client.otherKind++;
    if (client.otherKind > 0 && !this.#takesBoth) this.clients.close(client, "malformed");
    else this.clients.received(client, isText ? Buffer.from(message) : message);
  }

  #closed(client: C, code: number, reason: string): void {
    const broke = reason === TOO_LONG ? "malformed" : "reset";
    this.clients.disconnected(client, code === NO_CODE ? broke : "eof");
  }
}
