// The journal: what is on disk, what waits, and when the next snapshot comes.

import { h, patch, visible } from "../../../host/page/dom.js";
import { age, bytes, count, counted, span } from "../../../host/page/numbers.js";
import { bar, empty, facts, failing, head } from "../../../host/page/pieces.js";
import { DURABILITIES } from "./words.js";

const GLOSS = "A change is written down here, so that a restart finds it.";

function waiting({ unsynced, is_pending: isPending }) {
  if (unsynced === 0 && !isPending) return "nothing: all that was written is on disk";
  const parts = [
    unsynced > 0 && `${counted(unsynced, "batch", "batches")} for a sync`,
    isPending && "changes to be written",
  ];
  return parts.filter(Boolean).join(", ");
}

function snapshot({ snapshot: last, snapshots }, late) {
  if (last === null) return "none since the start";
  const ago = `${age(last.since_ms + late)} ago`;
  return `${ago}, ${bytes(last.bytes)} in ${span(last.ms)}; ${count(snapshots)} since the start`;
}

/** Shows it. @param late milliseconds since it was told */
export function showJournal(node, { journal, durability }, late) {
  if (journal === null) {
    patch(
      node,
      head("Journal", null, GLOSS),
      empty("Nothing is kept on disk: a stop forgets everything."),
    );
    return;
  }
  const { folder, trouble, batches, syncs, since_sync_ms: since } = journal;
  const { bytes: size, snapshot_from: from } = journal;
  const known = [
    trouble !== null && ["Changes are refused", failing(visible(trouble))],
    ["Folder", h("code", {}, visible(folder))],
    ["On disk", `${DURABILITIES[durability]}`],
    ["Waiting", waiting(journal)],
    [
      "Last sync",
      since === null
        ? "none since the start"
        : `${age(since + late)} ago; ${counted(syncs, "sync", "syncs")} of ${counted(batches, "batch", "batches")}`,
    ],
    ["Size", bar(size / from), `${bytes(size)}, next snapshot at ${bytes(from)}`],
    ["Snapshot", snapshot(journal, late)],
  ];
  patch(node, head("Journal", null, GLOSS), facts(known.filter(Boolean)));
}
