import { TURNED_AWAY } from "../../lib/net/admission.ts";
import { CLOSES, type Row, saying } from "../row.ts";

export const row: Row = {
  call: saying(""),
  counts: CLOSES,
  notices: {
    ...TURNED_AWAY,
    kicked: "Warning: You have been disconnected by an operator.\n",
    shutdown: "Warning: Server is shutting down.\n",
  },
};
