// The last forces as bars: how long each was queued, chosen for and with the game, on one scale.

import { h, patch, theirs } from "../../../host/page/dom.js";
import { adverse, empty, head } from "../../../host/page/pieces.js";
import { clock, counted, span } from "../../../host/page/numbers.js";
import { ENDS, REASONS } from "./words.js";

const GLOSS =
  "From the game's question to its result: waiting for a turn, being chosen for, with the game.";
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
  const often = tries > 1 ? `, ${counted(tries, "try", "tries")}` : "";
  const text = ENDS[end] + because + often;
  const words = CALM.has(end) ? h("span", { class: "quiet" }, text) : adverse(text);
  return h("span", { class: "end" }, words);
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
  const sign = (phase) => h("i", { class: phase, "aria-hidden": "true" });
  const legend = PHASES.map((phase) => h("span", {}, sign(phase), phase));
  const ends = [h("span", {}, "0"), h("span", {}, span(longest))];
  const scale = h(
    "div",
    { class: "scale-row", "aria-hidden": "true" },
    h("span", { class: "scale" }, ends),
  );
  const list = () => [
    h(
      "ol",
      { class: "bars" },
      forces.map((one) => row(one, longest)),
    ),
    scale,
  ];
  patch(
    node,
    head("Last forces", h("p", { class: "legend quiet" }, legend), GLOSS),
    forces.length === 0 ? empty("No force has ended yet.") : list(),
  );
}
