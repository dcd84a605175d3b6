import { settings } from "../../lib/config/table.ts";
import { TURNED_AWAY } from "../../lib/net/admission.ts";
import { messages, messagesSection } from "../fixtures/services/messages.ts";
import { CLOSES, type Row, saying } from "../row.ts";

const UPGRADE = [
  "GET / HTTP/1.1",
  "Host: localhost",
  "Upgrade: websocket",
  "Connection: Upgrade, close",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version: 13",
  "\r\n",
].join("\r\n");

export const row: Row = {
  table: {
    services: { messages: messages() },
    settings: { ...settings, messages: messagesSection },
  },
  call: saying(UPGRADE),
  // Bun does not tell an HTTP server about a failed TLS handshake.
  counts: { ...CLOSES, handshake: "" },
  notices: {
    ...TURNED_AWAY,
    kicked: "Warning: You have been disconnected.",
    shutdown: "Warning: Server is shutting down.",
  },
};
