// The numbers of a part (the process, its log, a service) as tiles and tables.

import { chart, RATE_MS, rateNow } from "./charts.js";
import { el, mark, say } from "./elements.js";
import { exact, inFull, labelOf, measure } from "./format.js";

/** A headline number: its figure, its chart and, for a counter, the exact total. */
export function tile(part, name, declared) {
  const { kind, unit, about } = declared;
  const key = `${part}.${name}`;
  const label = labelOf(name, declared);
  const [number, unitNode, total] = [el("span"), el("span", { class: "unit" }), el("span")];
  const peak = el("span", { class: "peak" });
  const { node: picture, draw } = chart(key, label, declared, peak);
  const figure = el("p", { class: "figure" }, number, unitNode);
  const isCount = kind === "counter" && unit !== "seconds";
  const exactly = isCount ? total : number;
  mark(exactly, "data-stat", key);
  const foot = el("p", { class: "foot" }, total, peak);
  return {
    node: el("div", { class: "tile" }, el("h3", { title: about }, label), figure, picture, foot),
    update(stats) {
      const value = stats[name];
      const shown = kind === "counter" ? rateNow(key) : value;
      const [digits, shownUnit] = shown === null ? ["–", ""] : measure(declared, shown);
      say(number, digits);
      say(unitNode, shownUnit);
      if (isCount) say(total, inFull(value, unit));
      mark(exactly, "data-value", value);
      mark(figure, "title", `${exact.format(value)} ${unit}`);
      draw();
    },
  };
}

/**
 * A table of numbers, `[name, declared]`; those that rose in the last seconds are marked. With
 * `isTold` each has its sentence, with `isSparse` those that are zero are left out.
 */
function numberTable(part, title, entries, { isTold = false, isSparse = false } = {}) {
  const none = el("p", { class: "empty" }, "None so far.");
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
    mark(number, "data-rises", Date.now() - line.roseAt < RATE_MS ? "" : null);
    node.hidden = isSparse && value === 0;
  };
  const body = el("tbody", {}, ...lines.map(({ node }) => node));
  return {
    node: el("div", {}, el("table", { class: "numbers" }, body), none),
    update({ stats }) {
      for (const line of lines) show(line, stats[line.name]);
      none.hidden = lines.some(({ node }) => !node.hidden);
    },
  };
}

/** A titled table of numbers, below the tiles. */
function block(part, title, entries, options) {
  const { node, update } = numberTable(part, title, entries, options);
  return { node: el("section", {}, el("h3", {}, title), node), update };
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
