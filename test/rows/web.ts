import { type Row, saying } from "../row.ts";

/** A request for the event stream: the only client of a web service that stays. */
const STREAM = "GET /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

export const row: Row = {
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
  endsInSilence: true,
};
