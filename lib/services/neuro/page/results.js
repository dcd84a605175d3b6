// The actions that were sent, and what the game said of each.

import { h, patch, theirs, visible } from "./dom.js";
import { clock, span } from "./words.js";

const HOW = {
  "timed out": "no result in time",
  startup: "the game began anew",
  disconnect: "the game left",
};

function outcome({ state, success, ms }) {
  if (state === "waiting")
    return h("span", { class: "waiting" }, `waiting for its result, ${span(ms)}`);
  if (state === "answered" && success)
    return h("span", { class: "quiet" }, `succeeded after ${span(ms)}`);
  const what = state === "answered" ? `failed after ${span(ms)}` : HOW[state];
  return h(
    "span",
    { class: "adverse" },
    h("span", { class: "glyph", "aria-hidden": "true" }, "▲"),
    what,
  );
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
    data && h("p", { class: "sent" }, data),
    one.message !== "" && h("p", { dir: "auto", class: "said" }, visible(one.message)),
  );
}

/** Shows the actions that were sent, the newest first; those that wait for their result too. */
export function showResults(node, results) {
  patch(
    node,
    h(
      "header",
      {},
      h("h3", { tabindex: -1 }, "Results"),
      h("span", { class: "quiet" }, "the newest first"),
    ),
    h(
      "p",
      { class: "gloss" },
      "The game says of each action whether it was valid, right after checking it. After a failure, a force is chosen for again.",
    ),
    results.length === 0
      ? h("p", { class: "empty" }, "No action has been sent yet.")
      : h(
          "ol",
          { class: "results box", tabindex: 0, role: "region", "aria-label": "Results" },
          results.map(row),
        ),
  );
}
