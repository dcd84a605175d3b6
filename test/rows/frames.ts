import { settings } from "../../lib/config/table.ts";
import { TURNED_AWAY } from "../../lib/net/admission.ts";
import { frames, framesSection } from "../fixtures/services/frames.ts";
import { CLOSES, type Row, saying } from "../row.ts";

export const row: Row = {
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
};
