// What the developer of the game should know: each fault once, with how often, and what to do.

import { h, patch, visible } from "../../../host/page/dom.js";
import { choice, empty, head } from "../../../host/page/pieces.js";
import { clock, count } from "../../../host/page/numbers.js";

const SIGNS = { error: "■", warning: "▲", info: "" };
const WORDS = { error: "error", warning: "warning", info: "note" };
const LEVELS = {
  info: { label: "all", severities: ["error", "warning", "info"] },
  warning: { label: "warnings and errors", severities: ["error", "warning"] },
  error: { label: "errors", severities: ["error"] },
};
const GLOSS =
  "What the game did that the protocol does not foresee, and what its developer does about it. The game itself is not told.";
const NONE = "Nothing to say: the game has done all by the protocol.";
/** So many are shown at first. */
const FIRST = 20;

function entry({ code, severity, times, first_at: first, last_at: last, text, cure }) {
  const sign =
    SIGNS[severity] !== "" && h("span", { class: "glyph", "aria-hidden": "true" }, SIGNS[severity]);
  const often =
    times === 1
      ? `once, at ${clock(last)}`
      : `${count(times)} times, ${clock(first)} to ${clock(last)}`;
  return h(
    "li",
    { key: `${code} ${text}` },
    h(
      "p",
      {},
      h("code", {}, code),
      " ",
      h("span", { class: severity }, sign, WORDS[severity]),
      h("span", { class: "quiet" }, ` ${often}`),
    ),
    h("p", { dir: "auto" }, visible(text)),
    h("p", { class: "cure" }, h("b", {}, "Cure: "), visible(cure)),
  );
}

/**
 * Shows what the game's developer is told, the last first.
 * @param shown `all` once all of them were asked for; `level`, the least severity
 * @param acts `showAll()`, `level(severity)`
 */
export function showDiagnostics(node, reports, { all, level }, acts) {
  const wanted = LEVELS[level].severities;
  const matching = reports.filter(({ severity }) => wanted.includes(severity));
  const listed = all ? matching : matching.slice(0, FIRST);
  const more = matching.length - listed.length;
  const levels = () =>
    choice(
      "Which diagnostics are shown",
      Object.entries(LEVELS).map(([value, { label }]) => [value, label]),
      level,
      acts.level,
    );
  patch(
    node,
    head("Diagnostics", reports.length > 0 && levels(), GLOSS),
    matching.length === 0
      ? empty(reports.length === 0 ? NONE : "None of these.")
      : h("ul", { class: "diagnostics" }, listed.map(entry)),
    more > 0 &&
      h(
        "button",
        { type: "button", onclick: acts.showAll, key: "more" },
        `Show ${count(more)} more`,
      ),
  );
}
