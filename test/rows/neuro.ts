import { TURNED_AWAY } from "../../lib/net/admission.ts";
import { CLOSES, type Row, saying } from "../row.ts";

const UPGRADE = [
  "GET /game/test HTTP/1.1",
  "Host: localhost",
  "Upgrade: websocket",
  "Connection: Upgrade, close",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version: 13",
  "\r\n",
].join("\r\n");

export const row: Row = {
  call: saying(UPGRADE),
  // A TLS handshake that fails is Bun's own affair.
  counts: { ...CLOSES, handshake: "" },
  // Games get no message that the protocol does not have: the close frame says why.
  endsInSilence: true,
  notices: { ...TURNED_AWAY, kicked: "kicked", shutdown: "shutdown" },
};
