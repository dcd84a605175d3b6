import { X509Certificate } from "node:crypto";
import type { Socket, TLSOptions } from "bun";
import { load, type Loaded, problemText, type Sources } from "../config/load.ts";
import { reachedAt } from "../config/loopback.ts";
import { type Config, settings, type TlsSettings } from "../config/table.ts";
import { type Clock, systemClock } from "../host/clock.ts";
import { messageOf, StartError } from "../host/errors.ts";
import { addressText } from "../host/service.ts";
import { readPem, tlsOptions } from "../net/tls.ts";
import { type Arguments, type Flag, SOURCES, sourcesOf } from "./command.ts";
import { say } from "./say.ts";
import { overlay } from "../config/section.ts";

/** How long a server may take to let us in. */
const PATIENCE_MS = 5000;
/** How often a client that says nothing shows that it is there. */
const HEARTBEAT_MS = 60_000;
const NEWLINE = 10;

const INSECURE: Flag = { name: "insecure", about: "With TLS, take any certificate." };

/** What a client of the relay takes on its command line. */
export const CLIENT_FLAGS: readonly Flag[] = [...SOURCES, INSECURE];

/** What a client of the store takes on its command line. */
export const STORE_FLAGS: readonly Flag[] = [
  ...SOURCES.filter(({ name }) => name !== "host" && name !== "port"),
  { name: "host", value: "HOST", about: "Address of the store; default store.host." },
  { name: "port", value: "PORT", about: "Port of the store; default store.port." },
  INSECURE,
];

/** Where a server is, and how it is spoken to. */
export interface Destination {
  /** What should be there; the relay when not given. */
  readonly service?: "relay" | "store";
  readonly host: string;
  readonly port: number;
  readonly tls: TLSOptions | null;
  /** What proves that it is the right one; null takes any. */
  readonly certificate: X509Certificate | null;
}

/**
 * The relay of the configuration that a command line names, or null when that has problems, which have been told.
 * @throws StartError when the configuration does not tell where it is
 */
export function destinationOf(args: Arguments): Destination | null {
  const loaded = loadedFrom(sourcesOf(args));
  if (loaded === null) return null;
  const { config, file } = loaded;
  const { host, port, relay } = config;
  const where = file ?? "the defaults";
  if (!relay.enabled) throw new StartError(`the relay is off in ${where}`);
  if (port === 0) {
    throw new StartError(`port is 0 in ${where}, so nobody knows where the relay listens`);
  }
  const trust = trustOf(overlay(config.tls, relay.tls), args);
  return { service: "relay", host: reachedAt(host), port, ...trust };
}

/** A store, and what its configuration says of it. */
export interface StoreDestination {
  readonly to: Destination;
  readonly settings: Config["store"];
}

/**
 * The store likewise; one that the command line gives an address of need not be on in the configuration.
 * @throws StartError when nothing tells where it is
 */
export function storeOf(args: Arguments): StoreDestination | null {
  const loaded = loadedFrom({ ...sourcesOf(args), host: undefined, port: undefined });
  if (loaded === null) return null;
  const { config, file } = loaded;
  const { store } = config;
  const where = file ?? "the defaults";
  const [givenHost] = args.flags.get("host") ?? [];
  const [givenPort] = args.flags.get("port") ?? [];
  if (!store.enabled && givenHost === undefined && givenPort === undefined) {
    throw new StartError(`the store is off in ${where}`);
  }
  const port = Number(givenPort ?? store.port);
  if (port === 0) {
    throw new StartError(`store.port is 0 in ${where}, so nobody knows where the store listens`);
  }
  const host = reachedAt(givenHost ?? store.host);
  const trust = trustOf(overlay(config.tls, store.tls), args);
  return { to: { service: "store", host, port, ...trust }, settings: store };
}

/** What sources say, or null when they have problems, which have been told. */
function loadedFrom(sources: Sources): Loaded<Config> | null {
  const loaded = load(settings, sources);
  for (const problem of loaded.problems) say.error(problemText(problem));
  return loaded.problems.length > 0 ? null : loaded;
}

/** How a server with these settings is spoken to, and known for the right one. */
function trustOf(tls: TlsSettings, args: Arguments): Pick<Destination, "tls" | "certificate"> {
  if (tls.cert === "") return { tls: null, certificate: null };
  const own = tls.require_client_cert ? tlsOptions(tls) : {};
  const trusting = { ...own, rejectUnauthorized: false };
  if (args.flags.has("insecure")) return { tls: trusting, certificate: null };
  const chain = readPem(tls, "cert");
  return { tls: { ...trusting, ca: chain }, certificate: certificateIn(chain, tls.cert) };
}

function certificateIn(chain: string, path: string): X509Certificate {
  try {
    return new X509Certificate(chain);
  } catch {
    throw new StartError(`tls.cert: ${path} holds no certificate`);
  }
}

/** What the socket says and the connection hears. */
interface State {
  ended: boolean;
  drained: (() => void) | null;
}

/** A client of a server that speaks in lines. It sends a heartbeat every minute, so that silence does not end it. */
export class Connection {
  /** `127.0.0.1:8888`. */
  readonly address: string;
  /** Resolves when it has ended; true when that was not in good order. */
  readonly closed: Promise<boolean>;
  readonly #socket: Socket;
  readonly #state: State;
  readonly #stopHeartbeat: () => void;
  #writing = false;
  #betweenLines = true;

  /**
   * Connects; `hear` gets all that comes, as it was chunked, valid only during
   * the call, and the socket, to pause it.
   * @throws StartError in one line when nobody lets us in
   */
  static async open(
    to: Destination,
    hear: (bytes: Buffer, socket: Pick<Socket, "pause" | "resume">) => void,
    clock: Clock = systemClock,
  ): Promise<Connection> {
    const address = addressText(to.host, to.port);
    const opened = Promise.withResolvers<Socket>();
    const closed = Promise.withResolvers<boolean>();
    const state: State = { ended: false, drained: null };
    const { service = "relay" } = to;
    const refuse = (why: string) =>
      opened.reject(new StartError(`no ${service} on ${address}: ${why}`));
    const late = () => refuse(`no answer within ${PATIENCE_MS / 1000} s`);
    const cancel = clock.after(PATIENCE_MS, late);
    Bun.connect({
      hostname: to.host,
      port: to.port,
      ...(to.tls ? { tls: to.tls } : {}),
      socket: {
        open(socket) {
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
    try {
      const socket = await opened.promise;
      return new Connection(address, socket, state, closed.promise, clock);
    } finally {
      cancel();
    }
  }

  private constructor(
    address: string,
    socket: Socket,
    state: State,
    closed: Promise<boolean>,
    clock: Clock,
  ) {
    this.address = address;
    this.closed = closed;
    this.#socket = socket;
    this.#state = state;
    this.#stopHeartbeat = clock.every(HEARTBEAT_MS, () => {
      if (this.#betweenLines && !this.#writing) socket.write("\n");
    });
  }

  /** Whether the last byte written ended a line. */
  get betweenLines(): boolean {
    return this.#betweenLines;
  }

  /** Resolves when the system has taken all of it; false when the connection ended first. */
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

  /** Says that nothing more will be sent; what comes is still heard. */
  finish(): void {
    this.#stopHeartbeat();
    this.#socket.shutdown();
  }

  close(): void {
    this.#stopHeartbeat();
    this.#socket.end();
  }
}

/** Why a server is not the one it should be, or null. Its name does not matter: the one in its certificate is the public one. */
function doubtOf(
  { certificate }: Destination,
  socket: Socket,
  error: (Error & { code?: string }) | null,
): string | null {
  const shown = socket.getPeerX509Certificate();
  if (!shown) return "it does not speak TLS";
  if (certificate === null || !error || error.code === "ERR_TLS_CERT_ALTNAME_INVALID") return null;
  if (shown.fingerprint256 === certificate.fingerprint256) return null;
  return `its certificate is not the configured one (${error.message}); --insecure takes any`;
}
