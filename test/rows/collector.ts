import { CLOSES, type Row, saying } from "../row.ts";

export const row: Row = {
  call: saying(""),
  counts: CLOSES,
  // Its protocol has no notices.
  notices: { limit: "", perAddress: "", denied: "", kicked: "", shutdown: "" },
};
