// The numbers of a part (the process, its log, a service) as tables.

import { isLeftOver } from "./brought.js";
import { el, mark, say } from "./elements.js";
import { exact, inFull, labelOf } from "./format.js";
import { RATE_MS } from "./series.js";

/**
 * A table of numbers, `[name, declared]`; those that rose in the last seconds are marked. With
 * `isTold` each has its sentence, with `isSparse` those that are zero are left out.
 */
function numberTable(part, title, entries, { isTold = false, isSparse = false } = {}) {
  const lines = entries.map(([name, declared]) => {
    const label = declared.series?.value ?? labelOf(name, declared).replace(title, "").trim();
    const number = el("td", { class: "number", "data-stat": `${part}.${name}` });
    const node = el("tr", {}, el("th", { scope: "row", title: declared.about }, label), number);
    if (isTold) node.append(el("td", { class: "about" }, declared.about));
    return { name, declared, node, number, before: Infinity, roseAt: 0 };
  });
  const show = (line, value) => {
    const { declared, node, number } = line;
    if (declared.kind === "counter" && value > line.before) line.roseAt = Date.now();
    line.before = value;
    say(number, inFull(value, declared.unit));
    mark(number, "data-value", value);
    mark(number, "title", `${exact.format(value)} ${declared.unit}`);
    const rises = declared.adverse ? "adverse" : "";
    mark(number, "data-rises", Date.now() - line.roseAt < RATE_MS ? rises : null);
    node.hidden = isSparse && value === 0;
  };
  const body = el("tbody", {}, ...lines.map(({ node }) => node));
  return {
    node: el("table", { class: "numbers" }, body),
    /** @returns false when nothing of it is shown */
    update({ stats }) {
      for (const line of lines) show(line, stats[line.name]);
      return lines.some(({ node }) => !node.hidden);
    },
  };
}

/** A titled table of numbers, below the tiles. */
function block(part, title, entries, options) {
  const { node, update } = numberTable(part, title, entries, options);
  const section = el("section", { class: "block" }, el("h2", {}, title), node);
  return {
    node: section,
    update(told) {
      const isShown = update(told);
      // What has not happened yet takes no room, nor does what stands in the panel.
      section.hidden = !isShown || !isLeftOver(part, "groups", title);
    },
  };
}

/** A table for each group of numbers, and one for each series of others. */
export function groupBlocks(part, declared) {
  const blocks = (titleOf, options) => {
    const groups = Map.groupBy(Object.entries(declared), ([, one]) => titleOf(one));
    groups.delete(undefined);
    return [...groups].map(([title, entries]) => block(part, title, entries, options));
  };
  const seriesTitle = ({ series, group }) => {
    if (!series || group) return undefined;
    return `${series.name.replaceAll("_", " ")}${series.of ? ` of ${series.of.value}` : ""} by ${series.label}`;
  };
  return [...blocks(({ group }) => group), ...blocks(seriesTitle, { isSparse: true })];
}

/** Every number of a part with its sentence, folded away at first. */
export function allNumbers(part, declared) {
  const entries = Object.entries(declared).filter(([, { series }]) => !series);
  const { node, update } = numberTable(part, "", entries, { isTold: true });
  return { node: el("details", {}, el("summary", {}, "All numbers"), node), update };
}
