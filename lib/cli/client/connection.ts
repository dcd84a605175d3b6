import type { Socket } from "bun";
import { type Clock, systemClock } from "../../host/clock.ts";
import { messageOf, StartError } from "../../host/errors.ts";
import { addressText } from "../../host/service.ts";
import { unmapped } from "../../net/admission/access.ts";
import { Proxies } from "../../net/http/proxies.ts";
import { OWN_HEADER } from "../../net/tcp/proxy-header.ts";
import type { Destination } from "./destination.ts";

/** Milliseconds that a server may take to accept a client, or to answer its first question. */
export const PATIENCE_MS = 5000;
/** Milliseconds between two heartbeats. */
const HEARTBEAT_MS = 60_000;
const NEWLINE = 10;

/** The state that the socket's callbacks share with the connection. */
interface State {
  ended: boolean;
  drained: (() => void) | null;
}

/** An empty line. */
const LINE_HEARTBEAT = Buffer.from("\n");

/** The header that a server wants of a client from the address of its proxy, or nothing. */
export function headerFor({ trustedProxies = [] }: Destination, socket: Socket): string {
  return new Proxies(trustedProxies).trusts(unmapped(socket.localAddress)) ? OWN_HEADER : "";
}

/** A client of a line service. It sends a heartbeat every minute, so that it is not closed as idle. */
export class Connection {
  /** `127.0.0.1:8888`. */
  readonly address: string;
  /** Resolves when the connection has ended; true if it broke. */
  readonly closed: Promise<boolean>;
  readonly #socket: Socket;
  readonly #state: State;
  readonly #stopHeartbeat: () => void;
  #writing = false;
  #betweenLines = true;

  /**
   * Connects. `hear` gets all bytes as they come, valid only during the call, and
   * the socket, to pause it.
   * @param heartbeat bytes that mean nothing to the service
   * @throws StartError of one line when that fails
   */
  static async open(
    to: Destination,
    hear: (bytes: Buffer, socket: Pick<Socket, "pause" | "resume">) => void,
    clock: Clock = systemClock,
    heartbeat: Uint8Array = LINE_HEARTBEAT,
  ): Promise<Connection> {
    const opened = Promise.withResolvers<Socket>();
    const closed = Promise.withResolvers<boolean>();
    const state: State = { ended: false, drained: null };
    const refuse = (why: string) => opened.reject(notThere(to, why));
    Bun.connect({
      hostname: to.host,
      port: to.port,
      ...(to.tls ? { tls: to.tls } : {}),
      socket: {
        open(socket) {
          const header = headerFor(to, socket);
          // What follows it shows that this client means to stay.
          if (header !== "") socket.write(Buffer.concat([Buffer.from(header), heartbeat]));
          if (!to.tls) opened.resolve(socket);
        },
        handshake(socket, _success, error) {
          const doubt = doubtOf(to, socket, error);
          if (doubt === null) opened.resolve(socket);
          else refuse(doubt);
        },
        data: (socket, bytes) => hear(bytes, socket),
        drain: () => state.drained?.(),
        close(_socket, error) {
          state.ended = true;
          state.drained?.();
          refuse("it closes the connection");
          closed.resolve(error !== undefined);
        },
        error() {},
      },
    }).catch((error) => {
      refuse(error.code === "ECONNREFUSED" ? "nobody listens there" : messageOf(error));
    });
    const socket = await inTime(opened.promise, to, clock);
    return new Connection(to, socket, state, closed.promise, clock, heartbeat);
  }

  private constructor(
    to: Destination,
    socket: Socket,
    state: State,
    closed: Promise<boolean>,
    clock: Clock,
    heartbeat: Uint8Array,
  ) {
    this.address = addressText(to.host, to.port);
    this.closed = closed;
    this.#socket = socket;
    this.#state = state;
    this.#stopHeartbeat = clock.every(HEARTBEAT_MS, () => {
      if (this.#betweenLines && !this.#writing) socket.write(heartbeat);
    });
  }

  /** True if the last byte written ended a line. */
  get betweenLines(): boolean {
    return this.#betweenLines;
  }

  /** Resolves with true when the system has taken all bytes, with false if the connection ended first. */
  async write(bytes: Uint8Array): Promise<boolean> {
    let rest = bytes;
    this.#writing = true;
    while (rest.length > 0 && !this.#state.ended) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#state.drained = resolve;
      rest = rest.subarray(Math.max(0, this.#socket.write(rest)));
      if (rest.length > 0) await promise;
    }
    this.#writing = false;
    if (bytes.length > 0) this.#betweenLines = bytes.at(-1) === NEWLINE;
    return rest.length === 0;
  }

  /** Ends this side of the connection; `hear` still gets bytes. */
  finish(): void {
    this.#stopHeartbeat();
    this.#socket.shutdown();
  }

  close(): void {
    this.#stopHeartbeat();
    this.#socket.end();
  }
}

/** The error that there is no such service. */
export function notThere({ service, host, port }: Destination, why: string): StartError {
  return new StartError(`no ${service} on ${addressText(host, port)}: ${why}`);
}

/** The answer of a server. @throws StartError if it takes longer than `PATIENCE_MS` */
export async function inTime<T>(answer: Promise<T>, to: Destination, clock: Clock): Promise<T> {
  const late = Promise.withResolvers<never>();
  const cancel = clock.after(PATIENCE_MS, () =>
    late.reject(notThere(to, `no answer within ${PATIENCE_MS / 1000} s`)),
  );
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    cancel();
  }
}

/** The reason to take a server for the wrong one, or null. The name in its certificate is not checked: it is the public one. */
export function doubtOf(
  { certificate }: Destination,
  socket: Socket,
  error: (Error & { readonly code?: string }) | null,
): string | null {
  const shown = socket.getPeerX509Certificate();
  if (!shown) return "it does not speak TLS";
  if (certificate === null || !error || error.code === "ERR_TLS_CERT_ALTNAME_INVALID") return null;
  if (shown.fingerprint256 === certificate.fingerprint256) return null;
  return `its certificate is not the configured one (${error.message}); --insecure takes any`;
}
