// The tables of a service: the largest of things that it holds many of, such as channels.

import { el, keyedRows, mark, say } from "./elements.js";
import { exact, inFull } from "./format.js";

/** The block of a table; the numbers of its rows come with `update`. */
export function tableBlock(name, { about, columns }) {
  // `lines` in lines/s are `lines/s`.
  const headOf = ({ name: head, unit }) => (unit === `${head}/s` ? unit : head);
  const heads = columns.map((column) =>
    el("th", { scope: "col", class: "number" }, headOf(column)),
  );
  const nameHead = el("th", { scope: "col", title: about }, name);
  const head = el("thead", {}, el("tr", {}, nameHead, ...heads));
  const body = el("tbody");
  const table = el("table", { class: "numbers" }, head, body);
  const box = el("div", { class: "scroll", role: "region", "aria-label": name }, table);
  const [none, more] = [el("p", { class: "empty" }, "None."), el("p", { class: "more quiet" })];
  const title = el("h2", { class: "unseen" }, name);
  const node = el("section", { "data-table": name }, title, box, none, more);
  const lines = keyedRows(
    body,
    () => line(columns),
    () => node.closest(".place").querySelector("h1"),
  );
  return {
    node,
    update({ rows, more: rest, partial }) {
      lines.show(byName(rows));
      none.hidden = rows.length > 0;
      more.hidden = rest === 0;
      const [shown, all] = [rows.length, rows.length + rest].map((one) => exact.format(one));
      const seen = `The largest ${shown} of ${all}`;
      say(more, partial ? `${seen} that were looked at; there are more.` : `${seen}.`);
      // By the keyboard a box scrolls only with the focus, so a box that scrolls must take it.
      mark(box, "tabindex", box.scrollHeight > box.clientHeight ? 0 : null);
    },
  };
}

/** Rows by their names, with the place added to a second of the same name: names may be cut short. */
function byName(rows) {
  const named = new Map();
  for (const [place, row] of rows.entries()) {
    named.set(named.has(row[0]) ? `${row[0]} (${place})` : row[0], row);
  }
  return named;
}

function line(columns) {
  const name = el("span");
  const cells = columns.map(() => el("td", { class: "number" }));
  return {
    node: el("tr", {}, el("th", { scope: "row" }, name), ...cells),
    update([text, ...values]) {
      say(name, text);
      mark(name, "title", text);
      for (const [at, value] of values.entries()) {
        const { unit } = columns[at];
        say(cells[at], inFull(value, unit));
        mark(cells[at], "data-value", value);
        mark(cells[at], "title", `${exact.format(value)} ${unit}`);
      }
    },
  };
}
