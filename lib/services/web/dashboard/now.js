// What is wrong now, the worst first: in a sentence, since when, and the way to what is behind it.

import { $, el, keyedRows, mark, say } from "./elements.js";
import { clock, duration, spoken } from "./format.js";
import { addressOf, glyphOf, titleOf } from "./places.js";

const UNKNOWN = "What is wrong now is not known: the server does not answer.";
const WORDS = { failing: "Failing", warning: "Warning", note: "Note" };

/** How many things are wrong: notes are not. */
export const wrongOf = (problems) => problems.filter(({ severity }) => severity !== "note");

/** The worst severity of a part's problems, or null. */
export const worstOf = (problems, part) =>
  wrongOf(problems).find((problem) => problem.part === part)?.severity ?? null;

/** The failures that were there at the last look, by part and key; null before the first. */
let failures = null;

/** Tells whoever does not see the page of each new failure, once. */
export function tellFailures(problems) {
  const now = new Map();
  for (const { severity, part, key, text } of problems) {
    if (severity === "failing") now.set(`${part} ${key}`, `${part} fails: ${text}`);
  }
  const fresh = [...now.keys()].filter((key) => failures !== null && !failures.has(key));
  if (fresh.length > 0) say($("told"), fresh.map((key) => now.get(key)).join(" "));
  failures = new Set(now.keys());
}

function linkOf({ part, client, setting }) {
  if (client !== undefined) {
    return [addressOf("clients", { client: `${part}/${client}` }), "Client"];
  }
  return [addressOf(part), setting ?? titleOf(part)];
}

function row() {
  const [severity, part, text, since] = [el("span"), el("b"), el("span"), el("span")];
  const link = el("a");
  const node = el("li", {}, severity, part, text, since, link);
  for (const [one, name] of [
    [severity, "severity"],
    [text, "what"],
    [since, "since quiet"],
  ]) {
    mark(one, "class", name);
  }
  return {
    node,
    update(problem) {
      if (node.dataset.severity !== problem.severity) {
        severity.replaceChildren(glyphOf(problem.severity), WORDS[problem.severity]);
      }
      mark(node, "data-severity", problem.severity);
      say(part, problem.part);
      say(text, problem.text);
      const { at, since: from } = problem;
      const isKnown = from !== null;
      say(since, isKnown ? spoken(duration(Math.max(0, Math.floor((at - from) / 1000)))) : "");
      mark(since, "title", isKnown ? `since ${clock(from)}` : null);
      const [href, label] = linkOf(problem);
      mark(link, "href", href);
      say(link, `${label} ›`);
      mark(link, "aria-label", `${label}, of ${problem.part}: ${problem.text}`);
      // A link to where one is leads nowhere.
      link.hidden = problem.isHere && problem.client === undefined;
    },
  };
}

/**
 * A list of problems. @param part of which part alone; null for all of them, and then it says so when nothing is wrong
 */
export function problemList(part = null) {
  const list = el("ul", { class: "problems", role: "list" });
  const [sign, what, before] = [el("span"), el("span"), el("span", { class: "quiet" })];
  const none = el("p", { class: "nothing" }, sign, what, before);
  const rows = keyedRows(list, row, () => list.closest(".place").querySelector("h1"));
  return {
    node: el("div", { class: "now" }, list, none),
    /** `at`: the server's time; `isLost`: what is wrong now is not known. */
    update(problems, at, isLost) {
      const shown = problems.filter((problem) => part === null || problem.part === part);
      const items = isLost
        ? []
        : shown.map((problem) => [
            `${problem.part} ${problem.key}`,
            { ...problem, at, isHere: part !== null },
          ]);
      rows.show(new Map(items));
      list.hidden = items.length === 0;
      none.hidden = isLost ? part !== null : part !== null || wrongOf(problems).length > 0;
      if (sign.dataset.lost !== String(isLost)) {
        sign.replaceChildren(glyphOf(isLost ? "gone" : "ok"));
      }
      mark(sign, "data-lost", isLost);
      say(what, isLost ? UNKNOWN : "Nothing is wrong.");
      const wrong = wrongOf(problems).length;
      const things =
        wrong === 0 ? "nothing was" : wrong === 1 ? "1 thing was" : `${wrong} things were`;
      say(before, isLost ? ` At ${clock(at)} ${things} wrong.` : "");
    },
  };
}
