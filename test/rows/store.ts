import { CLOSES, type Row, saying } from "../row.ts";

const line = (reason: string, message: string) =>
  `${JSON.stringify({ event: "closed", reason, message })}\n`;

export const row: Row = {
  call: saying(""),
  counts: CLOSES,
  notices: {
    limit: line("limit", "the server has too many clients; try again later"),
    perAddress: line("limit", "there are too many clients from your address"),
    denied: line("denied", "your address may not connect"),
    kicked: line("kicked", "an operator closed the connection"),
    shutdown: line("shutdown", "the server is stopping"),
  },
};
