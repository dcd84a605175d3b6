// The force in play: what the game asks for, and how far it has got.

import { h, patch, theirs, visible } from "../../../host/page/dom.js";
import { markdown } from "./markdown.js";
import { empty, head, scrolling, warning } from "../../../host/page/pieces.js";
import { age, counted, span } from "../../../host/page/numbers.js";
import { PRIORITIES } from "./words.js";

/** So many names are listed. */
const LISTED = 20;

const STATES = ["queued", "choosing", "sent", "end"];
const ABOUT = {
  queued: "It waits for its turn.",
  choosing: "The brain has been asked and has not chosen yet.",
  asked: "It waits for a person to choose one of these actions.",
  sent: "The action is with the game, which has not said yet whether it was valid.",
};
const GLOSS = "A force is the game asking: choose one of these actions now.";
const EPHEMERAL = "ephemeral: what it says is forgotten once it has ended";
const LASTING = "not ephemeral: what it says stays in the context";
const NONE =
  "No force. The game asks for an action when it needs one; until then, one can be sent below unasked.";

/** The states as steps of a path, each with the time spent there, tries taken together. */
function path({ steps }) {
  const spent = {};
  for (const [state, ms] of steps) spent[state] = (spent[state] ?? 0) + ms;
  const [here] = steps.at(-1);
  const at = STATES.indexOf(here);
  const step = (state, i) => {
    const time =
      spent[state] !== undefined && h("span", { class: "quiet" }, ` ${span(spent[state])}`);
    const done = i < at && h("span", { class: "done" }, h("span", { "aria-hidden": "true" }, "✓ "));
    const kind = i < at ? "past" : i === at ? "here" : "";
    return h("li", { class: kind, "aria-current": i === at ? "step" : null }, done, state, time);
  };
  return h("ol", { class: "states", "aria-label": "How far the force is" }, STATES.map(step));
}

function failure({ failures }) {
  const last = failures.at(-1);
  if (!last) return null;
  const { name, message } = last;
  const said = message === "" ? "for a reason that was not told." : `“${visible(message)}”`;
  return warning("failure", "Before, ", h("code", {}, theirs(name)), " came to nothing: ", said);
}

/** The state that was described last: it may be long, and stays the same for as long as a force does. */
let described = { text: null, blocks: [] };

function stateBox({ key, state, state_cut: isCut }) {
  if (state === null) return null;
  if (described.text !== state) described = { text: state, blocks: markdown(state) };
  const box = { class: "markdown box", tabindex: 0, role: "region", "aria-label": "State" };
  return h(
    "details",
    { class: "state", open: true, key: `state ${key}` },
    h("summary", {}, "State, as the game tells it"),
    h("div", { ...box, dir: "auto" }, described.blocks),
    isCut && h("p", { class: "quiet" }, "This is its beginning; the rest is left out here."),
  );
}

function mayChoose({ names, more }, choose) {
  const chip = (name) => {
    const attributes = { type: "button", class: "chip", onclick: () => choose(name) };
    return h("li", { key: name }, h("button", attributes, theirs(name)));
  };
  const others = Math.max(0, names.length - LISTED) + more;
  const list = [
    names.slice(0, LISTED).map(chip),
    others > 0 && h("li", { class: "quiet" }, `and ${counted(others, "other")}`),
  ];
  const label = h("span", { id: "neuro-may" }, "May choose");
  return h("div", { class: "may" }, label, h("ul", { "aria-labelledby": "neuro-may" }, list));
}

function inPlay(force, { choose, isAsked }) {
  const { query, priority, ephemeral } = force;
  const [here] = force.steps.at(-1);
  return [
    h("p", { class: "query", dir: "auto", ...scrolling(query, "Query") }, visible(query)),
    path(force),
    h("p", { class: "gloss" }, ABOUT[isAsked ? "asked" : here]),
    failure(force),
    mayChoose(force, choose),
    h(
      "ul",
      { class: "gloss manners" },
      h("li", {}, PRIORITIES[priority]),
      h("li", {}, ephemeral ? EPHEMERAL : LASTING),
    ),
    stateBox(force),
  ];
}

/**
 * Shows the force in play of a game.
 * @param force null when there is none
 * @param play `choose(name)` is called for an action of the force that a person wants to look at;
 *   `isAsked` while it is a person who has to choose
 */
export function showForce(node, force, play) {
  const tries = force?.tries > 1 && ` · try ${force.tries} of ${force.most_tries}`;
  const note = force ? [`${force.priority} priority · ${age(force.age_ms)} old`, tries] : "";
  patch(node, head("Force in play", note, GLOSS), force ? inPlay(force, play) : empty(NONE));
}
