import { createConnection, type Socket } from "node:net";
import { connect, TLSSocket } from "node:tls";
import { settings } from "../lib/config/table.ts";
import { TURNED_AWAY } from "../lib/net/admission.ts";
import { frames, framesSection } from "./fixtures/services/frames.ts";
import { messages, messagesSection } from "./fixtures/services/messages.ts";
import { type Table, until } from "./kit.ts";

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

/** Why a client is turned away or closed. */
export type Why = "limit" | "perAddress" | "denied" | "kicked" | "shutdown" | "handshake";

/** How the behaviour suite speaks to one service. */
export interface Row {
  /** The table that has the service; not given for a service of the program. */
  readonly table?: Table;
  /** Connects and asks to be a client for long. */
  call(port: number, options?: CallOptions): Promise<Caller>;
  /** What a client is told last, as far as it shows on the wire. */
  readonly notices: Readonly<Record<Exclude<Why, "handshake">, string>>;
  /** The numbers of `stats()` that count those who are turned away or closed. */
  readonly counts: Readonly<Partial<Record<Why, string>>>;
  /** Whoever is a client stays one when a reload denies its address. */
  readonly keepsDenied?: boolean;
}

/** Calls by sending `hello` as soon as there is a connection. */
function saying(hello: string): Row["call"] {
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

const line = (reason: string, message: string) =>
  `${JSON.stringify({ event: "closed", reason, message })}\n`;

/** A request for the event stream: the only client of a web service that stays. */
const STREAM = "GET /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const UPGRADE = [
  "GET / HTTP/1.1",
  "Host: localhost",
  "Upgrade: websocket",
  "Connection: Upgrade, close",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version: 13",
  "\r\n",
].join("\r\n");

/** What services count whose clients are `Clients` of net. */
const CLOSES = {
  limit: "closed_limit",
  perAddress: "closed_limit",
  denied: "closed_denied",
  kicked: "closed_kicked",
  shutdown: "closed_shutdown",
  handshake: "closed_handshake",
};

/** How each service is spoken to, by its name: those of the program, and test services that bring their table. */
export const ROWS: Readonly<Record<string, Row>> = {
  relay: {
    call: saying(""),
    counts: CLOSES,
    notices: {
      ...TURNED_AWAY,
      kicked: "Warning: You have been disconnected by an operator.\n",
      shutdown: "Warning: Server is shutting down.\n",
    },
  },
  store: {
    call: saying(""),
    counts: CLOSES,
    notices: {
      limit: line("limit", "the server has too many clients; try again later"),
      perAddress: line("limit", "there are too many clients from your address"),
      denied: line("denied", "your address may not connect"),
      kicked: line("kicked", "an operator closed the connection"),
      shutdown: line("shutdown", "the server is stopping"),
    },
  },
  web: {
    call: saying(STREAM),
    counts: { limit: "limited", perAddress: "limited", denied: "denied" },
    notices: {
      limit: "\r\n\r\nThe server has too many clients. Please try again later.\n",
      perAddress: "\r\n\r\nThere are too many clients from your address.\n",
      denied: "\r\n\r\nYour address may not connect to this server.\n",
      // The stream ends in order.
      kicked: "\r\n0\r\n\r\n",
      shutdown: '"draining":true',
    },
    keepsDenied: true,
  },
  frames: {
    table: { services: { frames }, settings: { ...settings, frames: framesSection } },
    call: saying(""),
    counts: CLOSES,
    notices: {
      // A frame has no newline after it.
      limit: TURNED_AWAY.limit.trimEnd(),
      perAddress: TURNED_AWAY.perAddress.trimEnd(),
      denied: TURNED_AWAY.denied.trimEnd(),
      kicked: "Warning: You have been disconnected.",
      shutdown: "Warning: Server is shutting down.",
    },
  },
  messages: {
    table: {
      services: { messages: messages() },
      settings: { ...settings, messages: messagesSection },
    },
    call: saying(UPGRADE),
    // A handshake that fails is Bun's own affair.
    counts: { ...CLOSES, handshake: "" },
    notices: {
      ...TURNED_AWAY,
      kicked: "Warning: You have been disconnected.",
      shutdown: "Warning: Server is shutting down.",
    },
  },
};
