// What the developer of the game should know: each fault once, with how often, and what to do.

import { h, patch, visible } from "./dom.js";
import { clock, count, counted } from "./words.js";

const SIGNS = { error: "■", warning: "▲", info: "" };
const WORDS = { error: "error", warning: "warning", info: "note" };
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
  const wanted = { error: ["error"], warning: ["error", "warning"] }[level];
  const matching = wanted ? reports.filter(({ severity }) => wanted.includes(severity)) : reports;
  const listed = all ? matching : matching.slice(0, FIRST);
  const option = (value, label) =>
    h(
      "button",
      { type: "button", "aria-pressed": String(level === value), onclick: () => acts.level(value) },
      label,
    );
  const isEmpty = reports.length === 0;
  const more = matching.length - listed.length;
  patch(
    node,
    h(
      "header",
      {},
      h("h3", { tabindex: -1 }, "Diagnostics"),
      !isEmpty &&
        h(
          "div",
          { class: "switch", role: "group", "aria-label": "Which diagnostics are shown" },
          option("info", "all"),
          option("warning", "warnings and errors"),
          option("error", "errors"),
        ),
    ),
    h(
      "p",
      { class: "gloss" },
      "What the game did that the protocol does not foresee, and what its developer does about it. The game itself is not told.",
    ),
    isEmpty
      ? h("p", { class: "empty" }, "Nothing to say: the game has done all by the protocol.")
      : matching.length === 0
        ? h("p", { class: "empty" }, "None of these.")
        : h("ul", { class: "diagnostics" }, listed.map(entry)),
    more > 0 &&
      h(
        "button",
        { type: "button", onclick: acts.showAll, key: "more" },
        `Show ${counted(more, "more", "more")}`,
      ),
  );
}
