// The last forces as bars: how long each was queued, chosen for and with the game, on one scale.

import { h, patch, theirs } from "./dom.js";
import { clock, counted, ENDS, REASONS, span } from "./words.js";

const PHASES = ["queued", "choosing", "sent"];
/** How a force may end without anybody having done anything wrong. */
const CALM = new Set(["succeeded", "replaced"]);

const lengthOf = ({ steps }) => steps.reduce((sum, [, ms]) => sum + ms, 0);

/** The time in each phase, in words. */
function told({ steps }) {
  const spent = PHASES.map((phase) => {
    const all = steps.filter(([state]) => state === phase);
    return all.length > 0 && `${phase} ${span(all.reduce((sum, [, ms]) => sum + ms, 0))}`;
  });
  return spent.filter(Boolean).join(", ");
}

function ending({ end, why, tries }) {
  const because = why === null ? "" : `: ${REASONS[why] ?? why}`;
  const text = `${ENDS[end]}${because}${tries > 1 ? `, ${counted(tries, "try", "tries")}` : ""}`;
  if (CALM.has(end)) return h("span", { class: "end quiet" }, text);
  return h(
    "span",
    { class: "end adverse" },
    h("span", { class: "glyph", "aria-hidden": "true" }, "▲"),
    text,
  );
}

function bar(force, longest) {
  const parts = force.steps.map(([state, ms]) => {
    const width = `${((ms / longest) * 100).toFixed(2)}%`;
    return h("i", { class: state, style: { width } });
  });
  return h(
    "span",
    { class: "phases", role: "img", "aria-label": told(force), title: told(force) },
    parts,
  );
}

function row(force, longest) {
  const name =
    force.name === null
      ? h("span", { class: "quiet" }, "no action")
      : h("code", {}, theirs(force.name));
  return h(
    "li",
    { key: force.key },
    h("time", {}, clock(force.at)),
    name,
    bar(force, longest),
    h("span", { class: "number" }, span(lengthOf(force))),
    ending(force),
  );
}

/** Shows forces that have ended, the newest first. */
export function showBars(node, forces) {
  const longest = Math.max(1, ...forces.map(lengthOf));
  const key = PHASES.map((phase) =>
    h("span", { class: "key" }, h("i", { class: phase, "aria-hidden": "true" }), phase),
  );
  const scale = h(
    "span",
    { class: "scale", "aria-hidden": "true" },
    h("span", {}, "0"),
    h("span", {}, span(longest)),
  );
  patch(
    node,
    h(
      "header",
      {},
      h("h3", { tabindex: -1 }, "Last forces"),
      h("p", { class: "legend quiet" }, key),
    ),
    h(
      "p",
      { class: "gloss" },
      "From the game's question to its result: waiting for a turn, being chosen for, with the game.",
    ),
    forces.length === 0
      ? h("p", { class: "empty" }, "No force has ended yet.")
      : [
          h(
            "ol",
            { class: "bars" },
            forces.map((force) => row(force, longest)),
            h("li", { class: "scale-row", "aria-hidden": "true", key: "scale" }, scale),
          ),
        ],
  );
}
