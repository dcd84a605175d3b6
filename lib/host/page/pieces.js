// What several parts of a panel are made of.

import { h, make } from "./dom.js";

/** The head of a part: its title, a note beside it, and a sentence for whoever has not met the word. */
export function head(title, note, gloss) {
  const heading = h("h3", { tabindex: -1 }, title);
  const beside =
    typeof note === "string" || Array.isArray(note) ? h("span", { class: "quiet" }, note) : note;
  return [h("header", {}, heading, beside), h("p", { class: "gloss" }, gloss)];
}

/** A list that scrolls in a box of its own; the keyboard gets there too. */
export function box(name, kind, items) {
  const region = {
    class: `box ${kind}`,
    tabindex: 0,
    role: "region",
    "aria-label": name,
    key: kind,
  };
  return h("div", region, h("ol", {}, items));
}

/** So long is a text that its box scrolls. */
const [LONG, MANY_LINES] = [300, 4];

/** Attributes of a text in a box that scrolls once it is long: then the keyboard gets there too. */
export function scrolling(text, name) {
  const isLong = text.length > LONG || text.split("\n", MANY_LINES + 1).length > MANY_LINES;
  return isLong ? { tabindex: 0, role: "region", "aria-label": name } : {};
}

/** Words for something adverse, with a sign that needs no colour. */
export function adverse(...words) {
  return h(
    "span",
    { class: "adverse" },
    h("span", { class: "glyph", "aria-hidden": "true" }, "▲"),
    words,
  );
}

/** Words for something that has failed. */
export function failing(...words) {
  return h(
    "span",
    { class: "bad" },
    h("span", { class: "glyph", "aria-hidden": "true" }, "■"),
    words,
  );
}

/** Something adverse as a line of its own. */
export function warning(key, ...words) {
  const sign = h("span", { class: "glyph", "aria-hidden": "true" }, "▲");
  return h("p", { class: "adverse-line", key }, sign, words);
}

export const empty = (...words) => h("p", { class: "empty", key: "empty" }, words);

/** Buttons of which one is pressed. @param options each a value and its label */
export function choice(name, options, chosen, choose) {
  const button = ([value, label]) => {
    const attributes = { type: "button", "aria-pressed": String(value === chosen) };
    return h("button", { ...attributes, onclick: () => choose(value) }, label);
  };
  return h("div", { class: "switch", role: "group", "aria-label": name }, options.map(button));
}

/** The element of a part, which stays while what is in it changes. */
export const part = (name) => make(h("section", { "data-of": name }));

/** Words with their meanings, in a box that opens. */
export function glossary(meanings) {
  const word = ([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text));
  const words = h("dl", {}, meanings.map(word));
  return make(
    h("details", { class: "glossary" }, h("summary", {}, "What these words mean"), words),
  );
}

/** A list of facts: names with what is to be said of them. */
export function facts(all, key = "facts") {
  const fact = ([name, ...value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  return h("dl", { class: "known", key }, all.map(fact));
}

/** A column of a table: its head and what is in it, with `{ number, drop }` of which `drop` says how soon narrow panels go without it. */
function cellOf(row) {
  return ([, of, { number = false, drop = null } = {}], at) => {
    const attributes = { class: number ? "number" : null, "data-drop": drop };
    return at === 0
      ? h("th", { scope: "row", ...attributes }, of(row))
      : h("td", attributes, of(row));
  };
}

/**
 * A table. @param columns each `[head, cell(row), options]`; the cell of the first one names the row
 * @param keyOf the key of a row
 */
export function table(name, columns, rows, keyOf) {
  const headOf = ([title, , { number = false, drop = null } = {}]) =>
    h("th", { scope: "col", class: number ? "number" : null, "data-drop": drop }, title);
  const line = (row) => h("tr", { key: keyOf(row) }, columns.map(cellOf(row)));
  return h(
    "table",
    { class: "list", key: `table ${name}`, "aria-label": name },
    h("thead", {}, h("tr", {}, columns.map(headOf))),
    h("tbody", {}, rows.map(line)),
  );
}

/** A number that is quiet when it is nothing, or null. */
export const quiet = (value, shown) =>
  !value ? h("span", { class: "quiet" }, shown) : h("span", {}, shown);

/** A bar that is filled by a share. */
export const bar = (share, isAdverse = false) =>
  h("span", {
    class: isAdverse ? "bar adverse" : "bar",
    "aria-hidden": "true",
    style: { "--share": Math.min(1, Math.max(0, share)).toFixed(3) },
  });

/** Buttons for the pages of a list; nothing where there is one page. @param words where one is */
export function pager(words, { before, after }) {
  if (!before && !after)
    return words !== "" && h("p", { class: "quiet pages", key: "pages" }, words);
  const turn = (label, of, run) => {
    const attributes = { type: "button", "data-of": of, "aria-disabled": run ? null : "true" };
    return h("button", { ...attributes, onclick: run || null }, label);
  };
  return h(
    "p",
    { class: "pages", key: "pages" },
    h("span", { class: "quiet" }, words),
    turn("Before", "before", before),
    turn("After", "after", after),
  );
}
