import { createConnection, type Socket } from "node:net";
import { connect, TLSSocket } from "node:tls";
import { type Overrides, type Table, until } from "./kit.ts";

/** One end of a connection in the test's hands. */
export interface Caller {
  /** `127.0.0.1:PORT`, as the server knows it. */
  readonly address: string;
  /** The name in the certificate that the server has shown; "" without TLS. */
  readonly certificate: string;
  /** All that the server has said so far. */
  heard(): string;
  isClosed(): boolean;
  /** Reads nothing any more, and does not notice that the server closes. */
  stall(): void;
  end(): void;
}

export interface CallOptions {
  /** Another address of loopback. */
  readonly from?: string;
  readonly tls?: boolean;
}

/** A reason to turn a client away or to close it. */
export type Why = "limit" | "perAddress" | "denied" | "kicked" | "shutdown" | "handshake";

/** One service's part in the behaviour suite: its wire, notices and numbers. */
export interface Row {
  /** The table that has the service; not given for a service of the program. */
  readonly table?: Table;
  /** The service, where that is not the name of the row. */
  readonly service?: string;
  /** Settings of the whole that make the service another one than usual. */
  readonly settings?: Overrides;
  /** It runs in threads: their time is the system's, and what they do shows a moment later. */
  readonly inThreads?: boolean;
  /** Connects and asks to be a client for long. */
  call(port: number, options?: CallOptions): Promise<Caller>;
  /** The last words to a client, as they show on the wire. */
  readonly notices: Readonly<Record<Exclude<Why, "handshake">, string>>;
  /** The numbers of `stats()` that count clients turned away or closed. */
  readonly counts: Readonly<Partial<Record<Why, string>>>;
  /** A client whose address a reload denies is not told why its connection ends. */
  readonly endsInSilence?: boolean;
  /** It takes other certificates without listening anew. */
  readonly staysListening?: boolean;
}

/** Calls by sending `hello` as soon as there is a connection. */
export function saying(hello: string): Row["call"] {
  return async (port, { from = "127.0.0.1", tls = false } = {}) => {
    const to = { port, host: "127.0.0.1", localAddress: from };
    const socket: Socket = tls
      ? connect({ ...to, rejectUnauthorized: false })
      : createConnection(to);
    let heard = "";
    let isOpen = false;
    let isClosed = false;
    let certificate = "";
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      heard += text;
    });
    socket.on(tls ? "secureConnect" : "connect", () => {
      isOpen = true;
      if (socket instanceof TLSSocket) certificate = String(socket.getPeerCertificate().subject.CN);
      socket.write(hello, "latin1");
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      isClosed = true;
    });
    await until(() => isOpen || isClosed);
    return {
      address: `${from}:${socket.localPort}`,
      certificate,
      heard: () => heard,
      isClosed: () => isClosed,
      stall: () => void socket.pause(),
      end: () => void socket.destroy(),
    };
  };
}

/** The counts of services whose clients are `Clients` of net. */
export const CLOSES = {
  limit: "closed_limit",
  perAddress: "closed_limit",
  denied: "closed_denied",
  kicked: "closed_kicked",
  shutdown: "closed_shutdown",
  handshake: "closed_handshake",
};
