import { connect as connectHttp2 } from "node:http2";
import { createConnection, type Socket } from "node:net";
import { connect, TLSSocket } from "node:tls";
import { settings } from "../../lib/config/table.ts";
import { TURNED_AWAY } from "../../lib/net/admission.ts";
import { calls, callsSection } from "../fixtures/services/calls.ts";
import { until } from "../kit.ts";
import { CLOSES, type Row } from "../row.ts";

/** Makes a streaming call on a connection of its own; the call is the client. */
const call: Row["call"] = async (port, { from = "127.0.0.1", tls = false } = {}) => {
  const to = { port, host: "127.0.0.1", localAddress: from };
  const socket: Socket = tls
    ? connect({ ...to, rejectUnauthorized: false, ALPNProtocols: ["h2"] })
    : createConnection(to);
  let isOpen = false;
  let isClosed = false;
  let status = "";
  let certificate = "";
  socket.on("error", () => {});
  socket.on("close", () => {
    isClosed = true;
  });
  socket.on(tls ? "secureConnect" : "connect", () => {
    isOpen = true;
    if (socket instanceof TLSSocket) certificate = String(socket.getPeerCertificate().subject.CN);
  });
  await until(() => isOpen || isClosed);
  const session = connectHttp2("http://localhost", { createConnection: () => socket });
  session.on("error", () => {});
  const stream = session.request({
    ":method": "POST",
    ":path": "/test.Echo/All",
    "content-type": "application/grpc",
    te: "trailers",
  });
  const told = (headers: object) => {
    const { "grpc-message": message = "" } = headers as Record<string, string>;
    status += decodeURI(message);
  };
  stream.on("response", told);
  stream.on("trailers", told);
  stream.on("error", () => {});
  // A call is over for its client when the server has ended it.
  stream.on("end", () => void stream.end());
  stream.on("close", () => session.destroy());
  stream.resume();
  return {
    address: `${from}:${socket.localPort}`,
    certificate,
    heard: () => status,
    isClosed: () => isClosed,
    stall: () => void socket.pause(),
    end: () => void socket.destroy(),
  };
};

export const row: Row = {
  table: {
    services: { calls: calls() },
    settings: { ...settings, calls: callsSection },
  },
  call,
  counts: CLOSES,
  staysListening: true,
  notices: {
    // The text of a status has no newline after it.
    limit: TURNED_AWAY.limit.trimEnd(),
    perAddress: TURNED_AWAY.perAddress.trimEnd(),
    denied: TURNED_AWAY.denied.trimEnd(),
    kicked: "Warning: You have been disconnected.",
    shutdown: "Warning: Server is shutting down.",
  },
};
