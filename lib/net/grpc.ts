import type * as Grpc from "@grpc/grpc-js";
import type { Place } from "../config/place.ts";
import type { Clock } from "../host/clock.ts";
import { Bugs } from "../host/bugs.ts";
import { type Address, addressText, type Health } from "../host/service.ts";
import type { Refused } from "./admission.ts";
import {
  type CallClient,
  CallError,
  CallWire,
  endCall,
  endOf,
  isAborted,
  ownStreamOf,
  STATUS_OF,
  Status,
  type StreamingCall,
} from "./grpc/calls.ts";
import type { Clients } from "./clients.ts";
import { type Connection, Connections, type ConnectionsHost } from "./grpc/connections.ts";
import { PartialMessages } from "./grpc/partial.ts";

/** The address that a call comes from. */
export interface CallFrom {
  readonly ip: string;
  readonly port: number;
}

/** Answers a call of one message with one; it may throw a `CallError`. */
export type AnswerCall = (
  request: Buffer,
  from: CallFrom,
  metadata: Grpc.Metadata,
) => Buffer | Promise<Buffer>;

/** The calls that a service takes. Messages are bytes: their encoding is the service's own. */
export interface Calls<C extends CallClient> {
  /** Calls of one message, by their paths: `/package.Service/Method`. */
  readonly unary: Readonly<Record<string, AnswerCall>>;
  /** The paths of streaming calls, each of which is a client. */
  readonly streaming: readonly string[];
  readonly clients: Clients<C>;
  /** The refusal of a call by what it says of itself, before any message of it is read; or null. */
  refuses?(path: string, metadata: Grpc.Metadata, from: CallFrom): CallError | null;
  /** The longest message in bytes; fixed for the server's life. */
  readonly maxMessageBytes: number;
}

/** The most calls of one connection at once. */
const MAX_CALLS = 100;

const DRAINING: Refused = { reason: "shutdown", notice: "Warning: Server is shutting down.\n" };
const GONE: Refused = { reason: "reset", notice: "" };

const asItIs = (bytes: Buffer) => bytes;

/** A gRPC door: answers calls of one message, and makes streaming calls the clients of a service. */
export class GrpcServer<C extends CallClient> {
  readonly #calls: Calls<C>;
  readonly #clock: Clock;
  readonly #bugs: Bugs;
  readonly #grpc: typeof Grpc;
  readonly #server: Grpc.Server;
  readonly #connections: Connections;
  readonly #partial: PartialMessages;
  #draining = false;

  /**
   * Loads the library, which a program without gRPC never loads, and listens.
   * @throws StartError when it cannot listen
   */
  static async open<C extends CallClient>(
    place: Place,
    calls: Calls<C>,
    host: ConnectionsHost,
  ): Promise<GrpcServer<C>> {
    const server = new GrpcServer(await import("@grpc/grpc-js"), place, calls, host);
    await server.#connections.listen();
    return server;
  }

  private constructor(grpc: typeof Grpc, place: Place, calls: Calls<C>, host: ConnectionsHost) {
    this.#grpc = grpc;
    this.#calls = calls;
    this.#clock = host.clock;
    this.#bugs = new Bugs(host, "calls", place.name);
    this.#partial = new PartialMessages(calls.maxMessageBytes);
    this.#server = new grpc.Server({
      "grpc.enable_channelz": 0,
      "grpc.max_receive_message_length": calls.maxMessageBytes,
      "grpc.max_send_message_length": -1,
      "grpc.max_concurrent_streams": MAX_CALLS,
      interceptors: [
        (method, call) => {
          const peer = this.#connections.of(call.getPeer());
          if (peer) this.#partial.watch(ownStreamOf(call), peer.ip);
          return method.requestStream
            ? (call as Grpc.ServerInterceptingCall)
            : this.#admitted(method.path, call);
        },
      ],
    });
    const credentials = grpc.ServerCredentials.createInsecure();
    const injector = this.#server.createConnectionInjector(credentials);
    const serve = injector.injectConnection.bind(injector);
    this.#connections = new Connections(place, calls.clients, serve, host);
    for (const [path, answer] of Object.entries(calls.unary)) {
      const handle: Grpc.handleUnaryCall<Buffer, Buffer> = (call, reply) =>
        void this.#answer(path, answer, call, reply);
      this.#server.register(path, handle, asItIs, asItIs, "unary");
    }
    for (const path of calls.streaming) {
      const handle = (call: StreamingCall) => this.#stream(path, call);
      this.#server.register(path, handle, asItIs, asItIs, "bidi");
    }
  }

  get address(): Address {
    return this.#connections.address;
  }

  health(): Health {
    return this.#connections.health();
  }

  /**
   * Takes other certificates, access lists and limits. Clients that are denied
   * now are closed.
   * @throws Error when TLS does not work; everything stays as it was
   */
  configure(place: Place): void {
    this.#connections.configure(place);
  }

  /** Lets no call in any more, closes the streaming ones with `notice`, and waits for the others until the deadline. */
  async drain(deadlineMs: number, notice: string): Promise<void> {
    this.#draining = true;
    this.#connections.close();
    // Tells all connections to make no more calls; they end after the calls that they have.
    this.#server.tryShutdown(() => {});
    const late = Promise.withResolvers<void>();
    const cancel = this.#clock.after(deadlineMs, late.resolve);
    await this.#calls.clients.drain(deadlineMs, notice);
    await Promise.race([this.#connections.empty(), late.promise]);
    cancel();
    this.#connections.cut();
    this.#server.forceShutdown();
    this.#bugs.close();
  }

  // --- one call

  /** A call of one message takes a place from its first byte to its answer, or is refused unread. */
  #admitted(path: string, call: Grpc.ServerInterceptingCallInterface): Grpc.ServerInterceptingCall {
    const { clients } = this.#calls;
    const { connection, refused } = this.#from(call);
    return new this.#grpc.ServerInterceptingCall(call, {
      start: (next) => {
        if (!connection || refused) {
          call.sendStatus(statusOf(refused ?? GONE));
          if (connection?.refused) this.#connections.dismiss(connection);
          return;
        }
        const { ip, port } = connection;
        this.#connections.begin(connection);
        const full = clients.refusal(ip, port);
        if (full) {
          this.#connections.turnAway(full, ip, port);
          this.#connections.end(connection);
          return call.sendStatus(statusOf(full));
        }
        clients.admission.enter(ip);
        next({
          onReceiveMetadata: (metadata, go) => {
            const refusal = this.#calls.refuses?.(path, metadata, connection) ?? null;
            if (refusal) call.sendStatus(refusal);
            else go(metadata);
          },
          // The library calls this at the end of every call.
          onCancel: () => {
            clients.admission.leave(ip);
            this.#connections.end(connection);
          },
        });
      },
    });
  }

  async #answer(
    path: string,
    answer: AnswerCall,
    call: Grpc.ServerUnaryCall<Buffer, Buffer>,
    reply: Grpc.sendUnaryData<Buffer>,
  ): Promise<void> {
    const { ip = "", port = 0 } = this.#connections.of(call.getPeer()) ?? {};
    try {
      reply(null, await answer(call.request, { ip, port }, call.metadata));
    } catch (error) {
      if (error instanceof CallError) return reply(this.#statusOf(error));
      this.#bugs.add(error, `answering ${path} for ${addressText(ip, port)}`);
      reply(new CallError(Status.internal, "The server failed to answer this call."));
    }
  }

  /** A status as the library sends it. */
  #statusOf(error: CallError): Partial<Grpc.StatusObject> {
    const { code, details, status } = error;
    if (status === null) return error;
    const metadata = new this.#grpc.Metadata();
    metadata.set("grpc-status-details-bin", status);
    return { code, details, metadata };
  }

  #stream(path: string, call: StreamingCall): void {
    const { clients } = this.#calls;
    const { connection, refused } = this.#from(call);
    if (!connection || refused) {
      if (connection?.refused) call.on("close", () => this.#connections.dismiss(connection));
      return endCall(call, statusOf(refused ?? GONE));
    }
    const refusal = this.#calls.refuses?.(path, call.metadata, connection) ?? null;
    if (refusal) return endCall(call, refusal);
    this.#connections.begin(connection);
    const wire = new CallWire(call, path, () => clients.drained(wire.client as C));
    clients.accepted++;
    const client = clients.accept(wire, connection.ip, connection.port);
    call.on("data", (message: Buffer) => clients.received(client, message));
    call.on("end", () => {
      if (!isAborted(call)) clients.ended(client);
    });
    call.on("close", () => {
      clients.disconnected(client, endOf(call));
      this.#connections.end(connection);
    });
  }

  #from(call: { getPeer(): string }): { connection?: Connection; refused: Refused | null } {
    const connection = this.#connections.of(call.getPeer());
    const refused = this.#draining ? DRAINING : (connection?.refused ?? null);
    return connection ? { connection, refused } : { refused };
  }
}

function statusOf({ reason, notice }: Refused): CallError {
  return new CallError(STATUS_OF[reason], notice.trimEnd());
}
