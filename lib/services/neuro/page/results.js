// The actions that were sent, and what the game said of each.

import { h, patch, theirs, visible } from "../../../host/page/dom.js";
import { adverse, box, empty, head, scrolling } from "../../../host/page/pieces.js";
import { clock, span } from "../../../host/page/numbers.js";

const GLOSS =
  "The game says of each action whether it was valid, right after checking it. After a failure, a force is chosen for again.";
const HOW = {
  "timed out": "no result in time",
  startup: "the game began anew",
  disconnect: "the game left",
};

function outcome({ state, success, ms }) {
  const after = `after ${span(ms)}`;
  if (state === "waiting")
    return h("span", { class: "waiting" }, `waiting for its result, ${span(ms)}`);
  if (state !== "answered") return adverse(HOW[state]);
  return success ? h("span", { class: "quiet" }, `succeeded ${after}`) : adverse(`failed ${after}`);
}

function row(one) {
  const data = one.data !== null && h("code", { class: "data" }, visible(one.data));
  const how = one.forced ? "asked for by a force" : "sent unasked";
  return h(
    "li",
    { key: one.key },
    h(
      "p",
      {},
      h("time", {}, clock(one.at)),
      " ",
      h("code", { class: "what" }, theirs(one.name)),
      " ",
      outcome(one),
      h("span", { class: "quiet" }, ` · ${how}`),
    ),
    data && h("p", { class: "sent", ...scrolling(one.data ?? "", "Data") }, data),
    one.message !== "" && h("p", { dir: "auto", class: "said" }, visible(one.message)),
  );
}

/** Shows the actions that were sent, the newest first; those that wait for their result too. */
export function showResults(node, results) {
  const list = () => box("Results", "results", results.map(row));
  patch(
    node,
    head("Results", "the newest first", GLOSS),
    results.length === 0 ? empty("No action has been sent yet.") : list(),
  );
}
